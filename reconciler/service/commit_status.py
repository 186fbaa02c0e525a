"""What became of a revision, said to the forge that it came from: GitHub, GitLab, Gitea."""

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.errors import VirtsnapError
from reconciler.model.controller import (
    ControllerState,
    DomainState,
    PassRecord,
    Readiness,
    SourceState,
)
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.report.units import count
from reconciler.service.forges import (
    Forge,
    checked_url,
    is_whole_revision,
    request_for,
    statuses_url,
)
from reconciler.service.guarded_files import secret_text
from reconciler.service.log import Log

if TYPE_CHECKING:
    import requests

#: seconds to connect, and between two bytes
_TIMEOUT = (5.0, 10.0)
#: seconds before each try
_TRIES = (0.0, 2.0, 5.0)
_LAST_SECONDS = 15.0
#: a try may be worth another
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class Verdict(enum.StrEnum):
    """What is said of a revision."""

    SUCCESS = "success"
    FAILURE = "failure"
    #: at work, or a step waits for a person
    PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The status of one revision on one host."""

    revision: str
    host: HostName
    verdict: Verdict
    #: one line
    description: str


def status_of(state: ControllerState, host: HostName, *, was_passed: bool) -> Status | None:
    """What to say of the revision in force; None where there is none to speak of.

    *was_passed*: a pass over the host ended with that revision.
    """
    revision = state.source.revision
    if revision is None or not is_whole_revision(revision):
        return None
    domains = [domain for domain in state.domains if domain.host == host]
    tried = [d for d in domains if d.revision == revision and d.running is None]
    if not was_passed or len(tried) < len(domains):
        return Status(revision=revision, host=host, verdict=Verdict.PENDING, description="at work")
    verdict, description = _verdict(domains)
    return Status(revision=revision, host=host, verdict=verdict, description=description)


def _verdict(domains: list[DomainState]) -> tuple[Verdict, str]:
    failed = [d for d in domains if d.failures]
    refused = [d for d in domains if d.refusals and not d.failures]
    held = [d for d in domains if d.held and not d.refusals and not d.failures]
    others = [
        d
        for d in domains
        if d.readiness is not Readiness.READY and not (d.failures or d.refusals or d.held)
    ]
    groups = (("failed", failed), ("refused", refused), ("held", held), ("at work", others))
    parts = [f"{len(group)} {word} ({group[0].domain})" for word, group in groups if group]
    whole = count(len(domains), "domain")
    if not parts:
        return Verdict.SUCCESS, f"{whole} in sync"
    verdict = Verdict.FAILURE if failed or refused else Verdict.PENDING
    return verdict, f"{', '.join(parts)} of {whole}"


class CommitStatus:
    """Says it on a thread of its own, whenever it becomes another.

    *source* is the repository's URL, *url* where statuses are posted instead of what follows from
    it.  *snapshot* is asked on that thread, never while the controller tells something.
    """

    def __init__(
        self,
        forge: Forge,
        *,
        source: str,
        url: str | None,
        token_file: Path,
        snapshot: Callable[[], ControllerState],
        log: Log,
    ) -> None:
        secret_text(token_file)
        self._forge, self._token_file = forge, token_file
        self._url = checked_url(url) if url else statuses_url(forge, source)
        self._snapshot, self._log = snapshot, log
        self._said: dict[HostName, Status] = {}
        self._passed: dict[HostName, str | None] = {}
        self._fault = ""
        self._changed = threading.Condition()
        self._is_due = self._is_ending = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="commit status", daemon=True)
        self._thread.start()

    # --- what is told by the controller

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """Perhaps a new revision."""
        self._wake()

    def pass_ended(self, record: PassRecord) -> None:
        """A host was looked at for that revision."""
        if record.trouble is None:
            with self._changed:
                self._passed[record.host] = record.revision
        self._wake()

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """Nothing is over yet."""

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """Nothing is over yet."""

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """Perhaps the last one."""
        self._wake()

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """Perhaps the last one."""
        self._wake()

    def close(self, patience: float = _LAST_SECONDS) -> None:
        """Say the last of it, and end."""
        with self._changed:
            self._is_due = self._is_ending = True
            self._changed.notify_all()
        self._thread.join(patience)
        self._stop.set()

    def _wake(self) -> None:
        with self._changed:
            self._is_due = True
            self._changed.notify_all()

    # --- the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due)
                self._is_due, is_last = False, self._is_ending
                passed = dict(self._passed)
            try:
                self._say(self._snapshot(), passed)
            except Exception as error:  # an outlet: the next change is said all the same
                self._tell(f"internal error: {error!r}")
            if is_last:
                return

    def _say(self, state: ControllerState, passed: dict[HostName, str | None]) -> None:
        for host in state.hosts:
            was_passed = passed.get(host.name, "") == state.source.revision
            status = status_of(state, host.name, was_passed=was_passed)
            if status is None or status == self._said.get(host.name):
                continue
            # whatever comes of it: said again only when there is something else to say
            self._said[host.name] = status
            self._tell(self._send(status))

    def _send(self, status: Status) -> str:
        """Why it could not be said, in words without secrets; empty when it was."""
        import requests

        fault = ""
        try:
            token = secret_text(self._token_file)
            wanted = request_for(
                self._forge,
                url=self._url,
                revision=status.revision,
                verdict=status.verdict.value,
                context=f"virtsnap/{status.host}",
                description=status.description,
                token=token,
            )
        except VirtsnapError as error:
            return error.message
        for pause in _TRIES:
            if self._stop.wait(pause):
                break
            try:
                # no redirect: a token goes where it was meant to go, and nowhere else
                answer = requests.post(
                    wanted.url,
                    json=wanted.body,
                    auth=_With(wanted.header),
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
            except requests.RequestException as error:
                fault = f"{wanted.host} cannot be reached ({type(error).__name__})"
                continue
            with answer:
                if answer.ok and not answer.is_redirect:
                    return ""
                if self._forge is Forge.GITLAB and _is_the_same(answer):
                    return ""
                fault = f"{wanted.host} answered {answer.status_code}"
                if answer.status_code not in _PASSING:
                    break
        return fault

    def _tell(self, fault: str) -> None:
        if fault and fault != self._fault:
            self._log.warning("commit status not set", cause=fault)
        elif self._fault and not fault:
            self._log.info("commit statuses are set again")
        self._fault = fault


class _With:
    """Puts the token's header in, in the place where ``~/.netrc`` would put another."""

    def __init__(self, header: tuple[str, str]) -> None:
        self._header = header

    def __call__(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        name, value = self._header
        request.headers[name] = value
        return request


def _is_the_same(answer: Any) -> bool:
    """GitLab refuses to set what is set already."""
    if answer.status_code != 400:
        return False
    return b"Cannot transition status" in answer.raw.read(4096, decode_content=True)
