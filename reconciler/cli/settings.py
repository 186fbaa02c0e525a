"""The config files: one key an option, later files win."""

import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from reconciler.errors import UsageError, VirtsnapError

#: Keys that no option has.
EXTRA_KEYS = ("state_dir", "runtime_dir", "source")

SYSTEM_FILE = Path("/etc/virtsnap/virtsnap.yaml")


def config_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where config files may be, the system's first."""
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '~'}/.config"
    return (SYSTEM_FILE, Path(home).expanduser() / "virtsnap" / "virtsnap.yaml")


def read_settings(files: Collection[Path], *, known: Collection[str]) -> dict[str, Any]:
    """All settings, keys with ``_``; a file that does not exist is nothing."""
    settings: dict[str, Any] = {}
    for file in files:
        settings |= _read(file, known)
    return settings


def split_source(settings: dict[str, Any]) -> dict[str, Any]:
    """`source` is where manifests come from, or a mapping that says also what they are known by.

    Afterwards it is the first, and ``source_id`` the second.
    """
    source = settings.get("source")
    if source is None or isinstance(source, str):
        return settings
    if not isinstance(source, dict) or not source or set(source) - {"id", "url"}:
        raise UsageError(
            "cannot use the config file: `source` must be a URL or path, or a mapping with `id`"
            " and `url`"
        )
    others = {key: value for key, value in settings.items() if key != "source"}
    split = {"source": source.get("url"), "source_id": source.get("id")}
    return others | {key: str(value) for key, value in split.items() if value is not None}


def _read(file: Path, known: Collection[str]) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is not UTF-8"
        raise VirtsnapError(
            f"cannot read {file}: {cause}", hint=f"ls -l {quote(str(file))}"
        ) from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        cause = getattr(error, "problem", None) or "it is not YAML"
        raise VirtsnapError(f"cannot read {file}{where}: {cause}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise VirtsnapError(f"cannot use {file}: it must be a mapping of option names")
    return {_checked(str(key), file, known): value for key, value in data.items()}


def _checked(key: str, file: Path, known: Collection[str]) -> str:
    name = key.replace("-", "_")
    names = sorted({*known, *EXTRA_KEYS})
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    meant = f" (did you mean {near[0].replace('_', '-')!r}?)" if near else ""
    raise VirtsnapError(
        f"cannot use {file}: unknown key {key!r}{meant}",
        hint="keys are the names of options: virtsnap --help",
    )
