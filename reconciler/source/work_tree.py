"""The revision of a folder that lies in a git work tree."""

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
            repository.git.update_environment(
                GIT_DIR=repository.git_dir,
                GIT_WORK_TREE=str(repository.working_tree_dir),
                # Looking must not write the index anew.
                GIT_OPTIONAL_LOCKS="0",
            )
            revision = str(repository.git.rev_parse("--verify", "HEAD^{commit}"))
            changes = repository.git.status(
                "--porcelain", "--untracked-files=all", "--", str(location.resolve())
            )
    except (GitError, OSError, ValueError):
        return None
    return f"{revision}-dirty" if changes else revision
