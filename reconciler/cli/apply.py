"""``virtsnap apply``."""

import sys
import threading
from datetime import UTC, datetime
from typing import Annotated

import typer

from reconciler.cli import run_telling, wiring
from reconciler.cli.console import note, show_document, show_outcomes
from reconciler.cli.exit_code import ExitCode, of_outcomes, of_plan
from reconciler.cli.options import Options, Output
from reconciler.cli.parameters import AllowEmpty, PruneGone, Settings, Values, plan_request
from reconciler.cli.plan import show_plan
from reconciler.cli.progress import listening
from reconciler.cli.sources import load_desired
from reconciler.cli.stopping import stopping
from reconciler.errors import SourceError, UsageError, VirtsnapError
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import Plan
from reconciler.model.request import Consent
from reconciler.report.summary import totals
from reconciler.report.units import size

AutoApprove = Annotated[
    bool, typer.Option("--auto-approve", help="Do not ask; for scripts that know what they do.")
]


def apply(
    options: Options,
    auto_approve: AutoApprove = False,
    prune_gone: PruneGone = False,
    allow_empty: AllowEmpty = False,
    values: Values = None,
    settings: Settings = None,
    before_step: run_telling.BeforeStep = None,
    after_step: run_telling.AfterStep = None,
    hook_timeout: run_telling.HookTimeout = run_telling.DEFAULT_HOOK_TIMEOUT,
    history_age: run_telling.HistoryAge = run_telling.DEFAULT_HISTORY_AGE,
    history_entries: run_telling.HistoryEntries = run_telling.DEFAULT_HISTORY_ENTRIES,
) -> int:
    """Show the plan, ask, and do it. A second apply right after does nothing."""
    from reconciler.engine import executor
    from reconciler.engine.listener import Silence
    from reconciler.engine.reconcile import make_plan, observe_all
    from reconciler.engine.turn import wait_for_turn

    if not options.is_text and not auto_approve:
        raise UsageError(
            f"cannot ask in between when the output is {options.output}",
            hint=f"virtsnap apply --auto-approve -o {options.output}",
        )
    log = run_telling.Notes(is_quiet=options.is_quiet)
    hooks = run_telling.step_hooks(
        run_telling.hooks_given(before_step, after_step, hook_timeout), log
    )
    keeping = run_telling.history_given(history_age, history_entries)

    def declared(*, is_still: bool = False) -> Desired:
        return load_desired(
            options,
            values=tuple(values or ()),
            settings=tuple(settings or ()),
            allow_empty=allow_empty,
            is_still=is_still,
        )

    whole = declared()
    hosts = wiring.hosts_of(whole, options)
    desired = wiring.narrowed(whole, hosts)
    request = plan_request(options.selection, prune_gone=prune_gone, consent=Consent.PERSON)
    stop = threading.Event()
    with wiring.opened(hosts, options, is_readonly=False) as connections:

        def planned() -> Plan:
            seen = observe_all(connections)
            wanted = wiring.honouring(desired, hosts, options)
            return make_plan(wanted, seen, request, now=datetime.now(UTC))

        plan = planned()
        if _takes_away(plan) and (still := declared(is_still=True)) != whole:
            desired = _narrowed_again(still, hosts, options)
            plan = planned()
        if options.lock_timeout:
            tools = wiring.tools(connections, hosts, options, listener=Silence(), stop=stop)
            plan = planned() if wait_for_turn(plan, tools) else plan
        if options.is_text:
            show_plan(plan, desired, options)
        if not any(domain.open_steps for domain in plan.domains):
            return _nothing_to_do(plan, options)
        if not auto_approve and not _is_agreed(totals(plan).discards):
            note("Nothing was done.")
            return ExitCode.ERROR
        state = wiring.folders_of(hosts, options).state
        with (
            stopping(stop),
            listening(options) as shown,
            run_telling.writing_history(
                shown, by="apply", state=state, desired=desired, keeping=keeping, log=log
            ) as listener,
        ):
            tools = wiring.tools(
                connections, hosts, options, listener=listener, stop=stop, hooks=hooks
            )
            outcomes = executor.apply(plan, desired, request, tools)
    return _end(plan, outcomes, options)


def _takes_away(plan: Plan) -> bool:
    """A manifest that is just being written says less than it is going to say."""
    return any(step.action.card.takes_away for domain in plan.domains for step in domain.open_steps)


def _narrowed_again(still: Desired, hosts: tuple[DesiredHost, ...], options: Options) -> Desired:
    """What is declared now, for the hosts that are open."""
    if wiring.hosts_of(still, options) != hosts:
        raise SourceError(
            "cannot apply the manifests: they declare other hosts than a moment ago",
            hint="virtsnap apply",
        )
    return wiring.narrowed(still, hosts)


def _is_agreed(discards: int) -> bool:
    """Ask on the terminal, with the bytes that nobody gets back; anything but ``yes`` is no."""
    if not sys.stdin.isatty():
        raise VirtsnapError(
            "cannot apply the plan: there is no terminal to ask on, nothing was done",
            hint="virtsnap apply --auto-approve",
        )
    sys.stdout.flush()
    lost = f" At most {size(discards)} of work is discarded for good." if discards else ""
    sys.stderr.write(f"\nDo all of this?{lost} Only 'yes' will be accepted: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def _nothing_to_do(plan: Plan, options: Options) -> int:
    code = of_plan(plan, is_detailed=True)
    if not options.is_text:
        _show_outcome(plan, (), code, options)
    return code


def _end(plan: Plan, outcomes: tuple[DomainOutcome, ...], options: Options) -> int:
    code = of_outcomes(outcomes)
    if not options.is_text:
        _show_outcome(plan, outcomes, code, options)
        return code
    show_outcomes(outcomes, no_color=options.no_color)
    return code


def _show_outcome(
    plan: Plan, outcomes: tuple[DomainOutcome, ...], code: int, options: Options
) -> None:
    from reconciler.report.documents import outcome_document

    document = outcome_document(plan, outcomes, exit_code=int(code))
    show_document(document, as_yaml=options.output is Output.YAML)
