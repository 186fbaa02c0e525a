"""``virtsnap import``."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.chosen import Pair, chosen
from reconciler.cli.console import note, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.observe import observed_hosts
from reconciler.cli.options import Options
from reconciler.errors import UsageError, VirtsnapError
from reconciler.model.manifest_file import VALUES_FILE
from reconciler.model.names import SnapshotName, file_name_part
from reconciler.report.lines import Line
from reconciler.report.units import count

if TYPE_CHECKING:
    from reconciler.planning.world import World

Domains = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN...", help="Names, UUIDs or globs of domains."),
]
All = Annotated[bool, typer.Option("--all", help="Every domain of the host.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Write a file for each domain into this folder; a file that exists is an error.",
    ),
]


Adopt = Annotated[
    bool,
    typer.Option(
        "--adopt",
        help="Name what can be adopted too, with `unmanaged: adopt`: an apply makes it managed.",
    ),
]


def import_(
    options: Options,
    domains: Domains = None,
    every: All = False,
    adopt: Adopt = False,
    out: Out = None,
) -> int:
    """Write the manifests that describe what is there, as YAML; the host is only read.

    Managed snapshots are declared. What is not managed stands there as a comment.
    """
    from reconciler.engine.reconcile import observe_all

    wanted = tuple(domains or ())
    if bool(wanted) is every:
        raise UsageError(
            "cannot import: name domains, or say --all" + (", not both" if every else ""),
            hint="virtsnap import --all",
        )
    hosts = observed_hosts(options)
    with wiring.opened(hosts, options, is_readonly=True) as connections:
        seen = observe_all(connections)
    named = (replace(host, name=name) for name, host in seen.items())
    pairs = [
        (host, domain)
        for host in named
        for domain in host.domains
        if options.selection.has_domain(domain.name)
    ]
    found = chosen(pairs, wanted, doing="import", verb="import")
    if not found:
        note("no domains", is_quiet=options.is_quiet)
    says_host = len(hosts) > 1 or options.host is not None
    texts, adopted = _texts(found, says_host=says_host, adopts=adopt)
    if adopt:
        note(f"virtsnap apply adopts {count(adopted, 'snapshot')}", is_quiet=options.is_quiet)
    if out is None:
        _print("---\n".join(texts))
        return ExitCode.DONE
    files = _files(found, texts, out)
    _write(files, out)
    show_lines((Line(f"wrote {path}") for path in files), no_color=options.no_color)
    return ExitCode.DONE


def _texts(found: list[Pair], *, says_host: bool, adopts: bool) -> tuple[list[str], int]:
    """The manifest of each domain, and how many snapshots they adopt."""
    from reconciler.planning.index import index_of
    from reconciler.planning.world import world_of
    from reconciler.report.manifests import adopted_of, manifest_text

    hosts = {host.name: host for host, _ in found}
    indexes = {name: index_of(host) for name, host in hosts.items()}
    texts, adopted = [], 0
    for host, domain in found:
        world = world_of(indexes[host.name], domain)
        adopting = _adopting(world) if adopts else None
        adopted += len(adopted_of(adopting or {}))
        texts.append(
            manifest_text(
                domain,
                host=host.name if says_host else None,
                dangling=_dangling(world),
                adopting=adopting,
            )
        )
    return texts, adopted


def _adopting(world: "World") -> dict[SnapshotName, str | None]:
    """Of each unmanaged snapshot why it cannot be adopted, None when it can."""
    from reconciler.planning import adopting
    from reconciler.report.refusals import explained

    return {
        name: explained(why, domain=world.domain.name).message if why is not None else None
        for name, why in adopting.candidates(world).items()
    }


def _dangling(world: "World") -> dict[SnapshotName, str]:
    """Snapshots whose frozen layer is not what it was, and why."""
    from reconciler.planning import storage

    found = storage.dangling(world, frozenset())
    return {each.snapshot: f"{each.image} is {each.cause}" for each in found}


def _print(text: str) -> None:
    # a manifest is UTF-8 whatever the locale; another encoding would change names
    with suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # TextIOWrapper has it
    sys.stdout.write(text)


def _files(found: list[Pair], texts: list[str], folder: Path) -> dict[Path, str]:
    """The text of each file; two domains for one file are an error."""
    files: dict[Path, str] = {}
    names: dict[Path, str] = {}
    for (host, domain), text in zip(found, texts, strict=True):
        path = folder / _file_name(domain.name)
        if path in files:
            raise VirtsnapError(
                f"cannot import {domain.name} on {host.name}: {path} would be the file of"
                f" {names[path]} too",
                hint=f"virtsnap import {domain.uuid} --out ANOTHER_FOLDER",
            )
        files[path] = text
        names[path] = f"{domain.name} on {host.name}"
    return files


def _file_name(domain: str) -> str:
    """``web01.yaml``; never one that a source hides or reads as values."""
    name = f"{file_name_part(domain)}.yaml"
    return f"domain-{name}" if name.startswith(".") or name == VALUES_FILE else name


def _write(files: Mapping[Path, str], folder: Path) -> None:
    """All *files* or none."""
    taken = [str(path) for path in files if path.exists() or path.is_symlink()]
    if taken:
        raise _exists(taken)
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                written.append(path)
                stream.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError) and error.filename != str(folder):
            raise _exists([str(error.filename)]) from error
        raise VirtsnapError(
            f"cannot write {error.filename or folder}: {(error.strerror or str(error)).lower()}",
            hint="give --out a folder that you may write to",
        ) from error


def _exists(paths: list[str]) -> VirtsnapError:
    return VirtsnapError(
        f"cannot write {', '.join(paths)}: {'it exists' if len(paths) == 1 else 'they exist'}",
        hint="give --out another folder, or remove what is there",
    )
