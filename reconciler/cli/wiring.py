"""Joins the parts: manifests, hosts, the engine's tools.  Tests replace ``open_hypervisor``."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reconciler.cli.options import Options
from reconciler.errors import UsageError, VirtsnapError
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.ledger import Remembered
from reconciler.model.names import DomainUuid, HostName
from reconciler.model.suspension import ByHand

if TYPE_CHECKING:
    from reconciler.engine.executor import Tools
    from reconciler.engine.hooks import StepHooks
    from reconciler.engine.listener import Listener
    from reconciler.engine.ports import Hypervisor
    from reconciler.model.domain import ObservedHost

LOCAL = HostName("local")

#: What this machine's journal knows of a domain.
RememberedBy = Callable[[DomainUuid], Remembered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where virtsnap keeps its journal and its locks."""

    state: Path
    runtime: Path


def open_hypervisor(
    name: HostName,
    uri: str,
    *,
    is_readonly: bool,
    extra_folders: tuple[str, ...],
    remembered: RememberedBy,
    patience: float,
) -> "Hypervisor":
    """The host at *uri*; libvirt is loaded here, and not before."""
    from reconciler.hypervisor.host import LibvirtHost

    return LibvirtHost(
        name,
        uri,
        is_readonly=is_readonly,
        extra_folders=extra_folders,
        remembered=remembered,
        patience=patience,
    )


def hosts_of(desired: Desired, options: Options) -> tuple[DesiredHost, ...]:
    """The hosts that this run is about, each with the URI that counts."""
    if options.host is None:
        if options.connect and len(desired.hosts) > 1:
            names = ", ".join(host.name for host in desired.hosts)
            raise UsageError(
                f"cannot use --connect: the manifests declare several hosts ({names})",
                hint=f"choose one: --host {quote(desired.hosts[0].name)}",
            )
        chosen = desired.hosts
    else:
        chosen = tuple(host for host in desired.hosts if host.name == options.host)
        if not chosen:
            names = ", ".join(host.name for host in desired.hosts)
            raise UsageError(
                f"cannot find host {options.host}: the manifests declare {names or 'none'}"
            )
    return tuple(
        replace(host, uri=options.connect or host.uri or options.default_uri) for host in chosen
    )


def only_host(options: Options) -> DesiredHost:
    """The host of a run without manifests."""
    return DesiredHost(name=HostName(options.host or LOCAL), uri=options.uri)


def narrowed(desired: Desired, hosts: tuple[DesiredHost, ...]) -> Desired:
    """What is declared for *hosts*."""
    names = {host.name for host in hosts}
    domains = tuple(domain for domain in desired.domains if domain.host in names)
    return replace(desired, hosts=hosts, domains=domains)


def honouring(desired: Desired, hosts: tuple[DesiredHost, ...], options: Options) -> Desired:
    """``narrowed``, with what people suspended by hand on this machine until now."""
    from reconciler.engine.suspensions import suspended_by_hand

    return suspended_by_hand(narrowed(desired, hosts), suspensions(hosts, options))


def suspensions(hosts: tuple[DesiredHost, ...], options: Options) -> tuple[ByHand, ...]:
    """What people suspended by hand on this machine."""
    from reconciler.engine.suspensions import FileSuspensions

    return FileSuspensions(folders_of(hosts, options).state).read()


@contextmanager
def opened(
    hosts: tuple[DesiredHost, ...], options: Options, *, is_readonly: bool
) -> "Iterator[dict[HostName, Hypervisor]]":
    """A connection to every host; closed at the end."""
    with ExitStack() as stack:
        connections = {}
        for host in hosts:
            connection = _opened(host, hosts, options, is_readonly=is_readonly)
            close = getattr(connection, "close", None)
            if close is not None:
                stack.callback(close)
            connections[host.name] = connection
        yield connections


def opened_host(host: DesiredHost, options: Options) -> "Hypervisor":
    """A connection to *host* that stays, for a loop."""
    return _opened(host, (host,), options, is_readonly=False)


