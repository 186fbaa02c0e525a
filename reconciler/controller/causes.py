"""What asks for a pass: several causes at once are one pass."""

import random
import threading
import time
from collections.abc import Callable

#: A pass that events ask for follows the one before after so many seconds at least.
EVENTS_APART = 2.0
#: An interval is up to so much longer or shorter, so that a fleet does not ask all at once.
JITTER = 0.1


class Causes:
    """Whoever wants a pass adds a cause; the loop takes them."""

    def __init__(
        self,
        interval: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: float = JITTER,
    ) -> None:
        self._interval = interval
        self._jitter = jitter
        self._clock = clock
        self._changed = threading.Condition()
        #: cause, and when it may be taken at the earliest
        self._pending: dict[str, float] = {}
        self._last = clock()
        self._due = self._last
        self._is_over = False

    def add(self, cause: str, *, within: float = 0.0) -> None:
        """Ask for a pass, now or after *within* seconds; asked twice, the earlier time counts."""
        with self._changed:
            at = self._clock() + within
            if cause == "event":
                at = max(at, self._last + EVENTS_APART)
            self._pending[cause] = min(at, self._pending.get(cause, at))
            self._changed.notify_all()

    def end(self) -> None:
        """No more passes."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def take(self, *, at_most: float) -> str | None:
        """The next cause, ``interval`` when it is time; None after *at_most* seconds, or at the end.

        All causes that are due go with it.
        """
        with self._changed:
            until = self._clock() + at_most
            while not self._is_over:
                now = self._clock()
                found = sorted((at, cause) for cause, at in self._pending.items() if at <= now)
                if found:
                    for _, cause in found:
                        del self._pending[cause]
                    return self._taken(found[0][1], now)
                if now >= self._due:
                    return self._taken("interval", now)
                if now >= until:
                    return None
                self._changed.wait(min(until, self._due, *self._pending.values()) - now)
            return None

    def _taken(self, cause: str, now: float) -> str:
        self._last = now
        self._due = now + self._interval * (1 + random.uniform(-self._jitter, self._jitter))
        return cause
