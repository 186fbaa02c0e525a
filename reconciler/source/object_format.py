"""In which format a repository keeps its objects and refs, where that is another than the usual."""

from configparser import Error
from pathlib import Path
from shlex import quote

from git import GitConfigParser

from reconciler.errors import SourceError


def uses_sha256(git_folder: Path) -> bool:
    """Its objects are named by SHA-256."""
    return _extension(git_folder, "objectformat", usual="sha1") == "sha256"


def demand_known_format(path: Path, git_folder: Path) -> None:
    """``SourceError`` for a repository that would look damaged or empty to us."""
    objects = _extension(git_folder, "objectformat", usual="sha1")
    refs = _extension(git_folder, "refstorage", usual="files")
    if objects == "sha1" and refs == "files":
        return
    words = f"its objects are named by {objects.upper().replace('SHA', 'SHA-')}"
    if objects == "sha1":
        words = f"its refs are kept as {refs}"
    raise SourceError(
        f"cannot read {path}: {words}, which virtsnap cannot read",
        hint="check it out, and name the folder with its manifests: virtsnap run --manifests"
        f" {quote(str(path / 'manifests'))}",
    )


def _extension(git_folder: Path, name: str, *, usual: str) -> str:
    """What ``extensions.<name>`` is set to in the repository's own config."""
    common = git_folder / "commondir"
    if common.is_file():
        git_folder = git_folder / common.read_text(errors="surrogateescape").strip()
    config = git_folder / "config"
    if not config.is_file():
        return usual
    try:
        # git takes extensions from this file only, not from those that it includes.
        with GitConfigParser(str(config), read_only=True, merge_includes=False) as found:
            extensions = [s for s in found.sections() if s.lower() == "extensions"]
            options = [option for section in extensions for option in found.items(section)]
    except (Error, OSError, ValueError) as error:
        raise SourceError(
            f"cannot read {config}: git could not either",
            hint=f"git config --file {quote(str(config))} --list",
        ) from error
    return next((str(value).lower() for key, value in options if key.lower() == name), usual)
