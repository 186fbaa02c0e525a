"""What people do by hand, one function for each verb; what cannot be done now does nothing.

Those of ``tests.fakes.mishaps`` and ``happenings`` are used where they are, the rest is here.
"""

from datetime import timedelta

from hypothesis import strategies as st

from reconciler.model.domain import AgentState
from reconciler.model.ledger import LedgerProblem
from reconciler.model.snapshot import DiskCapture
from tests.fakes import happenings, meddling, mishaps
from tests.fakes.administrator import Administrator
from tests.fakes.domain import FakeDomain, Obedience
from tests.fakes.happenings import Happening
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.picking import Draw, a_disk, a_domain, a_snapshot, an_image, free_name, pick

# Power


def start(draw: Draw, fake: FakeHost) -> None:
    """``start``; of one with a managed save image it goes on from that."""
    Administrator(fake).start(a_domain(draw, fake).name)


def shutdown(draw: Draw, fake: FakeHost) -> None:
    """``shutdown``: obeyed at once, late, or never."""
    domain = a_domain(draw, fake)
    if domain.obedience is Obedience.AT_ONCE and not domain.is_paused:
        Administrator(fake).shut_off(domain.name)


def destroy(draw: Draw, fake: FakeHost) -> None:
    """``destroy``."""
    Administrator(fake).shut_off(a_domain(draw, fake).name)


def pause(draw: Draw, fake: FakeHost) -> None:
    """``suspend``."""
    Administrator(fake).pause(a_domain(draw, fake).name)


def resume(draw: Draw, fake: FakeHost) -> None:
    """``resume``."""
    Administrator(fake).resume(a_domain(draw, fake).name)


def managed_save_remove(draw: Draw, fake: FakeHost) -> None:
    """``managedsave-remove``."""
    saved = [domain for domain in _domains(fake) if domain.has_managed_save]
    domain = pick(draw, saved)
    if domain is not None:
        domain.has_managed_save = False


# Snapshots


