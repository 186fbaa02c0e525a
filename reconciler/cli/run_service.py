"""How ``run`` fits into the machine: its log."""

from typing import Annotated

import typer

from reconciler.cli.log import LogLevel

LogFrom = Annotated[
    LogLevel,
    typer.Option(
        "--log",
        metavar="LEVEL",
        help="Log from debug, info, warning or error on; -v and -q go first.",
    ),
]
