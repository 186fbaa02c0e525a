"""``virtsnap suspend`` and ``virtsnap resume``."""

import getpass
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated

import typer

from reconciler.cli.asking import (
    Known,
    demand_no_selection,
    is_glob,
    known_to,
    known_to_libvirt,
    last_state,
    meant,
    own_folders,
    unknown,
)
from reconciler.cli.console import note, show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.cli.wiring import Folders
from reconciler.errors import VirtsnapError
from reconciler.model.controller import ControllerState
from reconciler.model.names import HostName
from reconciler.model.secrets import without_secrets
from reconciler.model.suspension import Suspension, SuspensionsUnreadable
from reconciler.report.lines import Line, Tone
from reconciler.report.suspension_text import by_hand, covered, resume_command

Suspended = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DOMAIN...",
        help="Names, UUIDs or globs of domains; none means all, those that come later too.",
    ),
]
Resumed = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN...", help="As they were suspended; none means all."),
]
Why = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why, for whoever looks at `virtsnap status`."),
]


def suspend(options: Options, domains: Suspended = None, reason: Why = "") -> int:
    """Change nothing on these domains until `virtsnap resume`, whatever the manifests say.

    Kept on this machine, for `run` and `apply` alike, with or without a controller. They are still
    observed, and their drift is shown. What has begun on a domain is finished.
    """
    from reconciler.engine.suspensions import FileSuspensions

    demand_no_selection(options, "suspend")
    folders = own_folders(options)
    state = last_state(folders)
    _demand_known(domains or (), state, options)
    host = None if options.host is None else HostName(options.host)
    now, who = datetime.now(UTC), _who()
    wanted = [
        Suspension(host=host, domain=domain, who=who, since=now, reason=without_secrets(reason))
        for domain in domains or (None,)
    ]

    def added(before: tuple[Suspension, ...]) -> tuple[Suspension, ...]:
        replaced = {(each.host, each.domain) for each in wanted}
        return (*(s for s in before if (s.host, s.domain) not in replaced), *wanted)

    after = FileSuspensions(folders.state).change(added)
    if options.is_text:
        lines = [
            Line(f"suspended {covered(each)}; to end it: {resume_command(each)}") for each in wanted
        ]
        show_lines(lines, no_color=options.no_color)
    else:
        _show(after, options)
    for name in _at_work(wanted, state):
        note(f"{name} is being worked on: that is finished", is_quiet=options.is_quiet)
    _wake(folders, wanted)
    return ExitCode.DONE


def resume(options: Options, domains: Resumed = None) -> int:
    """End what `virtsnap suspend` said, of these domains or of all; a running controller goes on at once.

    Ends with 5 when one of them stays suspended, by another `virtsnap suspend` or its manifest.
    """
    from reconciler.engine.suspensions import FileSuspensions

    demand_no_selection(options, "resume")
    folders = own_folders(options)
    state = last_state(folders)
    kept = FileSuspensions(folders.state)
    known = known_to(state)
    ended: list[Suspension] = []

    def without(before: tuple[Suspension, ...]) -> tuple[Suspension, ...]:
        ended.extend(s for s in before if _ends(s, domains, options.host, known))
        return tuple(s for s in before if s not in ended)

    if not domains and options.host is None:
        before = kept.clear()
        ended.extend(each for each in before if isinstance(each, Suspension))
        after: tuple[Suspension, ...] = ()
        for each in before:
            if isinstance(each, SuspensionsUnreadable):
                note(f"{each.path}: {each.cause}; it was put aside", is_quiet=options.is_quiet)
    else:
        after = kept.change(without)
        _demand_meant(domains or (), ended, after, known)
    still = [] if not ended and not domains else list(_still(domains, options.host, after, known))
    if options.is_text:
        lines = [Line(f"resumed {covered(each)}") for each in ended]
        lines += [Line(f"! stays suspended: {text}", Tone.WARNING) for text in still]
        nothing = Line("nothing was suspended by hand: nothing to do")
        show_lines(lines or [nothing], no_color=options.no_color)
    else:
        _show(after, options)
    if ended:
        _wake(folders, ended)
    return ExitCode.REFUSED if still else ExitCode.DONE


