"""Why QEMU was not let at an image: whom libvirt runs it as, and what the files say of that user.

Asked after libvirt has failed, for the words alone: an ACL or a security module may know better
than mode bits, so nothing is refused on the strength of this.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from reconciler.hypervisor.xml import Element

_ACL = "system.posix_acl_access"


@dataclass(frozen=True, slots=True)
class Who:
    """The user and group of a QEMU process."""

    user: int
    group: int

    @property
    def name(self) -> str:
        """As people call the user."""
        try:
            return pwd.getpwuid(self.user).pw_name
        except KeyError:
            return str(self.user)


def who_runs(domain: Element) -> Who | None:
    """As the live definition says (``+64055:+64055``); None where it says nothing of the kind."""
    label = domain.findtext("seclabel[@model='dac']/label", "")
    user, separator, group = label.replace("+", "").partition(":")
    if not separator or not user.isdigit() or not group.isdigit():
        return None
    return Who(int(user), int(group))


def why_not_writable(path: str, who: Who) -> str | None:
    """``/srv/images, a folder of root, mode 0700``: the first that keeps *who* out; None if nothing does."""
    if who.user == 0:
        return None
    real = Path(os.path.realpath(path))
    for folder in reversed(real.parents):
        denied = _denied(folder, who, 0o1, "a folder")
        if denied is not None:
            return denied
    return _denied(real, who, 0o6, "a file")


def _denied(path: Path, who: Who, wanted: int, what: str) -> str | None:
    try:
        status = path.stat()
        if _ACL in os.listxattr(path):
            return None
    except OSError:
        return None
    shift = 6 if status.st_uid == who.user else 3 if status.st_gid in _groups(who) else 0
    if status.st_mode >> shift & wanted == wanted:
        return None
    owner = Who(status.st_uid, status.st_gid).name
    return f"{path}, {what} of {owner}, mode {stat.S_IMODE(status.st_mode):04o}"


def _groups(who: Who) -> frozenset[int]:
    try:
        return frozenset(os.getgrouplist(who.name, who.group))
    except (KeyError, OSError):
        return frozenset({who.group})
