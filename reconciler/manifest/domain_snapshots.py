"""``kind: DomainSnapshots``: the wanted snapshots of one domain."""

from typing import Literal

from pydantic import Field

from reconciler.manifest.fields import (
    DISKS_MEANING,
    MEMORY_MEANING,
    QUIESCE_MEANING,
    TYPE_MEANING,
    CaptureType,
    DiskChoice,
    Domain,
    Duration,
    Metadata,
    Name,
    Overlay,
    PlanId,
    Prose,
    PruneChoice,
    QuiesceChoice,
    Schedule,
    Strict,
    Target,
    TimeZone,
)
from reconciler.model.desired import DEFAULT_OVERLAY


class Snapshot(Strict):
    """One wanted snapshot."""

    name: Name = Field(description="The name of the snapshot in libvirt.")
    description: Prose | None = Field(
        None, description="What it is for. Without it, the description in libvirt is left alone."
    )
    snapshot_class: Name | None = Field(
        None, alias="class", description="The SnapshotClass that fills what is left out here."
    )
    type: CaptureType = Field("external", description=TYPE_MEANING)
    memory: bool = Field(default=False, description=MEMORY_MEANING)
    quiesce: QuiesceChoice = Field("never", description=QUIESCE_MEANING)
    disks: dict[Target, DiskChoice] = Field(default_factory=dict, description=DISKS_MEANING)
    power: Literal["any", "off", "running"] = Field(
        "any",
        description=(
            "The power state it is taken in. `any`: as the domain is. `off`: shut down, take,"
            " start again. `running`: refuse when the domain does not run."
        ),
    )
    overlay: Overlay = Field(
        DEFAULT_OVERLAY,
        description=(
            "The paths of the overlays, with `{{ image.folder }}`, `{{ image.name }}`,"
            " `{{ domain.name }}`, `{{ domain.uuid }}`, `{{ disk.target }}`,"
            " `{{ snapshot.name }}` and `{{ host.name }}`. What is not `A-Za-z0-9._-` in the"
            " name of a domain or snapshot becomes `_`, and a digest of the name follows. Where a path"
            " is taken, the first free `.2`, `.3` … goes before the suffix; two domains that would"
            " get one path in one plan are refused. In a `.yaml.j2` file write it between"
            " `{% raw %}` and `{% endraw %}`."
        ),
    )
    protect: bool = Field(
        default=False,
        description=(
            "`true`: a hold that is stored with the snapshot and outlives this manifest. It ends"
            " by an explicit `false`, or by `virtsnap release`; leaving it out does not end it."
        ),
    )
    if_lost: Literal["report", "retake"] = Field(
        "report",
        description=(
            "What to do when the snapshot was taken and has vanished since. `report`: say so."
            " `retake`: take it again, with newer content."
        ),
    )
    after: Name | None = Field(
        None,
        description=(
            "The snapshot to take before this one. Without it the order of the list counts. Order"
            " concerns only what is not yet taken."
        ),
    )


class Revert(Strict):
    """A wish to go back, fulfilled once for each value of `request`."""

    to: Name = Field(description="The snapshot to go back to.")
    request: Name = Field(description="What the revert is known by; it is done once per value.")
    power: Literal["recorded", "running", "paused", "off"] = Field(
        "recorded", description="The power state after it. `recorded`: that of the snapshot."
    )
    config: Literal["disks", "whole"] = Field(
        "disks",
        description="What goes back: the disks that were taken, or the whole definition too.",
    )
    present: Literal["keep", "discard"] = Field(
        "keep",
        description=(
            "`keep`: a safety snapshot `before-revert-REQUEST` is taken first. `discard`: what the"
            " guest wrote since is given up."
        ),
    )


class Chain(Strict):
    """Bounds of the backing chains."""

    max_depth: int | None = Field(
        None, ge=1, le=200, description="Images above the base, per disk. Without it: no bound."
    )


class Window(Strict):
    """When a step that stops the guest may begin; begun, it is finished."""

    schedule: Schedule = Field(description="When the window opens: five cron fields or `@daily` …")
    duration: Duration = Field(description="How long it is open.")
    time_zone: TimeZone = Field("UTC", description="The time zone of `schedule`.")


class Shutdown(Strict):
    """How a guest is shut down when a step needs it."""

    timeout: Duration = Field("2m", description="How long to wait for the guest.")
    then: Literal["refuse", "destroy"] = Field(
        "refuse", description="What to do when it has not obeyed by then."
    )


class DomainSpec(Strict):
    """The wanted snapshots of the domain, and what may be done for them."""

    host: Name | None = Field(
        None,
        description=(
            "The Host of the domain. Default: the only Host, or `local` when there is none; with"
            " several it must be said."
        ),
    )
    domain: Domain | None = Field(
        None, description="The name or UUID of the domain. Default: `metadata.name`."
    )
    suspend: bool = Field(
        default=False,
        description=(
            "`true`: observe this domain and change nothing; the plan shows what is held by it."
        ),
    )
    snapshots: list[Snapshot] = Field(
        description="The wanted snapshots, oldest first. `[]` declares that there are to be none."
    )
    revert: Revert | None = Field(None, description="A wish to go back to a snapshot.")
    chain: Chain = Field(default_factory=lambda: Chain(), description="Bounds of the chains.")
    prune: PruneChoice = Field(
        "never",
        description=(
            "What to do with a managed snapshot that has left this list. `never`: report it."
            " `confirm`: plan its removal, which needs an approval. `auto`: remove it. Its data"
            " stays in the disk: the overlay is committed down."
        ),
    )
    unmanaged: Literal["report", "ignore", "adopt"] = Field(
        "report",
        description=(
            "What to do with snapshots that virtsnap did not take. `report`: list them. `ignore`:"
            " say nothing. `adopt`: make those that are named in `snapshots` ours; the others are"
            " reported."
        ),
    )
    disruption: Literal["never", "window", "allowed"] = Field(
        "never",
        description=(
            "Whether steps that stop or pause the guest run without a person. `never`: `run` holds"
            " them until somebody applies. `window`: until one of `windows` is open. `allowed`:"
            " they are done. `apply` is a person's consent and does them at any time."
        ),
    )
    windows: list[Window] = Field(
        default_factory=list,
        description=(
            "When steps that stop the guest may begin, under `disruption: window`. What has begun"
            " is finished."
        ),
    )
    shutdown: Shutdown = Field(
        default_factory=lambda: Shutdown(), description="How the guest is shut down."
    )
    depends_on: list[Domain] = Field(
        default_factory=list,
        description=(
            "Domains of this host that are done first, each as its own manifest names it in"
            " `spec.domain` (or `metadata.name`). If one is refused, held or fails, this one waits."
        ),
    )
    approve: PlanId | None = Field(
        None, description="The plan id of this domain, when a held plan is approved by a commit."
    )


class DomainSnapshots(Strict):
    """The wanted snapshots of one domain; at most one document per domain and host."""

    api_version: Literal["virtsnap/v1"] = Field(description="The version of this format.")
    kind: Literal["DomainSnapshots"] = Field(description="The kind of this document.")
    metadata: Metadata = Field(description="What the document is called.")
    spec: DomainSpec = Field(description="The wanted snapshots, and what may be done for them.")
