"""``virtsnap release``."""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import run_telling, wiring
from reconciler.cli.chosen import Pair
from reconciler.cli.console import show_document, show_lines, show_outcomes
from reconciler.cli.exit_code import ExitCode, of_outcomes, of_plan
from reconciler.cli.observe import observed_with_manifests
from reconciler.cli.options import Options, Output
from reconciler.cli.plan import show_plan
from reconciler.cli.progress import listening
from reconciler.cli.stopping import stopping
from reconciler.errors import UsageError, VirtsnapError
from reconciler.model.desired import Desired, DesiredDomain, DesiredHost
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.model.names import HostName, SnapshotName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest
from reconciler.model.suspension import ByHand, suspension_of
from reconciler.report.lines import Line

if TYPE_CHECKING:
    from reconciler.planning.releasing import Suspended

Held = Annotated[
    str,
    typer.Argument(
        metavar="DOMAIN/SNAPSHOT",
        help="The snapshot whose hold is to end; with --request, the domain alone.",
    ),
]
Request = Annotated[
    str | None,
    typer.Option(
        "--request",
        metavar="REQUEST",
        help="Count this revert request of the domain as done (after `RevertUnproven`).",
    ),
]


Recorded = Annotated[
    bool,
    typer.Option(
        "--as-recorded",
        help="Vouch for the images that libvirt's record of the snapshot names, as they are now "
        "(after `SnapshotUnproven`, or `written since`).",
    ),
]


def release(
    options: Options, held: Held, request: Request = None, as_recorded: Recorded = False
) -> int:
    """End the hold of a snapshot (`protect: true`), so that pruning may take it again.

    A manifest that still says `protect: true` puts it back with the next apply.  With --request,
    end the doubt about a revert instead: it counts as done.  With --as-recorded, end the doubt
    about a snapshot: you have looked, and what its record names holds its moment.

    No manifest is needed.  Where there are some, and no -c, a domain that says `suspend: true`,
    or its Host does, is left alone; as is what was suspended by hand.
    """
    from reconciler.engine import executor
    from reconciler.engine.reconcile import observe_all
    from reconciler.planning import planner, releasing

    # no domain has a slash in its name
    domain_name, slash, snapshot = held.partition("/")
    if request is None and not (domain_name and slash and snapshot):
        raise UsageError(
            f"cannot release {held}: name a domain and a snapshot of it",
            hint="virtsnap release DOMAIN/SNAPSHOT; to look: virtsnap tree",
        )
    if request is not None and as_recorded:
        raise UsageError(
            "cannot release: --request is of a domain, --as-recorded of a snapshot",
            hint="virtsnap release DOMAIN/SNAPSHOT --as-recorded",
        )
    if request is not None and slash:
        raise UsageError(
            f"cannot release {held}: a request belongs to a domain, not to a snapshot",
            hint=f"virtsnap release {quote(domain_name)} --request {quote(request)}",
        )
    hosts, declared = observed_with_manifests(options)
    with wiring.opened(hosts, options, is_readonly=False) as connections:
        seen = observe_all(connections)
        observed, domain = _pair(seen, domain_name)
        if request is None:
            _demand_managed((observed, domain), SnapshotName(snapshot))
        host = next(h for h in hosts if seen.get(h.name) is observed)
        desired = Desired(source="", revision=None, is_complete=False, hosts=(host,), domains=())
        suspended = _suspended(host, domain, declared, wiring.suspensions(hosts, options))
        if request is None:
            named = SnapshotName(snapshot)
            end = releasing.believe if as_recorded else releasing.release
            part = end(host, observed, domain, named, suspended=suspended)
        else:
            part = releasing.mark_done(host, observed, domain, request, suspended=suspended)
        plan = planner.whole((part,), desired, created_at=datetime.now(UTC))
        if not part.steps or part.held:
            is_hold = request is None and not as_recorded
            what = f"{held} is not held" if is_hold else f"{request or held} is not in doubt"
            return _nothing_done(plan, desired, what, options)
        if as_recorded and options.is_text:
            show_plan(plan, desired, options)  # which images are vouched for
        stop = threading.Event()
        log = run_telling.Notes(is_quiet=options.is_quiet)
        state = wiring.folders_of(hosts, options).state
        with (
            stopping(stop),
            listening(options) as shown,
            run_telling.writing_history(
                shown, by="release", state=state, desired=desired, keeping=None, log=log
            ) as listener,
        ):
            tools = wiring.tools(connections, hosts, options, listener=listener, stop=stop)
            outcomes = executor.apply(plan, desired, PlanRequest(), tools)
    return _end(plan, outcomes, options)


