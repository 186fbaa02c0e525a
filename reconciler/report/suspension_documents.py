"""What is suspended by hand, for machines."""

from typing import assert_never

from reconciler.model.suspension import ByHand, Suspension, SuspensionsUnreadable
from reconciler.report.document import Document, UtcTime, WholeDocument


class SuspensionDocument(Document):
    """``virtsnap suspend``; *host*, *domain* (name, UUID or glob) are null for all of them.

    *problem*: what was said cannot be read, so everything counts as suspended.
    """

    host: str | None
    domain: str | None
    who: str
    since: UtcTime | None
    reason: str
    problem: str | None


class SuspensionsDocument(WholeDocument):
    """All that is suspended by hand on this machine."""

    suspended: tuple[SuspensionDocument, ...]


def suspensions_document(suspensions: tuple[ByHand, ...]) -> SuspensionsDocument:
    """What is suspended by hand, for machines."""
    return SuspensionsDocument(suspended=tuple(map(suspension_document, suspensions)))


def suspension_document(said: ByHand) -> SuspensionDocument:
    """What was said by hand, for machines."""
    match said:
        case Suspension():
            return SuspensionDocument(
                host=said.host,
                domain=said.domain,
                who=said.who,
                since=said.since,
                reason=said.reason,
                problem=None,
            )
        case SuspensionsUnreadable():
            return SuspensionDocument(
                host=None,
                domain=None,
                who="",
                since=None,
                reason="",
                problem=f"{said.path}: {said.cause}",
            )
        case _:
            assert_never(said)
