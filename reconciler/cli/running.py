"""Joins a controller with its source, its hosts and whoever watches it."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reconciler.cli import wiring
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options
from reconciler.cli.own_host import of_this_machine
from reconciler.cli.parameters import plan_request
from reconciler.cli.run_http import HttpOptions, served
from reconciler.cli.run_telling import Telling, step_hooks, watching
from reconciler.cli.version import installed
from reconciler.model.controller import ControllerState, SourceState
from reconciler.model.request import Consent

if TYPE_CHECKING:
    from reconciler.controller.board import Board
    from reconciler.controller.controller import Controller
    from reconciler.engine.domain_work import Tools
    from reconciler.engine.hooks import StepHooks
    from reconciler.engine.ports import Hypervisor
    from reconciler.engine.watcher import Watcher, Watchers
    from reconciler.model.desired import Desired, DesiredHost
    from reconciler.model.outcome import DomainOutcome
    from reconciler.source.source import Fetched, Source

#: A loop that has not turned for so many seconds is dead; a fetch may take long.
_STANDS_STILL = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files become what is desired."""

    values: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    allow_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """How the loop goes; *interval* in seconds."""

    interval: float
    is_report_only: bool = False
    max_deletions: int | None = None
    block_jobs: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Who sees and is told what the controller does; *stop_timeout* in seconds."""

    http: HttpOptions = field(default_factory=HttpOptions)
    telling: Telling = field(default_factory=Telling)
    #: as the user gave it
    source: str = ""
    branch: str | None = None
    stop_timeout: float = 300.0


def once(
    options: Options,
    source: "Source",
    reading: Reading,
    loop: Loop,
    outlets: Outlets,
    stop: threading.Event,
) -> "tuple[DomainOutcome, ...]":
    """One pass; whatever keeps it from being made is this command's own error."""
    from reconciler.engine.watcher import Watchers
    from reconciler.service.logged import Logged

    watchers = Watchers([Logged(is_source_told=False)])
    controller = controller_of(
        options, source, reading, loop, watchers, stop, hooks=_hooks(outlets)
    )
    with _told(options, outlets, controller, watchers, is_once=True):
        try:
            return controller.once()
        finally:
            controller.close(0.0)


def until_stopped(
    options: Options,
    source: "Source",
    reading: Reading,
    loop: Loop,
    outlets: Outlets,
    stop: threading.Event,
) -> None:
    """The whole life of a controller; there is one for a state folder."""
    from reconciler.cli.stopping import on_hangup
    from reconciler.engine.identity import MachineIdentity
    from reconciler.engine.watcher import Watchers
    from reconciler.service.control import ControlSocket
    from reconciler.service.logged import Logged
    from reconciler.service.sole import sole_controller
    from reconciler.service.state_file import StateFile, read_last
    from reconciler.service.systemd import Systemd

    # before anything is started that would inherit what is meant for us alone
    systemd, is_ending = Systemd.of(), False
    folders = _folders(options)
    watchers = Watchers([Logged()])
    with ExitStack() as stack:
        stack.enter_context(sole_controller(folders.runtime, MachineIdentity().holder()))
        state_file = StateFile(folders.runtime, folders.state)
        stack.callback(state_file.close)
        controller = controller_of(
            options,
            source,
            reading,
            loop,
            watchers,
            stop,
            hooks=_hooks(outlets),
            written=state_file.write,
            before=read_last(folders.state),
        )
        stack.enter_context(_told(options, outlets, controller, watchers, is_once=False))
        stack.callback(ControlSocket(folders.runtime, controller).close)
        stack.enter_context(on_hangup(lambda: controller.wake("hangup")))
        stack.enter_context(
            systemd.watched(lambda: is_ending or controller.is_alive(_STANDS_STILL))
        )
        systemd.ready(f"follows {source.id}")
        try:
            controller.run()
            is_ending = True
            systemd.stopping("ends the steps in hand")
            with systemd.finishing(lambda: True):
                has_ended = controller.close(outlets.stop_timeout)
        except KeyboardInterrupt:
            # asked a second time: at once
            stack.close()
            leave(ExitCode.INTERRUPTED)
    if not has_ended:
        leave(ExitCode.DONE)


@contextmanager
def _told(
    options: Options,
    outlets: Outlets,
    controller: "Controller",
    watchers: "Watchers",
    *,
    is_once: bool,
) -> Iterator[None]:
    """Everybody around the controller, until the end."""
    import structlog

    told = watching(
        outlets.telling,
        state=_folders(options).state,
        source=outlets.source,
        snapshot=controller.snapshot,
        log=structlog.get_logger("virtsnap"),
    )
    with told as listening:
        watchers.all.extend(listening)
        with _seen(outlets, controller, watchers, is_once=is_once):
            yield


