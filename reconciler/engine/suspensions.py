"""What ``virtsnap suspend`` said, kept on this machine: one small fsynced file."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import NotPermittedError, VirtsnapError
from reconciler.machine import files
from reconciler.model.desired import Desired
from reconciler.model.names import HostName
from reconciler.model.suspension import ByHand, Suspension, SuspensionsUnreadable

FILE = "suspended.json"
_FORMAT = 1


def suspended_by_hand(desired: Desired, suspensions: tuple[ByHand, ...]) -> Desired:
    """*desired*, of which the planner holds back what *suspensions* cover."""
    return replace(desired, suspensions=suspensions)


class FileSuspensions:
    """The file ``suspended.json`` in *folder*, the state directory.

    Read by every pass.  What cannot be read suspends everything: better nothing is changed than
    something that a person asked to leave alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE

    def read(self) -> tuple[ByHand, ...]:
        """All that is suspended; never raises.

        Who may not look into the folder may not change a domain either, and is told of none.
        """
        try:
            text = self.path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return ()
        except OSError as error:
            return (self._unreadable((error.strerror or str(error)).lower()),)
        except UnicodeDecodeError:
            return (self._unreadable("it is not UTF-8"),)
        try:
            return tuple(map(_suspension, _entries(json.loads(text))))
        except (ValueError, KeyError, TypeError, RecursionError):
            return (self._unreadable("it is damaged"),)

    def change(
        self, changed: Callable[[tuple[Suspension, ...]], tuple[Suspension, ...]]
    ) -> tuple[Suspension, ...]:
        """Replace what is kept by what *changed* makes of it; one caller at a time.

        A file that cannot be read raises, and stays.
        """
        with self._alone():
            known = self.read()
            for each in known:
                if isinstance(each, SuspensionsUnreadable):
                    raise VirtsnapError(
                        f"cannot change what is suspended: {each.path}: {each.cause}",
                        hint="virtsnap resume (ends all suspensions by hand, and begins anew)",
                    )
            after = changed(tuple(each for each in known if isinstance(each, Suspension)))
            self._write(after)
        return after

    def clear(self) -> tuple[ByHand, ...]:
        """Nothing is suspended by hand any more; what was.  A damaged file is put aside."""
        with self._alone():
            known = self.read()
            if any(isinstance(each, SuspensionsUnreadable) for each in known):
                self.path.replace(self.path.with_suffix(".damaged"))
            self._write(())
        return known

    def _unreadable(self, cause: str) -> SuspensionsUnreadable:
        return SuspensionsUnreadable(path=str(self.path), cause=cause)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(
                self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise self._not_permitted(error) from error
        try:
            # held for the moment of one small write
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise self._not_permitted(error) from error
        finally:
            os.close(lock)

    def _not_permitted(self, error: OSError) -> VirtsnapError:
        message = f"cannot write {self.path}: {(error.strerror or str(error)).lower()}"
        if isinstance(error, PermissionError):
            return NotPermittedError(
                message, hint="run it with sudo; for guests of your own: -c qemu:///session"
            )
        return VirtsnapError(message)

    def _write(self, suspensions: tuple[Suspension, ...]) -> None:
        if not suspensions:
            with suppress(FileNotFoundError):
                self.path.unlink()
            files.sync_folder(self._folder)
            return
        content = {"format": _FORMAT, "suspended": [_entry(each) for each in suspensions]}
        files.replace(self.path, json.dumps(content, indent=2))


def _entries(found: object) -> list[dict[str, object]]:
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise ValueError("another format")
    entries = found["suspended"]
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ValueError("no list of objects")
    return entries


def _suspension(entry: dict[str, object]) -> Suspension:
    host, domain = entry["host"], entry["domain"]
    if not isinstance(host, str | None) or not isinstance(domain, str | None):
        raise ValueError("names are texts")
    since = datetime.fromisoformat(str(entry["since"]))
    if since.tzinfo is None:
        raise ValueError("a time without its zone")
    return Suspension(
        host=None if host is None else HostName(host),
        domain=domain,
        who=str(entry["who"]),
        since=since.astimezone(UTC),
        reason=str(entry.get("reason", "")),
    )


def _entry(suspension: Suspension) -> dict[str, object]:
    return {
        "host": suspension.host,
        "domain": suspension.domain,
        "who": suspension.who,
        "since": suspension.since.astimezone(UTC).isoformat(),
        "reason": suspension.reason,
    }
