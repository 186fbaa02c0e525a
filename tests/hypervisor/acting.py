"""Short ways to say what a test does with a guest of the lab."""

from pathlib import Path

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.action import (
    CommitMethod,
    CommitOverlays,
    CreateSnapshot,
    NewOverlay,
    RedefineSnapshot,
    SourceChange,
)
from reconciler.model.domain import ObservedDomain
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, DomainUuid, HostName, ImagePath, SnapshotName
from tests.lab.guest import Guest
from tests.lab.journal import check_image
from tests.lab.lab import Lab

VDA, VDB = DiskTarget("vda"), DiskTarget("vdb")


def host_of(lab: Lab, *, is_readonly: bool = False, agent_timeout: int = 60) -> LibvirtHost:
    """The door to the lab's daemon."""
    return LibvirtHost(
        HostName("lab"),
        lab.daemon.uri_ro if is_readonly else lab.daemon.uri,
        is_readonly=is_readonly,
        agent_timeout=agent_timeout,
        thaw_seconds=20,
    )


def uuid_of(guest: Guest) -> DomainUuid:
    """The guest's UUID."""
    return DomainUuid(guest.uuid)


def seen(host: LibvirtHost, guest: Guest) -> ObservedDomain:
    """The guest as observed now."""
    domain = host.observe().domain(guest.name)
    assert domain is not None
    return domain


def chain_of(host: LibvirtHost, guest: Guest, target: DiskTarget = VDA) -> tuple[ImagePath, ...]:
    """The images under one disk of the guest."""
    disk = seen(host, guest).disk(target)
    assert disk is not None
    assert disk.chain is not None
    return disk.chain.images


def overlay_path(guest: Guest, name: str, target: DiskTarget = VDA) -> ImagePath:
    """Where ``taken`` puts an overlay."""
    return ImagePath(str(guest.folder / f"{guest.name}-{target}-{name}.qcow2"))


def creation(
    host: LibvirtHost, guest: Guest, name: str, *, disks: tuple[DiskTarget, ...] | None = None
) -> CreateSnapshot:
    """What takes a snapshot of these disks (of all) as they stand."""
    domain = seen(host, guest)
    taken = [d for d in domain.disks if d.is_writable and (disks is None or d.target in disks)]
    return CreateSnapshot(
        snapshot=SnapshotName(name),
        description=f"about {name}",
        overlays=tuple(
            NewOverlay(
                target=disk.target,
                frozen=disk.source,
                frozen_format=disk.format,
                overlay=overlay_path(guest, name, disk.target),
            )
            for disk in taken
            if disk.source is not None
        ),
        skipped=(),
        parent=None,
        quiesce=False,
        may_degrade=False,
        consistency=Consistency.CRASH,
        power=domain.power,
        manifest=None,
    )


def take(
    host: LibvirtHost,
    guest: Guest,
    name: str,
    *,
    disks: tuple[DiskTarget, ...] | None = None,
    quiesce: bool = False,
) -> None:
    """Take a snapshot and let the running guest write on a little."""
    host.create_snapshot(uuid_of(guest), creation(host, guest, name, disks=disks), quiesce=quiesce)
    if guest.is_running:
        guest.wait_for_record(guest.head() + 2)


def merging(
    base: ImagePath, *merged: ImagePath, method: CommitMethod, rebased: tuple[ImagePath, ...] = ()
) -> CommitOverlays:
    """What merges images of vda."""
    return CommitOverlays(
        disk=VDA,
        base=base,
        base_format="qcow2",
        merged=merged,
        method=method,
        snapshots=(),
        rebased=rebased,
    )


def merge_live(host: LibvirtHost, guest: Guest, action: CommitOverlays) -> list[tuple[int, int]]:
    """Carry a live or active commit out; the progress that was told."""
    told: list[tuple[int, int]] = []
    host.commit_live(
        uuid_of(guest),
        action,
        bandwidth=0,
        progress=lambda done, total: told.append((done, total)),
        stop_asked=lambda: False,
    )
    return told


def moved(name: str, source: ImagePath) -> RedefineSnapshot:
    """What says in a record that vda's frozen layer is *source* now."""
    change = SourceChange(target=VDA, source=source, source_format="qcow2")
    return RedefineSnapshot(snapshot=SnapshotName(name), sources=(change,))


def head_in(image: ImagePath | Path) -> int:
    """The last record in an image, all of whose data is right."""
    check = check_image(Path(image), replay=True)
    assert check.is_whole, check
    return check.head


def names_in(folder: Path) -> list[str]:
    """The images in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".qcow2")
