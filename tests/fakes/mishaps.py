"""What goes wrong on a host, or is done behind virtsnap's back; what cannot happen now does nothing."""

from hypothesis import note
from hypothesis import strategies as st

from reconciler.model.domain import AgentState, JobKind
from reconciler.model.ledger import Ledger, LedgerProblem
from reconciler.model.names import DiskTarget, ImagePath, folder_of
from tests.fakes import meddling
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.happenings import Happening
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.picking import (
    Draw,
    a_disk,
    a_domain,
    a_snapshot,
    an_image,
    free_name,
    pick,
    some_targets,
)


def commit_by_hand(draw: Draw, fake: FakeHost) -> None:
    """``blockcommit`` of a stretch of a live chain, active or not; the records stay."""
    domain = a_domain(draw, fake)
    disk = a_disk(draw, domain)
    chain = disk.stated if disk and domain.live is not None else None
    if disk is None or chain is None or len(chain) < 2:
        return
    top = draw(st.integers(1, len(chain) - 1))
    base = draw(st.integers(0, top - 1))
    Person(fake).blockcommit(domain.name, disk.target, base=chain[base], top=chain[top])
    if draw(st.booleans()):
        fake.guest_goes_on(domain.name)


def commit_files_by_hand(draw: Draw, fake: FakeHost) -> None:
    """``qemu-img commit`` of any image that no QEMU has open."""
    path = an_image(draw, fake)
    backing = fake.world.storage.files[path].backing if path else None
    if path and backing and fake.world.in_use_by(frozenset({path, backing})) is None:
        Person(fake).qemu_img_commit(path)


def internal_snapshot(draw: Draw, fake: FakeHost) -> None:
    """A person takes an internal one."""
    domain = a_domain(draw, fake)
    name = free_name(draw, domain, "i")
    if name and all(d.source in fake.world.storage.files for d in domain.definition.disks):
        Person(fake).snapshot_internal(domain.name, name)


def overlay_of_a_tool(draw: Draw, fake: FakeHost) -> None:
    """A backup tool puts an overlay on a disk with NO_METADATA."""
    domain = a_domain(draw, fake)
    targets = some_targets(draw, domain)
    if targets:
        Person(fake).snapshot_create(domain.name, "backup", targets, has_metadata=False)


