"""The command: arguments in, exit code out, and never a traceback."""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import typer

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.verbs import Invocation, add_root, add_verb
from reconciler.errors import UsageError, VirtsnapError
from reconciler.model.secrets import without_secrets

#: click's own errors: newer Typer carries click inside, so it cannot be imported by name.
_ParseError = typer.BadParameter.__mro__[2]


def build() -> typer.Typer:
    """The application with every verb."""
    from reconciler.cli.apply import apply
    from reconciler.cli.config import config
    from reconciler.cli.doctor import doctor
    from reconciler.cli.history import history
    from reconciler.cli.import_ import import_
    from reconciler.cli.observe import observe
    from reconciler.cli.plan import plan
    from reconciler.cli.reconcile import reconcile
    from reconciler.cli.release import release
    from reconciler.cli.run import run
    from reconciler.cli.schema import schema
    from reconciler.cli.status import status
    from reconciler.cli.suspend import resume, suspend
    from reconciler.cli.tree import tree
    from reconciler.cli.validate import validate

    app = typer.Typer(
        name="virtsnap",
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    add_root(app)
    changing, looking = (apply, run, release), (status, tree, doctor, observe, history)
    asking = (reconcile, suspend, resume)
    for verb in (validate, plan, *changing, *asking, *looking, import_, config, schema):
        # `import` is a word of Python
        add_verb(app, verb.__name__.rstrip("_"), verb)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # a locale that cannot say ← must not end an apply
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # TextIOWrapper has it
    invocation = Invocation()
    try:
        code = build()(given, obj=invocation, standalone_mode=False, prog_name="virtsnap")
        sys.stdout.flush()
    except BrokenPipeError:
        return _quietly()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.Abort:
        return ExitCode.ERROR
    except Exception as error:
        return _fail(error, invocation, given)
    return int(code or 0)


def _fail(error: Exception, invocation: Invocation, given: Sequence[str]) -> int:
    """Say what went wrong, in one line and a hint."""
    from reconciler.cli.console import show_error

    options = invocation.options
    if os.environ.get("VIRTSNAP_DEBUG") or (options.verbosity > 1 if options else "-vv" in given):
        sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))
    known = _known(error, given)
    as_document = not options.is_text if options else _wants_document(given)
    with suppress(BrokenPipeError):
        show_error(known, as_document=as_document)
    return known.exit_code


def _known(error: Exception, given: Sequence[str]) -> VirtsnapError:
    if isinstance(error, VirtsnapError):
        return error
    if isinstance(error, _ParseError):
        message = error.format_message()  # type: ignore[attr-defined]  # click's errors have it
        verb = next((word for word in given if not word.startswith("-")), "")
        return UsageError(
            f"cannot understand the command line: {message[:1].lower()}{message[1:].rstrip('.')}",
            hint=f"virtsnap {verb} --help" if verb in _verbs() else "virtsnap --help",
        )
    cause = f"{type(error).__name__}: {error}".replace("\n", " ")
    return VirtsnapError(
        f"cannot go on: internal error ({cause})",
        hint="run it again with -vv, and report what it prints",
    )


def _verbs() -> set[str]:
    return {str(command.name) for command in build().registered_commands}


def _wants_document(given: Sequence[str]) -> bool:
    """Whether ``-o json`` was asked for, when the command line could not be read."""
    text = " ".join(given).replace("=", " ")
    asked = any(
        f"{flag} {kind}" in text for flag in ("-o", "--output") for kind in ("json", "yaml")
    )
    return asked or os.environ.get("VIRTSNAP_OUTPUT") in ("json", "yaml")


def _quietly() -> int:
    """The reader of our output has gone: say nothing more, not even at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.ERROR
