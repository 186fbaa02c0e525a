"""An option in force, and where its value comes from."""

import enum
from dataclasses import dataclass

SettingValue = str | int | bool | tuple[str, ...] | None


class Origin(enum.StrEnum):
    """Who gave an option its value; a later one wins."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInForce:
    """One option.  *place*: ``file:line:column``, or the name of the variable."""

    key: str
    value: SettingValue
    origin: Origin
    place: str = ""
