"""virtsnap in this process, on a real libvirt: no command to start, no second for the fence."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from reconciler.engine import executor, reconcile
from reconciler.engine.domain_work import Tools
from reconciler.engine.identity import MachineIdentity
from reconciler.engine.journal import FileJournal
from reconciler.engine.listener import Silence
from reconciler.engine.locks import FileLocks
from reconciler.engine.ports import Hypervisor, Identity, Journal, Locks
from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.desired import Desired, DesiredDomain, DesiredHost, Limits
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan
from reconciler.model.request import PlanRequest
from tests.lab.guest import Lab

LOCAL = HostName("local")


class _Hasty:
    """The machine's time, and nobody else to wait for."""

    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Not at all."""


@dataclass
class Desk:
    """One libvirt; each call is a whole pass over one declared domain.  *folders* are the Host's."""

    host: Hypervisor
    journal: Journal
    folder: Path
    limits: Limits = field(default_factory=Limits)
    folders: tuple[str, ...] = ()
    identity: Identity = field(default_factory=MachineIdentity)

    def plan(self, wish: DesiredDomain) -> DomainPlan:
        """What would be done."""
        (plan,) = reconcile.make_plan(
            self._desired(wish),
            {LOCAL: self.host.observe()},
            PlanRequest(),
            now=datetime.now(UTC),
        ).domains
        return plan

    def apply(
        self,
        wish: DesiredDomain,
        *,
        meanwhile: Callable[[], object] = lambda: None,
        locks: Locks | None = None,
    ) -> DomainOutcome:
        """Plan it and do it; *meanwhile* happens between the two."""
        desired = self._desired(wish)
        observed = {LOCAL: self.host.observe()}
        plan = reconcile.make_plan(desired, observed, PlanRequest(), now=datetime.now(UTC))
        meanwhile()
        tools = Tools(
            hosts={LOCAL: self.host},
            journal=self.journal,
            locks=locks or self.locks(),
            clock=_Hasty(),
            identity=self.identity,
            listener=Silence(),
            stop=threading.Event(),
        )
        (outcome,) = executor.apply(plan, desired, PlanRequest(), tools)
        return outcome

    def locks(self) -> FileLocks:
        """Those of this machine."""
        return FileLocks(self.folder / "run", holder=self.identity.holder())

    def _desired(self, wish: DesiredDomain) -> Desired:
        return Desired(
            source="desk",
            revision=None,
            is_complete=False,
            hosts=(DesiredHost(name=LOCAL, folders=self.folders, limits=self.limits),),
            domains=(wish,),
        )


@contextmanager
def desk(lab: Lab, folder: Path, *, folders: tuple[str, ...] = ()) -> Iterator[Desk]:
    """A desk at *lab*; its domains are removed at the end.  *folders* are the Host's."""
    journal = FileJournal(folder / "state")
    host = LibvirtHost(
        LOCAL,
        lab.daemon.uri,
        is_readonly=False,
        extra_folders=folders,
        remembered=journal.remembered,
    )
    try:
        yield Desk(host, journal, folder, folders=folders)
    finally:
        host.close()
        lab.cleanup()