def move_current(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-current DOMAIN NAME``."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name:
        Person(fake).snapshot_current(domain.name, name)


def hardware(draw: Draw, fake: FakeHost) -> None:
    """A disk is detached, a new one or a CD-ROM attached."""
    domain = a_domain(draw, fake)
    administrator, disk = Administrator(fake), a_disk(draw, domain)
    what = draw(st.sampled_from(("detach", "disk", "cdrom")))
    if what == "detach" and disk is not None and len(domain.definition.disks) > 1:
        if disk.target not in domain.jobs:
            administrator.detach_disk(domain.name, disk.target)
    elif domain.definition.disk(DiskTarget("vdx")) is None:
        path = f"/images/{domain.name}-vdx.img"
        administrator.attach_disk(domain.name, "vdx", path, cdrom=what == "cdrom")


def edit_definition(draw: Draw, fake: FakeHost) -> None:
    """The persistent source is edited; sometimes with a chain that the files do not have."""
    domain = a_domain(draw, fake)
    disk, path = a_disk(draw, domain), an_image(draw, fake)
    own = fake.world.storage.header_chain(disk.source) if disk else None
    if disk is None or path is None or own is None:
        return
    others = [each for each in (*own.images, path) if each != disk.source]
    to = draw(st.sampled_from(others or [path]))
    stated = (own.base, to) if draw(st.booleans()) and own.base != to else ()
    Administrator(fake).edit(domain.name, disk.target, to, stated=stated)


def second_domain(draw: Draw, fake: FakeHost) -> None:
    """Another domain is defined on an image of this host, or on an overlay over one."""
    path = an_image(draw, fake)
    name = f"copy{len(fake.world.domains)}"
    if path is not None:
        if draw(st.booleans()):
            path = Person(fake).overlay_on(path, f"/images/{name}.qcow2")
        Administrator(fake).define(name, {"vda": path})
        if draw(st.booleans()):
            Administrator(fake).start(name)


def remove_a_file(draw: Draw, fake: FakeHost) -> None:
    """Somebody clears up."""
    path = an_image(draw, fake)
    if path is not None:
        Person(fake).remove_file(path)


def stray_overlay(draw: Draw, fake: FakeHost) -> None:
    """An overlay that no domain knows lies over an image, in its folder or (listed) elsewhere."""
    path = an_image(draw, fake)
    if path is not None:
        folder = draw(st.sampled_from((folder_of(path), "/elsewhere")))
        if folder == "/elsewhere" and draw(st.booleans()):
            fake.world.extra_folders = (folder,)
        stray = ImagePath(f"{folder}/stray{len(fake.world.storage.files)}.qcow2")
        Person(fake).overlay_on(path, stray)


def lost_sight(draw: Draw, fake: FakeHost) -> None:
    """A file or a folder can no longer be looked into."""
    path = an_image(draw, fake)
    if path is not None and draw(st.integers(0, 2)):
        Person(fake).make_unreadable(path)
    elif path is not None:
        Person(fake).hide_folder(folder_of(path))


def out_of_sight(draw: Draw, fake: FakeHost) -> None:
    """The disk of a shut-off domain is a volume of a pool that is not there, or its image, or one
    below, is moved away: what it reads it reads again one day."""
    off = [domain for domain in fake.world.domains.values() if not domain.is_active]
    domain = pick(draw, sorted(off, key=lambda each: each.name))
    disk = a_disk(draw, domain) if domain is not None else None
    if disk is None:
        return
    if draw(st.booleans()):
        disk.unresolved = "volume v of pool p"
        return
    chain = fake.world.storage.header_chain(disk.source)
    path = draw(st.sampled_from(chain.images)) if chain is not None else None
    if path is not None:
        fake.world.storage.files[path].is_out_of_sight = True


def transience(draw: Draw, fake: FakeHost) -> None:
    """A running domain is undefined; a transient one is defined again, or comes back, also from an
    older file that knows nothing of its overlays."""
    active = [domain for domain in fake.world.domains.values() if domain.is_active]
    domain = pick(draw, sorted(active, key=lambda each: each.name))
    administrator = Administrator(fake)
    if domain is None:
        return
    if domain.persistent is not None:
        administrator.undefine(domain.name)
        return
    what = draw(st.sampled_from(("define", "dump", "older")))
    if what == "define":
        administrator.define_again(domain.name)
        return
    first = {}
    for disk in domain.definition.disks if what == "older" else ():
        chain = fake.world.storage.header_chain(disk.source)
        own = [path for path in chain or () if path.startswith(f"/images/{domain.name}-")]
        first[disk.target] = own[0] if own else disk.source
    administrator.create_anew(domain.name, first or None)


def managed_save(draw: Draw, fake: FakeHost) -> None:
    """A running domain is put to disk with its memory."""
    active = [domain for domain in fake.world.domains.values() if domain.is_active]
    domain = pick(draw, sorted(active, key=lambda each: each.name))
    if domain is not None:
        Administrator(fake).managed_save(domain.name)


def busy(draw: Draw, fake: FakeHost) -> None:
    """A backup, a block job of somebody else, checkpoints."""
    domain = a_domain(draw, fake)
    disk = a_disk(draw, domain)
    what = draw(st.sampled_from(("job", "job", "ready", "backup", "checkpoint")))
    if what == "checkpoint":
        domain.checkpoints.append("c1")
    elif what == "backup" and domain.is_active:
        Person(fake).domain_job(domain.name, "backup")
    elif what == "job" and disk and domain.is_active:
        kind = draw(st.sampled_from((JobKind.BACKUP, JobKind.COPY, JobKind.PULL)))
        Person(fake).job(domain.name, disk.target, kind)
    elif what == "ready" and disk and disk.stated and len(disk.stated) > 1 and domain.is_active:
        base, top = disk.stated[-2:]
        Person(fake).blockcommit(domain.name, disk.target, base=base, top=top, pivot=False)


def agent_trouble(draw: Draw, fake: FakeHost) -> None:
    """Absent, disconnected, hung (for a while or for ever), not allowed to, failing, or frozen by
    somebody."""
    agent = a_domain(draw, fake).agent
    trouble = draw(
        st.sampled_from(("absent", "gone", "slow", "hung", "frozen", "blocked", "failing"))
    )
    if trouble in ("blocked", "failing"):
        setattr(agent, trouble, frozenset({draw(st.sampled_from(("freeze", "thaw")))}))
        return
    if trouble in ("absent", "gone"):
        agent.state = AgentState.ABSENT if trouble == "absent" else AgentState.DISCONNECTED
    elif trouble in ("slow", "hung"):
        agent.silent_for = 2 if trouble == "slow" else -1
    agent.is_frozen = trouble == "frozen" or draw(st.booleans())


def ledger_trouble(draw: Draw, fake: FakeHost) -> None:
    """Lost, of an older day, of another domain, of a newer virtsnap, damaged; or a new machine."""
    domain = a_domain(draw, fake)
    administrator = Administrator(fake)
    older: list[Ledger] = [r.ledger for r in domain.records.values() if r.ledger is not None]
    what = draw(
        st.sampled_from(("lost", "problem", "older", "machine", "foreign", "lost", "problem"))
    )
    if what == "lost":
        administrator.lose_ledger(domain.name)
    elif what == "older" and older:
        administrator.put_ledger(domain.name, draw(st.sampled_from(older)))
    elif what == "machine":
        administrator.lose_machine(domain.name)
    elif what == "foreign":
        administrator.clone_metadata(a_domain(draw, fake).name, to=domain.name)
    elif what == "problem":
        problem = draw(st.sampled_from((LedgerProblem.NEWER, LedgerProblem.DAMAGED)))
        administrator.spoil_ledger(domain.name, problem)


def died_in_a_create(draw: Draw, fake: FakeHost) -> None:
    """An earlier virtsnap died, or libvirt failed, while it took, adopted or held a snapshot."""
    domain = a_domain(draw, fake)
    what, controller = draw(st.integers(0, 4)), Controller(fake)
    if what < 3 and domain.records:
        for record in sorted(domain.records):
            if what == 0:
                controller.mark(domain.name, record)
            else:
                controller.hold(domain.name, record, until="intended")
        return
    name, targets = free_name(draw, domain), some_targets(draw, domain)
    until = draw(st.sampled_from(("intended", "created", "unrecorded")))
    if name and targets:
        Controller(fake).take(domain.name, name, targets, until=until)


def died_in_a_removal(draw: Draw, fake: FakeHost) -> None:
    """An earlier virtsnap died in the middle of a removal."""
    domain = a_domain(draw, fake)
    stages = ("started", "ready", "started", "intended", "aborted", "merged", "confirmed")
    until = draw(st.sampled_from(stages))
    others = [each for each in fake.world.domains.values() if each is not domain]
    for each in (domain, *others):
        for name in sorted(each.records):
            if Controller(fake).begin_removal(each.name, name, until=until):
                return


def died_shutting_down(draw: Draw, fake: FakeHost) -> None:
    """An earlier virtsnap asked a guest to shut down, or had shut it down, and died."""
    active = [domain for domain in fake.world.domains.values() if domain.is_active]
    domain = pick(draw, sorted(active, key=lambda each: each.name))
    if domain is not None:
        until = draw(st.sampled_from(("owed", "asked", "off")))
        Controller(fake).shut_down(domain.name, until=until)


def meddle(draw: Draw, fake: FakeHost) -> None:
    """Somebody changes records."""
    _one_of(draw, fake, meddling.MEDDLING)


def put_back(draw: Draw, fake: FakeHost) -> None:
    """A definition goes back to an older one, or a chain is pulled past an empty layer."""
    _one_of(draw, fake, meddling.PUTTING_BACK)


def _one_of(draw: Draw, fake: FakeHost, deeds: tuple[Happening, ...]) -> None:
    deed = draw(st.sampled_from(deeds))
    note(deed.__name__)
    deed(draw, fake)


MISHAPS: tuple[Happening, ...] = (
    died_in_a_removal,
    died_in_a_removal,
    died_in_a_removal,
    died_in_a_removal,
    died_in_a_create,
    died_in_a_create,
    died_shutting_down,
    died_shutting_down,
    commit_by_hand,
    commit_by_hand,
    second_domain,
    stray_overlay,
    overlay_of_a_tool,
    ledger_trouble,
    ledger_trouble,
    ledger_trouble,
    edit_definition,
    edit_definition,
    commit_files_by_hand,
    move_current,
    hardware,
    remove_a_file,
    internal_snapshot,
    busy,
    busy,
    agent_trouble,
    agent_trouble,
    lost_sight,
    lost_sight,
    out_of_sight,
    managed_save,
    managed_save,
    transience,
    transience,
    died_in_a_create,
    remove_a_file,
    meddle,
    meddle,
    meddle,
    put_back,
)
