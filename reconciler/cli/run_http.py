"""How ``run`` is seen from monitoring, and woken over HTTP: its options, and what they start."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.watcher import Watcher
    from reconciler.model.controller import ControllerState

DEFAULT_LISTEN = "127.0.0.1:10777"

Listen = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="HOST:PORT|none",
        help="Where /healthz, /readyz, /metrics and POST /hook are answered.",
    ),
]
HookSecretFile = Annotated[
    Path | None,
    typer.Option(
        "--hook-secret-file",
        metavar="FILE",
        help="The secret with which POST /hook is signed (GitHub, GitLab, Gitea); without it there "
        "is no hook.",
    ),
]
Textfile = Annotated[
    Path | None,
    typer.Option(
        "--textfile",
        metavar="FILE.prom",
        help="Write the metrics here after each pass, for the node_exporter's textfile collector.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """What the command line says."""

    listen: str = DEFAULT_LISTEN
    hook_secret_file: Path | None = None
    textfile: Path | None = None


@contextmanager
def served(
    options: HttpOptions,
    *,
    snapshot: "Callable[[], ControllerState]",
    wake: Callable[[str], None],
    is_alive: Callable[[], bool],
    branch: str | None = None,
    is_once: bool = False,
) -> "Iterator[tuple[Watcher, ...]]":
    """Start it all, and end it; yields whom the controller has to tell.

    *snapshot* is called from other threads, *wake* with ``"hook"`` as the cause.  *is_alive* says
    whether the loop has gone on lately.  *branch*: the one that is followed, where one was named.
    *is_once*: there is one pass and nobody to be asked, so nothing is listened on.
    What cannot be meant (an address that is none, a secret that all may read) is an error at once;
    a port that is taken and a folder that is full are only logged.
    """
    from reconciler.service.hook import Hook, read_secret
    from reconciler.service.http import Pages
    from reconciler.service.listening import Listening, address
    from reconciler.service.metrics import Metrics, with_process
    from reconciler.service.textfile import TextFile

    where = address(options.listen)
    secret, path = options.hook_secret_file, options.textfile
    if secret is not None:
        read_secret(secret)
        if where is None:
            raise UsageError(
                "cannot answer POST /hook: nothing is listened on",
                hint=f"--listen {DEFAULT_LISTEN}",
            )
    if path is not None and path.suffix != ".prom":
        raise UsageError(
            f"cannot write metrics to {path}: the node_exporter reads *.prom only",
            hint=f"--textfile {path.with_suffix('.prom')}",
        )
    metrics = Metrics(snapshot)
    watchers: list[Watcher] = [metrics]
    with ExitStack() as running:
        if path is not None:
            textfile = TextFile(path.absolute(), metrics)
            textfile.start()
            running.callback(textfile.stop)
            watchers.append(textfile)
        if where is not None and not is_once:
            pages = Pages(
                snapshot=snapshot,
                is_alive=is_alive,
                registry=with_process(metrics),
                hook=None if secret is None else Hook(secret, wake, branch=branch),
            )
            listening = Listening(where, pages)
            listening.start()
            running.callback(listening.stop)
        yield tuple(watchers)
