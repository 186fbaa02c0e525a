"""What a plan can do to a domain.  ``name`` of each is its word in the plan document, ``card`` what
every part of the program asks of it.

A new one is a class with a card, and a member of ``Action``: mypy then names every place that must
know it.
"""

from reconciler.model.action.card import Card, Risk
from reconciler.model.action.create import CreateSnapshot, NewOverlay
from reconciler.model.action.domain import (
    RenewLedger,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.action.records import (
    AdoptSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    SourceChange,
)
from reconciler.model.action.remove import (
    AbortJob,
    CommitMethod,
    CommitOverlays,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    RemovalCause,
    RemoveImage,
)
from reconciler.model.action.revert import (
    AdoptRequest,
    DefineDomain,
    RevertInternal,
    RevertSnapshot,
)

__all__ = [
    "AbortJob",
    "Action",
    "AdoptRequest",
    "AdoptSnapshot",
    "Card",
    "CommitMethod",
    "CommitOverlays",
    "CreateSnapshot",
    "DefineDomain",
    "DeleteSnapshot",
    "FinishJob",
    "ForgetSnapshot",
    "NewOverlay",
    "RedefineSnapshot",
    "ReleaseSnapshot",
    "RemovalCause",
    "RemoveImage",
    "RenewLedger",
    "RevertInternal",
    "RevertSnapshot",
    "Risk",
    "ShutDownDomain",
    "SourceChange",
    "StartDomain",
    "SwitchDisk",
    "ThawGuest",
]

Action = (
    CreateSnapshot
    | CommitOverlays
    | DeleteSnapshot
    | ForgetSnapshot
    | RedefineSnapshot
    | ReleaseSnapshot
    | AdoptSnapshot
    | RemoveImage
    | FinishJob
    | AbortJob
    | RevertSnapshot
    | RevertInternal
    | DefineDomain
    | AdoptRequest
    | RenewLedger
    | ThawGuest
    | ShutDownDomain
    | StartDomain
    | SwitchDisk
)
