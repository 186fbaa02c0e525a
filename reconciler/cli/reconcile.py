"""``virtsnap reconcile``."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from reconciler.cli.asking import demand_no_selection, own_folders
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import of_states
from reconciler.cli.options import Options, Output, seconds
from reconciler.errors import VirtsnapError
from reconciler.model.controller import ControllerState, DomainState

if TYPE_CHECKING:
    from pathlib import Path

Asked = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN...", help="Names, UUIDs or globs of domains; none means all."),
]
WaitTimeout = Annotated[
    str,
    typer.Option("--wait-timeout", metavar="DURATION", help="Wait for the outcome for so long."),
]


class Monotonic(Protocol):
    """Seconds that only grow."""

    def __call__(self) -> float: ...


def reconcile(options: Options, domains: Asked = None, wait_timeout: WaitTimeout = "10m") -> int:
    """Ask the running controller for a pass now, and wait for its outcome: a line a domain.

    Back-off is not waited for; what is suspended or held stays so. Exit codes as of apply.
    """
    demand_no_selection(options, "reconcile")
    limit = seconds("--wait-timeout", wait_timeout, example="virtsnap reconcile --wait-timeout 1h")
    ended: list[DomainState] = []
    controller: ControllerState | None = None
    folder = own_folders(options).runtime
    for each in outcomes(folder, tuple(domains or ()), options.host, limit=limit):
        if isinstance(each, ControllerState):
            controller = each
        else:
            ended.append(each)
            _tell(each, options)
    assert controller is not None
    return _end(ended, controller, options)


def outcomes(
    folder: "Path",
    domains: tuple[str, ...],
    host: str | None,
    *,
    limit: float,
    clock: Monotonic = time.monotonic,
) -> Iterator[DomainState | ControllerState]:
    """Each domain as it ends, at last the controller; given up on after *limit* seconds."""
    from reconciler.service import control_client

    give_up_at = clock() + limit
    with closing(control_client.reconcile(folder, domains, host)) as replies:
        for each in replies:
            if each is not None:
                yield each
            elif clock() >= give_up_at:
                raise VirtsnapError(
                    "cannot wait any longer for the outcome: the pass goes on",
                    hint="virtsnap status --watch",
                )


def _tell(domain: DomainState, options: Options) -> None:
    if options.is_text:
        from reconciler.report.controller_text import domain_line

        line = domain_line(domain, now=datetime.now(UTC))
        show_lines([line], no_color=options.no_color)


def _end(ended: list[DomainState], controller: ControllerState, options: Options) -> int:
    """What kept the controller from its work counts as a failure."""
    concerned = {domain.host for domain in ended} or {host.name for host in controller.hosts}
    has_trouble = controller.source.trouble is not None or any(
        host.trouble is not None for host in controller.hosts if host.name in concerned
    )
    code = of_states(ended, has_trouble=has_trouble)
    if not options.is_text:
        from reconciler.report.controller_document import reconcile_document

        document = reconcile_document(tuple(ended), controller, exit_code=int(code))
        show_document(document, as_yaml=options.output is Output.YAML)
        return code
    from reconciler.report.controller_text import trouble_lines
    from reconciler.report.lines import Line

    if not ended:
        show_lines([Line("no domains")], no_color=options.no_color)
    show_lines(trouble_lines(controller), no_color=options.no_color)
    return code
