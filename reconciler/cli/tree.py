"""``virtsnap tree``."""

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.observe import observed_hosts
from reconciler.cli.options import Options, Output
from reconciler.errors import VirtsnapError
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.report.lines import Line

Domains = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN...", help="Names, UUIDs or globs of domains; none means all."),
]


def tree(options: Options, domains: Domains = None) -> int:
    """Draw the snapshot tree and each disk's backing chain, with sizes. Needs no manifest."""
    from reconciler.engine.reconcile import observe_all
    from reconciler.report.tree import tree_lines
    from reconciler.report.tree_documents import TreeDocument, domain_tree

    with wiring.opened(observed_hosts(options), options, is_readonly=True) as connections:
        seen = observe_all(connections)
    pairs = [
        (host, domain)
        for host in seen.values()
        for domain in host.domains
        if options.selection.has_domain(domain.name)
    ]
    chosen = _chosen(pairs, domains or ())
    trees = tuple(domain_tree(host, domain) for host, domain in chosen)
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


def _chosen(
    pairs: Sequence[tuple[ObservedHost, ObservedDomain]], wanted: Sequence[str]
) -> list[tuple[ObservedHost, ObservedDomain]]:
    """Those that are *wanted*, in the host's order; a name that matches none is an error."""
    for pattern in wanted:
        if not any(_matches(domain, pattern) for _, domain in pairs):
            raise _unknown(pattern, (domain.name for _, domain in pairs))
    return [
        pair
        for pair in pairs
        if not wanted or any(_matches(pair[1], pattern) for pattern in wanted)
    ]


def _matches(domain: ObservedDomain, pattern: str) -> bool:
    # the name itself first: it may hold what a glob would read otherwise
    return pattern in (domain.name, domain.uuid) or fnmatchcase(domain.name, pattern)


def _unknown(pattern: str, names: Iterable[str]) -> VirtsnapError:
    near = difflib.get_close_matches(pattern, list(names), n=1, cutoff=0.5)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return VirtsnapError(
        f"cannot draw {pattern}: there is no such domain{meant}",
        hint=f"virtsnap tree {near[0]}" if near else "virsh list --all",
    )
