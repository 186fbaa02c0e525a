"""The hosts that the examples plan against: ``python -m tests.example_hosts`` writes them anew.

Each ``examples/*/observed.json`` is what ``virtsnap observe -o json`` would print on such a host.
It is made on the fake host, so that it can be made again, and names no machine of ours.
"""

from collections.abc import Callable
from pathlib import Path

from reconciler.model.domain import AgentState
from reconciler.report.observation import observation_document
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import CLUSTER
from tests.fakes.world import World

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDER = "/srv/images"
SOURCE = "/srv/snapshots/manifests"
_MIB = 1 << 20


def declare_a_snapshot() -> FakeHost:
    """``web01`` runs, one disk, no snapshot."""
    fake = FakeHost(World(uri="qemu:///system"))
    _define(fake, "web01", "vda")
    return fake


def keep_two_disks_and_skip_one() -> FakeHost:
    """``db01`` runs: the system, the data, scratch space."""
    fake = FakeHost(World(uri="qemu:///system"))
    _define(fake, "db01", "vda", "vdb", "vdc")
    return fake


def remove_a_snapshot() -> FakeHost:
    """``web01`` with ``pre-upgrade``, and what the guest wrote since."""
    fake = declare_a_snapshot()
    Controller(fake, source=SOURCE).take(
        "web01", "pre-upgrade", description="Before apt full-upgrade"
    )
    _write(fake, "web01", "vda", 312 * _MIB)
    return fake


def keep_the_memory() -> FakeHost:
    """``db01`` runs, with 8 GiB of memory."""
    fake = FakeHost(World(uri="qemu:///system"))
    _define(fake, "db01", "vda", "vdb")
    fake.domain("db01").memory_bytes = 8192 * _MIB
    return fake


def take_a_snapshot_inside_the_image() -> FakeHost:
    """``web01`` is shut off, with ``draft`` inside its image."""
    fake = declare_a_snapshot()
    Administrator(fake).shut_off("web01")
    Controller(fake, source=SOURCE).take("web01", "draft", inside=True)
    return fake


def adopt_what_is_there() -> FakeHost:
    """``web01`` with three snapshots taken by virsh, one with its memory."""
    fake = declare_a_snapshot()
    for name in ("before-upgrade", "test"):
        Person(fake).snapshot_create("web01", name)
        _write(fake, "web01", "vda", 40 * _MIB)
    Person(fake).snapshot_with_memory("web01", "in-production")
    return fake


def snapshot_a_transient_domain() -> FakeHost:
    """``runner07`` runs, and is not defined."""
    fake = FakeHost(World(uri="qemu:///system"))
    _define(fake, "runner07", "vda")
    Administrator(fake).undefine("runner07")
    return fake


def hold_a_snapshot() -> FakeHost:
    """``web01`` with three snapshots, the first of them held."""
    fake = declare_a_snapshot()
    controller = Controller(fake, source=SOURCE)
    for name in ("before-migration", "golden", "test"):
        controller.take("web01", name, is_held=name == "before-migration")
        _write(fake, "web01", "vda", 40 * _MIB)
    return fake


def go_back() -> FakeHost:
    """``web01`` runs, after an upgrade, above ``pre-upgrade``; it has 2 GiB of memory."""
    fake = remove_a_snapshot()
    fake.domain("web01").memory_bytes = 2048 * _MIB
    return fake


def wait_for_another_domain() -> FakeHost:
    """``web01`` and ``db01`` run; the agent in ``db01`` has ended."""
    fake = declare_a_snapshot()
    _define(fake, "db01", "vda", "vdb")
    fake.domain("db01").agent.state = AgentState.DISCONNECTED
    return fake


def use_a_block_device() -> FakeHost:
    """``db01`` runs, on a logical volume; the folder for overlays is there."""
    fake = FakeHost(World(uri="qemu:///system", extra_folders=("/srv/overlays",)))
    Administrator(fake).define("db01", {"vda": "/dev/vg0/db01"}, running=True)
    return fake


MADE: dict[str, Callable[[], FakeHost]] = {
    "01-declare-a-snapshot": declare_a_snapshot,
    "02-keep-two-disks-and-skip-one": keep_two_disks_and_skip_one,
    "03-remove-a-snapshot": remove_a_snapshot,
    "04-keep-the-memory": keep_the_memory,
    "05-take-a-snapshot-inside-the-image": take_a_snapshot_inside_the_image,
    "06-adopt-what-is-there": adopt_what_is_there,
    "07-hold-a-snapshot": hold_a_snapshot,
    "08-wait-for-another-domain": wait_for_another_domain,
    "09-take-a-snapshot-shut-off": declare_a_snapshot,
    "10-go-back": go_back,
    "11-snapshot-a-transient-domain": snapshot_a_transient_domain,
    "12-use-a-block-device": use_a_block_device,
}


def recording(fake: FakeHost) -> str:
    """What ``observe -o json`` prints of it."""
    document = observation_document([fake.observe()])
    return document.model_dump_json(by_alias=True, indent=2) + "\n"


def _define(fake: FakeHost, name: str, *targets: str) -> None:
    disks = {target: f"{FOLDER}/{name}-{target}.qcow2" for target in targets}
    Administrator(fake).define(name, disks, running=True)
    for target in targets:
        _write(fake, name, target, 900 * _MIB)


def _write(fake: FakeHost, name: str, target: str, amount: int) -> None:
    for cluster in range(amount // CLUSTER):
        fake.guest_writes(name, target, cluster, cluster)


if __name__ == "__main__":
    for example, make in MADE.items():
        (EXAMPLES / example / "observed.json").write_text(recording(make()), encoding="utf-8")
