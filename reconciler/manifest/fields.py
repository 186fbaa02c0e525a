"""What the kinds have in common: strictness, metadata, and the types of their fields."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from reconciler.manifest import overlay, texts
from reconciler.model.names import MAX_NAME_BYTES

API_VERSION = "virtsnap/v1"


class Strict(BaseModel):
    """No unknown field, no conversion: ``"8"`` is no number and ``1`` is not true."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


def _title(name: str, pattern: str | None = None) -> dict[str, str | int | float]:
    return {"title": name, "pattern": f"^{pattern}$"} if pattern else {"title": name}


Name = Annotated[
    str,
    AfterValidator(texts.check_name),
    Field(json_schema_extra={"title": "name", "minLength": 1, "maxLength": MAX_NAME_BYTES}),
]
Domain = Annotated[
    str,
    AfterValidator(texts.check_domain),
    Field(json_schema_extra={"title": "domain name or UUID", "minLength": 1}),
]
Prose = Annotated[str, AfterValidator(texts.check_prose), Field(json_schema_extra=_title("text"))]
Duration = Annotated[
    str,
    AfterValidator(texts.check_duration),
    Field(json_schema_extra=_title("duration", texts.DURATION)),
]
Size = Annotated[
    str, AfterValidator(texts.check_size), Field(json_schema_extra=_title("size", texts.SIZE))
]
Uri = Annotated[
    str, AfterValidator(texts.check_uri), Field(json_schema_extra=_title("libvirt URI", texts.URI))
]
Folder = Annotated[
    str, AfterValidator(texts.check_folder), Field(json_schema_extra=_title("absolute path", "/.*"))
]
Target = Annotated[
    str,
    AfterValidator(texts.check_target),
    Field(json_schema_extra=_title("disk target", texts.TARGET)),
]
Glob = Annotated[str, AfterValidator(texts.check_glob), Field(json_schema_extra=_title("glob"))]
Schedule = Annotated[
    str, AfterValidator(texts.check_schedule), Field(json_schema_extra=_title("cron schedule"))
]
TimeZone = Annotated[
    str, AfterValidator(texts.check_time_zone), Field(json_schema_extra=_title("time zone"))
]
PlanId = Annotated[
    str,
    AfterValidator(texts.check_sha256),
    Field(json_schema_extra=_title("plan id", texts.SHA256)),
]
Overlay = Annotated[
    str,
    AfterValidator(overlay.check_overlay),
    Field(json_schema_extra=_title("template of a path")),
]

CaptureType = Literal["external", "internal"]
DiskChoice = Literal["external", "internal", "skip", "no"]
QuiesceChoice = Literal["required", "preferred", "never"]
PruneChoice = Literal["never", "confirm", "auto"]

TYPE_MEANING = (
    "`external`: the guest goes on in a new overlay and the image it wrote to is kept as it was."
    " `internal`: the snapshot lies inside the qcow2 image itself."
)
MEMORY_MEANING = "`true`: RAM and the state of the devices are kept too."
QUIESCE_MEANING = (
    "Freeze the guest's file systems through the guest agent while the snapshot is taken."
    " `required`: refuse without it. `preferred`: go on without it, and write down that it was"
    " missing. `never`: do not try."
)
DISKS_MEANING = (
    "What to do with single disks, by target. A disk that is not named is taken as `type` says if"
    " the guest can write to it. `skip` (or `no`) leaves a disk out."
)


class Metadata(Strict):
    """What the document is called."""

    name: Name = Field(description="The name, one of a kind among the documents of its kind.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="Free keys and values to select documents by."
    )
