"""What a hook reads from its standard input."""

from typing import Literal

from reconciler.model.plan import DomainPlan, Step
from reconciler.model.secrets import without_secrets
from reconciler.report.document import WholeDocument
from reconciler.report.step_documents import AnyStepDocument, step_document


class HookDocument(WholeDocument):
    """A step before it is begun (*result* is null) or afterwards."""

    hook: Literal["before", "after"]
    host: str
    uri: str
    domain: str
    uuid: str | None
    plan_id: str
    source: str
    revision: str | None
    manifest: str | None
    result: Literal["done", "failed"] | None
    step: AnyStepDocument


def hook_document(
    told: DomainPlan,
    step: Step,
    *,
    uri: str,
    source: str,
    revision: str | None,
    is_done: bool | None,
) -> HookDocument:
    """What the hook around *step* is told; *is_done* is None before it."""
    return HookDocument.model_validate(
        {
            "hook": "before" if is_done is None else "after",
            "host": told.host,
            "uri": without_secrets(uri),
            "domain": told.domain,
            "uuid": told.uuid,
            "plan_id": told.plan_id,
            "source": without_secrets(source),
            "revision": revision,
            "manifest": told.manifest,
            "result": None if is_done is None else "done" if is_done else "failed",
            "step": step_document(step),
        }
    )