@contextmanager
def _seen(
    outlets: Outlets, controller: "Controller", watchers: "Watchers", *, is_once: bool
) -> Iterator[None]:
    with served(
        outlets.http,
        snapshot=controller.snapshot,
        wake=controller.wake,
        is_alive=lambda: controller.is_alive(_STANDS_STILL),
        branch=outlets.branch,
        is_once=is_once,
    ) as seen:
        watchers.all.extend(seen)
        yield


def _folders(options: Options) -> wiring.Folders:
    """Those of the controller itself, which has no host before it has read the source."""
    return wiring.folders_of((wiring.only_host(options),), options)


def _hooks(outlets: Outlets) -> "StepHooks | None":
    import structlog

    return step_hooks(outlets.telling.hooks, structlog.get_logger("virtsnap"))


def controller_of(
    options: Options,
    source: "Source",
    reading: Reading,
    loop: Loop,
    watcher: "Watcher",
    stop: threading.Event,
    *,
    hooks: "StepHooks | None" = None,
    written: Callable[[ControllerState], None] = lambda state: None,
    before: ControllerState | None = None,
) -> "Controller":
    """A controller that has not begun; *before* is what the one before it knew at its end."""
    from reconciler.controller.board import Board
    from reconciler.controller.controller import Controller, Setting, Surroundings
    from reconciler.controller.keeper import Keeper
    from reconciler.engine.suspensions import suspended_by_hand

    last: tuple[Fetched, Desired] | None = None

    def read(fetched: "Fetched") -> "Desired":
        nonlocal last
        # The same files say the same, except where others are read with them.
        if last is None or last[0] != fetched or reading.values:
            last = (fetched, _desired(fetched, options, source, reading))
        return last[1]

    def open_host(host: "DesiredHost") -> "Hypervisor":
        return wiring.opened_host(host, options)

    def tools(
        host: "DesiredHost", opened: "Hypervisor", board: "Board", stopped: threading.Event
    ) -> "Tools":
        return wiring.tools(
            {host.name: opened}, (host,), options, listener=board, stop=stopped, hooks=hooks
        )

    def suspended(desired: "Desired") -> "Desired":
        return suspended_by_hand(desired, wiring.suspensions(desired.hosts, options))

    board = Board(_first_state(source, loop, before), watcher, _now, written=written)
    around = Surroundings(
        keeper=Keeper(source, read),
        open_host=open_host,
        tools=tools,
        request=plan_request(options.selection, prune_gone=False, consent=Consent.LOOP),
        board=board,
        now=_now,
        suspended=suspended,
    )
    setting = Setting(
        interval=loop.interval,
        is_report_only=loop.is_report_only,
        max_deletions=loop.max_deletions,
        block_jobs=loop.block_jobs,
    )
    return Controller(setting, around, stop)


def _desired(fetched: "Fetched", options: Options, source: "Source", reading: Reading) -> "Desired":
    from reconciler.manifest.load import load

    is_file = options.manifests is not None and Path(options.manifests).is_file()
    whole = load(
        fetched.files,
        source=options.source_id or source.id,
        revision=fetched.revision,
        is_complete=options.selection.is_everything and not is_file,
        default_host_uri=options.uri,
        values=reading.values,
        settings=reading.settings,
        allow_empty=reading.allow_empty,
    )
    return wiring.narrowed(whole, of_this_machine(whole, options))


def _first_state(source: "Source", loop: Loop, before: ControllerState | None) -> ControllerState:
    from reconciler.engine.identity import MachineIdentity

    now = _now()
    fresh = ControllerState(
        version=installed("virtsnap") or "",
        holder=MachineIdentity().holder(),
        pid=os.getpid(),
        started=now,
        at=now,
        interval=loop.interval,
        is_report_only=loop.is_report_only,
        source=SourceState(id=source.id),
    )
    if before is None:
        return fresh
    idle = tuple(replace(domain, running=None) for domain in before.domains)
    return replace(fresh, hosts=before.hosts, domains=idle)


def _now() -> datetime:
    return datetime.now(UTC)


def leave(code: ExitCode) -> NoReturn:
    """End at once, whatever the threads do: the next start finds what was half done, and goes on."""
    os._exit(code)
