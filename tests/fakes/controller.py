"""What virtsnap did before a test begins: snapshots taken, and work left half done.

Does by itself what the executor does (ledger, act, ledger), so that fakes and strategies need no
executor; where the two differ the executor is right and this is to be changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.errors import HypervisorError
from reconciler.model.action import CommitMethod, CreateSnapshot, NewOverlay
from reconciler.model.ledger import (
    MEMORY,
    Consistency,
    EntryState,
    FrozenDisk,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    LedgerImage,
)
from reconciler.model.names import (
    DiskTarget,
    DomainUuid,
    ImagePath,
    SnapshotName,
    file_name_part,
    folder_of,
)
from reconciler.model.power import PowerOwed
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from reconciler.planning import bookkeeping, completion
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.fakes import block_jobs, offline, power
from tests.fakes.domain import FakeDomain, Obedience
from tests.fakes.host import FakeHost
from tests.fakes.storage import OVERLAYS

#: ``source.id`` of everything that is declared in tests.
SOURCE = "tests"
#: how long a guest has to shut down
TIMEOUT = timedelta(minutes=2)


@dataclass
class Controller:
    """An earlier run of virtsnap on this host."""

    host: FakeHost
    source: str = SOURCE
    #: False: of a version that did not write down what its snapshots froze
    remembers: bool = True

    def take(
        self,
        name: str,
        snapshot: str,
        targets: Iterable[str] | None = None,
        *,
        description: str = "",
        quiesce: bool = False,
        inside: bool = False,
        memory: bool = False,
        until: str = "taken",
        is_held: bool = False,
    ) -> None:
        """Take a managed snapshot of *targets* (every writable disk unless said).

        *inside* the images, which takes every writable disk; of a running domain with its memory.

        *until*: ``intended`` dies before libvirt was called, ``created`` before the ledger says
        that it was taken, ``unrecorded`` meets a libvirt that cannot write the record.
        """
        domain = self.host.domain(name)
        named = SnapshotName(snapshot)
        self.host.world.clock.wait(60)
        action = self._action(domain, named, targets, description=description, quiesce=quiesce)
        if inside:
            action = self._inside(domain, action)
        elif memory:
            action = self._with_memory(domain, action)
        action = replace(action, is_held=is_held)
        entry = LedgerEntry(
            name=named,
            uid=self.host.world.identity.uid(),
            state=EntryState.CREATING,
            source=self.source,
            manifest=f"{name}.yaml",
            power=domain.power,
            is_held=is_held,
        )
        if self.remembers:
            frozen = tuple(
                FrozenDisk(disk=new.target, path=new.frozen, format=new.frozen_format)
                for new in action.overlays
            )
            entry = replace(entry, frozen=frozen, memory=action.memory_file)
        images = tuple(
            LedgerImage(path=new.overlay, disk=new.target, snapshot=named)
            for new in action.overlays
        )
        if action.memory_file is not None:
            images = (
                *images,
                LedgerImage(path=action.memory_file, disk=MEMORY, snapshot=named),
            )
        before = self._ledger(domain)
        intent = self.host.remember(
            domain.uuid,
            replace(before, entries=(*before.entries, entry), images=(*before.images, *images)),
        )
        if until == "intended":
            return
        if not self._created(domain, action, is_unrecorded=until == "unrecorded"):
            return
        if until == "created":
            return
        taken = replace(
            entry,
            state=EntryState.TAKEN,
            created=domain.record(named).created,
            consistency=action.consistency,
        )
        entries = tuple(taken if e.name == named else e for e in intent.entries)
        self.host.remember(domain.uuid, self._completed(domain, replace(intent, entries=entries)))

    def _completed(self, domain: FakeDomain, ledger: Ledger) -> Ledger:
        observed = self.host.observe()
        found = observed.domain(domain.uuid)
        if not self.remembers or found is None:
            return ledger
        world = world_of(index_of(observed), replace(found, ledger=ledger))
        return completion.completed(world)

    def _created(self, domain: FakeDomain, action: CreateSnapshot, *, is_unrecorded: bool) -> bool:
        self.host.world.cannot_record = is_unrecorded
        try:
            self.host.create_snapshot(domain.uuid, action, quiesce=action.quiesce)
        except HypervisorError:
            if not is_unrecorded:
                raise
        finally:
            self.host.world.cannot_record = False
        return not is_unrecorded

    def _action(
        self,
        domain: FakeDomain,
        snapshot: SnapshotName,
        targets: Iterable[str] | None,
        *,
        description: str,
        quiesce: bool,
    ) -> CreateSnapshot:
        writable = {d.target for d in domain.definition.disks if d.is_writable}
        wanted = writable if targets is None else {DiskTarget(target) for target in targets}
        consistency = Consistency.QUIESCED if quiesce else Consistency.CRASH
        return CreateSnapshot(
            snapshot=snapshot,
            description=description,
            overlays=tuple(
                NewOverlay(
                    target=target,
                    frozen=domain.disk(target).source,
                    frozen_format=domain.disk(target).format,
                    overlay=self.overlay(domain, target, snapshot),
                )
                for target in sorted(wanted)
            ),
            skipped=tuple(sorted(writable - wanted)),
            parent=domain.current,
            quiesce=quiesce,
            may_degrade=False,
            consistency=consistency if domain.is_active else Consistency.OFFLINE,
            power=domain.power,
            manifest=f"{domain.name}.yaml",
        )

    def _inside(self, domain: FakeDomain, action: CreateSnapshot) -> CreateSnapshot:
        return replace(
            action,
            overlays=(),
            internal=tuple(d.target for d in domain.definition.disks if d.is_writable),
            skipped=(),
            memory=MemoryCapture.INTERNAL if domain.is_active else MemoryCapture.NONE,
            consistency=Consistency.MEMORY if domain.is_active else Consistency.OFFLINE,
            quiesce=False,
        )

    def _with_memory(self, domain: FakeDomain, action: CreateSnapshot) -> CreateSnapshot:
        folder = folder_of(action.overlays[0].overlay)
        stem = f"{folder}/{domain.name}-memory-{file_name_part(action.snapshot)}"
        taken = self.host.world.storage.files
        names = [f"{stem}.save", *(f"{stem}.{number}.save" for number in range(2, 100))]
        return replace(
            action,
            memory=MemoryCapture.EXTERNAL,
            memory_file=next(ImagePath(name) for name in names if ImagePath(name) not in taken),
            consistency=Consistency.MEMORY,
            quiesce=False,
        )

    def overlay(self, domain: FakeDomain, target: DiskTarget, snapshot: str) -> ImagePath:
        """The default name of an overlay, made free."""
        source = domain.disk(target).source
        folder = OVERLAYS if self.host.world.storage.file(source).is_device else folder_of(source)
        stem = f"{folder}/{domain.name}-{target}-{file_name_part(snapshot)}"
        taken = self.host.world.storage.files
        names = [f"{stem}.qcow2", *(f"{stem}.{number}.qcow2" for number in range(2, 100))]
        return next(ImagePath(name) for name in names if ImagePath(name) not in taken)

    def shut_down(self, name: str, *, until: str) -> None:
        """Shut the domain down for a snapshot, and die.

        *until*: ``owed`` (only in the ledger), ``asked`` (it may obey late), ``off``.
        """
        domain = self.host.domain(name)
        if not power.comes_back_as_it_is(domain):
            return
        late = self.host.world.now + 2 * TIMEOUT
        owed = PowerOwed(state=domain.power, until=late)
        self.host.remember(domain.uuid, replace(self._ledger(domain), owed=owed))
        if until == "asked" and domain.obedience is not Obedience.NEVER:
            domain.obeys_at = self.host.world.now + power.LATE
        if until == "off":
            power.shut_off(self.host.world, domain)

    def hold(self, name: str, snapshot: str, *, until: str = "recorded") -> None:
        """Put a hold on a snapshot that was taken; *until* ``intended`` dies before the record."""
        domain, named = self.host.domain(name), SnapshotName(snapshot)
        before = self._ledger(domain)
        entry = before.entry(named)
        if entry is None or entry.state is not EntryState.TAKEN or named not in domain.records:
            return
        entries = tuple(replace(e, is_held=e.is_held or e is entry) for e in before.entries)
        ledger = self.host.remember(domain.uuid, replace(before, entries=entries))
        if until == "recorded":
            self.host.mark_record(domain.uuid, named, bookkeeping.mark(ledger, named))

    def mark(self, name: str, snapshot: str) -> None:
        """Begin to adopt a snapshot that a person took, and die before the ledger knows of it."""
        domain, named = self.host.domain(name), SnapshotName(snapshot)
        before = self._ledger(domain)
        seen = self.host.observe().domain(domain.uuid)
        record = seen.record(named) if seen else None
        if record is None or record.uid is not None or before.entry(named) is not None:
            return
        entry = LedgerEntry(name=named, uid=self.host.world.identity.uid(), state=EntryState.TAKEN)
        written = self.host.remember(domain.uuid, before)  # the fence came before
        ledger = replace(written, entries=(*before.entries, entry))
        self.host.mark_record(domain.uuid, named, bookkeeping.mark(ledger, named))

    def begin_removal(self, name: str, snapshot: str, *, until: str) -> bool:
        """Begin to remove a managed snapshot, and die; False when it cannot be begun.

        *until*, each on the first disk of the snapshot: ``intended`` (only in the ledger),
        ``started`` (the job runs, or the base is dirty), ``ready`` (the job waits for the pivot),
        ``aborted``, ``merged`` (the chain is switched; of a job below the active layer the ledger does not know),
        ``confirmed`` (the ledger knows, record and image are still there).
        """
        domain = self.host.domain(name)
        commit = self._commit_of(domain, SnapshotName(snapshot))
        if commit is None:
            return False
        before = self._ledger(domain)
        self.host.remember(
            domain.uuid,
            replace(
                before,
                commits=(*before.commits, commit),
                identities=tuple(
                    known
                    for known in before.identities
                    if known.path not in (commit.base, *commit.merged)
                ),
                entries=tuple(
                    replace(e, state=EntryState.DELETING) if e.name == snapshot else e
                    for e in before.entries
                ),
            ),
        )
        if until == "intended":
            return True
        (self._merge_live if domain.is_active else self._merge_offline)(domain, commit, until)
        if until == "confirmed":
            self._remember_merged(domain, commit)
        return True

    def _commit_of(self, domain: FakeDomain, snapshot: SnapshotName) -> LedgerCommit | None:
        """On the first disk whose live chain has both images of the snapshot and no job."""
        record = domain.records.get(snapshot)
        entry = self._ledger(domain).entry(snapshot)
        if record is None or entry is None or entry.state is not EntryState.TAKEN:
            return None
        if entry.is_held or self._is_held(domain, snapshot):
            return None
        for target, taken in sorted(record.disks.items()):
            disk = domain.definition.disk(target)
            if disk is None or taken.capture is not DiskCapture.EXTERNAL or target in domain.jobs:
                continue
            chain = self.host.world.storage.header_chain(disk.source)
            if (
                chain is not None
                and taken.overlay is not None
                and taken.overlay in chain
                and chain.below(taken.overlay) == taken.source
                and self._stands_alone(taken.overlay, chain.above(taken.overlay))
            ):
                return LedgerCommit(
                    disk=target, base=taken.source, merged=(taken.overlay,), snapshots=(snapshot,)
                )
        return None

    def _is_held(self, domain: FakeDomain, snapshot: SnapshotName) -> bool:
        seen = self.host.observe().domain(domain.uuid)
        record = seen.record(snapshot) if seen else None
        return record is not None and record.is_held

    def _stands_alone(self, overlay: ImagePath, above: ImagePath | None) -> bool:
        """No other image stands on it: virtsnap would have refused."""
        files = self.host.world.storage.files.values()
        return {file.path for file in files if file.backing == overlay} <= {above}

    def _merge_live(self, domain: FakeDomain, commit: LedgerCommit, until: str) -> None:
        world, disk = self.host.world, commit.disk
        is_active = commit.top == domain.disk(disk).source
        job = block_jobs.begin(
            world,
            domain,
            disk,
            base=commit.base,
            top=commit.top,
            method=CommitMethod.ACTIVE if is_active else CommitMethod.LIVE,
        )
        if until == "aborted":
            block_jobs.abort(domain, disk)
        elif until != "started":
            block_jobs.run(world, domain, job)
            if is_active and until != "ready":
                self._remember_merged(domain, commit)
                block_jobs.pivot(world, domain, disk)

    def _remember_merged(self, domain: FakeDomain, commit: LedgerCommit) -> None:
        """Written before the chain is switched: afterwards the chain alone proves nothing."""
        ledger = self._ledger(domain)
        merged = bookkeeping.merged(ledger, base=commit.base, top=commit.top)
        self.host.remember(domain.uuid, merged)

    def _merge_offline(self, domain: FakeDomain, commit: LedgerCommit, until: str) -> None:
        world = self.host.world
        offline.merge(world, base=commit.base, top=commit.top)
        if until in ("started", "ready", "aborted"):
            return
        self._remember_merged(domain, commit)
        base_format = world.storage.file(commit.base).format
        for file in world.storage.files.values():
            if file.backing == commit.top:
                offline.point_header_at(world, file.path, commit.base, base_format)
        disk = domain.disk(commit.disk)
        to, its_format = (
            (commit.base, base_format) if disk.source == commit.top else (disk.source, disk.format)
        )
        self.host.switch_disk(domain.uuid, commit.disk, to=to, image_format=its_format)

    def _ledger(self, domain: FakeDomain) -> Ledger:
        return self.host.read_ledger(DomainUuid(domain.uuid)) or Ledger(uuid=domain.uuid)
