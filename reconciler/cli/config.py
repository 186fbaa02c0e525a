"""``virtsnap config show``."""

import enum
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from reconciler.cli import wiring
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import COMMON, Kind, Options, Output
from reconciler.cli.setting_keys import SettingKey
from reconciler.cli.settings import config_files
from reconciler.cli.verbs import Invocation
from reconciler.model.setting import Origin, SettingInForce, SettingValue


class ConfigVerb(enum.StrEnum):
    """What there is to do with the config."""

    SHOW = "show"


What = Annotated[
    ConfigVerb, typer.Argument(metavar="show", help="Print it; nothing is ever written.")
]


def config(options: Options, invocation: Invocation, what: What) -> int:
    """Print every option in force, and from where: default, file, environment, command line.

    Options of one verb are shown as they are without words on its command line.
    """
    from reconciler.report.config import ConfigFile, config_document, config_lines

    settings = tuple(_in_force(invocation, options, os.environ))
    files = tuple(ConfigFile(str(path), path.is_file()) for path in config_files(os.environ))
    if options.is_text:
        show_lines(config_lines(settings, files), no_color=options.no_color)
    else:
        document = config_document(settings, files)
        show_document(document, as_yaml=options.output is Output.YAML)
    return ExitCode.DONE


def _in_force(
    invocation: Invocation, options: Options, environment: Mapping[str, str]
) -> Iterator[SettingInForce]:
    folders = wiring.folders_of((wiring.only_host(options),), options)
    defaults = {"state_dir": str(folders.state), "runtime_dir": str(folders.runtime)}
    for key in invocation.keys.values():
        said = _given(key, invocation) or _from_environment(key, environment)
        if said is not None:
            yield said
        elif key.name in invocation.settings:
            setting = invocation.settings[key.name]
            yield SettingInForce(
                key=key.name, value=_value(setting.value), origin=Origin.FILE, place=setting.place
            )
        else:
            value = _value(defaults.get(key.name, key.default))
            yield SettingInForce(key=key.name, value=value, origin=Origin.DEFAULT)


def _given(key: SettingKey, invocation: Invocation) -> SettingInForce | None:
    """What the command line says; only of common options, before and after the verb."""
    if key.name not in {option.name for option in COMMON}:
        return None
    before, after = (given.get(key.name) for given in invocation.given)
    value: Any = after if after is not None else before
    if key.kind in (Kind.MANY, Kind.COUNT, Kind.FLAG):
        value = (before or after) if key.kind is Kind.FLAG else _sum(before, after)
        value = value or None
    if value is None:
        return None
    return SettingInForce(key=key.name, value=_value(value), origin=Origin.COMMAND_LINE)


def _sum(before: Any, after: Any) -> Any:
    return [*(before or ()), *(after or ())] if isinstance(before, list) else before + after


def _from_environment(key: SettingKey, environment: Mapping[str, str]) -> SettingInForce | None:
    names = [key.environment, *(["LIBVIRT_DEFAULT_URI"] if key.name == "connect" else [])]
    for name in names:
        text = environment.get(name)
        if text:
            value = tuple(text.split()) if key.kind is Kind.MANY else text
            return SettingInForce(key=key.name, value=value, origin=Origin.ENVIRONMENT, place=name)
    return None


def _value(value: Any) -> SettingValue:
    """As a document may hold it."""
    if isinstance(value, list | tuple):
        return tuple(str(each) for each in value)
    return value if value is None or isinstance(value, bool | int) else str(value)
