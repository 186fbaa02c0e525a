"""What must be true of a host after any pass, whatever was asked for."""

from collections.abc import Mapping

from reconciler.model.desired import Desired, DesiredRevert
from reconciler.model.domain import ObservedDomain
from reconciler.model.ledger import RequestState
from tests.fakes.host import FakeHost
from tests.fakes.storage import Content

Views = Mapping[tuple[str, ...], Content | None]


def seen(fake: FakeHost) -> dict[tuple[str, ...], Content | None]:
    """What every guest reads from every disk, and what every snapshot holds."""
    return fake.views()


def lost(fake: FakeHost, before: Views, desired: Desired) -> list[tuple[str, ...]]:
    """Disks whose content changed, other than by a revert that was asked for and keeps it.

    After a revert the disk reads as the snapshot does, and what it read before is in another
    snapshot, unless the present was to be discarded.
    """
    after = fake.views()
    found = []
    for key, view in before.items():
        if len(key) != 2 or after.get(key) == view:
            continue
        revert = _done(fake, key[0], desired)
        if (
            revert is None
            or after.get(key) != after.get((*key, revert.to))
            or (not revert.discards and not _is_kept(after, key, view))
        ):
            found.append(key)
    return found


def _is_kept(views: Views, disk: tuple[str, ...], content: Content | None) -> bool:
    return any(len(key) == 3 and key[:2] == disk and view == content for key, view in views.items())


def _done(fake: FakeHost, domain: str, desired: Desired) -> DesiredRevert | None:
    """The revert that was asked for and is done."""
    observed = next(d for d in fake.observe().domains if d.name == domain)
    for wish in desired.domains:
        if wish.domain in (observed.name, observed.uuid) and wish.revert is not None:
            return wish.revert if _is_done(observed, wish.revert) else None
    return None


def _is_done(domain: ObservedDomain, revert: DesiredRevert) -> bool:
    known = domain.ledger.request(revert.request) if domain.ledger else None
    return known is not None and known.state is RequestState.DONE
