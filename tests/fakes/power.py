"""Guests that are started, shut down, and that obey at once, late or never."""

from datetime import timedelta

from reconciler.engine.ports import StopAsked
from reconciler.errors import HypervisorError, Interrupted, StepRefused
from reconciler.model.domain import REMOVABLE
from reconciler.model.names import DomainUuid
from reconciler.model.power import Stopped
from tests.fakes.domain import FakeDisk, FakeDomain, Obedience
from tests.fakes.world import World

#: a guest that obeys late does so this long after it was asked
LATE = timedelta(minutes=3)


def start(world: World, domain: FakeDomain, *, is_paused: bool = False) -> None:
    """QEMU opens what the definition states, else what the headers say."""
    if domain.live is not None or domain.persistent is None:
        return
    live = domain.persistent.copied()
    live.disks = [disk for disk in live.disks if not _is_taken_away(world, disk)]
    for disk in live.disks:
        open_disk(world, disk)
    domain.live, domain.is_paused, domain.has_managed_save = live, is_paused, False
    domain.boots += 1
    # whatever the last one was in: it has just come up
    domain.agent.is_frozen = domain.agent.has_freeze_queued = False


def shut_off(world: World, domain: FakeDomain) -> None:
    """It is off, however that came about: its block jobs end where they are."""
    domain.live, domain.is_paused, domain.agent.is_frozen = None, False, False
    domain.obeys_at, domain.has_let_go = None, False
    domain.jobs.clear()
    if domain.persistent is None:
        del world.domains[DomainUuid(domain.uuid)]


def settle(world: World) -> None:
    """Guests that were asked in vain, and obey now."""
    for domain in tuple(world.domains.values()):
        is_due = domain.obeys_at is not None and domain.obeys_at <= world.now
        if is_due and not domain.is_paused and comes_back_as_it_is(domain):
            shut_off(world, domain)


def comes_back_as_it_is(domain: FakeDomain) -> bool:
    """It is on, and nobody has edited what it will see at its next start.

    virtsnap shuts no other domain down; and what a person did to one is no loss of virtsnap's.
    """
    if domain.live is None or domain.persistent is None:
        return False
    after = {disk.target: disk for disk in domain.persistent.disks}
    return all(
        disk.target in after
        and after[disk.target].source == disk.source
        and after[disk.target].stated in (None, disk.stated)
        for disk in domain.live.disks
    )


def shut_down(
    world: World,
    domain: FakeDomain,
    *,
    timeout: float,
    then_destroy: bool,
    stop_asked: StopAsked,
) -> Stopped:
    """The port's verb."""
    if domain.persistent is None:
        raise StepRefused(f"cannot shut down {domain.name}: it is transient")
    stopped = Stopped.NOT_YET
    if domain.live is None:
        stopped = Stopped.BY_GUEST
    elif not domain.is_paused:
        stopped = _asked(world, domain, timeout, stop_asked)
    if stopped is Stopped.NOT_YET and then_destroy:
        shut_off(world, domain)
        stopped = Stopped.BY_FORCE
    if stopped is not Stopped.NOT_YET and domain.has_managed_save:
        raise StepRefused(f"cannot shut down {domain.name}: somebody saved its memory instead")
    return stopped


def _asked(world: World, domain: FakeDomain, timeout: float, stop_asked: StopAsked) -> Stopped:
    world.point("during")
    if domain.obedience is Obedience.LATE:
        domain.obeys_at = world.now + LATE
    if domain.obedience is Obedience.AT_ONCE and domain.on_poweroff != "destroy":
        domain.boots += 1
    elif domain.obedience is Obedience.AT_ONCE:
        shut_off(world, domain)
        return Stopped.BY_GUEST
    if stop_asked():
        raise Interrupted(f"interrupted while waiting for {domain.name} to shut down")
    world.clock.wait(timeout)
    settle(world)
    return Stopped.BY_GUEST if domain.live is None else Stopped.NOT_YET


def start_again(world: World, domain: FakeDomain, *, is_paused: bool) -> None:
    """The port's verb."""
    if domain.live is None and domain.has_managed_save:
        raise StepRefused(f"cannot start {domain.name}: it has a managed save image")
    start(world, domain, is_paused=is_paused)


def _is_taken_away(world: World, disk: FakeDisk) -> bool:
    """What is missing and may be: the medium of a drive, else the whole disk."""
    is_missing = world.storage.header_chain(disk.source) is None
    if not disk.is_optional or not is_missing:
        return False
    disk.is_empty = disk.device in REMOVABLE
    return not disk.is_empty


def open_disk(world: World, disk: FakeDisk) -> None:
    """QEMU opens the whole chain, and locks it."""
    if disk.is_empty:
        return
    chain = disk.stated
    if chain is None:
        found = world.storage.header_chain(disk.source)
        chain = found.images if found else (disk.source,)
    for path in chain:
        world.storage.file(path)
    disk.stated = chain
    _refuse_when_locked(world, disk)


def _refuse_when_locked(world: World, disk: FakeDisk) -> None:
    """QEMU's image locks: one writer alone, or any number of readers."""
    if disk.is_shareable:
        return
    for other in world.domains.values():
        for theirs in other.live.disks if other.live is not None else ():
            open_there = theirs.stated or (theirs.source,)
            we_write = disk.is_writable and disk.source in open_there
            they_write = theirs.is_writable and theirs.source in (disk.stated or ())
            if we_write or they_write:
                raise HypervisorError(
                    f"cannot open {disk.source}: failed to get 'write' lock, {other.name} has it",
                    code=1,
                )
