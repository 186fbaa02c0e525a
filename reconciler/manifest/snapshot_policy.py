"""``kind: SnapshotPolicy``: schedule and retention for many domains."""

from typing import Literal

from pydantic import Field

from reconciler.manifest.fields import Duration, Glob, Metadata, Name, Schedule, Strict, TimeZone


class Selector(Strict):
    """Which domains a policy is for: those that all given rules fit."""

    hosts: list[Glob] = Field(default_factory=lambda: ["*"], description="Globs of Host names.")
    domains: list[Glob] = Field(default_factory=lambda: ["*"], description="Globs of domain names.")
    match_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of the domain's own document."
    )


class Retention(Strict):
    """What stays; a snapshot kept by any rule stays, and without rules all stay."""

    keep_last: int | None = Field(None, ge=1, description="The newest so many.")
    hourly: int | None = Field(None, ge=1, description="The newest of each of the last hours.")
    daily: int | None = Field(None, ge=1, description="The newest of each of the last days.")
    weekly: int | None = Field(None, ge=1, description="The newest of each of the last weeks.")
    monthly: int | None = Field(None, ge=1, description="The newest of each of the last months.")
    max_age: Duration | None = Field(None, description="All that are not older.")


class PolicySpec(Strict):
    """When snapshots are taken, of what, and how long they stay."""

    selector: Selector = Field(
        default_factory=lambda: Selector(), description="Which domains the policy is for."
    )
    schedule: Schedule = Field(description="When: five cron fields or `@daily` …")
    time_zone: TimeZone = Field("UTC", description="The time zone of `schedule`.")
    starting_deadline: Duration | None = Field(
        None, description="A slot missed by more is skipped, and that is said."
    )
    snapshot_class: Name | None = Field(
        None, alias="class", description="The SnapshotClass of what is taken."
    )
    retention: Retention = Field(
        default_factory=lambda: Retention(), description="Which snapshots stay."
    )
    suspend: bool = Field(default=False, description="`true`: take nothing and remove nothing.")


class SnapshotPolicy(Strict):
    """Schedule and retention for many domains."""

    api_version: Literal["virtsnap/v1"] = Field(description="The version of this format.")
    kind: Literal["SnapshotPolicy"] = Field(description="The kind of this document.")
    metadata: Metadata = Field(description="What the policy is called; its snapshots begin so.")
    spec: PolicySpec = Field(description="When snapshots are taken, and how long they stay.")
