"""Connecting, and what is said when it does not work."""

import socket
from pathlib import Path

import libvirt
import pytest

from reconciler.errors import HypervisorError
from reconciler.hypervisor.connection import connect
from reconciler.hypervisor.uri import is_local
from reconciler.model.secrets import without_secrets
from tests.hypervisor.acting import host_of, seen
from tests.lab.lab import Lab


def why_not(uri: str) -> HypervisorError:
    with pytest.raises(HypervisorError, match="cannot connect to") as caught:
        connect(uri, is_readonly=True)
    return caught.value


def test_a_daemon_that_is_not_there_is_to_be_started(tmp_path: Path) -> None:
    error = why_not(f"qemu+unix:///system?socket={tmp_path}/none")

    assert "systemctl start libvirtd" in (error.hint or "")


def test_a_daemon_that_refuses_is_to_be_started(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

        error = why_not(f"qemu+unix:///system?socket={path}")

    assert "systemctl start libvirtd" in (error.hint or "")


@pytest.mark.parametrize("uri", ["qemux:///system", "qemu+pigeon:///system", "nonsense"])
def test_a_wrong_uri_shows_a_right_one(uri: str) -> None:
    assert "qemu:///system" in (why_not(uri).hint or "")


def test_a_host_that_ssh_does_not_reach_is_tried_with_ssh() -> None:
    error = why_not("qemu+ssh://root@127.0.0.1:1/system?no_verify=1&no_tty=1")

    assert "ssh 127.0.0.1" in (error.hint or "")
    assert "\n" not in error.message


def test_passwords_are_never_printed() -> None:
    uri = "qemux://admin:hunter2@host/system?password=hunter3&auth=x"

    error = why_not(uri)

    assert "hunter" not in error.message + (error.hint or "")
    assert without_secrets(uri) == "qemux://admin:***@host/system?password=***&auth=x"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("qemu:///system", True),
        ("qemu+unix:///system?socket=/x", True),
        ("qemu:///embed?root=/x", True),
        ("qemu+ssh://root@kvm01/system", False),
        ("qemu+tls://kvm01/system", False),
        ("qemu://kvm01/system", False),
    ],
)
def test_which_daemons_are_on_this_machine(uri: str, *, expected: bool) -> None:
    assert is_local(uri) is expected


def test_versions_are_those_of_the_test_driver_too() -> None:
    with connect("test:///default", is_readonly=False) as connection:
        versions = connection.versions()

    assert versions.hypervisor == "TEST"
    assert versions.binding >= 9_000_000


@pytest.mark.qemu
def test_a_host_goes_on_after_its_daemon_was_killed(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    before = seen(host, guest)
    assert host.versions().libvirt >= 9_000_000
    assert host.versions().qemu > 0

    lab_clean.daemon.kill()
    with pytest.raises(HypervisorError):
        host.observe()
    lab_clean.daemon.restart()

    assert seen(host, guest) == before
    assert isinstance(libvirt.getVersion(), int)
