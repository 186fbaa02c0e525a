"""Whether a domain runs, and the power that virtsnap owes it."""

import enum
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.names import ImagePath


class PowerState(enum.StrEnum):
    """What the domain does, as far as snapshots care."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUT_OFF = "shut off"
    #: crashed, being shut down, suspended by the guest: nothing is changed then
    OTHER = "other"


class Stopped(enum.StrEnum):
    """What became of asking a guest to shut down."""

    #: it is off: it unmounted and went by itself, as far as libvirt can tell
    BY_GUEST = "by the guest"
    #: it is off, and had no say in it: destroyed by us or somebody else, or crashed
    BY_FORCE = "by force"
    #: it runs still, and may obey late: the request cannot be taken back
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOwed:
    """A domain that we stopped (or asked to stop) is to be *state* again: running or paused.

    *memory*: it goes on from this memory image instead of booting.  *until*: a guest that was asked
    in vain may obey late; the debt stays until it was seen running after that moment.
    """

    state: PowerState
    memory: ImagePath | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.state not in (PowerState.RUNNING, PowerState.PAUSED):
            raise ValueError(f"a domain that is {self.state} owes nobody anything")
