"""``virtsnap --version``."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from reconciler.cli import wiring
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.errors import VirtsnapError
from reconciler.report.lines import Line


def version(options: Options) -> int:
    """Who is at work; a connection that cannot be reached is said, and no error."""
    found: dict[str, str | None] = {
        "virtsnap": installed("virtsnap"),
        "libvirt-python": installed("libvirt-python"),
        "libvirt": None,
        "qemu": None,
    }
    problem = ""
    try:
        libvirt, qemu = wiring.versions(options.uri, patience=options.timeout)
        found |= {"libvirt": _dotted(libvirt), "qemu": _dotted(qemu) if qemu else None}
    except VirtsnapError as error:
        problem = error.message.replace("\n", " ")
    if not options.is_text:
        from reconciler.report.documents import VersionDocument

        document = VersionDocument(
            virtsnap=found["virtsnap"] or "",
            binding=found["libvirt-python"],
            libvirt=found["libvirt"],
            qemu=found["qemu"],
            uri=options.uri,
            problem=problem or None,
        )
        show_document(document, as_yaml=options.output is Output.YAML)
        return ExitCode.DONE
    lines = [Line(f"{name} {text}") for name, text in found.items() if text]
    if problem:
        lines.append(Line(f"libvirt of {options.uri}: not reachable ({problem})"))
    show_lines(lines, no_color=options.no_color)
    return ExitCode.DONE


def installed(distribution: str) -> str | None:
    try:
        return version_of(distribution)
    except PackageNotFoundError:
        return None


def _dotted(number: int) -> str:
    """``11.3.0`` for libvirt's 11003000."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
