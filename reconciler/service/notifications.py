"""Messages to people: only about what has become another, each once, and never too many."""

import threading
import time
from collections.abc import Callable

from reconciler.model.action import RevertInternal, RevertSnapshot
from reconciler.model.controller import DomainState, PassRecord, SourceState
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.service.delivery import Delivery
from reconciler.service.log import Log
from reconciler.service.news import News, Topic, of_domain, of_revert, of_source
from reconciler.service.outbox import Outbox
from reconciler.service.told import ToldFile

#: messages a minute
DEFAULT_LIMIT = 10
#: seconds for what waits when the controller ends
_LAST_SECONDS = 10.0


class Notifier:
    """Tells *delivery* on a thread of its own, so that a slow service slows nobody."""

    def __init__(
        self,
        delivery: Delivery,
        *,
        topics: frozenset[Topic],
        told: ToldFile,
        log: Log,
        per_minute: int = DEFAULT_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery, self._topics, self._file, self._log = delivery, topics, told, log
        self._clock = clock
        self._told = told.read()
        self._outbox = Outbox(per_minute)
        self._changed = threading.Condition()
        self._is_ending = self._is_unwritable = False
        self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
        self._thread.start()

    # --- what is told by the controller

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """Trouble that is new, or over."""
        with self._changed:
            key = f"source {after.id}"
            news, told = of_source(after, self._told.get(key, frozenset()))
            self._take(key, news, told)

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """What is new about the domain."""
        with self._changed:
            key = f"domain {after.host} {after.domain}"
            news, told = of_domain(after, self._told.get(key, frozenset()))
            self._take(key, news, told)

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """Nothing is new yet."""

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """A revert."""
        if isinstance(step.action, RevertSnapshot | RevertInternal):
            with self._changed:
                self._add((of_revert(plan, step),))

    def pass_ended(self, record: PassRecord) -> None:
        """Told by the domains."""

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """Told by its change."""

    def close(self, patience: float = _LAST_SECONDS) -> None:
        """Send what waits, as one, and end; whoever is not reached by then is not."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join(patience)

    def _take(self, key: str, news: tuple[News, ...], told: frozenset[str]) -> None:
        self._add(news)
        if self._told.get(key, frozenset()) == told:
            return
        self._told[key] = told
        try:
            self._file.write(self._told)
        except OSError as error:
            if not self._is_unwritable:
                self._log.warning("cannot write what was told", cause=str(error))
            self._is_unwritable = True
        else:
            self._is_unwritable = False

    def _add(self, news: tuple[News, ...]) -> None:
        for each in news:
            if each.topic in self._topics:
                self._outbox.add(each)
                self._changed.notify_all()

    # --- the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                message = self._outbox.take(self._clock())
                if message is None and self._is_ending:
                    if self._outbox.is_empty:
                        return
                    message = self._outbox.digest()
                if message is None:
                    self._changed.wait(self._outbox.wait(self._clock()))
                    continue
            self._delivery.send(message)
