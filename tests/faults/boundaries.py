"""Where the engine meets the world: every method of the ports that reach libvirt, files or the machine.

Derived from the Protocols, so that a new method without a scenario that calls it fails the tests.
"""

import enum
from dataclasses import dataclass

from reconciler.engine.ports import Hypervisor, Journal, Locks

PORTS: tuple[type, ...] = (Hypervisor, Journal, Locks)


@dataclass(frozen=True, slots=True, order=True)
class Boundary:
    """One method of one port."""

    port: str
    method: str

    def __str__(self) -> str:
        return f"{self.port}.{self.method}"


def methods_of(port: type) -> tuple[str, ...]:
    """Its public methods, in the order in which the Protocol has them."""
    return tuple(name for name in vars(port) if not name.startswith("_"))


def boundaries() -> tuple[Boundary, ...]:
    """All of them."""
    return tuple(Boundary(port.__name__, name) for port in PORTS for name in methods_of(port))


class Fault(enum.StrEnum):
    """What happens to one call."""

    #: it raises, and nothing was done
    FAILS_BEFORE = "fails before"
    #: half of it was done, and it raises
    FAILS_INSIDE = "fails inside"
    #: it was done, and raises
    FAILS_AFTER = "fails after"
    #: nothing was done, and no later call of this pass reaches libvirt
    DROPS_BEFORE = "drops before"
    #: it was done, nobody hears of it, and no later call of this pass reaches libvirt
    DROPS_AFTER = "drops after"
    #: SIGKILL, before, in the middle, and after
    DIES_BEFORE = "dies before"
    DIES_INSIDE = "dies inside"
    DIES_AFTER = "dies after"
    #: the machine loses power: guests and jobs end, and the last write to the ledger is gone
    #: (libvirt flushes the file, not its folder; the journal is flushed with its folder)
    POWER_LOST_BEFORE = "power lost before"
    POWER_LOST_AFTER = "power lost after"

    @property
    def is_before(self) -> bool:
        """The call does nothing."""
        return self.value.endswith("before")

    @property
    def is_inside(self) -> bool:
        """The call does a part; only the fake can be stopped there."""
        return self in (Fault.FAILS_INSIDE, Fault.DIES_INSIDE)

    @property
    def is_death(self) -> bool:
        """Nothing that this process does afterwards reaches the world."""
        return not self.is_failure and self not in (Fault.DROPS_BEFORE, Fault.DROPS_AFTER)

    @property
    def is_failure(self) -> bool:
        """One call alone."""
        return self in (Fault.FAILS_BEFORE, Fault.FAILS_INSIDE, Fault.FAILS_AFTER)

    @property
    def is_of_machine(self) -> bool:
        """Not only the process ends."""
        return self in (Fault.POWER_LOST_BEFORE, Fault.POWER_LOST_AFTER)


def faults_at(boundary: Boundary) -> tuple[Fault, ...]:
    """Journal and locks are files of this machine: no connection of theirs can drop.

    Whether there is an inside, and on real guests what the machine does, is not for here.
    """
    own = tuple(fault for fault in Fault if not fault.is_inside)
    if boundary.port == Hypervisor.__name__:
        return own
    return tuple(f for f in own if f not in (Fault.DROPS_BEFORE, Fault.DROPS_AFTER))
