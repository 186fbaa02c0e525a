"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.model.desired import Prune
from reconciler.model.request import Consent, PlanRequest, Selection

Values = Annotated[
    list[Path] | None,
    typer.Option("--values", metavar="FILE", help="Values for *.yaml.j2 templates; repeatable."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One value for templates; repeatable."),
]
AllowEmpty = Annotated[
    bool,
    typer.Option("--allow-empty", help="Manifests without any document are meant so."),
]
PruneGone = Annotated[
    bool,
    typer.Option(
        "--prune-gone",
        help="Consolidate the snapshots of domains whose manifest has gone from this source.",
    ),
]


def plan_request(selection: Selection, *, prune_gone: bool, consent: Consent) -> PlanRequest:
    """What the command line asks the planner for."""
    return PlanRequest(
        consent=consent,
        selection=selection,
        # asked for by a person, right now
        prune_gone=Prune.AUTO if prune_gone else None,
    )