def snapshot_with_memory(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-create-as --memspec``."""
    domain = a_domain(draw, fake)
    name = free_name(draw, domain, draw(st.sampled_from("us")))
    if name and domain.is_active and any(d.is_writable for d in domain.definition.disks):
        Person(fake).snapshot_with_memory(domain.name, name)


def snapshot_delete(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-delete`` of an internal one, with what the images hold."""
    domain = a_domain(draw, fake)
    name = pick(draw, [each for each in sorted(domain.records) if _is_inside(domain, each)])
    if name is not None:
        Person(fake).snapshot_delete(domain.name, name)


def snapshot_revert(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-revert`` to an internal one, by libvirt itself."""
    domain = a_domain(draw, fake)
    name = pick(draw, [each for each in sorted(domain.records) if _is_inside(domain, each)])
    if name is not None:
        Person(fake).snapshot_revert(domain.name, name)


def snapshot_edit(draw: Draw, fake: FakeHost) -> None:
    """``snapshot-edit``: another description."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name is not None:
        text = draw(st.sampled_from(("by hand", "")))
        Person(fake).snapshot_edit(domain.name, name, description=text)


def image_snapshot(draw: Draw, fake: FakeHost) -> None:
    """``qemu-img snapshot -c`` of an image that no QEMU has open."""
    path = an_image(draw, fake)
    files = fake.world.storage.files
    if path and files[path].format == "qcow2" and not fake.world.in_use_by(frozenset({path})):
        Person(fake).image_snapshot(path, "by-hand")


def _is_inside(domain: FakeDomain, name: str) -> bool:
    record = next(r for r in domain.records.values() if r.name == name)
    taken = {d.capture for d in record.disks.values()} - {DiskCapture.SKIPPED}
    return taken == {DiskCapture.INTERNAL}


# Disks


def blockpull(draw: Draw, fake: FakeHost) -> None:
    """``blockpull --wait``: all that lies below, or below some image, goes into the active layer."""
    domain = a_domain(draw, fake)
    disk = a_disk(draw, domain)
    chain = disk.stated if disk and domain.live is not None else None
    if disk is not None and chain is not None and len(chain) > 1:
        base = draw(st.sampled_from((None, *chain[:-2])))
        Person(fake).blockpull(domain.name, disk.target, base=base)


def block_jobs_end(draw: Draw, fake: FakeHost) -> None:
    """``blockjob --abort``, or the backup is over."""
    busy_ones = [d for d in _domains(fake) if d.jobs or d.domain_job or d.checkpoints]
    domain = pick(draw, busy_ones)
    if domain is not None:
        for target in tuple(domain.jobs):
            Person(fake).end_job(domain.name, target)
        Person(fake).domain_job(domain.name, None)
        domain.checkpoints.clear()


def undefine_and_define(draw: Draw, fake: FakeHost) -> None:
    """``undefine --snapshots-metadata --managed-save`` and ``define`` of what was dumped before."""
    domain = pick(draw, [domain for domain in _domains(fake) if not domain.is_active])
    if domain is not None:
        Administrator(fake).define_anew(domain.name)


def undefine_a_running_one(draw: Draw, fake: FakeHost) -> None:
    """``undefine --snapshots-metadata``: it goes on as a transient one, without records."""
    domain = pick(draw, [each for each in _domains(fake) if each.is_active and each.persistent])
    if domain is not None and len(_domains(fake)) > 1:
        Administrator(fake).undefine(domain.name)


def define_a_transient_one(draw: Draw, fake: FakeHost) -> None:
    """``define`` of its ``dumpxml``: it is persistent again."""
    domain = pick(draw, [each for each in _domains(fake) if each.persistent is None])
    if domain is not None:
        Administrator(fake).define_again(domain.name)


# What virtsnap remembers


def lose_ledger(draw: Draw, fake: FakeHost) -> None:
    """``define`` by a tool that drops metadata."""
    Administrator(fake).lose_ledger(a_domain(draw, fake).name)


def lose_machine(draw: Draw, fake: FakeHost) -> None:
    """The journal is gone."""
    Administrator(fake).lose_machine(a_domain(draw, fake).name)


def clone_ledger(draw: Draw, fake: FakeHost) -> None:
    """One definition is defined over another, as ``virt-clone`` might."""
    one, other = a_domain(draw, fake), a_domain(draw, fake)
    if one is not other:
        Administrator(fake).clone_metadata(one.name, to=other.name)


def spoil_ledger(draw: Draw, fake: FakeHost) -> None:
    """It does not parse, is of a newer virtsnap, or is mended."""
    domain = a_domain(draw, fake)
    if domain.ledger_problem is None and domain.ledger is not None:
        problem = draw(st.sampled_from((LedgerProblem.NEWER, LedgerProblem.DAMAGED)))
        Administrator(fake).spoil_ledger(domain.name, problem)
    else:
        domain.ledger_problem = None


# What lies around


def seen_again(draw: Draw, fake: FakeHost) -> None:
    """Files and folders are readable again."""
    for folder in fake.world.storage.folders.values():
        folder.is_accessible = True
    for file in fake.world.storage.files.values():
        file.is_readable = True


def backup_reads(draw: Draw, fake: FakeHost) -> None:
    """A backup opens an image, with QEMU's locks, or has come to its end."""
    if fake.world.read_elsewhere:
        fake.world.read_elsewhere.clear()
        return
    paths = sorted(fake.world.storage.files)
    if paths:
        fake.world.read_elsewhere.add(draw(st.sampled_from(paths)))


def agent_well(draw: Draw, fake: FakeHost) -> None:
    """The agent runs and answers, nothing is frozen."""
    agent = a_domain(draw, fake).agent
    agent.state, agent.silent_for = AgentState.CONNECTED, 0
    agent.is_frozen = agent.has_freeze_queued = False


def guest_writes(draw: Draw, fake: FakeHost) -> None:
    """The guest goes on; of a paused one, or one that is off, nobody does."""
    domain = a_domain(draw, fake)
    if domain.is_active and not domain.is_paused:
        fake.guest_goes_on(domain.name)


def clock_forward(draw: Draw, fake: FakeHost) -> None:
    """Minutes, hours or days later."""
    fake.world.clock.time += timedelta(minutes=draw(st.sampled_from((1, 10, 90, 3000))))


def clock_back(draw: Draw, fake: FakeHost) -> None:
    """Somebody sets it back."""
    fake.world.clock.time -= timedelta(minutes=draw(st.sampled_from((1, 10, 90, 3000))))


def _domains(fake: FakeHost) -> list[FakeDomain]:
    return sorted(fake.world.domains.values(), key=lambda domain: domain.name)


#: the verb a person types → what it does
DEEDS: dict[str, Happening] = {
    "qemu_img_convert": backup_reads,
    "start": start,
    "shutdown": shutdown,
    "destroy": destroy,
    "suspend": pause,
    "resume": resume,
    "managedsave": mishaps.managed_save,
    "managedsave_remove": managed_save_remove,
    "snapshot_create_disk_only": happenings.take_by_hand,
    "snapshot_create": mishaps.internal_snapshot,
    "snapshot_create_memspec": snapshot_with_memory,
    "snapshot_create_no_metadata": mishaps.overlay_of_a_tool,
    "snapshot_delete": snapshot_delete,
    "snapshot_delete_metadata": meddling.forget,
    "snapshot_delete_children": meddling.forget_subtree,
    "redefine_swapped": meddling.swap_sources,
    "snapshot_edit_sources": meddling.change_sources,
    "snapshot_edit_overlay": meddling.change_overlay,
    "snapshot_edit_memory": meddling.change_memory,
    "snapshot_edit_parent": meddling.change_parent,
    "snapshot_edit_time": meddling.change_time,
    "redefine_from_a_dump": meddling.register_again,
    "drop_and_redefine": meddling.drop_and_register_again,
    "define_older": meddling.define_older,
    "blockpull_past_an_empty_layer": meddling.pull_over_an_empty_layer,
    "snapshot_revert": snapshot_revert,
    "revert_by_hand": happenings.revert_by_hand,
    "snapshot_current": mishaps.move_current,
    "snapshot_edit": snapshot_edit,
    "blockcommit": mishaps.commit_by_hand,
    "blockpull": blockpull,
    "blockjob_of_others": mishaps.busy,
    "blockjob_abort": block_jobs_end,
    "edit": mishaps.edit_definition,
    "define_another": mishaps.second_domain,
    "undefine_and_define": undefine_and_define,
    "undefine_a_running_one": undefine_a_running_one,
    "define_a_transient_one": define_a_transient_one,
    "attach_or_detach_disk": mishaps.hardware,
    "qemu_img_commit": mishaps.commit_files_by_hand,
    "qemu_img_create": mishaps.stray_overlay,
    "qemu_img_snapshot": image_snapshot,
    "rm": mishaps.remove_a_file,
    "chmod": mishaps.lost_sight,
    "chmod_back": seen_again,
    "agent_trouble": mishaps.agent_trouble,
    "agent_well": agent_well,
    "lose_ledger": lose_ledger,
    "lose_machine": lose_machine,
    "clone_ledger": clone_ledger,
    "spoil_ledger": spoil_ledger,
    "guest_writes": guest_writes,
    "clock_forward": clock_forward,
    "clock_back": clock_back,
}
