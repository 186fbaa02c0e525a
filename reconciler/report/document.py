"""What all documents for machines have in common: camelCase, a format version, UTC, bytes."""

import json
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticSerializationError

FORMAT_VERSION: Literal["1.0"] = "1.0"


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, ending in ``Z``; finer than seconds only where it is."""
    text = moment.astimezone(UTC).isoformat(
        timespec="microseconds" if moment.microsecond else "seconds"
    )
    return text.replace("+00:00", "Z")


UtcTime = Annotated[datetime, PlainSerializer(utc, return_type=str)]


class Document(BaseModel):
    """A part of a document: keys in camelCase, none beyond those that are declared."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        serialize_by_alias=True,
    )


class WholeDocument(Document):
    """A document of its own; *formatVersion* grows when its meaning does."""

    format_version: Literal["1.0"] = FORMAT_VERSION


def as_json(document: BaseModel) -> str:
    """The document as it is printed."""
    try:
        return document.model_dump_json(by_alias=True, indent=2) + "\n"
    except PydanticSerializationError:
        # The name of a file is bytes, and these are no UTF-8: Python has surrogates for them.
        return json.dumps(document.model_dump(mode="json", by_alias=True), indent=2) + "\n"
