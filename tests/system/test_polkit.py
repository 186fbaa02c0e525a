"""The polkit rule of docs/least-privilege.md, with a real polkitd on a bus of its own."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.daemon_settings import BINDS, write_settings, write_user_lists
from tests.lab.second_libvirt import second_libvirt, why_not
from tests.system.nobody import as_nobody
from tests.system.site import Site

pytestmark = pytest.mark.qemu
_PAGE = Path(__file__).parents[2] / "docs" / "least-privilege.md"
_PATIENCE = 30.0
#: Between them they ask libvirt everything that looking asks.
_LOOKING = (("plan",), ("doctor",), ("import", "web01"))
_DOMAIN = (
    "<domain type='qemu'><name>web01</name><memory>65536</memory>"
    "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
)


def _script(folder: Path) -> str:
    laid = {**{folder / name: seen for name, seen in BINDS.items()}}
    laid |= {folder / "dbus": "/run/dbus", folder / "rules": "/etc/polkit-1/rules.d"}
    laid |= {folder / "actions": "/usr/share/polkit-1/actions"}
    lines = ["set -e", *(f"mkdir -p {at}; mount --bind {what} {at}" for what, at in laid.items())]
    lines += [f"mount --bind {folder}/{n} /etc/{n}" for n in write_user_lists(folder)]
    lines += [
        "dbus-daemon --system --nofork --nopidfile --nosyslog &",
        "while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.05; done",
        "/usr/lib/polkit-1/polkitd --no-debug &",
        "exec /usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf",
    ]
    return "\n".join(lines)


def _virsh(uri: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, check=False
    )


@pytest.fixture
def uri() -> Iterator[str]:
    """A libvirt that asks polkit about each call, with one domain; the rule is about nobody."""
    reason = why_not()  # the list of libvirt's actions comes with that one
    if reason is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="pk", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for each in (*BINDS, "dbus", "rules", "actions"):
            (folder / each).mkdir()
        for file in (second_libvirt() / "share/polkit-1/actions").glob("org.libvirt*"):
            (folder / "actions" / file.name).write_text(file.read_text())
        rule = re.findall(r"^```js\n(.*?)^```$", _PAGE.read_text(), re.DOTALL | re.MULTILINE)[0]
        (folder / "rules" / "50.rules").write_text(rule.replace("virtsnap-observer", "nobody"))
        write_settings(
            folder / "etc",
            sockets=Path("/run/libvirt"),
            log=Path("/var/log/libvirt/libvirtd.log"),
            host_uuid="5d1a7e0e-4b1c-4f7e-9a53-0d5f2f6b7a10",
            privileged=True,
        )
        with open(folder / "etc" / "libvirtd.conf", "a") as settings:
            settings.write('access_drivers = [ "polkit" ]\n')
        uri = f"qemu+unix:///system?socket={folder}/run/libvirt-sock"
        with open(folder / "out.log", "wb") as output:
            started = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", _script(folder)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + _PATIENCE
            (folder / "web01.xml").write_text(_DOMAIN)
            while _virsh(uri, "define", str(folder / "web01.xml")).returncode:
                assert started.poll() is None, (folder / "out.log").read_text()
                assert time.monotonic() < deadline, (folder / "out.log").read_text()
                time.sleep(0.1)
            yield uri
        finally:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def test_the_observer_may_look_at_everything_and_at_no_secret_and_change_nothing(
    site: Site, uri: str
) -> None:
    site.declare("web01")
    site.environment["LIBVIRT_DEFAULT_URI"] = uri
    for verb in _LOOKING:
        said = as_nobody(site, *verb)
        assert said.code in (0, 5), said.out + said.err

    nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "virsh"]
    for words in (
        ("dumpxml", "web01", "--security-info"),
        ("undefine", "web01"),
        ("start", "web01"),
        ("metadata", "web01", "urn:x", "--set", "<a/>", "--key", "x", "--config"),
    ):
        denied = subprocess.run([*nobody, "-c", uri, *words], capture_output=True, text=True)
        assert denied.returncode == 1, words
        assert "access denied" in denied.stderr, denied.stderr
