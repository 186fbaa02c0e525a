"""What managed snapshots froze, in the ledger's JSON.

Lists, not objects: a ledger is copied into the record of each snapshot that libvirt takes, so that
its size counts.
"""

from typing import Any

from reconciler.model.chain import FileIdentity
from reconciler.model.ledger import FrozenDisk, ImageIdentity
from reconciler.model.names import DiskTarget, ImagePath

_INSIDE, _WRITTEN = "inside", "written"


def disk_documents(frozen: tuple[FrozenDisk, ...]) -> list[list[str | None]]:
    """``[disk, path, format, "inside" or null, name in the saved memory, "written" or null]``, without
    nulls at the end."""
    return [
        _trimmed(
            [
                f.disk,
                f.path,
                f.format,
                _INSIDE if f.is_inside else None,
                f.in_memory,
                _WRITTEN if f.is_written else None,
            ]
        )
        for f in frozen
    ]


def disks(documents: list[Any]) -> tuple[FrozenDisk, ...]:
    """The reverse; what is not of that form raises ValueError or TypeError."""
    return tuple(_disk(*_padded(document, 6)) for document in documents)


def identity_documents(identities: tuple[ImageIdentity, ...]) -> list[list[Any]]:
    """``[path, virtual size, backing, device, inode, modified]``, without nulls at the end."""
    return [_trimmed(_identity_document(identity)) for identity in identities]


def identities(documents: list[Any]) -> tuple[ImageIdentity, ...]:
    """The reverse; what is not of that form raises ValueError or TypeError."""
    return tuple(_identity(*_padded(document, 6)) for document in documents)


def _disk(
    disk: object,
    path: object,
    image_format: object,
    inside: object,
    in_memory: object,
    written: object,
) -> FrozenDisk:
    for word, known in ((inside, _INSIDE), (written, _WRITTEN)):
        if word not in (None, known):
            raise ValueError(f"{word!r} is neither null nor {known!r}")
    return FrozenDisk(
        disk=DiskTarget(_text(disk)),
        path=ImagePath(_text(path)),
        format=None if image_format is None else _text(image_format),
        is_inside=inside == _INSIDE,
        in_memory=None if in_memory is None else ImagePath(_text(in_memory)),
        is_written=written == _WRITTEN,
    )


def _identity_document(identity: ImageIdentity) -> list[Any]:
    document: list[Any] = [identity.path, identity.virtual_size, identity.backing]
    if identity.file is not None:
        document += [identity.file.device, identity.file.inode, identity.file.modified]
    return document


def _identity(path: object, size: object, backing: object, *file: object) -> ImageIdentity:
    known = [number for number in map(_number, file) if number is not None]
    if len(known) not in (0, 3):
        raise ValueError(f"{file!r} is no identity of a file")
    return ImageIdentity(
        path=ImagePath(_text(path)),
        file=FileIdentity(device=known[0], inode=known[1], modified=known[2]) if known else None,
        virtual_size=_number(size),
        backing=None if backing is None else ImagePath(_text(backing)),
    )


def _trimmed(items: list[Any]) -> list[Any]:
    while items and items[-1] is None:
        items = items[:-1]
    return items


def _padded(document: object, length: int) -> list[Any]:
    if not isinstance(document, list):
        raise TypeError(f"{document!r} is no list")
    if len(document) > length:
        # what this format does not have would be lost when the ledger is written again
        raise ValueError(f"{document!r} has more than {length} items")
    return document + [None] * (length - len(document))


def _number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
