"""A disk that comes over the network is refused by name, and is in nobody's way."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt
import pytest

from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Origin, Prune
from reconciler.model.names import DiskTarget, SnapshotName
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk

pytestmark = pytest.mark.qemu


@contextmanager
def exported(image: Path, socket: Path) -> Iterator[None]:
    """*image* as an NBD server's, on a socket."""
    command = ["qemu-nbd", "--persistent", "--shared=4", "--format=raw", f"--socket={socket}"]
    server = subprocess.Popen([*command, str(image)], stdin=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert server.poll() is None, "qemu-nbd has ended"
        yield
    finally:
        server.terminate()
        server.wait(30)


def guest_with(lab: Lab, folder: Path, socket: Path) -> Guest:
    """vda is a file, vdb comes over the network; it stands still."""
    image = folder / "web01.qcow2"
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "8M")
    guest = lab.guest_of((DiskSpec(source=image),), "web01")
    network = (
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
        f"<source protocol='nbd'><host transport='unix' socket='{socket}'/></source>"
        "<target dev='vdb' bus='virtio'/></disk>"
    )
    xml = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    lab.define_raw(xml.replace("<controller", f"{network}<controller", 1))
    return guest


def wish(*names: str, skip: str = "") -> DesiredDomain:
    """These snapshots, and no other."""
    skipped = frozenset({DiskTarget(skip)} if skip else ())
    return DesiredDomain(
        host=LOCAL,
        domain="web01",
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(n), skip=skipped) for n in names),
        origin=Origin(manifest="network"),
        prune=Prune.AUTO,
    )


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_a_network_disk_is_refused_by_name_and_can_be_left_out(
    place: tuple[Lab, Desk], tmp_path: Path, *, running: bool
) -> None:
    lab, desk = place
    remote, socket = tmp_path / "remote.raw", lab.daemon.directory / "nbd"
    by_hand.run("truncate", "-s", "8M", str(remote))
    with exported(remote, socket):
        guest = guest_with(lab, tmp_path, socket)
        if running:
            guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        before = guest.domain.XMLDesc(0)

        outcome = desk.apply(wish("s1"))

        (refused,) = outcome.refusals
        assert (refused.code, refused.fact("disk")) == ("DiskNotSupported", "vdb")
        assert str(refused.fact("cause")).startswith("a network disk")
        assert not outcome.plan.steps
        assert guest.domain.XMLDesc(0) == before

        for names in (("s1",), ("s1", "s2"), ("s2",), ()):
            left_out = wish(*names, skip="vdb")
            assert desk.apply(left_out).error is None
            assert by_hand.names(guest) == list(names)
            assert not desk.plan(left_out).steps
            assert f"socket='{socket}'" in guest.domain.XMLDesc(0)
        assert guest.active_images() == guest.disks
        assert storage.images(tmp_path) == set(guest.disks.values())
        lab.cleanup()
