"""``virtsnap observe``."""

from reconciler.cli import wiring
from reconciler.cli.console import note, show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.cli.sources import has_manifests, load_desired
from reconciler.errors import ManifestError
from reconciler.model.desired import DesiredDomain, DesiredHost


def observe(options: Options) -> int:
    """Record the host as data, for `plan --observed` and for bug reports; nothing is changed."""
    from dataclasses import replace

    from reconciler.engine.reconcile import observe_all
    from reconciler.report.observation import observation_document
    from reconciler.report.tree import tree_lines
    from reconciler.report.tree_documents import domain_tree

    with wiring.opened(observed_hosts(options), options, is_readonly=True) as connections:
        seen = observe_all(connections)
    hosts = [
        replace(
            host,
            domains=tuple(d for d in host.domains if options.selection.has_domain(d.name)),
        )
        for host in seen.values()
    ]
    if not options.is_text:
        show_document(observation_document(hosts), as_yaml=options.output is Output.YAML)
        return ExitCode.DONE
    for host in hosts:
        for domain in host.domains:
            show_lines(
                tree_lines(domain_tree(host, domain), is_verbose=True), no_color=options.no_color
            )
    return ExitCode.DONE


def observed_hosts(options: Options) -> tuple[DesiredHost, ...]:
    """The hosts of the manifests where there are some and no URI was named, else the connection."""
    return observed_with_manifests(options)[0]


def observed_with_manifests(
    options: Options,
) -> tuple[tuple[DesiredHost, ...], tuple[DesiredDomain, ...]]:
    """The same with the domains that these manifests declare."""
    if options.connect is not None or not has_manifests(options):
        return (wiring.only_host(options),), ()
    try:
        desired = load_desired(options, allow_empty=True)
        return wiring.hosts_of(desired, options), desired.domains
    except ManifestError as error:
        if options.manifests is not None:
            raise
        # looking needs no manifest, so those that lie here by chance must not prevent it
        note(f"manifests are not used: {error.problems[0]}", is_quiet=options.is_quiet)
        return (wiring.only_host(options),), ()
