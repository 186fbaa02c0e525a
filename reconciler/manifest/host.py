"""``kind: Host``: a libvirt to reconcile."""

from typing import Literal

from pydantic import Field

from reconciler.manifest.fields import Folder, Metadata, PruneChoice, Size, Strict, Uri


class HostLimits(Strict):
    """How much is done at once on this host."""

    domains: int = Field(8, ge=1, le=1000, description="Domains worked on in parallel.")
    block_jobs: int = Field(2, ge=1, le=100, description="Block jobs running in parallel.")
    bandwidth: Size | None = Field(
        None, description="Bytes per second of each block job. Without it there is no limit."
    )


class HostSpec(Strict):
    """How to reach the host, and what is allowed there."""

    uri: Uri | None = Field(
        None, description="The libvirt to connect to. Without it: that of the command line."
    )
    suspend: bool = Field(
        default=False,
        description=(
            "`true`: observe this host and change nothing; the plan shows what is held by it."
        ),
    )
    prune_gone: PruneChoice = Field(
        "never",
        description=(
            "What to do with the snapshots of a domain whose manifest has gone. `never`: report"
            " them. `confirm`: plan their removal, which needs an approval. `auto`: remove them."
        ),
    )
    folders: list[Folder] = Field(
        default_factory=list,
        description=(
            "Where images may be made besides the folder of the disk's own image. Naming a folder"
            " also states that no other host uses it. Overlays of disks on block devices go into"
            " the first of them."
        ),
    )
    limits: HostLimits = Field(
        default_factory=lambda: HostLimits(), description="How much is done at once."
    )


class Host(Strict):
    """A libvirt to reconcile.

    Optional: without any Host, the libvirt of `--connect`, `LIBVIRT_DEFAULT_URI` or
    `qemu:///system` is the host `local`.
    """

    api_version: Literal["virtsnap/v1"] = Field(description="The version of this format.")
    kind: Literal["Host"] = Field(description="The kind of this document.")
    metadata: Metadata = Field(description="What the host is called in `spec.host`.")
    spec: HostSpec = Field(description="How to reach the host, and what is allowed there.")
