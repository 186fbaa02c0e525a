"""How a function becomes a verb: every common option is added to it, once for all verbs."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import OptionInfo

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import COMMON, Options, environment_name, resolve
from reconciler.cli.settings import config_files, read_settings, split_source

#: Takes the options in force and its own parameters; returns the exit code.
Verb = Callable[..., int]


@dataclass(slots=True)
class Invocation:
    """One run of the command: what is known of it so far, for whoever reports an error."""

    settings: dict[str, Any] = field(default_factory=dict)
    options: Options | None = None


def add_verb(app: typer.Typer, name: str, function: Verb) -> None:
    """Make *function* a verb of *app*; its own options come first in the help."""
    own = [
        _with_environment(parameter)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.name != "options"
    ]

    def run(ctx: typer.Context, **values: Any) -> int:
        invocation: Invocation = ctx.obj
        before = ctx.parent.params if ctx.parent else {}
        after = {option.name: values.pop(option.name) for option in COMMON}
        invocation.options = resolve(before, after, invocation.settings)
        if invocation.options.wants_version:
            from reconciler.cli.version import version

            return version(invocation.options)
        return function(invocation.options, **values)

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
        invocation.settings = _settings(app)
        defaults = {
            parameter: invocation.settings[key]
            for key, parameter in own_options(app).items()
            if key in invocation.settings
        }
        ctx.default_map = {str(command.name): defaults for command in app.registered_commands}
        if ctx.invoked_subcommand is None:
            invocation.options = resolve(values, {}, invocation.settings)
            if invocation.options.wants_version:
                from reconciler.cli.version import version

                return version(invocation.options)
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


def _settings(app: typer.Typer) -> dict[str, Any]:
    known = {option.name for option in COMMON if option.is_setting} | set(own_options(app))
    return split_source(read_settings(config_files(os.environ), known=known))


def own_options(app: typer.Typer) -> Mapping[str, str]:
    """The options of all verbs that are not common: key in a config file, name of parameter."""
    common = {option.name for option in COMMON}
    return {
        _key(info, parameter): parameter.name
        for command in app.registered_commands
        if command.callback
        for parameter in inspect.signature(command.callback).parameters.values()
        if parameter.name not in common
        for info in (_info(parameter),)
        if isinstance(info, OptionInfo)
    }


def _key(info: OptionInfo, parameter: inspect.Parameter) -> str:
    """``detailed_exitcode`` for ``--detailed-exitcode``."""
    flags = [info.default, *(info.param_decls or ())]
    long = next((str(flag) for flag in flags if str(flag).startswith("--")), parameter.name)
    return long.removeprefix("--").replace("-", "_")


def _info(parameter: inspect.Parameter) -> object:
    if get_origin(parameter.annotation) is not Annotated:
        return None
    return next(iter(get_args(parameter.annotation)[1:]), None)


def _with_environment(parameter: inspect.Parameter) -> inspect.Parameter:
    """*parameter* with its variable, where it is an option."""
    info = _info(parameter)
    if isinstance(info, OptionInfo):
        info.envvar = environment_name(_key(info, parameter))
        # the help says once that every option has one
        info.show_envvar = False
    return parameter
