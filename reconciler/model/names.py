"""Names of things, and which texts may be one."""

import re
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import NewType

HostName = NewType("HostName", str)
DomainName = NewType("DomainName", str)
DomainUuid = NewType("DomainUuid", str)
SnapshotName = NewType("SnapshotName", str)
DiskTarget = NewType("DiskTarget", str)
#: An absolute path with symlinks resolved: two paths are equal when the files are one.
ImagePath = NewType("ImagePath", str)

#: libvirt keeps a record in NAME.xml and writes NAME.xml.new first; over 247 bytes fails after the
#: disk was switched (E9, E11). 100 leaves room for our image names too.
MAX_NAME_BYTES = 100


def why_not_a_name(text: str) -> str | None:
    """The rule of snapshot and request names that *text* breaks, or None."""
    if not text:
        return "is empty"
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if "/" in text:
        return "has a '/'"
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        return "has a control character"
    if text[0] in ".-":
        return f"starts with '{text[0]}'"
    if text != text.strip():
        return "starts or ends with a space"
    return None


def is_meant(pattern: str, name: str, uuid: str | None) -> bool:
    """*pattern*, as people name domains (name, UUID or glob of names), means this one."""
    # the name itself first: it may hold what a glob would read otherwise
    return pattern in (name, uuid) or fnmatchcase(name, pattern)


def file_name_part(text: str) -> str:
    """*text* as it stands in a file name: what is not ``A-Za-z0-9._-`` becomes ``_``.

    Where anything did, a digest of *text* follows: two names never become one.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", text)
    if plain == text:
        return text
    return f"{plain}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def folder_of(path: ImagePath) -> str:
    """The folder of an absolute *path*."""
    return path.rpartition("/")[0] or "/"


def base_name(path: ImagePath) -> str:
    """The last part of *path*."""
    return path.rpartition("/")[2]


def plain_folder(folder: str) -> str:
    """*folder* as it is declared, without a slash at its end."""
    return folder.rstrip("/") or "/"


def is_below_dev(folder: str) -> bool:
    """*folder* is of devices: a file made there would lie in memory and be gone after a reboot."""
    return folder == "/dev" or folder.startswith("/dev/")
