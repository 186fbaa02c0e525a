"""``virtsnap validate``."""

from pydantic import BaseModel

from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.cli.parameters import AllowEmpty, Settings, Values
from reconciler.cli.sources import load_desired
from reconciler.cli.wiring import hosts_of
from reconciler.report.lines import Line
from reconciler.report.units import count


def validate(
    options: Options,
    values: Values = None,
    settings: Settings = None,
    allow_empty: AllowEmpty = False,
) -> int:
    """Check the manifests alone: offline, no libvirt needed; every problem is told at once."""
    desired = load_desired(
        options, values=tuple(values or ()), settings=tuple(settings or ()), allow_empty=allow_empty
    )
    hosts = hosts_of(desired, options)
    snapshots = sum(len(domain.snapshots) for domain in desired.domains)
    if not options.is_text:
        document: BaseModel = _document(len(hosts), len(desired.domains), snapshots)
        show_document(document, as_yaml=options.output is Output.YAML)
        return ExitCode.DONE
    text = (
        f"Valid: {count(len(hosts), 'host')}, {count(len(desired.domains), 'domain')}, "
        f"{count(snapshots, 'snapshot')}."
    )
    show_lines([Line(text)], no_color=options.no_color)
    return ExitCode.DONE


def _document(hosts: int, domains: int, snapshots: int) -> BaseModel:
    from reconciler.report.documents import ValidationDocument

    return ValidationDocument(hosts=hosts, domains=domains, snapshots=snapshots)