def _suspended(
    host: DesiredHost,
    domain: ObservedDomain,
    declared: tuple[DesiredDomain, ...],
    suspensions: tuple[ByHand, ...],
) -> "Suspended":
    """Whether its manifest, that of its host, or a person says so."""
    from reconciler.planning.holding import suspended_by
    from reconciler.planning.releasing import Suspended

    of_domain = (w for w in declared if w.host == host.name)
    named = [w for w in of_domain if w.domain in (domain.name, domain.uuid)]
    wish = next((w for w in named if w.is_suspended), None)
    by_hand = suspension_of(suspensions, host.name, domain.name, domain.uuid)
    return Suspended(by=suspended_by(host, wish, by_hand), by_hand=by_hand)


def _pair(seen: Mapping[HostName, ObservedHost], wanted: str) -> Pair:
    """The only domain of that name or UUID."""
    pairs = [(host, d) for host in seen.values() for d in host.domains]
    found = [pair for pair in pairs if wanted in (pair[1].name, pair[1].uuid)]
    if len(found) > 1:
        raise UsageError(
            f"cannot release a snapshot of {wanted}: several hosts have that domain",
            hint=f"choose one: --host {quote(found[0][0].name)}",
        )
    if not found:
        near = _meant(wanted, [domain.name for _, domain in pairs])
        raise VirtsnapError(
            f"cannot release a snapshot of {wanted}: there is no such domain{near}",
            hint="virtsnap tree",
        )
    return found[0]


def _demand_managed(pair: Pair, snapshot: SnapshotName) -> None:
    """The snapshot is there and ours, and the ledger can be trusted."""
    from reconciler.planning import differ, releasing
    from reconciler.planning.index import index_of
    from reconciler.planning.world import world_of

    host, domain = pair
    world = world_of(index_of(host), domain)
    cause = releasing.why_not_released(world, snapshot)
    if cause is None:
        return
    names = [record.name for record in domain.records if world.is_managed(record)]
    near = _meant(snapshot, names) if domain.record(snapshot) is None else ""
    raise VirtsnapError(
        f"cannot release {domain.name}/{snapshot}: {cause}{near}",
        hint="virtsnap plan" if differ.rebuild_only(world) else f"virtsnap tree {domain.name}",
    )


def _meant(wanted: str, names: Sequence[str]) -> str:
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _nothing_done(plan: Plan, desired: Desired, what: str, options: Options) -> int:
    code = of_plan(plan, is_detailed=True)
    if not options.is_text:
        _show_outcome(plan, (), code, options)
    elif code is ExitCode.DONE:
        show_lines([Line(f"{what}: nothing to do")], no_color=options.no_color)
    else:
        show_plan(plan, desired, options)
    return code


def _end(plan: Plan, outcomes: tuple[DomainOutcome, ...], options: Options) -> int:
    code = of_outcomes(outcomes)
    if options.is_text:
        show_outcomes(outcomes, no_color=options.no_color)
    else:
        _show_outcome(plan, outcomes, code, options)
    return code


def _show_outcome(
    plan: Plan, outcomes: tuple[DomainOutcome, ...], code: int, options: Options
) -> None:
    from reconciler.report.documents import outcome_document

    document = outcome_document(plan, outcomes, exit_code=int(code))
    show_document(document, as_yaml=options.output is Output.YAML)
