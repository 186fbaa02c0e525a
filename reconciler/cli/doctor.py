"""``virtsnap doctor``."""

import os
from pathlib import Path

from reconciler.cli import wiring
from reconciler.cli.chosen import chosen
from reconciler.cli.console import note, show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.cli.sources import has_manifests, load_desired
from reconciler.cli.tree import Domains
from reconciler.errors import ManifestError
from reconciler.model.desired import Desired, DesiredHost


def doctor(options: Options, domains: Domains = None) -> int:
    """Check host and domains, and say what to do about each finding. Needs no manifest.

    Ends with 5 when there is a problem; warnings alone end with 0.
    """
    from reconciler.engine.reconcile import observe_all
    from reconciler.planning.diagnosis import diagnose
    from reconciler.report.doctor import doctor_document, doctor_lines

    hosts, desired = _wanted(options)
    with wiring.opened(hosts, options, is_readonly=True) as connections:
        seen = observe_all(connections)
    pairs = [
        (host, domain)
        for host in seen.values()
        for domain in host.domains
        if options.selection.has_domain(domain.name)
    ]
    meant = chosen(pairs, domains or (), doing="examine", verb="doctor")
    unwritable = _unwritable(hosts, options)
    examined = []
    for declared in hosts:
        host = seen[declared.name]
        names = tuple(domain.name for of, domain in meant if of is host)
        found = diagnose(host, declared=declared, desired=desired, unwritable=unwritable)
        told = tuple(f for f in found if f.domain is None or f.domain in names)
        examined.append((host, names, told))
    document = doctor_document(examined)
    if options.is_text:
        show_lines(doctor_lines(document), no_color=options.no_color)
    else:
        show_document(document, as_yaml=options.output is Output.YAML)
    return ExitCode.REFUSED if document.problems else ExitCode.DONE


def _wanted(options: Options) -> tuple[tuple[DesiredHost, ...], Desired | None]:
    """The hosts to look at, and what is declared for them; manifests are no condition."""
    only = (wiring.only_host(options),)
    if not has_manifests(options):
        return only, None
    try:
        desired = load_desired(options, allow_empty=True)
    except ManifestError as error:
        if options.manifests is not None:
            raise
        note(f"manifests are not used: {error.problems[0]}", is_quiet=options.is_quiet)
        return only, None
    if options.connect is not None and options.host is None and len(desired.hosts) > 1:
        return only, None  # which of them it is nobody said
    return wiring.hosts_of(desired, options), desired


def _unwritable(hosts: tuple[DesiredHost, ...], options: Options) -> tuple[str, ...]:
    """Those of virtsnap's own folders that this user may neither write to nor make."""
    folders = wiring.folders_of(hosts, options)
    return tuple(str(f) for f in (folders.state, folders.runtime) if not _is_writable(f))


def _is_writable(folder: Path) -> bool:
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
