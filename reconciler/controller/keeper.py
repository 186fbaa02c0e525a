"""The manifests in force: the newest that could be read whole (law 8)."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciler.errors import ManifestError, VirtsnapError
from reconciler.model.controller import SourceState, Trouble
from reconciler.model.desired import Desired
from reconciler.source.source import Fetched, Source

_PLACE = re.compile(r"(\S.*?:\d+:\d+): ")


class Keeper:
    """Looks at the source; remembers what it last held.

    While it cannot be read, or is invalid, what was in force before is only observed: every host
    of it counts as suspended, so that nothing is changed but what is owed to guests.
    """

    def __init__(self, source: Source, read: Callable[[Fetched], Desired]) -> None:
        """*read* turns files into what is desired; it raises for the first file that is wrong."""
        self.source = source
        self._read = read
        self._last: Desired | None = None
        self.state = SourceState(id=source.id)
        #: why the last look failed
        self.error: VirtsnapError | None = None

    def look(self, now: datetime) -> Desired | None:
        """What is to be planned; None while nothing was ever read."""
        try:
            fetched = self.source.fetch()
            desired = self._read(fetched)
        except VirtsnapError as error:
            self.error = error
            self.state = replace(self.state, trouble=trouble_of(error))
            return None if self._last is None else _only_observed(self._last)
        self.error = None
        is_new = self._last is None or self._last.revision != desired.revision
        self._last = desired
        self.state = SourceState(
            id=self.source.id,
            revision=desired.revision,
            since=now if is_new else self.state.since,
            fetched=now,
            signed_by=fetched.signed_by,
        )
        return desired


def trouble_of(error: VirtsnapError) -> Trouble:
    """*error* as it is shown: one line, the next command, and the place in a manifest."""
    if isinstance(error, ManifestError) and error.problems:
        first, more = error.problems[0], len(error.problems) - 1
        found = _PLACE.match(first)
        message = f"{first} (and {more} more)" if more else first
        return Trouble(
            message=message, hint=error.hint or "virtsnap validate", where=found[1] if found else ""
        )
    return Trouble(message=error.message.replace("\n", "; "), hint=error.hint or "")


def _only_observed(desired: Desired) -> Desired:
    return replace(desired, hosts=tuple(replace(host, is_suspended=True) for host in desired.hosts))
