"""The write-ahead record on this machine: one small fsynced file a domain."""

import json
import os
from pathlib import Path

from reconciler.errors import NotPermittedError
from reconciler.model.names import DomainUuid


class FileJournal:
    """Files ``<uuid>.json`` in *folder*; a damaged one counts as none, the chain decides anyway."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def serial(self, domain: DomainUuid) -> int:
        """The highest ledger serial written from here, 0 for none."""
        serial = self._read(domain).get("serial", 0)
        return serial if isinstance(serial, int) else 0

    def intend(self, domain: DomainUuid, *, step: str, serial: int) -> None:
        """*step* is about to happen, with the ledger at *serial*."""
        self._write(domain, {"serial": max(serial, self.serial(domain)), "step": step})

    def confirm(self, domain: DomainUuid, *, serial: int) -> None:
        """The step of the last ``intend`` is done, the ledger is at *serial*."""
        self._write(domain, {"serial": max(serial, self.serial(domain)), "step": None})

    def _path(self, domain: DomainUuid) -> Path:
        return self._folder / f"{domain}.json"

    def _read(self, domain: DomainUuid) -> dict[str, object]:
        try:
            found = json.loads(self._path(domain).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, domain: DomainUuid, content: dict[str, object]) -> None:
        path = self._path(domain)
        new = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except PermissionError as error:
            raise NotPermittedError(
                f"cannot write the journal in {self._folder}: {error.strerror}",
                hint="run it with sudo",
            ) from error
