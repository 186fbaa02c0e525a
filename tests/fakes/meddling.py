"""What people do to records and definitions, all that libvirt lets them do; one drawn deed each."""

from hypothesis import strategies as st

from reconciler.model.names import DiskTarget, ImagePath
from reconciler.model.snapshot import DiskCapture
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import FakeDomain, FakeRecord, FakeRecordDisk
from tests.fakes.happenings import Happening
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.picking import Draw, a_disk, a_domain, a_snapshot, free_name, pick


def forget(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-delete --metadata``."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name is not None:
        Person(fake).snapshot_delete_metadata(domain.name, name)


def forget_subtree(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-delete --children --metadata``, or ``--children-only``."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name is not None:
        Person(fake).snapshot_delete_children(domain.name, name, too=draw(st.booleans()))


def swap_sources(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-create --redefine`` of two, each with the other's sources."""
    domain = a_domain(draw, fake)
    one, other = _external(draw, domain), _external(draw, domain)
    if one is None or other is None or one is other:
        return
    here, there = _sources(one), _sources(other)
    Person(fake).snapshot_redefine(domain.name, one.name, there)
    Person(fake).snapshot_redefine(domain.name, other.name, here)


def change_sources(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-edit``: a source lower, higher, or of another branch, or no file at all.

    In one of the inner definitions or in both, of one disk or of all.
    """
    domain = a_domain(draw, fake)
    record = _external(draw, domain)
    if record is None:
        return
    targets = sorted(disk.target for disk in _captured(record))
    chosen = draw(st.sampled_from((targets, targets, targets[:1])))
    where = draw(st.sampled_from(("both", "both", "live", "inactive")))
    sources = {}
    for target in chosen:
        path = pick(draw, _relatives(fake, domain, target))
        if path is not None:
            sources[target] = path
    Person(fake).snapshot_redefine(domain.name, record.name, sources, where=where)


def change_overlay(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-edit``: another file in ``<disks>``."""
    domain = a_domain(draw, fake)
    record = _external(draw, domain)
    disk = pick(draw, _captured(record)) if record else None
    path = pick(draw, _relatives(fake, domain, disk.target)) if disk else None
    if record and disk and path:
        Person(fake).snapshot_redefine(domain.name, record.name, {}, overlays={disk.target: path})


def change_memory(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-edit``: the memory image of another one."""
    domain = a_domain(draw, fake)
    files = {r.memory_file for r in domain.records.values() if r.memory_file is not None}
    record = pick(draw, [r for r in _by_name(domain) if r.memory_file is not None])
    if record is not None:
        path = draw(st.sampled_from(sorted(files)))
        Person(fake).snapshot_redefine(domain.name, record.name, {}, memory_file=path)


def change_parent(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-edit``: another parent, or none."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    parent = draw(st.sampled_from((None, *sorted(domain.records))))
    if name is not None:
        Person(fake).snapshot_move(domain.name, name, parent)


def change_time(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-edit``: another time."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name is not None:
        Person(fake).snapshot_date(domain.name, name, domain.record(name).created - 60)


def register_again(draw: Draw, fake: FakeHost) -> None:
    """A record from an old dump, over that of now, or where it was dropped; or under a free name."""
    domain = a_domain(draw, fake)
    dumps = [dump for uuid, dump in fake.world.dumped_records if uuid == domain.uuid]
    dump = pick(draw, dumps)
    if dump is None:
        return
    if dump.name in domain.records and draw(st.booleans()):
        Person(fake).snapshot_delete_metadata(domain.name, dump.name)
    name = free_name(draw, domain, "u") if draw(st.integers(0, 9)) == 9 else dump.name
    Person(fake).snapshot_register(domain.name, dump, as_=name)


def drop_and_register_again(draw: Draw, fake: FakeHost) -> None:
    """A record of now is dropped, something else perhaps too, and it is registered from its dump."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name is None:
        return
    dump = domain.record(name)
    Person(fake).snapshot_delete_metadata(domain.name, name)
    another = a_snapshot(draw, domain) if draw(st.booleans()) else None
    if another is not None:
        Person(fake).snapshot_delete_metadata(domain.name, another)
    Person(fake).snapshot_register(domain.name, dump)


def define_older(draw: Draw, fake: FakeHost) -> None:
    """``define`` of the XML from before, after ``undefine --snapshots-metadata`` or over what is."""
    domain = a_domain(draw, fake)
    dumps = [dump for uuid, dump in fake.world.dumped_definitions if uuid == domain.uuid]
    older = pick(draw, dumps)
    if older is None or domain.persistent is None:
        return
    is_first_undefined = not domain.is_active and draw(st.integers(0, 2)) == 0
    keeps_ledger = draw(st.booleans())
    Administrator(fake).define_older(
        domain.name, older, is_first_undefined=is_first_undefined, keeps_ledger=keeps_ledger
    )


def pull_over_an_empty_layer(draw: Draw, fake: FakeHost) -> None:
    """Two snapshots with nothing written between them, then ``blockpull --base`` of what lies below
    the first."""
    domain = a_domain(draw, fake)
    names = [free_name(draw, domain, "s"), free_name(draw, domain, "u")]
    disk = a_disk(draw, domain)
    if disk is None or not domain.is_active or domain.has_let_go or None in names:
        return
    base = disk.source
    for name in names:
        _take(draw, fake, domain, str(name))
    if draw(st.booleans()):
        fake.guest_goes_on(domain.name)
    Person(fake).blockpull(domain.name, disk.target, base=base)


def _take(draw: Draw, fake: FakeHost, domain: FakeDomain, name: str) -> None:
    if draw(st.integers(0, 2)):
        Controller(fake).take(domain.name, name)
    else:
        Person(fake).snapshot_create(domain.name, name)


def _by_name(domain: FakeDomain) -> list[FakeRecord]:
    return [domain.records[name] for name in sorted(domain.records)]


def _captured(record: FakeRecord) -> list[FakeRecordDisk]:
    return [d for d in record.disks.values() if d.capture is DiskCapture.EXTERNAL]


def _external(draw: Draw, domain: FakeDomain) -> FakeRecord | None:
    return pick(draw, [record for record in _by_name(domain) if _captured(record)])


def _sources(record: FakeRecord) -> dict[DiskTarget, ImagePath]:
    return {disk.target: disk.source for disk in _captured(record)}


def _relatives(fake: FakeHost, domain: FakeDomain, target: DiskTarget) -> list[ImagePath]:
    """Images that a person may take for that of a disk: of its chain, of any branch, one that is gone."""
    said = {
        path
        for record in domain.records.values()
        for disk in record.disks.values()
        if disk.target == target
        for path in (disk.source, disk.overlay)
        if path is not None
    }
    now = domain.definition.disk(target)
    chain = fake.world.storage.header_chain(now.source) if now else None
    return sorted({*said, *(chain or ()), ImagePath("/images/gone.qcow2")})


#: what makes records lie; all of it is over in a moment, and asks nobody
MEDDLING: tuple[Happening, ...] = (
    forget,
    forget,
    forget_subtree,
    swap_sources,
    change_sources,
    change_sources,
    change_overlay,
    change_memory,
    change_parent,
    change_time,
    register_again,
    drop_and_register_again,
)
#: what puts definitions back, or merges by hand
PUTTING_BACK: tuple[Happening, ...] = (define_older, pull_over_an_empty_layer)
