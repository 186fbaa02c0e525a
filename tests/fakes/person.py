"""A person with virsh and qemu-img, who knows nothing of virtsnap: snapshots, jobs, images."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.model.action import CommitMethod
from reconciler.model.domain import JobKind
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName, is_below_dev
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from tests.fakes import block_jobs, offline, records, snapshots
from tests.fakes.administrator import Administrator
from tests.fakes.domain import FakeJob, FakeRecord
from tests.fakes.host import FakeHost
from tests.fakes.storage import OVERLAYS, FakeFile


@dataclass
class Person:
    """What one does by hand.  Domains and images are named as a person names them."""

    host: FakeHost

    # Snapshots

    def snapshot_create(
        self,
        name: str,
        snapshot: str,
        targets: Iterable[str] | None = None,
        *,
        has_metadata: bool = True,
    ) -> None:
        """``snapshot-create-as --disk-only``, of every writable disk unless *targets* says which."""
        domain = self.host.domain(name)
        wanted = [
            d.target
            for d in domain.definition.disks
            if d.is_writable and not (d.is_excluded or d.is_manual)
        ]
        if targets is not None:
            wanted = [DiskTarget(target) for target in targets]
        overlays = {t: self._default_overlay(domain.disk(t).source, snapshot) for t in wanted}
        self.host.world.clock.wait(60)
        snapshots.create(
            self.host.world, domain, SnapshotName(snapshot), overlays, has_metadata=has_metadata
        )

    def snapshot_internal(self, name: str, snapshot: str) -> None:
        """``snapshot-create-as``: inside every writable image, with memory when it runs."""
        domain = self.host.domain(name)
        self.host.world.clock.wait(60)
        memory = MemoryCapture.INTERNAL if domain.is_active else MemoryCapture.NONE
        writable = frozenset(d.target for d in domain.definition.disks if d.is_writable)
        kind = snapshots.Kind(inside=writable, memory=memory)
        snapshots.create(self.host.world, domain, SnapshotName(snapshot), {}, kind=kind)

    def snapshot_with_memory(self, name: str, snapshot: str) -> None:
        """``snapshot-create-as --memspec``, over every writable disk."""
        domain = self.host.domain(name)
        disks = [d for d in domain.definition.disks if d.is_writable]
        overlays = {d.target: self._default_overlay(d.source, snapshot) for d in disks}
        self.host.world.clock.wait(60)
        kind = snapshots.Kind(
            memory=MemoryCapture.EXTERNAL,
            memory_file=self._free(ImagePath(f"{_stem(disks[0].source)}.{snapshot}.mem")),
        )
        world = self.host.world
        snapshots.create(world, domain, SnapshotName(snapshot), overlays, kind=kind)

    def image_snapshot(self, image: str, snapshot: str) -> None:
        """``qemu-img snapshot -c``, of which libvirt knows nothing."""
        file = self.host.world.storage.file(ImagePath(image))
        file.keep_inside(snapshot)

    def snapshot_delete_metadata(self, name: str, snapshot: str) -> None:
        """``snapshot-delete --metadata``."""
        snapshots.forget(self.host.world, self.host.domain(name), SnapshotName(snapshot))

    def snapshot_delete(self, name: str, snapshot: str) -> None:
        """``snapshot-delete`` of an internal one."""
        snapshots.delete(self.host.world, self.host.domain(name), SnapshotName(snapshot))

    def snapshot_revert(self, name: str, snapshot: str) -> None:
        """``snapshot-revert`` to an internal one: disks, definition and metadata of that moment."""
        domain = self.host.domain(name)
        record = domain.record(SnapshotName(snapshot))
        offline.revert_natively(self.host.world, domain, record)

    def snapshot_edit(self, name: str, snapshot: str, *, description: str) -> None:
        """``snapshot-edit``."""
        named = SnapshotName(snapshot)
        domain = self.host.domain(name)
        snapshots.redefine(domain, named, description=description, sources=(), make_current=False)

    def snapshot_delete_children(self, name: str, snapshot: str, *, too: bool) -> None:
        """``snapshot-delete --children --metadata``; not *too*: ``--children-only``."""
        records.forget_subtree(self.host.domain(name), SnapshotName(snapshot), too=too)

    def snapshot_redefine(
        self,
        name: str,
        snapshot: str,
        sources: Mapping[DiskTarget, ImagePath],
        *,
        where: str = "both",
        overlays: Mapping[DiskTarget, ImagePath] | None = None,
        memory_file: ImagePath | None = None,
    ) -> None:
        """``snapshot-create --redefine``, or ``snapshot-edit``: other images.

        *where*: in both inner definitions, or in ``<domain>`` (*live*) or ``<inactiveDomain>`` alone.
        """
        domain = self.host.domain(name)
        record = domain.record(SnapshotName(snapshot))
        records.dump(self.host.world, domain)
        files = self.host.world.storage.files
        for target, path in sources.items():
            disk = record.disks[target]
            if where != "live" and target in record.inactive:
                record.inactive[target] = path
            if where != "inactive":
                disk.source = path
                disk.source_format = files[path].format if path in files else disk.source_format
        for target, path in (overlays or {}).items():
            record.disks[target].overlay = path
        record.memory_file = memory_file or record.memory_file

    def snapshot_move(self, name: str, snapshot: str, parent: str | None) -> None:
        """``snapshot-edit`` of the parent."""
        record = self.host.domain(name).record(SnapshotName(snapshot))
        records.register(self.host.domain(name), replace(record, parent=parent))

    def snapshot_date(self, name: str, snapshot: str, created: int) -> None:
        """``snapshot-edit`` of the time."""
        self.host.domain(name).record(SnapshotName(snapshot)).created = created

    def snapshot_register(self, name: str, dump: FakeRecord, *, as_: str | None = None) -> None:
        """``snapshot-create --redefine`` of a dump; a parent that is gone is left out of it."""
        domain = self.host.domain(name)
        parent = dump.parent if dump.parent in domain.records else None
        named = SnapshotName(as_ or dump.name)
        records.register(domain, replace(copy.deepcopy(dump), name=named, parent=parent))

    def snapshot_current(self, name: str, snapshot: str) -> None:
        """``snapshot-current DOMAIN SNAPSHOT``, which moves the pointer."""
        domain = self.host.domain(name)
        domain.current = domain.record(SnapshotName(snapshot)).name

    def revert(self, name: str, snapshot: str, *, redefine_disks: bool) -> None:
        """By hand: new overlays on the frozen layers, defined, the snapshot made current."""
        domain = self.host.domain(name)
        if domain.persistent is None:
            return  # it would be gone
        Administrator(self.host).shut_off(name)
        record = domain.record(SnapshotName(snapshot))
        for taken in record.disks.values():
            disk = domain.definition.disk(taken.target)
            if taken.capture is not DiskCapture.EXTERNAL or disk is None:
                continue
            overlay = self._free(ImagePath(f"{_stem(taken.source)}.back-to-{snapshot}.qcow2"))
            self.overlay_on(taken.source, overlay)
            snapshots.put_on(disk, overlay, "qcow2")
            if redefine_disks:
                taken.overlay = overlay
        domain.current = record.name

    # Block jobs and qemu-img

    def blockcommit(
        self, name: str, target: str, *, base: str, top: str, pivot: bool = True
    ) -> None:
        """``blockcommit --wait``, of the active layer ``--active --pivot`` (else left at ready)."""
        domain, disk = self.host.domain(name), DiskTarget(target)
        is_active = ImagePath(top) == domain.disk(disk).source
        job = block_jobs.begin(
            self.host.world,
            domain,
            disk,
            base=ImagePath(base),
            top=ImagePath(top),
            method=CommitMethod.ACTIVE if is_active else CommitMethod.LIVE,
        )
        block_jobs.run(self.host.world, domain, job)
        if is_active and pivot:
            block_jobs.pivot(self.host.world, domain, disk)

    def blockpull(self, name: str, target: str, *, base: str | None = None) -> None:
        """``blockpull --wait``: what lies above *base* (all of it unless said) into the active layer."""
        below = ImagePath(base) if base else None
        block_jobs.pull(self.host.world, self.host.domain(name), DiskTarget(target), base=below)

    def job(self, name: str, target: str, kind: JobKind) -> None:
        """Another kind of block job, a backup's say; it stays until ``end_job``."""
        domain = self.host.domain(name)
        domain.jobs[DiskTarget(target)] = FakeJob(disk=DiskTarget(target), kind=kind, total=1 << 20)

    def end_job(self, name: str, target: str) -> None:
        """It is over."""
        self.host.domain(name).jobs.pop(DiskTarget(target), None)

    def domain_job(self, name: str, job: str | None) -> None:
        """A backup or migration begins; None: it is over."""
        self.host.domain(name).domain_job = job

    def qemu_img_commit(self, top: str, base: str | None = None) -> None:
        """``qemu-img commit -d``, into the direct backing image unless *base* says another."""
        into = ImagePath(base) if base else self.host.world.storage.file(ImagePath(top)).backing
        if into is not None:
            offline.merge(self.host.world, base=into, top=ImagePath(top))

    def qemu_img_rebase(self, image: str, backing: str) -> None:
        """``qemu-img rebase -u``."""
        below = self.host.world.storage.file(ImagePath(backing))
        offline.point_header_at(self.host.world, ImagePath(image), below.path, below.format)

    def overlay_on(self, backing: str, path: str) -> ImagePath:
        """``qemu-img create -b``: a stray reader, until somebody defines it."""
        below = self.host.world.storage.files.get(ImagePath(backing))
        file = FakeFile(
            path=ImagePath(path),
            backing=ImagePath(backing),
            backing_format=below.format if below else "qcow2",
        )
        return self.host.world.storage.add(file).path

    # Files and folders

    def remove_file(self, path: str) -> None:
        """``rm``."""
        self.host.world.storage.files.pop(ImagePath(path), None)

    def make_unreadable(self, path: str) -> None:
        """``chmod 0600`` to somebody else: seen to be there, not looked into."""
        self.host.world.storage.file(ImagePath(path)).is_readable = False

    def hide_folder(self, folder: str) -> None:
        """``chmod 0700`` to somebody else: nothing in it can be looked for."""
        self.host.world.storage.folder(folder).is_accessible = False

    def _default_overlay(self, source: ImagePath, snapshot: str) -> ImagePath:
        return self._free(ImagePath(f"{_stem(source)}.{snapshot}"))

    def _free(self, path: ImagePath) -> ImagePath:
        taken = self.host.world.storage.files
        names = [path, *(ImagePath(f"{path}.{number}") for number in range(2, 100))]
        return next(name for name in names if name not in taken)


def _stem(path: str) -> str:
    """Where one puts what stands on *path*: beside it, or where overlays of devices go."""
    folder, _, name = path.rpartition("/")
    if is_below_dev(folder):
        return f"{OVERLAYS}/{name}"
    return f"{folder}/{name.rpartition('.')[0] or name}"