def _opened(
    host: DesiredHost, hosts: tuple[DesiredHost, ...], options: Options, *, is_readonly: bool
) -> "Hypervisor":
    return open_hypervisor(
        host.name,
        host.uri or options.uri,
        is_readonly=is_readonly,
        extra_folders=host.folders,
        remembered=_journals(folders_of(hosts, options)),
        patience=options.timeout,
    )


def tools(
    connections: "dict[HostName, Hypervisor]",
    hosts: tuple[DesiredHost, ...],
    options: Options,
    *,
    listener: "Listener",
    stop: threading.Event,
    hooks: "StepHooks | None" = None,
) -> "Tools":
    """What the executor works with, on this machine."""
    from reconciler.engine.clock import SystemClock
    from reconciler.engine.executor import Tools
    from reconciler.engine.identity import MachineIdentity
    from reconciler.engine.journal import FileJournal
    from reconciler.engine.locks import FileLocks
    from reconciler.engine.suspensions import FileSuspensions

    folders = folders_of(hosts, options)
    identity = MachineIdentity()
    return Tools(
        hosts=connections,
        journal=FileJournal(folders.state),
        locks=FileLocks(folders.runtime, holder=identity.holder()),
        lock_patience=options.lock_timeout,
        suspensions=FileSuspensions(folders.state).read,
        clock=SystemClock(),
        identity=identity,
        listener=listener,
        stop=stop,
        hooks=hooks,
    )


def observed_from_file(path: str, hosts: tuple[DesiredHost, ...]) -> "dict[HostName, ObservedHost]":
    """The recordings of *hosts* in the file at *path*; one for one host may have another name."""
    from reconciler.report.observation import read_observation

    recorded = read_observation(_text_of(path), name=path)
    by_name = {host.name: host for host in recorded}
    if len(hosts) == 1 and len(recorded) == 1:
        return {hosts[0].name: replace(recorded[0], name=hosts[0].name)}
    for host in hosts:
        if host.name not in by_name:
            names = ", ".join(sorted(by_name)) or "none"
            raise VirtsnapError(
                f"cannot plan host {host.name}: {path} has no recording of it (it has {names})",
                hint=f"choose a host with --host, or record it: virtsnap observe --host {quote(host.name)}",
            )
    return {host.name: by_name[host.name] for host in hosts}


def folders_of(hosts: tuple[DesiredHost, ...], options: Options) -> Folders:
    """System-wide for system connections, the user's own where all are session ones."""
    is_session = bool(hosts) and all(
        urlsplit(host.uri or options.uri).path == "/session" for host in hosts
    )
    return Folders(
        state=options.state_dir or _state_folder(os.environ, is_session=is_session),
        runtime=options.runtime_dir or _runtime_folder(os.environ, is_session=is_session),
    )


def _state_folder(environment: Mapping[str, str], *, is_session: bool) -> Path:
    if not is_session:
        return Path("/var/lib/virtsnap")
    home = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "virtsnap"


def _runtime_folder(environment: Mapping[str, str], *, is_session: bool) -> Path:
    if not is_session:
        return Path("/run/virtsnap")
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return Path(runtime) / "virtsnap"


def _journals(folders: Folders) -> RememberedBy:
    """Reads the journal where this user may; who may not has written nothing either."""

    def remembered(domain: DomainUuid) -> Remembered:
        from reconciler.engine.journal import FileJournal

        try:
            return FileJournal(folders.state).remembered(domain)
        except (OSError, VirtsnapError):
            return Remembered()

    return remembered


def _text_of(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise VirtsnapError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}",
            hint="record a host: virtsnap observe -o json > FILE",
        ) from error
    except UnicodeDecodeError as error:
        raise VirtsnapError(f"cannot read {path}: it is not UTF-8") from error


def versions(uri: str, *, patience: float) -> tuple[int, int]:
    """libvirt's and QEMU's version at *uri*, as libvirt counts; 0 where unknown."""
    try:
        from reconciler.hypervisor.connection import connect
    except ImportError as error:
        raise VirtsnapError(
            f"cannot load libvirt-python: {error}", hint="pip install libvirt-python"
        ) from error
    with connect(uri, is_readonly=True, patience=patience) as connection:
        found = connection.versions()
    return found.libvirt, found.qemu
