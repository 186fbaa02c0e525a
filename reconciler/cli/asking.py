"""The controller of this machine, as the verbs that are not ``run`` see it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote

from reconciler.cli import wiring
from reconciler.cli.observe import observed_hosts
from reconciler.cli.options import Options
from reconciler.errors import UsageError, VirtsnapError
from reconciler.model.controller import ControllerState
from reconciler.model.names import HostName, is_meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A domain that somebody knows of."""

    host: HostName
    name: str
    uuid: str | None


def own_folders(options: Options) -> wiring.Folders:
    """The folders of the controller that works on this connection."""
    return wiring.folders_of((wiring.only_host(options),), options)


def last_state(folders: wiring.Folders) -> ControllerState | None:
    """What the controller said last, be it before a reboot."""
    from reconciler.service.state_file import read_last, read_state

    return read_state(folders.runtime)[0] or read_last(folders.state)


def known_to(state: ControllerState | None) -> tuple[Known, ...]:
    """The domains that the controller looks after."""
    if state is None:
        return ()
    return tuple(Known(host=d.host, name=d.domain, uuid=d.uuid) for d in state.domains)


def known_to_libvirt(options: Options) -> tuple[Known, ...]:
    """The domains that are there; none where nobody can tell."""
    from reconciler.engine.reconcile import observe_all

    try:
        with wiring.opened(observed_hosts(options), options, is_readonly=True) as connections:
            seen = observe_all(connections)
    except VirtsnapError:
        return ()
    return tuple(
        Known(host=host.name, name=domain.name, uuid=domain.uuid)
        for host in seen.values()
        for domain in host.domains
    )


def meant(known: Iterable[Known], pattern: str, host: str | None) -> tuple[Known, ...]:
    """Those that *pattern* (name, UUID or glob) means."""
    return tuple(
        each
        for each in known
        if host in (None, each.host) and is_meant(pattern, each.name, each.uuid)
    )


def is_glob(pattern: str) -> bool:
    """It may mean several, also such as come later."""
    return any(sign in pattern for sign in "*?[")


def unknown(
    pattern: str, names: Iterable[str], *, verb: str, what: str = "domain"
) -> VirtsnapError:
    """*pattern* is no name that anybody knows."""
    near = difflib.get_close_matches(pattern, sorted(set(names)), n=1, cutoff=0.5)
    said = f" (did you mean {near[0]!r}?)" if near else ""
    option = "--host " if what == "host" else ""
    return VirtsnapError(
        f"cannot {verb} {pattern}: there is no such {what}{said}",
        hint=f"virtsnap {verb} {option}{quote(near[0])}" if near else "virtsnap status",
    )


def demand_no_selection(options: Options, verb: str) -> None:
    """Domains are arguments here: ``--target`` would be heard by nobody."""
    if not options.selection.is_everything:
        raise UsageError(
            f"cannot {verb} with --target or --exclude: name the domains instead",
            hint=f"virtsnap {verb} DOMAIN",
        )