def _demand_known(domains: Sequence[str], state: ControllerState | None, options: Options) -> None:
    """A slip of the pen must not leave unsuspended what somebody believes to be suspended."""
    hosts = [host.name for host in state.hosts] if state else []
    if options.host is not None and hosts and options.host not in hosts:
        raise unknown(options.host, hosts, verb="suspend", what="host")
    known = known_to(state)
    open_ = [d for d in domains if not is_glob(d) and not meant(known, d, options.host)]
    if not open_:
        return
    there = known_to_libvirt(options)
    for domain in open_:
        if meant(there, domain, None):
            continue
        if known or there:
            raise unknown(domain, [each.name for each in (*known, *there)], verb="suspend")
        note(f"nobody can say whether there is a domain {domain}", is_quiet=options.is_quiet)


def _demand_meant(
    domains: Sequence[str],
    ended: Sequence[Suspension],
    after: Sequence[Suspension],
    known: Sequence[Known],
) -> None:
    """A name that is neither suspended nor known is a slip of the pen."""
    suspended = [each.domain for each in (*ended, *after) if each.domain is not None]
    names = [*suspended, *(each.name for each in known)]
    for domain in domains:
        is_ended = any(_is_named(each, domain, known) for each in ended)
        if not is_ended and not meant(known, domain, None) and (known or suspended):
            covers = (s for s in after if s.covers(HostName(""), domain, None))
            if not is_glob(domain) and next(covers, None) is None:
                raise unknown(domain, names, verb="resume")


def _ends(
    said: Suspension, domains: Sequence[str] | None, host: str | None, known: Sequence[Known]
) -> bool:
    if host is not None and said.host != host:
        return False
    return not domains or any(_is_named(said, domain, known) for domain in domains)


def _is_named(said: Suspension, pattern: str, known: Sequence[Known]) -> bool:
    """*pattern* is what was said, or means all of what was said."""
    if said.domain is None:
        return False
    same = (each for each in meant(known, pattern, None) if said.domain in (each.name, each.uuid))
    return (
        pattern == said.domain
        or next(same, None) is not None
        or (not is_glob(said.domain) and fnmatchcase(said.domain, pattern))
    )


def _still(
    domains: Sequence[str] | None,
    host: str | None,
    after: Sequence[Suspension],
    known: Sequence[Known],
) -> list[str]:
    """What keeps those suspended that were to be resumed."""
    found: list[str] = []
    for pattern in domains or ("*",):
        concerned = meant(known, pattern, host) or (
            Known(host=HostName(host or ""), name=pattern, uuid=None),
        )
        for said in after:
            if any(said.covers(each.host, each.name, each.uuid) for each in concerned):
                found.append(f"{covered(said)}: {by_hand(said)}")
    return list(dict.fromkeys(found))


def _at_work(wanted: Sequence[Suspension], state: ControllerState | None) -> list[str]:
    if state is None:
        return []
    running = (domain for domain in state.domains if domain.running is not None)
    return [d.domain for d in running if any(s.covers(d.host, d.domain, d.uuid) for s in wanted)]


def _who() -> str:
    """The user, and behind sudo the person."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    person = os.environ.get("SUDO_USER")
    return f"{person} ({user})" if person and person != user and os.geteuid() == 0 else user


def _wake(folders: Folders, concerned: Sequence[Suspension]) -> None:
    """A controller that runs looks at these domains at once, and at no other: those may be waiting
    to be tried again.  Whatever goes wrong, it reads the file at its next pass."""
    from reconciler.service.control_client import wake

    by_host: dict[HostName | None, list[str | None]] = {}
    for each in concerned:
        by_host.setdefault(each.host, []).append(each.domain)
    for host, domains in by_host.items():
        names = tuple(domain for domain in domains if domain is not None)
        with suppress(VirtsnapError):
            wake(folders.runtime, () if None in domains else names, host)


def _show(suspensions: Sequence[Suspension], options: Options) -> None:
    from reconciler.report.suspension_documents import suspensions_document

    document = suspensions_document(tuple(suspensions))
    show_document(document, as_yaml=options.output is Output.YAML)
