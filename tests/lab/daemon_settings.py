"""The settings of a private libvirtd, and the folders it sees instead of the host's."""

import re
from pathlib import Path

_LIBVIRTD_CONF = """\
unix_sock_group = "root"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0777"
unix_sock_dir = "{sockets}"
auth_unix_ro = "none"
auth_unix_rw = "none"
max_clients = 500
max_workers = 32
log_level = 3
log_outputs = "3:file:{log}"
host_uuid = "{host_uuid}"
"""

# No security driver, no cgroups, no per-guest mount namespace, plain files for the logs:
# nothing of a guest's then depends on the host, or stays behind on it.
_QEMU_CONF = """\
security_driver = "none"
security_default_confined = 0
stdio_handler = "file"
"""

# The user must be root: where /dev/kvm is root's alone, the default user makes libvirt probe QEMU
# again at each look-up, which takes seconds.
_QEMU_CONF_ROOT = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
lock_manager = "nop"
swtpm_user = "root"
swtpm_group = "root"
"""

# libvirt looks its packaged default user up before it reads any setting, and the user is missing
# where only libvirt-daemon is installed. The daemon then sees it in its own copy of the lists.
_DEFAULT_USER = "libvirt-qemu"
_DEFAULT_USER_LINES = {
    "passwd": f"{_DEFAULT_USER}:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
    "group": f"{_DEFAULT_USER}:x:64055:\n",
}

# Folder below the daemon's own → where libvirtd sees it.
BINDS = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "run": "/run/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}


def write_settings(
    folder: Path, *, sockets: Path, log: Path, host_uuid: str, privileged: bool
) -> None:
    """libvirtd.conf, qemu.conf and what else it looks for in *folder*; paths as libvirtd sees them."""
    (folder / "nwfilter").mkdir(parents=True, exist_ok=True)
    (folder / "libvirtd.conf").write_text(
        _LIBVIRTD_CONF.format(sockets=sockets, log=log, host_uuid=host_uuid)
    )
    (folder / "qemu.conf").write_text(_QEMU_CONF + (_QEMU_CONF_ROOT if privileged else ""))
    for name in ("libvirt.conf", "virtlogd.conf", "virtlockd.conf"):
        (folder / name).touch()


def write_user_lists(folder: Path) -> tuple[str, ...]:
    """Copies of passwd and group in *folder* with libvirt's user added; those that lacked it."""
    lacking = []
    for name, line in _DEFAULT_USER_LINES.items():
        listed = Path("/etc", name).read_text()
        if not re.search(rf"^{_DEFAULT_USER}:", listed, re.M):
            (folder / name).write_text(listed.rstrip("\n") + "\n" + line)
            lacking.append(name)
    return tuple(lacking)
