"""The revision of a folder that lies in a git work tree."""

import os
from pathlib import Path

from git import GitError, Repo


def revision_of(location: Path) -> str | None:
    """The revision checked out, with ``-dirty`` when what is in *location* is not all of it.

    None outside of git, before the first revision, and when git will not say.
    """
    try:
        with Repo(location.resolve(), search_parent_directories=True) as repository:
            if repository.bare:
                return None
            # Looking must not write the index anew.
            repository.git.update_environment(GIT_OPTIONAL_LOCKS="0")
            if "GIT_DIR" in os.environ:
                # A hook that starts us has this set for its own repository.  Set, it switches off
                # git's look at who owns the repository (git status may run what that one asks for).
                repository.git.update_environment(
                    GIT_DIR=str(repository.git_dir),
                    GIT_WORK_TREE=str(repository.working_tree_dir),
                )
            revision = str(repository.git.rev_parse("--verify", "HEAD^{commit}"))
            changes = repository.git.status(
                "--porcelain", "--untracked-files=all", "--", str(location.resolve())
            )
    except (GitError, OSError, ValueError):
        return None
    return f"{revision}-dirty" if changes else revision
