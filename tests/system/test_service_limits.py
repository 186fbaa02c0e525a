"""The service under the limits of its unit: what the unit says is what it is held to here."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import libvirt
import pytest

from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system import by_hand
from tests.system.confined import Wishes
from tests.system.site import Said
from tests.system.test_loop import git
from tests.system.unit_file import ELSEWHERE, ONCE, Unit

pytestmark = pytest.mark.qemu
_SOURCE = "/srv/snapshots"
# A template, so that its own process with its own limits is started too.
_MANIFEST = """\
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {{name: {name}}}
spec:
  prune: auto
  snapshots: [{{% for name in {names} %}}{{name: {{{{ name }}}}}}, {{% endfor %}}]
"""

# Each of these must be denied, with this error.
_DENIED = """\
import ctypes, errno, mmap, os, socket
from pathlib import Path
def denied(number, do):
    try:
        do()
    except OSError as error:
        assert error.errno == number, error
    else:
        raise AssertionError(number)
def unshare():
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(0x20000):
        raise OSError(ctypes.get_errno(), "unshare")
denied(errno.EROFS, lambda: Path("/etc/virtsnap.test").touch())
denied(errno.EROFS, lambda: Path("/srv/images/x").touch())
denied(errno.EPERM, lambda: os.setuid(1))
denied(errno.EPERM, lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC))
denied(errno.EPERM, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
denied(errno.EPERM, unshare)
Path("/var/lib/libvirt/x").touch()
Path("/var/lib/libvirt/x").unlink()
assert os.listdir("/var/tmp") == []
"""


@dataclass(frozen=True)
class Machine:
    """A hypervisor as docs/hypervisor.md has it: folders where a real one has them."""

    lab: Lab
    folder: Path

    @property
    def laid_over(self) -> dict[str, Path]:
        daemon = self.lab.daemon.directory
        return {
            "/var/lib/libvirt": daemon / "lib",
            "/run/libvirt": daemon / "run",
            "/var/lib/virtsnap": self.folder / "state",
            "/run/virtsnap": self.folder / "run",
            "/srv": self.folder / "srv",
        }

    def real(self, path: str) -> Path:
        """Where the test finds what the service finds at *path*."""
        where, folder = next((w, f) for w, f in self.laid_over.items() if path.startswith(w))
        return folder / Path(path).relative_to(where)

    def guest(self, name: str, image: str, *, running: bool) -> Guest:
        """A guest on a new image at *image*."""
        real = self.real(image)
        real.parent.mkdir(parents=True, exist_ok=True)
        by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(real), "32M")
        guest = self.lab.guest_of((DiskSpec(source=Path(image)),), name)
        if running:
            # QEMU is there, and no system boots that would change the domain under the plan
            guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        return guest

    def declare(self, *guests: Guest, names: Sequence[str]) -> None:
        repository = self.real(_SOURCE)
        for guest in guests:
            file = repository / "manifests" / f"{guest.name}.yaml.j2"
            file.write_text(_MANIFEST.format(name=guest.name, names=list(names)))
        git(repository, "add", ".")
        git(repository, "commit", "-q", "-m", f"Declare {names}")

    def service(self, *drop_ins: Path) -> Said:
        """What the unit starts, under what the unit says."""
        program, *words = Unit.read(ONCE).of_service("ExecStart").split()
        assert program == "@BINDIR@/virtsnap"
        return self.confined(*drop_ins, words=("-m", "reconciler.cli", *words, "--source", _SOURCE))

    def confined(self, *drop_ins: Path, words: Sequence[str]) -> Said:
        """Python with *words*, under what the unit says."""
        wishes = Wishes.of(Unit.read(ONCE, *drop_ins), self.laid_over)
        done = subprocess.run(
            wishes.command(sys.executable, *words),
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.environ.get("PYTHONPATH", str(Path(__file__).parents[2])),
                "HOME": "/root",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    # a libvirt of its own: a guest of another test would have images that the service cannot see
    with Lab.started() as lab:
        made = Machine(lab, tmp_path)
        for folder in ("state", "run", "srv/images", "srv/snapshots/manifests"):
            (tmp_path / folder).mkdir(parents=True)
        git(made.real(_SOURCE), "init", "-q", "-b", "main")
        # libvirt's own place to see /srv as the service does
        enter = ["nsenter", "--target", str(lab.daemon.pid), "--mount"]
        subprocess.run([*enter, "mount", "--bind", str(tmp_path / "srv"), "/srv"], check=True)
        yield made


def test_the_limits_are_there(machine: Machine) -> None:
    said = machine.confined(words=("-c", _DENIED))

    assert said.code == 0, said.err


def test_the_whole_job_is_done_under_the_limits_of_the_unit(machine: Machine) -> None:
    """Taken, merged by QEMU and by qemu-img, removed; with a template and a git repository."""
    on = machine.guest("web01", "/var/lib/libvirt/images/a.qcow2", running=True)
    off = machine.guest("db01", "/var/lib/libvirt/images/b.qcow2", running=False)
    by_hand.run("chown", "nobody", str(machine.real("/var/lib/libvirt/images/b.qcow2")))

    for names in (["s1", "s2"], []):
        machine.declare(on, off, names=names)
        said = machine.service()
        assert said.code == 0, said.out + said.err
        assert by_hand.names(on) == by_hand.names(off) == names, said.err

    images = machine.real("/var/lib/libvirt/images")
    assert {path.name for path in images.iterdir()} == {"a.qcow2", "b.qcow2"}


def test_images_elsewhere_need_the_drop_in(machine: Machine) -> None:
    """The service makes the overlay and merges it: without the drop-in it may not, and says so."""
    guest = machine.guest("web01", "/srv/images/a.qcow2", running=False)
    for names, before in ((["s1"], []), ([], ["s1"])):
        machine.declare(guest, names=names)
        denied = machine.service()
        assert denied.code == 1, denied.out + denied.err
        assert "Read-only file system" in denied.err
        assert by_hand.names(guest) == before

        said = machine.service(ELSEWHERE)
        assert said.code == 0, said.out + said.err
        assert by_hand.names(guest) == names
    assert [path.name for path in machine.real("/srv/images").iterdir()] == ["a.qcow2"]
