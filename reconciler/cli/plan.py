"""``virtsnap plan``."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from reconciler.cli import exit_code, wiring
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.options import Options, Output
from reconciler.cli.parameters import AllowEmpty, PruneGone, Settings, Values, plan_request
from reconciler.cli.sources import load_desired
from reconciler.errors import UsageError
from reconciler.model.desired import Desired
from reconciler.model.plan import Plan
from reconciler.model.request import Consent

Observed = Annotated[
    str | None,
    typer.Option(
        "--observed",
        metavar="FILE",
        help="Plan against a recording of `virtsnap observe`, without any libvirt; - is stdin.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="Plan as if it were then, for what `windows` hold back: 2026-11-29T02:00:00Z.",
    ),
]
DetailedExitcode = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode",
        help="Exit with 2 when there are steps that apply would do, else 5 when something is "
        "refused or held, else 0.",
    ),
]


def plan(
    options: Options,
    detailed_exitcode: DetailedExitcode = False,
    observed: Observed = None,
    at: At = None,
    prune_gone: PruneGone = False,
    allow_empty: AllowEmpty = False,
    values: Values = None,
    settings: Settings = None,
) -> int:
    """Show what apply would do, in order, and why; and what it would not. Nothing is changed."""
    from reconciler.engine.reconcile import make_plan, observe_all

    now = datetime.now(UTC) if at is None else _moment(at)
    whole = load_desired(
        options, values=tuple(values or ()), settings=tuple(settings or ()), allow_empty=allow_empty
    )
    hosts = wiring.hosts_of(whole, options)
    desired = wiring.narrowed(whole, hosts)
    request = plan_request(options.selection, prune_gone=prune_gone, consent=Consent.PERSON)
    if observed is not None:
        seen = wiring.observed_from_file(observed, hosts)
    else:
        with wiring.opened(hosts, options, is_readonly=True) as connections:
            seen = observe_all(connections)
        # a recording may be of another machine, of which nobody here suspended anything
        desired = wiring.honouring(whole, hosts, options)
    result = make_plan(desired, seen, request, now=now)
    show_plan(result, desired, options)
    return exit_code.of_plan(result, is_detailed=detailed_exitcode)


def _moment(text: str) -> datetime:
    """An RFC 3339 time, which says its offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(
            f"cannot plan as if it were {text}: that is no time with its offset from UTC",
            hint="virtsnap plan --at 2026-11-29T02:00:00Z",
        )
    return moment.astimezone(UTC)


def show_plan(plan: Plan, desired: Desired, options: Options) -> None:
    """The plan as text or document."""
    if options.is_text:
        from reconciler.report.text import plan_lines

        lines = plan_lines(
            plan,
            desired=desired,
            is_verbose=options.verbosity > 0,
            is_quiet=options.is_quiet,
        )
        show_lines(lines, no_color=options.no_color)
        return
    from reconciler.report.documents import plan_document

    show_document(plan_document(plan), as_yaml=options.output is Output.YAML)
