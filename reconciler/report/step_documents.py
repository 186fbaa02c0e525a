"""A model for every action, as it stands in the plan document."""

from typing import Annotated, Literal, assert_never

from pydantic import Field

from reconciler.model.action import (
    AbortJob,
    Action,
    AdoptRequest,
    AdoptSnapshot,
    CommitMethod,
    CommitOverlays,
    CreateSnapshot,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    NewOverlay,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemovalCause,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    Risk,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Consistency, EntryState, RequestState
from reconciler.model.plan import Reason, Step
from reconciler.model.power import PowerState
from reconciler.model.snapshot import MemoryCapture
from reconciler.report.document import Document


class EstimateDocument(Document):
    """Bytes copied and discarded at most, and whether the guest stands still."""

    bytes: int
    downtime: bool
    discards: int


class StepDocument(Document):
    """What every step has."""

    id: str
    reason: Reason
    risk: Risk
    depends_on: tuple[str, ...]
    estimate: EstimateDocument


class NewDiskDocument(Document):
    """One disk of a snapshot to be taken: *frozen* keeps the moment, *overlay* gets the writes.

    Of an internal one the image of the disk itself keeps the moment, and all three are null.
    """

    type: Literal["external", "internal"] = "external"
    overlay: str | None
    frozen: str | None
    frozen_format: str | None


class CreateDocument(StepDocument):
    """Take a snapshot; *halts*: the guest is stopped at that very moment."""

    action: Literal["create"] = "create"
    snapshot: str
    description: str
    disks: dict[str, NewDiskDocument]
    skipped: tuple[str, ...]
    parent: str | None
    quiesce: bool
    may_degrade: bool
    consistency: Consistency
    power: PowerState
    manifest: str | None
    memory: MemoryCapture
    memory_file: str | None
    halts: bool
    is_held: bool


class CommitDocument(StepDocument):
    """Merge images down, *merged* lowest first, *top* being the uppermost."""

    action: Literal["commit"] = "commit"
    snapshots: tuple[str, ...]
    disk: str
    base: str
    base_format: str
    top: str
    merged: tuple[str, ...]
    method: CommitMethod
    rebased: tuple[str, ...]
    redefines: bool


class DeleteDocument(StepDocument):
    """Delete an internal snapshot from *disks*: target → image."""

    action: Literal["delete"] = "delete"
    snapshot: str
    disks: dict[str, str]


class ForgetDocument(StepDocument):
    """Drop libvirt's record; no image is touched."""

    action: Literal["forget"] = "forget"
    snapshot: str
    has_record: bool
    keeps_as_lost: bool


class SourceChangeDocument(Document):
    """What a record says of one disk, put right; null leaves it."""

    source: str | None
    source_format: str | None
    overlay: str | None


class RedefineDocument(StepDocument):
    """Write a record anew."""

    action: Literal["redefine"] = "redefine"
    snapshot: str
    description: str | None
    disks: dict[str, SourceChangeDocument]
    make_current: bool
    holds: bool


class ReleaseDocument(StepDocument):
    """End a hold."""

    action: Literal["release"] = "release"
    snapshot: str


class AdoptDocument(StepDocument):
    """Write a ledger entry for what bears our mark; with *writes_mark* it gets one first."""

    action: Literal["adopt"] = "adopt"
    snapshot: str
    uid: str
    state: EntryState
    created: int | None
    consistency: Consistency | None
    disks: dict[str, str]
    is_held: bool
    writes_mark: bool
    #: what a person vouches for, by disk
    believed: dict[str, str]
    manifest: str | None


class RemoveImageDocument(StepDocument):
    """Unlink an image that nothing reads."""

    action: Literal["remove-image"] = "remove-image"
    disk: str
    path: str
    cause: RemovalCause
    snapshots: tuple[str, ...]
    is_present: bool


class FinishJobDocument(StepDocument):
    """Wait for a block commit of ours."""

    action: Literal["finish-job"] = "finish-job"
    snapshots: tuple[str, ...]
    disk: str
    base: str
    base_format: str
    top: str
    merged: tuple[str, ...]
    method: CommitMethod
    rebased: tuple[str, ...]


class AbortJobDocument(StepDocument):
    """End a block commit of ours; the chain stays."""

    action: Literal["abort-job"] = "abort-job"
    disk: str


class RevertDocument(StepDocument):
    """Put disks back; *power* is that afterwards.

    External: on new overlays over what the snapshot froze.  Internal: inside their images.
    """

    action: Literal["revert"] = "revert"
    snapshot: str
    request: str
    config: RevertConfig
    discards: bool
    power: str
    disks: dict[str, NewDiskDocument]


class DefineDocument(StepDocument):
    """Define again what the record of *snapshot* holds; where it has gone only the ledger is put right."""

    action: Literal["define"] = "define"
    snapshot: str
    is_there: bool


class AdoptRequestDocument(StepDocument):
    """Write down what is known of a revert request."""

    action: Literal["adopt-request"] = "adopt-request"
    request: str
    snapshot: str
    state: RequestState


class RenewLedgerDocument(StepDocument):
    """Write the ledger as it is under a new serial, with what the journal of this machine knows besides."""

    action: Literal["renew-ledger"] = "renew-ledger"
    #: images of ours that it did not list
    images: tuple[str, ...] = ()
    #: snapshots whose removal was begun, of which it did not know
    begun: tuple[str, ...] = ()
    #: what the guest is to be again: a start that it did not owe
    power: PowerState | None = None
    #: the record whose definition is to be defined again
    definition: str | None = None


class ThawDocument(StepDocument):
    """Thaw the guest's file systems."""

    action: Literal["thaw"] = "thaw"


class ShutDownDocument(StepDocument):
    """Shut the guest down; *owes* is what it did, and does again afterwards."""

    action: Literal["shut-down"] = "shut-down"
    timeout: int
    then_destroy: bool
    owes: PowerState


class StartDocument(StepDocument):
    """Start what virtsnap shut down; where it runs already only the ledger is put right."""

    action: Literal["start"] = "start"
    state: PowerState
    is_off: bool
    memory: str | None


class SwitchDiskDocument(StepDocument):
    """Let the definition of a shut-off domain name *image* again; it names *observed* now."""

    action: Literal["switch-disk"] = "switch-disk"
    disk: str
    image: str
    observed: str


AnyStepDocument = Annotated[
    CreateDocument
    | CommitDocument
    | DeleteDocument
    | ForgetDocument
    | RedefineDocument
    | ReleaseDocument
    | AdoptDocument
    | RemoveImageDocument
    | FinishJobDocument
    | AbortJobDocument
    | ThawDocument
    | ShutDownDocument
    | StartDocument
    | RevertDocument
    | DefineDocument
    | AdoptRequestDocument
    | RenewLedgerDocument
    | SwitchDiskDocument,
    Field(discriminator="action"),
]


def step_document(step: Step) -> StepDocument:
    """*step* for machines."""
    model, values = _specifics(step.action)
    return model.model_validate(
        {
            "id": step.id,
            "reason": step.reason,
            "risk": step.risk,
            "depends_on": step.depends_on,
            "estimate": {
                "bytes": step.estimate.bytes,
                "downtime": step.estimate.downtime,
                "discards": step.estimate.discards,
            },
            **values,
        }
    )


def _specifics(action: Action) -> tuple[type[StepDocument], dict[str, object]]:
    match action:
        case CreateSnapshot(overlays=overlays, internal=internal):
            disks: dict[str, dict[str, str | None]] = {target: _inside() for target in internal}
            disks |= _new(overlays)
            return CreateDocument, _same(action, CreateDocument) | {"disks": disks}
        case CommitOverlays():
            return CommitDocument, _same(action, CommitDocument)
        case DeleteSnapshot(images=images):
            return DeleteDocument, _same(action, DeleteDocument) | {"disks": dict(images)}
        case ForgetSnapshot():
            return ForgetDocument, _same(action, ForgetDocument)
        case RedefineSnapshot(sources=sources):
            changes = {
                change.target: {
                    "source": change.source,
                    "source_format": change.source_format,
                    "overlay": change.overlay,
                }
                for change in sources
            }
            return RedefineDocument, _same(action, RedefineDocument) | {"disks": changes}
        case ReleaseSnapshot():
            return ReleaseDocument, _same(action, ReleaseDocument)
        case AdoptSnapshot(images=images, believed=believed):
            named = {"disks": dict(images), "believed": dict(believed)}
            return AdoptDocument, _same(action, AdoptDocument) | named
        case RemoveImage():
            return RemoveImageDocument, _same(action, RemoveImageDocument)
        case FinishJob():
            return FinishJobDocument, _same(action, FinishJobDocument)
        case AbortJob():
            return AbortJobDocument, _same(action, AbortJobDocument)
        case RevertSnapshot(disks=overlays, owed=owed):
            power = owed.state if owed else PowerState.SHUT_OFF
            own = {
                "snapshot": action.snapshot,
                "request": action.request,
                "config": action.config,
                "discards": action.discards,
            }
            return RevertDocument, own | {"power": power, "disks": _new(overlays)}
        case RevertInternal(images=reverted, owed=owed):
            own = {
                "snapshot": action.snapshot,
                "request": action.request,
                "config": action.config,
                "discards": action.kept_by is None,
            }
            power = owed.state if owed else action.power
            inside = {target: _inside() for target, _ in reverted}
            return RevertDocument, own | {"power": power, "disks": inside}
        case DefineDomain():
            return DefineDocument, _same(action, DefineDocument)
        case AdoptRequest():
            return AdoptRequestDocument, _same(action, AdoptRequestDocument)
        case RenewLedger(images=images, begun=begun, owed=owed, definition=definition):
            return RenewLedgerDocument, {
                "begun": begun,
                "images": tuple(image.path for image in images),
                "power": owed.state if owed else None,
                "definition": definition,
            }
        case ThawGuest():
            return ThawDocument, {}
        case ShutDownDomain():
            return ShutDownDocument, _same(action, ShutDownDocument)
        case StartDomain():
            return StartDocument, _same(action, StartDocument)
        case SwitchDisk():
            return SwitchDiskDocument, _same(action, SwitchDiskDocument)
        case _:
            assert_never(action)


def _inside() -> dict[str, str | None]:
    return {"type": "internal", "overlay": None, "frozen": None, "frozen_format": None}


def _new(overlays: tuple[NewOverlay, ...]) -> dict[str, dict[str, str | None]]:
    return {
        disk.target: {
            "overlay": disk.overlay,
            "frozen": disk.frozen,
            "frozen_format": disk.frozen_format,
        }
        for disk in overlays
    }


def _same(action: Action, model: type[StepDocument]) -> dict[str, object]:
    """What action and document name alike."""
    own = set(model.model_fields) - set(StepDocument.model_fields) - {"action", "disks", "believed"}
    return {name: getattr(action, name) for name in sorted(own)}
