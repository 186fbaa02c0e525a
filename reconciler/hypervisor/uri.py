"""What a connection URI says by itself."""

from urllib.parse import urlsplit

_DRIVERS = frozenset(
    {
        "qemu",
        "test",
        "xen",
        "lxc",
        "ch",
        "bhyve",
        "vbox",
        "vz",
        "openvz",
        "esx",
        "vpx",
        "gsx",
        "hyperv",
    }
)


def transport_of(uri: str) -> str:
    """``ssh`` of ``qemu+ssh://…``; empty for none."""
    return urlsplit(uri).scheme.partition("+")[2]


def has_known_driver(uri: str) -> bool:
    """*uri* begins with the name of a libvirt driver; libvirt asks its daemon about any other."""
    return urlsplit(uri).scheme.partition("+")[0] in _DRIVERS


def host_of(uri: str) -> str:
    """The machine that *uri* names; empty for this one."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


def is_local(uri: str) -> bool:
    """The daemon is on this machine, so its image files are too."""
    return not host_of(uri) and transport_of(uri) in ("", "unix")
