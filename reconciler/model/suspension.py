"""Who said that nothing is to be changed: manifests, or a person by hand."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.names import HostName, is_meant


class SuspendedBy(enum.StrEnum):
    """Who said that nothing is to be changed."""

    #: ``suspend: true`` of the domain
    MANIFEST = "manifest"
    #: ``suspend: true`` of its Host
    HOST = "host"
    #: ``virtsnap suspend``
    HAND = "hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One ``virtsnap suspend``, kept on this machine."""

    #: None: every host
    host: HostName | None
    #: a name, a UUID or a glob; None: every domain
    domain: str | None
    who: str
    since: datetime
    reason: str = ""

    def covers(self, host: HostName, name: str, uuid: str | None) -> bool:
        """The domain is suspended by it."""
        return self.host in (None, host) and (
            self.domain is None or is_meant(self.domain, name, uuid)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionsUnreadable:
    """Nobody knows what is suspended by hand, so everything counts as suspended."""

    path: str
    cause: str

    def covers(self, host: HostName, name: str, uuid: str | None) -> bool:
        """It may be."""
        return True


#: What ``virtsnap suspend`` left behind.
ByHand = Suspension | SuspensionsUnreadable


def suspension_of(
    suspensions: Iterable[ByHand], host: HostName, name: str, uuid: str | None
) -> ByHand | None:
    """The first of *suspensions* that covers the domain."""
    return next((s for s in suspensions if s.covers(host, name, uuid)), None)
