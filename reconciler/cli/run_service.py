"""How ``run`` fits into the machine: its log, and how long it may take to stop."""

from dataclasses import dataclass
from typing import Annotated

import typer

from reconciler.cli.log import LogLevel
from reconciler.cli.options import seconds

DEFAULT_STOP_TIMEOUT = "5m"

LogFrom = Annotated[
    LogLevel,
    typer.Option(
        "--log",
        metavar="LEVEL",
        help="Log from debug, info, warning or error on; -v and -q go first.",
    ),
]
StopTimeout = Annotated[
    str,
    typer.Option(
        "--stop-timeout",
        metavar="DURATION",
        help="When asked to stop, end the step in hand within so long, or leave it to the next start.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """The values."""

    log: LogLevel = LogLevel.INFO
    #: seconds
    stop_timeout: float = 300.0

    @classmethod
    def of(cls, log: LogLevel, stop_timeout: str) -> "ServiceOptions":
        """Checked."""
        example = "virtsnap run --stop-timeout 5m"
        return cls(log=log, stop_timeout=seconds("--stop-timeout", stop_timeout, example=example))
