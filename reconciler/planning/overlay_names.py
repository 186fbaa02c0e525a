"""Paths of overlays: the template of the manifest, rendered and made free of collisions."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciler.model.domain import Disk
from reconciler.model.ledger import MEMORY
from reconciler.model.names import (
    DiskTarget,
    ImagePath,
    base_name,
    file_name_part,
    folder_of,
    is_below_dev,
)
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning.world import World, resolved

#: a directory entry of most file systems, less room for ``.2``
MAX_FILE_NAME = 240
#: what the template of an overlay may end with; a memory image is none
_IMAGE_SUFFIXES = ("qcow2", "qcow", "img", "raw")


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(template)


def overlay_path(
    world: World, disk: Disk, snapshot: str, template: str, taken: frozenset[ImagePath]
) -> ImagePath | Refusal:
    """The first free path for the overlay of *disk*, inside a folder that is allowed."""
    text = _rendered(world, disk, disk.target, snapshot, template)
    return text if isinstance(text, Refusal) else _free(world, disk, text, taken)


def memory_path(
    world: World, disk: Disk, snapshot: str, template: str, taken: frozenset[ImagePath]
) -> ImagePath | Refusal:
    """The same for the memory image, beside the overlay of *disk*: of target ``memory``, ``.save``."""
    text = _rendered(world, disk, MEMORY, snapshot, template)
    if isinstance(text, Refusal):
        return text
    stem, _, suffix = text.rpartition(".")
    plain = stem if suffix in _IMAGE_SUFFIXES else text
    return _free(world, disk, f"{plain}.save", taken)


def _rendered(
    world: World, disk: Disk, target: DiskTarget, snapshot: str, template: str
) -> str | Refusal:
    assert disk.source is not None
    try:
        return _compiled(template).render(
            image={"folder": _own_folder(world, disk), "name": base_name(disk.source)},
            domain={"name": file_name_part(world.domain.name), "uuid": world.domain.uuid},
            disk={"target": target},
            snapshot={"name": file_name_part(snapshot)},
            host={"name": world.host.name},
        )
    except TemplateError as error:
        return refusal(RefusalCode.OUTSIDE_FOLDERS, path=template, cause=str(error))


def _free(world: World, disk: Disk, text: str, taken: frozenset[ImagePath]) -> ImagePath | Refusal:
    assert disk.source is not None
    asked = ImagePath(text)
    folder, name = resolved(world.host, folder_of(asked)), base_name(asked)
    path = ImagePath(f"{folder.rstrip('/')}/{name}")
    is_device = world.image(disk.source).is_device
    allowed = {*declared(world), *(() if is_device else (folder_of(disk.source),))}
    plain = text.startswith("/") and name not in ("", ".", "..") and not _has_control(text)
    if not plain or folder not in allowed:
        return refusal(
            RefusalCode.OUTSIDE_FOLDERS,
            path=text,
            disk=disk.target,
            folder=", ".join(sorted(allowed)),
            device=disk.source if is_device else None,
        )
    size = len(name.encode())
    if size > MAX_FILE_NAME:
        cause = f"its name has {size} bytes, and {MAX_FILE_NAME} are allowed"
        return refusal(RefusalCode.OUTSIDE_FOLDERS, path=text, disk=disk.target, cause=cause)
    free = first_free(path, taken | _named(world) | world.taken_in(folder))
    others = sorted(world.claimed.get(alike(free), frozenset()) - {world.domain.name})
    if not others:
        return free
    other = ", ".join(others)
    cause = f"is to be made for {other} too"
    return refusal(
        RefusalCode.IMAGE_NAME_TAKEN, path=free, disk=disk.target, other=other, cause=cause
    )


def _own_folder(world: World, disk: Disk) -> str:
    """Where the disk's own image lies; for a block device the first of the Host's folders."""
    assert disk.source is not None
    folders = declared(world)
    if folders and world.image(disk.source).is_device:
        return folders[0]
    return folder_of(disk.source)


def declared(world: World) -> tuple[str, ...]:
    """The Host's folders in its order; never one of devices, which lies in memory."""
    return tuple(folder for folder in world.declared_folders if not is_below_dev(folder))


def _has_control(text: str) -> bool:
    return any(ord(c) < 32 or ord(c) == 127 for c in text)


def is_taken(world: World, path: ImagePath) -> bool:
    """Something bears that name, or one that some file system takes for the same."""
    return alike(path) in _keys(world.taken_in(folder_of(path)))


def alike(path: str) -> str:
    """The same for names that a file system may not tell apart: by case, or by how a letter with an
    accent is put together."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _keys(paths: Iterable[ImagePath]) -> frozenset[str]:
    return frozenset(alike(path) for path in paths)


def _named(world: World) -> frozenset[ImagePath]:
    return frozenset(naming.path for naming in world.namings) | frozenset(world.foreign)


def first_free(path: ImagePath, paths: frozenset[ImagePath]) -> ImagePath:
    """*path*, or with ``.2``, ``.3`` … before its suffix, where *paths* are taken."""
    taken = _keys(paths)
    if alike(path) not in taken:
        return path
    folder, name = folder_of(path), base_name(path)
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem:
        stem, dot, suffix = name, "", ""
    number = 2
    while True:
        candidate = ImagePath(f"{folder.rstrip('/')}/{stem}.{number}{dot}{suffix}")
        if alike(candidate) not in taken:
            return candidate
        number += 1
