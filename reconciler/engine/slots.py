"""A bound on how much goes on at once, which may be changed while it is in force."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Slots:
    """At most *limit* hold one; *above* is a second bound, over several of these."""

    def __init__(self, limit: int, *, above: "Slots | None" = None) -> None:
        self._limit = limit
        self._above = above
        self._taken = 0
        self._changed = threading.Condition()

    def set_limit(self, limit: int) -> None:
        """From now on; who holds one keeps it."""
        with self._changed:
            self._limit = limit
            self._changed.notify_all()

    @contextmanager
    def held(self, *, waiting: Callable[[], None]) -> Iterator[bool]:
        """Hold one; *waiting* is called before a wait.  Yields whether there was a wait."""
        has_waited = not self._take_now()
        if has_waited:
            waiting()
            self._take()
        try:
            if self._above is None:
                yield has_waited
            else:
                with self._above.held(waiting=waiting) as has_waited_above:
                    yield has_waited or has_waited_above
        finally:
            self._give_back()

    def _take_now(self) -> bool:
        with self._changed:
            is_free = self._taken < self._limit
            self._taken += is_free
            return is_free

    def _take(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._taken < self._limit)
            self._taken += 1

    def _give_back(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()
