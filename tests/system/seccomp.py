"""The filters of system calls that systemd makes of a unit, with libseccomp, which systemd has beside it."""

import ctypes
import errno
import socket
import subprocess
from collections.abc import Iterable, Iterator

_ALLOW = 0x7FFF0000
_EQUAL, _MASKED_EQUAL = 4, 7
_WRITE, _EXECUTE = 2, 4
#: CLONE_NEW*: time, mount, cgroup, uts, ipc, user, pid, net
_NAMESPACES = 0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000
_NAMESPACES |= 0x40000000
_NO_SUCH_CALL = -1


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def confine(
    calls: Iterable[str],
    families: Iterable[str],
    *,
    no_execution_of_data: bool,
    no_namespaces: bool,
) -> None:
    """From here on this process and its children make only *calls*; all others say EPERM."""
    allowed = set(_expanded(calls))
    rules: dict[str, list[_Comparison]] = {
        "socket": [_is(0, int(getattr(socket, family))) for family in families]
    }
    if no_execution_of_data:
        both = _WRITE | _EXECUTE
        rules["mmap"] = [_is(2, part, of=both) for part in (0, _WRITE, _EXECUTE)]
        rules["mprotect"] = rules["pkey_mprotect"] = [_is(2, 0, of=_EXECUTE)]
    if no_namespaces:
        rules["clone"] = [_is(0, 0, of=_NAMESPACES)]
        rules["unshare"] = [_is(0, 0, of=_NAMESPACES)]
        allowed -= {"setns"}
    _load(allowed, rules, absent=("clone3",) if no_namespaces else ())


def _load(allowed: set[str], rules: dict[str, list[_Comparison]], absent: tuple[str, ...]) -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    found = ctypes.c_void_p(library.seccomp_init(_error(errno.EPERM)))
    for name in sorted(allowed - set(absent)):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == _NO_SUCH_CALL:
            continue
        for conditions in [[each] for each in rules[name]] if name in rules else [[]]:
            array = (_Comparison * len(conditions))(*conditions)
            done = library.seccomp_rule_add_array(
                found, ctypes.c_uint32(_ALLOW), number, len(conditions), array
            )
            assert done in (0, -errno.EDOM), f"{name}: {done}"  # another machine's call
    for name in absent:
        number = library.seccomp_syscall_resolve_name(name.encode())
        library.seccomp_rule_add_array(
            found, ctypes.c_uint32(_error(errno.ENOSYS)), number, 0, (_Comparison * 0)()
        )
    assert library.seccomp_load(found) == 0


def _is(argument: int, value: int, *, of: int | None = None) -> _Comparison:
    if of is None:
        return _Comparison(argument, _EQUAL, value, 0)
    return _Comparison(argument, _MASKED_EQUAL, of, value)


def _error(number: int) -> int:
    return 0x00050000 | number


def _expanded(names: Iterable[str]) -> Iterator[str]:
    sets = _sets()
    for name in names:
        assert not name.startswith("~"), "only what is allowed is understood here"
        if name.startswith("@"):
            yield from _expanded(sets[name])
        else:
            yield name


def _sets() -> dict[str, list[str]]:
    """The groups of calls that systemd knows."""
    printed = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "SYSTEMD_COLORS": "0"},
    )
    found: dict[str, list[str]] = {}
    name = ""
    for line in printed.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = []
        elif line.startswith(" ") and not line.strip().startswith("#"):
            found[name].append(line.strip())
    return found
