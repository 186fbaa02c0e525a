"""Joins a controller with its source, its hosts and whoever watches it."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import wiring
from reconciler.cli.options import Options
from reconciler.cli.own_host import of_this_machine
from reconciler.cli.parameters import plan_request
from reconciler.cli.version import installed
from reconciler.model.controller import ControllerState, SourceState
from reconciler.model.request import Consent

if TYPE_CHECKING:
    from reconciler.controller.board import Board
    from reconciler.controller.controller import Controller
    from reconciler.engine.domain_work import Tools
    from reconciler.engine.ports import Hypervisor
    from reconciler.engine.watcher import Watcher
    from reconciler.model.desired import Desired, DesiredHost
    from reconciler.source.source import Fetched, Source


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


def controller_of(
    options: Options,
    source: "Source",
    reading: Reading,
    loop: Loop,
    watcher: "Watcher",
    stop: threading.Event,
    *,
    written: Callable[[ControllerState], None] = lambda state: None,
    before: ControllerState | None = None,
) -> "Controller":
    """A controller that has not begun; *before* is what the one before it knew at its end."""
    from reconciler.controller.board import Board
    from reconciler.controller.controller import Controller, Setting, Surroundings
    from reconciler.controller.keeper import Keeper
    from reconciler.engine.suspensions import suspended_by_hand

    def read(fetched: "Fetched") -> "Desired":
        return _desired(fetched, options, source, reading)

    def open_host(host: "DesiredHost") -> "Hypervisor":
        return wiring.opened_host(host, options)

    def tools(
        host: "DesiredHost", opened: "Hypervisor", board: "Board", stopped: threading.Event
    ) -> "Tools":
        return wiring.tools({host.name: opened}, (host,), options, listener=board, stop=stopped)

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


def leave() -> None:
    """End at once, whatever the threads do: the next start finds what was half done, and goes on."""
    os._exit(0)
