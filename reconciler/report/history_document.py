"""What was done, when, for which revision: the document and its parts, as they are kept too."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.errors import VirtsnapError
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import Step
from reconciler.model.refusal import RefusalCode
from reconciler.model.secrets import without_secrets
from reconciler.report.document import Document, UtcTime, WholeDocument
from reconciler.report.refusals import explained
from reconciler.report.step_text import title


class HistoryStepDocument(Document):
    """A step that was begun.  *done* is false where it failed, was refused or interrupted."""

    action: str
    title: str
    snapshots: tuple[str, ...]
    seconds: float
    done: bool
    #: what was other than planned
    note: str = ""


class HistoryRefusalDocument(Document):
    """What was not done."""

    code: RefusalCode
    message: str
    hint: str
    snapshot: str | None


class DomainEntryDocument(Document):
    """The work on one domain; without steps where its standing alone is new."""

    kind: Literal["domain"] = "domain"
    at: UtcTime
    seconds: float
    #: the verb
    by: str
    host: str
    domain: str
    uuid: str | None
    source: str
    revision: str | None
    plan_id: str
    status: DomainStatus
    steps: tuple[HistoryStepDocument, ...] = ()
    #: how many steps wait
    held: int = 0
    refusals: tuple[HistoryRefusalDocument, ...] = ()
    error: str | None = None
    hint: str | None = None


class SourceEntryDocument(Document):
    """A new revision, or why there is none; *message* is null when the source is well."""

    kind: Literal["source"] = "source"
    at: UtcTime
    by: str
    source: str
    revision: str | None
    message: str | None = None
    #: ``file:line:column``
    where: str = ""
    hint: str = ""


EntryDocument = Annotated[DomainEntryDocument | SourceEntryDocument, Field(discriminator="kind")]


class HistoryDocument(WholeDocument):
    """Entries, the newest last."""

    entries: tuple[EntryDocument, ...]


def history_step(
    step: Step, *, seconds: float, is_done: bool, note: str = ""
) -> HistoryStepDocument:
    """*step* as it was done."""
    return HistoryStepDocument(
        action=step.action.name,
        title=title(step),
        snapshots=step.action.card.snapshots,
        seconds=round(max(0.0, seconds), 3),
        done=is_done,
        note=without_secrets(note),
    )


def history_refusals(outcome: DomainOutcome) -> tuple[HistoryRefusalDocument, ...]:
    """What of *outcome* was refused, in words."""
    manifest = outcome.plan.manifest
    pairs = [(r, explained(r, domain=outcome.domain, manifest=manifest)) for r in outcome.refusals]
    return tuple(
        HistoryRefusalDocument(
            code=each.code,
            message=without_secrets(words.message),
            hint=without_secrets(words.hint),
            snapshot=each.snapshot,
        )
        for each, words in pairs
    )


def history_error(error: VirtsnapError | None) -> dict[str, str | None]:
    """*error* in words, and its hint."""
    if error is None:
        return {"error": None, "hint": None}
    return {
        "error": without_secrets(error.message),
        "hint": without_secrets(error.hint) if error.hint else None,
    }
