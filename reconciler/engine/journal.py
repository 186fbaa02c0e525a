"""The write-ahead record on this machine: one small fsynced file a domain."""

import json
from pathlib import Path

from reconciler.errors import HypervisorError, NotPermittedError
from reconciler.hypervisor import ledger as ledgers
from reconciler.hypervisor.xml import parse
from reconciler.machine import files
from reconciler.model.ledger import (
    Ledger,
    LedgerRequest,
    Remembered,
    done_requests,
    unfinished,
)
from reconciler.model.names import DomainUuid, SnapshotName


class FileJournal:
    """Files ``<uuid>.json`` in *folder*; a damaged one counts as none, the chain decides anyway."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remembered(self, domain: DomainUuid) -> Remembered:
        """What was written from here."""
        found = self._read(domain)
        serial, requests = found.get("serial", 0), found.get("requests", {})
        done = requests.items() if isinstance(requests, dict) else ()
        return Remembered(
            serial=serial if isinstance(serial, int) else 0,
            requests=tuple(
                LedgerRequest(request=str(value), to=SnapshotName(str(to))) for value, to in done
            ),
            last=_decoded(found.get("last"), domain),
        )

    def intend(self, domain: DomainUuid, *, step: str, ledger: Ledger) -> None:
        """*step* is about to happen, with *ledger* written."""
        self._note(domain, step, ledger)

    def confirm(self, domain: DomainUuid, *, ledger: Ledger) -> None:
        """The step of the last ``intend`` is done, *ledger* is written."""
        self._note(domain, None, ledger)

    def _note(self, domain: DomainUuid, step: str | None, ledger: Ledger) -> None:
        """Requests are never dropped: the ledger may be lost, and an old manifest come back."""
        before = self.remembered(domain)
        requests = {r.request: r.to for r in (*before.requests, *done_requests(ledger))}
        serial = max(ledger.serial, before.serial)
        last = ledgers.encoded(unfinished(ledger))
        self._write(domain, {"serial": serial, "step": step, "requests": requests, "last": last})

    def _path(self, domain: DomainUuid) -> Path:
        return self._folder / f"{domain}.json"

    def _read(self, domain: DomainUuid) -> dict[str, object]:
        try:
            found = json.loads(self._path(domain).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, domain: DomainUuid, content: dict[str, object]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.replace(self._path(domain), json.dumps(content))
        except PermissionError as error:
            raise NotPermittedError(
                f"cannot write the journal in {self._folder}: {error.strerror}",
                hint="run it with sudo",
            ) from error


def _decoded(text: object, domain: DomainUuid) -> Ledger | None:
    if not isinstance(text, str):
        return None
    try:
        return ledgers.decoded(parse(text), domain).ledger
    except HypervisorError:
        return None
