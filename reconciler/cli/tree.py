"""``virtsnap tree``."""

from typing import Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.chosen import chosen
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.observe import observed_hosts
from reconciler.cli.options import Options, Output
from reconciler.report.lines import Line

Domains = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN...", help="Names, UUIDs or globs of domains; none means all."),
]


def tree(options: Options, domains: Domains = None) -> int:
    """Draw the snapshot tree and each disk's backing chain, with sizes. Needs no manifest."""
    from reconciler.engine.reconcile import observe_all
    from reconciler.planning.frozen import as_proven
    from reconciler.report.readers import readers_of
    from reconciler.report.tree import tree_lines
    from reconciler.report.tree_documents import TreeDocument, domain_tree

    with wiring.opened(observed_hosts(options), options, is_readonly=True) as connections:
        seen = observe_all(connections)
    proven = [(host, *drawn) for host in seen.values() for drawn in as_proven(host)]
    pairs = [(host, d) for host, d, _ in proven if options.selection.has_domain(d.name)]
    found = chosen(pairs, domains or (), doing="draw", verb="tree")
    readers = {host.name: readers_of(host) for host in seen.values()}
    doubts = {(host.name, d.uuid): in_doubt for host, d, in_doubt in proven}
    trees = tuple(
        domain_tree(host, domain, readers[host.name], doubts[host.name, domain.uuid])
        for host, domain in found
    )
    if not options.is_text:
        show_document(TreeDocument(domains=trees), as_yaml=options.output is Output.YAML)
        return ExitCode.DONE
    lines: list[Line] = []
    for domain in trees:
        lines += [
            *([Line()] if lines else []),
            *tree_lines(domain, is_verbose=options.verbosity > 0),
        ]
    show_lines(lines or [Line("no domains")], no_color=options.no_color)
    return ExitCode.DONE
