"""A backing file name taken apart as QEMU does: plain, with a protocol, or ``json:{…}``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

_PREFIXES = ("file:", "host_device:")
_FILE_DRIVERS = ("file", "host_device")
#: options that change how a file is read, not which bytes of which file
_HARMLESS = frozenset(
    {
        "aio",
        "auto-read-only",
        "cache",
        "detect-zeroes",
        "discard",
        "driver",
        "drop-cache",
        "file",
        "filename",
        "force-share",
        "locking",
        "node-name",
        "read-only",
        "x-check-cache-dropped",
    }
)
#: what a raw node may say beside that and still have no image below
_SLICE = frozenset({"offset", "size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingName:
    """What a name leads to.  *path* is None where that is no file alone (``nbd://…``)."""

    path: str | None = None
    #: the driver, where the name itself says it
    format: str | None = None
    #: a relative *path* counts from where QEMU stands, not from the overlay: it has a protocol
    is_from_root: bool = False
    #: it is less, or more, than all of the image *path*: in what way
    oddity: str | None = None
    #: files that it names where *path* does not tell all
    also: tuple[str, ...] = ()


def parsed_name(name: str) -> BackingName:
    """*name* as a path, where it is one."""
    if name.startswith("json:"):
        found = _from_json(name[len("json:") :])
        return replace(found, is_from_root=found.path is not None)
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return BackingName(path=name[len(prefix) :], is_from_root=True)
    before, colon, _ = name.partition(":")
    # QEMU takes a colon before the first slash for the end of a protocol.
    return BackingName() if colon and "/" not in before else BackingName(path=name)


def _from_json(text: str) -> BackingName:
    try:
        options = json.loads(text)
        return _of_options(_nested(options)) if isinstance(options, dict) else BackingName()
    except (ValueError, RecursionError):
        return BackingName()


def _of_options(node: dict[str, Any]) -> BackingName:
    plain = _plain(node)
    if plain is not None:
        return plain
    said = sorted(set(_keys(node)) - _HARMLESS) or ["a driver of its own"]
    oddity = f"its backing file name has {', '.join(said)}"
    slice_of = _raw_slice(node)
    if slice_of is not None:
        return BackingName(path=slice_of, format="raw", oddity=oddity)
    files = tuple(dict.fromkeys(_files(node)))
    return BackingName(oddity=oddity if files else None, also=files)


def _nested(options: dict[str, Any]) -> dict[str, Any]:
    """``file.filename`` is ``filename`` in ``file``; QEMU takes both, but not mixed with a text."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        *folders, last = key.split(".")
        at = found
        for folder in folders:
            at = at.setdefault(folder, {})
            if not isinstance(at, dict):
                raise ValueError(key)
        inner = _nested(value) if isinstance(value, dict) else value
        if isinstance(inner, dict) and isinstance(at.get(last), dict):
            at[last] |= inner
        else:
            at[last] = inner
    return found


def _plain(node: dict[str, Any]) -> BackingName | None:
    """A file, or an image of some format on all of a file; None where it is anything else."""
    if set(node) - _HARMLESS:
        return None
    driver, file = node.get("driver"), node.get("file")
    is_format = isinstance(driver, str) and driver in _FORMATS
    if file is None:
        file, node = ({**node, "driver": None}, {}) if is_format else (node, {})
    if not isinstance(file, dict) or set(file) - _HARMLESS or "file" in file or "filename" in node:
        return None
    path = _filename(file)
    if path is None or not (is_format or driver is None or driver in _FILE_DRIVERS):
        return None
    return BackingName(path=path, format=driver if is_format else None)


def _raw_slice(node: dict[str, Any]) -> str | None:
    """The file of which a raw node shows a part; whatever lies in that, it has no image below."""
    file = node.get("file")
    is_raw = node.get("driver") == "raw" and not set(node) - _HARMLESS - _SLICE
    if not is_raw or not isinstance(file, dict) or set(file) - _HARMLESS or "file" in file:
        return None
    return _filename(file)


def _filename(node: dict[str, Any]) -> str | None:
    driver, filename = node.get("driver"), node.get("filename")
    if not isinstance(filename, str) or not (driver is None or driver in _FILE_DRIVERS):
        return None
    return filename if driver is not None else parsed_name(filename).path


def _files(value: Any) -> Iterator[str]:
    """Every file name anywhere in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "filename" and isinstance(inner, str):
                path = parsed_name(inner).path
                yield from (path,) if path else ()
            yield from _files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _files(inner)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)


#: drivers of formats: what they show is an image on the file below them
_FORMATS = frozenset(
    {"bochs", "cloop", "dmg", "parallels", "qcow", "qcow2", "qed", "raw"}
    | {"vdi", "vhdx", "vmdk", "vpc"}
)
