"""A git repository to read from, made by git itself."""

import os
import subprocess
from pathlib import Path

MANIFEST = """\
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {name: web01}
spec: {snapshots: []}
"""


def git(repository: Path, *arguments: str) -> str:
    """Run git in *repository*, the same everywhere."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ann@example.org" for who in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", *arguments], cwd=repository, env=environment, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def make_repository(path: Path) -> Path:
    """An empty repository with a branch ``main``."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    return path


def commit(repository: Path, files: dict[str, str]) -> str:
    """Write *files* and commit all that is there; the new revision."""
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "--allow-empty", "-m", "manifests")
    return git(repository, "rev-parse", "HEAD")
