"""``kind: SnapshotClass``: capture settings under a name."""

from typing import Literal

from pydantic import Field

from reconciler.manifest.fields import (
    DISKS_MEANING,
    MEMORY_MEANING,
    QUIESCE_MEANING,
    TYPE_MEANING,
    CaptureType,
    DiskChoice,
    Metadata,
    QuiesceChoice,
    Strict,
    Target,
)


class ClassSpec(Strict):
    """How snapshots of this class are taken."""

    type: CaptureType = Field("external", description=TYPE_MEANING)
    memory: bool = Field(default=False, description=MEMORY_MEANING)
    quiesce: QuiesceChoice = Field("never", description=QUIESCE_MEANING)
    disks: dict[Target, DiskChoice] = Field(default_factory=dict, description=DISKS_MEANING)


class SnapshotClass(Strict):
    """Capture settings to use again.

    A snapshot that names the class takes from it what it leaves out itself; `disks` are merged
    target by target.
    """

    api_version: Literal["virtsnap/v1"] = Field(description="The version of this format.")
    kind: Literal["SnapshotClass"] = Field(description="The kind of this document.")
    metadata: Metadata = Field(description="What the class is called in `class`.")
    spec: ClassSpec = Field(description="How snapshots of this class are taken.")
