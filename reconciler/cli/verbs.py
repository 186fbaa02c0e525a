"""How a function becomes a verb: every common option is added to it, once for all verbs."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import typer

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import COMMON, Options, environment_name, resolve
from reconciler.cli.setting_keys import (
    EXTRA_KEYS,
    SettingKey,
    by_name,
    common_keys,
    key_name,
    key_of,
    option_info,
)
from reconciler.cli.settings import Setting, config_files, read_settings

#: Takes the options in force and its own parameters; returns the exit code.
Verb = Callable[..., int]


@dataclass(slots=True)
class Invocation:
    """One run of the command: what is known of it so far, for whoever reports an error."""

    #: every key a config file may have
    keys: dict[str, SettingKey] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    #: what the command line says, before and after the verb
    given: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))
    options: Options | None = None

    def resolved(self, before: dict[str, Any], after: dict[str, Any]) -> Options:
        """The options in force; they are kept for whoever reports an error."""
        self.given = (before, after)
        values = {name: setting.value for name, setting in self.settings.items()}
        self.options = resolve(before, after, values)
        return self.options


def add_verb(app: typer.Typer, name: str, function: Verb) -> None:
    """Make *function* a verb of *app*; its own options come first in the help."""
    own = [
        _with_environment(parameter)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.name not in ("options", "invocation")
    ]
    asks_for_all = "invocation" in inspect.signature(function).parameters

    def run(ctx: typer.Context, **values: Any) -> int:
        invocation: Invocation = ctx.obj
        before = ctx.parent.params if ctx.parent else {}
        after = {option.name: values.pop(option.name) for option in COMMON}
        options = invocation.resolved(before, after)
        if options.wants_version:
            from reconciler.cli.version import version

            return version(options)
        if asks_for_all:
            values["invocation"] = invocation
        return function(options, **values)

    _sign(run, [*own, *common_parameters()])
    run.__doc__ = function.__doc__
    app.command(name)(run)


def common_parameters() -> list[inspect.Parameter]:
    """The common options as parameters."""
    return [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.absent,
            annotation=option.annotation,
        )
        for option in COMMON
    ]


def _sign(run: Callable[..., Any], parameters: list[inspect.Parameter]) -> None:
    """Give *run* the signature that Typer reads."""
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]  # functions may have one
    run.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}


def add_root(app: typer.Typer) -> None:
    """The common options before the verb."""

    def root(ctx: typer.Context, **values: Any) -> int:
        """Keep the snapshots of libvirt domains as a git repository says they should be.

        Write what should be in manifests/, look at `virtsnap plan`, do it with `virtsnap apply`.
        """
        invocation: Invocation = ctx.obj
        own = list(own_keys(app))
        invocation.keys = by_name([*common_keys(), *own, *EXTRA_KEYS])
        invocation.settings = read_settings(config_files(os.environ), known=invocation.keys)
        ctx.default_map = {
            str(command.name): {
                key.parameter: invocation.settings[key.name].value
                for key in own
                if key.verb == command.name and key.name in invocation.settings
            }
            for command in app.registered_commands
        }
        if ctx.invoked_subcommand is None:
            options = invocation.resolved(values, {})
            if options.wants_version:
                from reconciler.cli.version import version

                return version(options)
            with redirect_stdout(sys.stderr):
                typer.echo(ctx.get_help())
            return ExitCode.USAGE
        return 0

    _sign(root, common_parameters())
    app.callback(
        invoke_without_command=True,
        epilog="Every option can be set as VIRTSNAP_NAME in the environment, and as a key in "
        "/etc/virtsnap/virtsnap.yaml and ~/.config/virtsnap/virtsnap.yaml.",
    )(root)


def own_keys(app: typer.Typer) -> Iterator[SettingKey]:
    """The keys of the options that are not common, verb by verb."""
    common = {option.name for option in COMMON}
    for command in app.registered_commands:
        assert command.callback is not None
        for parameter in inspect.signature(command.callback).parameters.values():
            key = key_of(parameter, str(command.name)) if parameter.name not in common else None
            if key is not None:
                yield key


def _with_environment(parameter: inspect.Parameter) -> inspect.Parameter:
    """*parameter* with its variable, where it is an option."""
    info = option_info(parameter)
    if info is not None:
        info.envvar = environment_name(key_name(info, parameter))
        # the help says once that every option has one
        info.show_envvar = False
    return parameter
