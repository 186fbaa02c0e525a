"""``virtsnap status --watch``: the state file of the controller, again and again."""

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.cli.console import show_lines
from reconciler.cli.options import Options
from reconciler.cli.status import chosen_states
from reconciler.cli.wiring import Folders
from reconciler.model.controller import ControllerState, DomainState
from reconciler.report.controller_text import domain_line, domains_lines, head_lines
from reconciler.report.lines import Line
from reconciler.report.units import local_time

if TYPE_CHECKING:
    from collections.abc import Hashable

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def watch_state(
    folders: Folders,
    options: Options,
    *,
    pause: float,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Redraw on a terminal; elsewhere only what is new, a line or a document each.  Until Ctrl-C."""
    from reconciler.cli.asking import last_state
    from reconciler.service.state_file import read_state

    seen: dict[Hashable, Hashable] = {}
    written: tuple[ControllerState | None, bool] | None = None
    while True:
        state, is_running = read_state(folders.runtime)
        state = state or last_state(folders)
        now = datetime.now(UTC)
        if not options.is_text:
            if (state, is_running) != written:
                _write_document(state, is_running=is_running)
            written = (state, is_running)
        elif sys.stdout.isatty():
            _redraw(state, options, is_running=is_running, now=now)
        else:
            lines = _news(state, seen, options, is_running=is_running, now=now)
            show_lines(lines, no_color=options.no_color)
        sys.stdout.flush()
        wait(pause)


def _write_document(state: ControllerState | None, *, is_running: bool) -> None:
    """One line each."""
    from reconciler.report.controller_document import controller_document
    from reconciler.report.status import StatusDocument

    document = StatusDocument(
        domains=(), running=is_running, controller=state and controller_document(state)
    )
    sys.stdout.write(document.model_dump_json(by_alias=True) + "\n")


def _redraw(
    state: ControllerState | None, options: Options, *, is_running: bool, now: datetime
) -> None:
    lines = list(head_lines(state, is_running=is_running, now=now))
    if state is not None:
        lines += domains_lines(chosen_states(state, options), now=now)
    sys.stdout.write(_CLEAR)
    show_lines(lines, no_color=options.no_color)


def _news(
    state: ControllerState | None,
    seen: "dict[Hashable, Hashable]",
    options: Options,
    *,
    is_running: bool,
    now: datetime,
) -> Iterator[Line]:
    """What is other than in *seen*, each with the time; ages alone are no news."""

    def is_new(key: "Hashable", value: "Hashable") -> bool:
        is_other = key not in seen or seen[key] != value
        seen[key] = value
        return is_other

    at = local_time(now)
    head = state and (state.started, state.source.revision, state.source.trouble, state.is_stopping)
    troubles = state and tuple((host.name, host.trouble) for host in state.hosts)
    if is_new("controller", (head, troubles, is_running)):
        for line in head_lines(state, is_running=is_running, now=now):
            yield Line(f"{at}  {line.text}", line.tone)
    for domain in chosen_states(state, options) if state else ():
        if is_new((domain.host, domain.domain), _facts(domain)):
            line = domain_line(domain, now=now)
            yield Line(f"{at}  {line.text}", line.tone)


def _facts(domain: DomainState) -> "Hashable":
    running = domain.running and (domain.running.title, domain.running.done)
    told = (domain.readiness, domain.reason, domain.message, domain.failures)
    return (*told, domain.suspended_by, len(domain.held), running)
