"""Every domain of a host, several asked at a time; nothing is judged."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import libvirt

from reconciler.errors import HypervisorError
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.fetch import (
    Fetched,
    Lists,
    fetch_if_there,
    has_changed,
    is_held_by_somebody,
    lists_of,
)
from reconciler.hypervisor.patience import NoAnswer, alive, answered
from reconciler.model.domain import Undescribed
from reconciler.model.ledger import Remembered
from reconciler.model.names import DomainName, DomainUuid

_THREADS = 8
#: of the time for which the host is waited for, each try at one domain may take a part
_ATTEMPTS = 3
#: storage that hangs, or a process that was stopped
_SILENT = "a call that its QEMU does not answer"

_Answer = Fetched | Undescribed | BaseException | None


class Fetcher:
    """Asks libvirt for every domain.  A QEMU that stands still is waited for once, and keeps nobody
    from the other domains: before 11.x a call that waits keeps all others of its connection waiting
    too (facts §11).
    """

    def __init__(
        self, connection: Connection, *, remembered: Callable[[DomainUuid], Remembered]
    ) -> None:
        self._connection = connection
        self._remembered = remembered
        #: those that could not be described when last asked
        self._silent: set[DomainUuid] = set()

    def fetched(self) -> Iterator[Fetched | Undescribed]:
        """Every domain in the order of its name, each as soon as it is there: the threads go on
        asking while the caller reads.  One that vanishes meanwhile is left out."""
        raw = self._connection.raw
        with explaining("list the domains"):
            domains = sorted(raw.listAllDomains(0), key=lambda d: (d.name(), d.UUIDString()))
        lists = lists_of(raw)
        answers: queue.SimpleQueue[tuple[int, _Answer]] = queue.SimpleQueue()
        waiting = iter(enumerate(domains))
        is_stuck = threading.Event()

        def ask() -> None:
            for number, domain in waiting:  # shared: each takes the next
                try:
                    answers.put((number, self._ask(domain, lists, is_stuck)))
                except BaseException as error:
                    answers.put((number, error))

        with ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="observe") as pool:
            for _ in range(min(_THREADS, len(domains))):
                pool.submit(ask)
            try:
                yield from _in_order(answers, len(domains))
            finally:
                for _ in waiting:  # after an error nobody needs the others
                    pass

    def changed_since(self, found: Iterable[Fetched]) -> frozenset[DomainUuid]:
        """Those whose ledger or disks are not what they were then, or that do not say."""
        with ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="settle") as pool:
            asked = [(each.uuid, pool.submit(self._has_changed, each)) for each in found]
            return frozenset(uuid for uuid, answer in asked if answer.result())

    def _has_changed(self, found: Fetched) -> bool:
        patience, what = self._connection.patience / _ATTEMPTS, f"read domain {found.name} again"
        try:
            return answered(
                lambda: has_changed(self._connection.domain(found.uuid), found),
                what,
                patience=patience,
            )
        except NoAnswer:
            self._connection.abandon()
        except HypervisorError as error:
            if error.code not in (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_NO_DOMAIN):
                raise
        return True

    def _ask(
        self, domain: Any, lists: Lists, is_stuck: threading.Event
    ) -> Fetched | Undescribed | None:
        """All that libvirt says; of a domain whose QEMU does not answer, what it knows by itself."""
        patience = self._connection.patience / _ATTEMPTS
        uuid, what = DomainUuid(domain.UUIDString()), f"read domain {domain.name()}"
        if uuid not in self._silent and not is_stuck.is_set():
            with suppress(NoAnswer):
                return answered(
                    lambda: fetch_if_there(domain, lists, remembered=self._remembered),
                    what,
                    patience=patience,
                )
            is_stuck.set()
            self._connection.abandon()
        try:
            with self._connection.another() as own:
                found = answered(
                    lambda: self._ask_again(own.domain(uuid), lists), what, patience=patience
                )
        except NoAnswer:
            found = _SILENT
        if isinstance(found, str):
            self._silent.add(uuid)
            return Undescribed(name=DomainName(domain.name()), uuid=uuid, cause=found)
        self._silent.discard(uuid)
        return found

    def _ask_again(self, domain: Any, lists: Lists) -> Fetched | str | None:
        """Libvirt 11.0 to 11.4 describes no domain that somebody holds, and waits for 30 s."""
        if DomainUuid(domain.UUIDString()) in self._silent and is_held_by_somebody(domain):
            return _SILENT
        try:
            return fetch_if_there(domain, lists, held=_SILENT, remembered=self._remembered)
        except HypervisorError as error:
            if error.code != libvirt.VIR_ERR_OPERATION_TIMEOUT:
                raise
            return _SILENT


def _in_order(
    answers: "queue.SimpleQueue[tuple[int, _Answer]]", count: int
) -> Iterator[Fetched | Undescribed]:
    early: dict[int, _Answer] = {}
    for number in range(count):
        while number not in early:
            arrived, answer = answers.get()
            early[arrived] = answer
            alive()
        found = early.pop(number)
        if isinstance(found, BaseException):
            raise found
        if found is not None:
            yield found
