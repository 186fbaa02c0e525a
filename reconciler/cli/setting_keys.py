"""The keys of a config file: the options, each with what it takes."""

import enum
import inspect
import types
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from typer.models import OptionInfo

from reconciler.cli.options import COMMON, Kind, environment_name

#: The key that holds a mapping too.
SOURCE = "source"
_OF_SOURCE = ("branch", "tag", "revision", "path", "verify_ssh", "verify_openpgp")
_METAVARS_OF_KINDS = {Kind.FLAG: "true|false", Kind.COUNT: "NUMBER"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingKey:
    """One key.  *takes*: ``NAME``, ``DURATION``, ``a|b|c``, as the help of the option has it."""

    name: str
    kind: Kind
    takes: str
    help: str
    environment: str
    default: Any = None
    #: the verbs that have it; none: every one
    verb: str = ""
    #: how the function of the verb calls it
    parameter: str = ""

    @property
    def written(self) -> str:
        """``lock-timeout``"""
        return self.name.replace("_", "-")

    @property
    def is_duration(self) -> bool:
        """Such as ``90s``."""
        return self.takes == "DURATION"

    @property
    def choices(self) -> tuple[str, ...]:
        """All that it may be, where that is a closed list of words."""
        is_closed = "|" in self.takes and self.takes == self.takes.lower()
        return tuple(self.takes.split("|")) if is_closed else ()


def _extra(name: str, takes: str, says: str) -> SettingKey:
    return SettingKey(
        name=name, kind=Kind.TEXT, takes=takes, help=says, environment=environment_name(name)
    )


#: Keys that no option has.
EXTRA_KEYS = (
    _extra("state_dir", "FOLDER", "Where the journal is (/var/lib/virtsnap)."),
    _extra("runtime_dir", "FOLDER", "Where locks and the control socket are (/run/virtsnap)."),
    _extra(
        "source_id",
        "NAME",
        "Who the source is, for snapshots to stay its own when it moves (its path or address).",
    ),
)


def common_keys() -> tuple[SettingKey, ...]:
    """The options that every verb has."""
    return tuple(
        SettingKey(
            name=option.name,
            kind=option.kind,
            takes=_METAVARS_OF_KINDS.get(option.kind, option.metavar or ""),
            help=option.help,
            environment=option.environment,
            default=option.default,
        )
        for option in COMMON
        if option.is_setting
    )


def key_of(parameter: inspect.Parameter, verb: str) -> SettingKey | None:
    """The key of an option of one verb; None for an argument."""
    info = option_info(parameter)
    if info is None:
        return None
    name = key_name(info, parameter)
    kind, takes = _what_it_takes(get_args(parameter.annotation)[0])
    return SettingKey(
        name=name,
        kind=kind,
        takes=takes or str(info.metavar or name.upper()),
        help=info.help or "",
        environment=environment_name(name),
        default=None if parameter.default is inspect.Parameter.empty else parameter.default,
        verb=verb,
        parameter=parameter.name,
    )


def option_info(parameter: inspect.Parameter) -> OptionInfo | None:
    """What Typer is told of it, if it is an option."""
    if get_origin(parameter.annotation) is not Annotated:
        return None
    info = next(iter(get_args(parameter.annotation)[1:]), None)
    return info if isinstance(info, OptionInfo) else None


def key_name(info: OptionInfo, parameter: inspect.Parameter) -> str:
    """``detailed_exitcode`` for ``--detailed-exitcode``."""
    flags = [info.default, *(info.param_decls or ())]
    long = next((str(flag) for flag in flags if str(flag).startswith("--")), parameter.name)
    return long.partition("/")[0].removeprefix("--").replace("-", "_")


def by_name(keys: Iterable[SettingKey]) -> dict[str, SettingKey]:
    """All keys; of those with one name, the first."""
    found: dict[str, SettingKey] = {}
    for key in keys:
        found.setdefault(key.name, key)
    return found


def parts_of_source(known: Collection[str]) -> dict[str, str]:
    """What may stand under ``source``, and the key that it stands for: ``id``, ``source_id``."""
    prefix = f"{SOURCE}_"
    named = {name.removeprefix(prefix): name for name in known if name.startswith(prefix)}
    return {"url": SOURCE, **{name: name for name in _OF_SOURCE if name in known}, **named}


def _what_it_takes(annotation: Any) -> tuple[Kind, str]:
    """The kind of a Python type, and its words where only it knows them."""
    if isinstance(annotation, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not types.NoneType)
    if get_origin(annotation) in (list, tuple):
        return Kind.MANY, ""
    if annotation is bool:
        return Kind.FLAG, _METAVARS_OF_KINDS[Kind.FLAG]
    if annotation is int:
        return Kind.COUNT, _METAVARS_OF_KINDS[Kind.COUNT]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return Kind.TEXT, "|".join(str(each.value) for each in annotation)
    return Kind.TEXT, ""
