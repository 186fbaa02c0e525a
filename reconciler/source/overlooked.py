"""What lies beside manifests and is not read: passed over because it is none, or an error.

A manifest that is not read looks like one that has gone, and so its snapshots would be let go.
"""

import re
from collections.abc import Collection
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.manifest_file import is_manifest_path

#: Bytes of a file that tell what it is.
HEAD_BYTES = 64 * 1024
_YAML = frozenset({"yaml", "yml"})
_TEMPLATES = frozenset({"j2", "jinja", "jinja2"})
#: How editors and merges end the name of what was there before.
_COPY = re.compile(r"~|\.[^.]+")
_BEFORE_CONTENT = re.compile(r"\ufeff|\s+|#.*|---(?=\s)|%YAML.*|\{(?!%|\{)")
_KEY = re.compile(r"""["']?(apiVersion|kind|metadata|spec)["']?\s*:""")
_OURS = re.compile(r"""["']?apiVersion["']?\s*:\s*["']?virtsnap/""")
_POINTER = b"version https://git-lfs.github.com/spec/"


def demand_no_manifest(path: str, name: str, beside: Collection[str], head: bytes) -> None:
    """``SourceError`` when *path*, which is not read because of its *name*, seems to be a manifest.

    *beside* are the names in its folder; *head* is how its content begins.
    """
    if _is_named_like_one(name):
        if not any(
            is_manifest_path(other) and _COPY.fullmatch(name.removeprefix(other))
            for other in beside
            if name.startswith(other)
        ):
            raise _not_read(path, "no manifest has a name that ends like that")
    elif _begins_like_one(head):
        raise _not_read(path, "it is a manifest by its content, and not by its name")


def demand_content(path: str, text: bytes) -> None:
    """``SourceError`` when a manifest is only a pointer to where its content is."""
    if text.startswith(_POINTER):
        raise SourceError(
            f"cannot read {path}: it is a Git LFS pointer, and the file itself is not here",
            hint="git lfs pull in a folder that is checked out; in a repository keep manifests out"
            " of LFS: git lfs migrate export --include='*.yaml'",
        )


def is_worth_reading(name: str) -> bool:
    """Whether something by this *name*, out of reach, may have been a manifest."""
    return is_manifest_path(name) or _is_named_like_one(name)


def _not_read(path: str, why: str) -> SourceError:
    return SourceError(
        f"cannot read {path}: {why}",
        hint=f"a manifest ends in .yaml, .yml, .yaml.j2 or .yml.j2; if it is none: mv {quote(path)}"
        " to another folder",
    )


def _is_named_like_one(name: str) -> bool:
    """``web01.YAML``, ``web01.yaml.gz``, ``web01.yaml.off``, ``web01.j2``."""
    parts = [part.rstrip("~") for part in name.lower().split(".")[1:]]
    return any(part in _YAML for part in parts) or parts[-1:] in [[t] for t in _TEMPLATES]


def _begins_like_one(head: bytes) -> bool:
    """The first thing in it is a key of ours: so is no page that shows a manifest, and no program."""
    text = head.decode("utf-8", errors="replace")
    at = 0
    while found := _BEFORE_CONTENT.match(text, at):
        at = found.end()
    return _KEY.match(text, at) is not None and _OURS.search(text, at) is not None
