"""``virtsnap status``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.asking import own_folders
from reconciler.cli.console import note, show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output, seconds
from reconciler.cli.sources import has_manifests, load_desired
from reconciler.errors import HypervisorError, UsageError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.model.desired import Desired
from reconciler.model.domain import ObservedHost
from reconciler.model.names import HostName
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest
from reconciler.model.suspension import ByHand
from reconciler.report.controller_document import controller_document
from reconciler.report.controller_text import head_lines
from reconciler.report.lines import Line, Tone
from reconciler.report.status import (
    DomainStatusDocument,
    StatusDocument,
    domain_status,
    missing_status,
    status_lines,
    with_controller,
)
from reconciler.report.suspension_documents import suspension_document
from reconciler.report.suspension_text import by_hand, covered

Watch = Annotated[
    bool,
    typer.Option(
        "--watch",
        help="What the controller says, again and again until Ctrl-C; asks no libvirt.",
    ),
]
WatchInterval = Annotated[
    str, typer.Option("--watch-interval", metavar="DURATION", help="With --watch: every so often.")
]

Nagios = Annotated[
    bool,
    typer.Option(
        "--nagios",
        help="One line of what the controller says, with numbers; ends with 0, 1, 2 or 3 as plugins do.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Controlled:
    """What this machine's controller said last, and what is suspended by hand."""

    state: ControllerState | None
    is_running: bool
    suspensions: tuple[ByHand, ...]


def status(
    options: Options,
    watch: Watch = False,
    watch_interval: WatchInterval = "2s",
    nagios: Nagios = False,
) -> int:
    """Say for every domain whether it is in sync, drifted, refused or at work, and what a running controller says of it.

    Where libvirt cannot be asked, the controller alone is; --watch and --nagios ask nobody else, and need no rights.
    """
    if nagios:
        return _one_line(options, watch=watch)
    if watch:
        from reconciler.cli.watching import watch_state

        if options.output is Output.YAML:
            raise UsageError(
                "cannot watch as yaml: the documents have no end",
                hint="virtsnap status --watch -o json",
            )
        example = "virtsnap status --watch --watch-interval 2s"
        pause = seconds("--watch-interval", watch_interval, least=0.1, example=example)
        watch_state(own_folders(options), options, pause=pause)
        return ExitCode.DONE
    now = datetime.now(UTC)
    problem: HypervisorError | None = None
    domains: tuple[DomainStatusDocument, ...] = ()
    folders = own_folders(options)
    try:
        desired = _desired(options)
        folders = wiring.folders_of(desired.hosts, options)
        domains = _live(desired, options, now=now)
    except HypervisorError as error:
        problem = error
    controlled = _controlled(folders)
    if problem is not None and controlled.state is None:
        raise problem
    _show(domains, controlled, problem, options, now=now)
    # what nobody keeps up to date is no status
    return ExitCode.DONE if problem is None or controlled.is_running else ExitCode.ERROR


def _one_line(options: Options, *, watch: bool) -> int:
    """For a monitor, which asks every minute: neither libvirt nor manifests are touched."""
    from reconciler.report.nagios import nagios

    if watch or not options.is_text:
        raise UsageError(
            "cannot print a line for Nagios with --watch or --output",
            hint="virtsnap status --nagios",
        )
    controlled = _controlled(own_folders(options))
    code, line = nagios(controlled.state, now=datetime.now(UTC), is_running=controlled.is_running)
    show_lines([Line(line)], no_color=True)
    return code


def _live(desired: Desired, options: Options, *, now: datetime) -> tuple[DomainStatusDocument, ...]:
    """Every domain as it is now."""
    from reconciler.engine.reconcile import make_plan, observe_all

    with wiring.opened(desired.hosts, options, is_readonly=True) as connections:
        seen = observe_all(connections)
    plan = make_plan(desired, seen, PlanRequest(selection=options.selection), now=now)
    return tuple(
        line for line in _lines(plan, seen, now=now) if options.selection.has_domain(line.domain)
    )


def _controlled(folders: wiring.Folders) -> _Controlled:
    from reconciler.engine.suspensions import FileSuspensions
    from reconciler.service.state_file import read_last, read_state

    state, is_running = read_state(folders.runtime)
    return _Controlled(
        state=state or read_last(folders.state),
        is_running=is_running,
        suspensions=FileSuspensions(folders.state).read(),
    )


def _show(
    domains: Sequence[DomainStatusDocument],
    controlled: _Controlled,
    problem: HypervisorError | None,
    options: Options,
    *,
    now: datetime,
) -> None:
    if not options.is_text:
        state = controlled.state
        document = StatusDocument(
            domains=tuple(domains),
            problem=problem and problem.message,
            running=controlled.is_running,
            controller=state and controller_document(state),
            suspensions=tuple(map(suspension_document, controlled.suspensions)),
        )
        show_document(document, as_yaml=options.output is Output.YAML)
        return
    if problem is not None:
        note(f"{problem.message} (below is what the controller says)", is_quiet=options.is_quiet)
    show_lines(_text(domains, controlled, options, now=now), no_color=options.no_color)


def _text(
    domains: Sequence[DomainStatusDocument],
    controlled: _Controlled,
    options: Options,
    *,
    now: datetime,
) -> Iterator[Line]:
    state, is_running = controlled.state, controlled.is_running
    if state is not None or is_running:
        yield from head_lines(state, is_running=is_running, now=now)
    for said in controlled.suspensions:
        yield Line(_suspended(said), Tone.WARNING)
    if state is None or (domains and not is_running):
        # what a controller said that has ended is old
        yield from status_lines(domains)
        return
    yield from with_controller(domains, chosen_states(state, options), now=now)


def chosen_states(state: ControllerState, options: Options) -> tuple[DomainState, ...]:
    """Those of the host and the selection that were asked for."""
    return tuple(
        domain
        for domain in state.domains
        if options.host in (None, domain.host) and options.selection.has_domain(domain.domain)
    )


def _suspended(said: ByHand) -> str:
    from reconciler.model.suspension import Suspension

    what = f"{covered(said)}: " if isinstance(said, Suspension) else ""
    return f"! {what}{by_hand(said)}"


def _desired(options: Options) -> Desired:
    """What the manifests say, where there are some; else nothing, of nobody."""
    if has_manifests(options):
        whole = load_desired(options, allow_empty=True)
        return wiring.honouring(whole, wiring.hosts_of(whole, options), options)
    nothing = Desired(
        source="",
        revision=None,
        is_complete=False,
        hosts=(wiring.only_host(options),),
        domains=(),
    )
    return wiring.honouring(nothing, nothing.hosts, options)


def _lines(
    plan: Plan, seen: Mapping[HostName, ObservedHost], *, now: datetime
) -> Iterator[DomainStatusDocument]:
    """Every domain that is there, then those that are declared and are not."""
    plans = {(part.host, part.uuid): part for part in plan.domains if part.uuid}
    for host in seen.values():
        for domain in sorted(host.domains, key=lambda domain: (domain.name, domain.uuid)):
            yield domain_status(host, domain, plans.get((host.name, domain.uuid)), now=now)
    for part in plan.domains:
        if part.uuid is None:
            yield missing_status(part)
