"""How many messages go out: a few at once, the rest as a number; pure."""

from collections import deque
from dataclasses import dataclass, field

from reconciler.service.news import News

#: titles that a digest names
_NAMED = 10
#: messages that wait; those beyond are only counted
_WAITING = 500
_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent."""

    title: str
    body: str
    news: tuple[News, ...]


@dataclass(slots=True)
class Outbox:
    """At most *per_minute* messages in any minute; what is too much comes as one digest.

    Times are seconds of any clock that does not go back.
    """

    per_minute: int
    _sent: deque[float] = field(default_factory=deque)
    _waiting: deque[News] = field(default_factory=deque)
    _dropped: int = 0

    def add(self, news: News) -> None:
        """To be sent."""
        if len(self._waiting) < _WAITING:
            self._waiting.append(news)
        else:
            self._dropped += 1

    @property
    def is_empty(self) -> bool:
        """Nothing is left to send."""
        return not self._waiting

    def wait(self, now: float) -> float | None:
        """Seconds until something may be sent; None when there is nothing."""
        if not self._waiting:
            return None
        self._forget(now)
        if len(self._sent) < self.per_minute:
            return 0.0
        return max(0.0, self._sent[0] + _MINUTE - now)

    def take(self, now: float) -> Message | None:
        """The next message, or None while none may go.  The last of a minute is a digest."""
        if self.wait(now) != 0.0:
            return None
        is_last = len(self._sent) + 1 >= self.per_minute
        self._sent.append(now)
        first = self._waiting.popleft()
        if not is_last or (not self._waiting and not self._dropped):
            return Message(title=first.title, body=first.body, news=(first,))
        return self.digest(first)

    def digest(self, first: News | None = None) -> Message:
        """All that waits in one: the first whole, some by title, and how many more."""
        first = first or self._waiting.popleft()
        rest, dropped = tuple(self._waiting), self._dropped
        self._waiting.clear()
        self._dropped = 0
        named = rest[:_NAMED]
        more = len(rest) - len(named) + dropped
        lines = [first.body, "", *(each.title for each in named)]
        if more:
            lines.append(f"and {more} more")
        others = len(rest) + dropped
        head = f"{first.title}, and {others} more" if others else first.title
        return Message(title=head, body="\n".join(lines).strip(), news=(first, *rest))

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] + _MINUTE <= now:
            self._sent.popleft()
