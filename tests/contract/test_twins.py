"""The same story on the fake and on a real host ends in the same observation."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.action import CommitMethod, RedefineSnapshot, SourceChange
from reconciler.model.chain import BackingChain, Image
from reconciler.model.domain import Disk
from reconciler.model.names import DiskTarget, HostName, ImagePath, SnapshotName
from reconciler.model.snapshot import SnapshotRecord
from tests.contract.bench import (
    Bench,
    FakeBench,
    Handle,
    RealBench,
    chain,
    commit,
    go_on,
    inside,
    nothing,
    seen,
    take,
)
from tests.fakes.host import FakeHost
from tests.fakes.world import World
from tests.lab.lab import Lab
from tests.lab.versions import each_libvirt

pytestmark = pytest.mark.qemu

VDA = DiskTarget("vda")
Told = list[object]
Rename = Callable[[ImagePath | None], str | None]


@pytest.fixture(params=each_libvirt("real"))
def benches(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """The fake and the real one, of the same version."""
    lab: Lab = request.getfixturevalue(request.param)
    host = LibvirtHost(HostName("local"), lab.daemon.uri, is_readonly=False)
    world = World(version=lab.connection.getLibVersion())
    try:
        yield FakeBench(FakeHost(world)), RealBench(host=host, lab=lab, folder=tmp_path)
    finally:
        host.close()
        lab.cleanup()


def _image(image: Image, rename: Rename) -> tuple[object, ...]:
    return (
        rename(image.path),
        image.format,
        image.presence,
        rename(image.backing),
        image.backing_format,
        image.internal_snapshots,
        image.is_examined,
    )


def _chain(of: BackingChain | None, rename: Rename) -> list[str | None] | None:
    return None if of is None else [rename(image) for image in of]


def _disk(disk: Disk, rename: Rename) -> tuple[object, ...]:
    return (
        disk.target,
        disk.kind,
        disk.format,
        rename(disk.source),
        _chain(disk.chain, rename),
        _chain(disk.stated, rename),
    )


def _record(record: SnapshotRecord, rename: Rename) -> tuple[object, ...]:
    return (
        record.name,
        record.parent,
        record.is_current,
        record.state,
        record.memory,
        record.description,
        [rename(path) for path in record.inactive_sources],
        [
            (d.target, d.capture, rename(d.source), d.source_format, rename(d.overlay))
            for d in record.disks
        ],
    )


def told(bench: Bench, handle: Handle, rename: Rename) -> Told:
    """The domain and its images, with the names that both sides share."""
    domain, host = seen(bench, handle), bench.host.observe()
    return [
        domain.power,
        *([_disk(d, rename) for d in disks] for disks in domain.definitions),
        *(_record(record, rename) for record in domain.records),
        [(job.disk, job.kind, job.is_ready, rename(job.destination)) for job in domain.jobs],
        *sorted((_image(image, rename) for image in host.images), key=lambda told: str(told[0])),
    ]


def renaming(bench: Bench, handle: Handle) -> Rename:
    """Bases become ``base-vda``, overlays ``overlay-vda-s1``."""
    bases = {chain(bench, handle, t)[0]: f"base-{t}" for t in handle.targets}

    def rename(path: ImagePath | None) -> str | None:
        if path is None:
            return None
        name = path.rpartition("/")[2].replace(f"{handle.name}-", "overlay-")
        return bases.get(path, name)

    return rename


Story = Callable[[Bench, Handle, Callable[[], None]], None]


def snapshots_come_and_go(bench: Bench, handle: Handle, look: Callable[[], None]) -> None:
    take(bench, handle, "s1")
    look()
    take(bench, handle, "s2", ["vda"])
    take(bench, handle, "s3")
    look()
    bench.host.forget_snapshot(handle.uuid, SnapshotName("s2"))
    look()


def records_are_dropped_by_hand(bench: Bench, handle: Handle, look: Callable[[], None]) -> None:
    take(bench, handle, "s1")
    take(bench, handle, "s2", ["vda"])
    take(bench, handle, "s3")
    take(bench, handle, "s4")
    bench.drop_record(handle, "s2")
    look()
    bench.drop_record(handle, "s4")
    look()
    bench.drop_record(handle, "s1")
    look()


def a_record_below_an_internal_one_is_dropped_by_hand(
    bench: Bench, handle: Handle, look: Callable[[], None]
) -> None:
    take(bench, handle, "s1")
    bench.host.create_snapshot(handle.uuid, inside(bench, handle, "i1"), quiesce=False)
    take(bench, handle, "s2")
    bench.drop_record(handle, "s1")
    look()


def a_domain_that_ran_gets_more_overlays_while_off(
    bench: Bench, handle: Handle, look: Callable[[], None]
) -> None:
    take(bench, handle, "s1", ["vda"])
    bench.shut_off(handle)
    for name in ("s2", "s3"):
        take(bench, handle, name)
        look()


def a_merged_ones_record_is_dropped_by_hand(
    bench: Bench, handle: Handle, look: Callable[[], None]
) -> None:
    for name in ("s1", "s2", "s3"):
        bench.guest_works(handle)
        take(bench, handle, name)
    base, one, *_ = chain(bench, handle)
    action = commit(base, one, method=CommitMethod.LIVE)
    bench.host.commit_live(handle.uuid, action, bandwidth=0, progress=nothing, stop_asked=go_on)
    bench.drop_record(handle, "s1")
    look()
    bench.host.remove_image(one)
    look()


def a_running_guest_is_consolidated(bench: Bench, handle: Handle, look: Callable[[], None]) -> None:
    for name in ("s1", "s2", "s3"):
        bench.guest_works(handle)
        take(bench, handle, name)
    base, one, two, three = chain(bench, handle)

    def run(*images: ImagePath, method: CommitMethod) -> None:
        action = commit(*images, method=method)
        bench.host.commit_live(handle.uuid, action, bandwidth=0, progress=nothing, stop_asked=go_on)

    run(base, one, method=CommitMethod.LIVE)
    look()
    bench.host.forget_snapshot(handle.uuid, SnapshotName("s1"))
    look()
    bench.host.redefine_snapshot(
        handle.uuid,
        RedefineSnapshot(
            snapshot=SnapshotName("s2"),
            sources=(SourceChange(target=VDA, source=base, source_format="qcow2"),),
        ),
    )
    bench.host.remove_image(one)
    look()
    run(two, three, method=CommitMethod.ACTIVE)
    bench.host.pivot(handle.uuid, VDA)
    look()
    bench.shut_off(handle)
    look()


def a_chain_made_while_off_is_consolidated_running(
    bench: Bench, handle: Handle, look: Callable[[], None]
) -> None:
    for name in ("s1", "s2", "s3"):
        take(bench, handle, name)
    base, one, two, three = chain(bench, handle)
    bench.host.start(handle.uuid, is_paused=False)
    look()
    for images, method in (
        ((base, one), CommitMethod.LIVE),
        ((two, three), CommitMethod.ACTIVE),
    ):
        action = commit(*images, method=method)
        bench.host.commit_live(handle.uuid, action, bandwidth=0, progress=nothing, stop_asked=go_on)
        if method is CommitMethod.ACTIVE:
            bench.host.pivot(handle.uuid, VDA)
        look()


def a_domain_that_ran_is_consolidated_off(
    bench: Bench, handle: Handle, look: Callable[[], None]
) -> None:
    for name in ("s1", "s2"):
        bench.guest_works(handle)
        take(bench, handle, name)
    base, one, two = chain(bench, handle)
    bench.shut_off(handle)
    look()
    action = commit(base, one, method=CommitMethod.OFFLINE, rebased=(two,))
    bench.host.commit_offline(handle.uuid, action)
    look()
    bench.host.switch_disk(handle.uuid, VDA, to=two, image_format="qcow2")
    look()
    take(bench, handle, "s3")
    look()


def _look(bench: Bench, handle: Handle, rename: Rename, looks: list[Told]) -> None:
    looks.append(told(bench, handle, rename))


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_snapshots(benches: tuple[Bench, Bench], *, running: bool) -> None:
    compare(benches, snapshots_come_and_go, disks=2, running=running)


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_records_dropped_by_hand(benches: tuple[Bench, Bench], *, running: bool) -> None:
    compare(benches, records_are_dropped_by_hand, disks=2, running=running)


def test_a_record_below_an_internal_one(benches: tuple[Bench, Bench]) -> None:
    compare(benches, a_record_below_an_internal_one_is_dropped_by_hand, disks=2, running=False)


def test_a_chain_that_is_spelled_out_grows_while_off(benches: tuple[Bench, Bench]) -> None:
    compare(benches, a_domain_that_ran_gets_more_overlays_while_off, disks=2, running=True)


@pytest.mark.parametrize(
    "story",
    [
        a_running_guest_is_consolidated,
        a_domain_that_ran_is_consolidated_off,
        a_merged_ones_record_is_dropped_by_hand,
    ],
)
def test_consolidation(benches: tuple[Bench, Bench], story: Story) -> None:
    compare(benches, story, disks=1, running=True)


def test_consolidation_of_a_chain_that_no_definition_spells_out(
    benches: tuple[Bench, Bench],
) -> None:
    compare(benches, a_chain_made_while_off_is_consolidated_running, disks=1, running=False)


def compare(benches: tuple[Bench, Bench], story: Story, *, disks: int, running: bool) -> None:
    """Look at the same points of the story; every look must be alike."""
    both: list[list[Told]] = []
    for bench in benches:
        handle = bench.domain(disks=disks, running=running)
        rename = renaming(bench, handle)
        looks: list[Told] = []
        look = partial(_look, bench, handle, rename, looks)
        story(bench, handle, look)
        look()
        both.append(looks)
    for number, (fake, real) in enumerate(zip(*both, strict=True)):
        assert fake == real, f"look {number}"
