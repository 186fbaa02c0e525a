"""The options every verb has: from the command line, the environment, the config files."""

import enum
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.errors import UsageError
from reconciler.model.request import Selection

DEFAULT_MANIFESTS = "manifests"
DEFAULT_URI = "qemu:///system"
#: seconds; longer than the 30 s for which libvirt itself waits for a domain that is busy
DEFAULT_TIMEOUT = 60.0
PANEL = "Common options, before or after the verb"


class Output(enum.StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class Kind(enum.Enum):
    """How an option is given, and what two of them come to."""

    TEXT = enum.auto()
    MANY = enum.auto()
    FLAG = enum.auto()
    COUNT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOption:
    """One option that is accepted before and after the verb."""

    name: str
    kind: Kind
    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    #: may also come from the environment and the config files
    is_setting: bool = True
    #: what counts where nobody gives it, as it would be given
    default: str | int | bool | None = None

    @property
    def environment(self) -> str:
        """The variable that sets it, where it is a setting."""
        return environment_name(self.name) if self.is_setting else ""

    @property
    def annotation(self) -> Any:
        """How Typer knows it."""
        option = typer.Option(
            *self.flags,
            help=self.help,
            metavar=self.metavar,
            count=self.kind is Kind.COUNT,
            show_default=False,
            rich_help_panel=PANEL,
        )
        of_kind: dict[Kind, Any] = {
            Kind.TEXT: str | None,
            Kind.MANY: list[str],
            Kind.FLAG: bool,
            Kind.COUNT: int,
        }
        return Annotated[of_kind[self.kind], option]

    @property
    def absent(self) -> Any:
        """Its value when it is not given."""
        return {Kind.TEXT: None, Kind.MANY: [], Kind.FLAG: False, Kind.COUNT: 0}[self.kind]


COMMON = (
    CommonOption(
        name="connect",
        kind=Kind.TEXT,
        flags=("--connect", "-c"),
        metavar="URI",
        default=DEFAULT_URI,
        help="The libvirt to work with, as for virsh (LIBVIRT_DEFAULT_URI; qemu:///system).",
    ),
    CommonOption(
        name="manifests",
        kind=Kind.TEXT,
        flags=("--manifests", "-f"),
        metavar="PATH",
        default=DEFAULT_MANIFESTS,
        help="Folder or file with manifests, or - for standard input (manifests/).",
    ),
    CommonOption(
        name="host",
        kind=Kind.TEXT,
        flags=("--host",),
        metavar="NAME",
        help="Only the manifests of this Host; --connect then replaces its URI.",
    ),
    CommonOption(
        name="target",
        kind=Kind.MANY,
        flags=("--target",),
        metavar="GLOB",
        help="Only this domain, or DOMAIN/SNAPSHOT; globs; may be repeated.",
    ),
    CommonOption(
        name="exclude",
        kind=Kind.MANY,
        flags=("--exclude",),
        metavar="GLOB",
        help="Not this domain, or DOMAIN/SNAPSHOT; globs; may be repeated.",
    ),
    CommonOption(
        name="output",
        kind=Kind.TEXT,
        flags=("--output", "-o"),
        metavar="text|json|yaml",
        default="text",
        help="Text for people (local time, IEC sizes) or a document (UTC, bytes).",
    ),
    CommonOption(
        name="timeout",
        kind=Kind.TEXT,
        flags=("--timeout",),
        metavar="DURATION",
        default="1m",
        help="Give up on a libvirt that gives no sign of life for so long (1m).",
    ),
    CommonOption(
        name="lock_timeout",
        kind=Kind.TEXT,
        flags=("--lock-timeout",),
        metavar="DURATION",
        default="0s",
        help="Wait for so long while another virtsnap is at work on the same domain (0s).",
    ),
    CommonOption(
        name="verbose",
        kind=Kind.COUNT,
        flags=("--verbose", "-v"),
        default=0,
        help="Every step one by one, images by their whole path; -vv: tracebacks of errors.",
    ),
    CommonOption(
        name="quiet",
        kind=Kind.FLAG,
        flags=("--quiet", "-q"),
        default=False,
        help="No progress and no notes: results and errors only.",
    ),
    CommonOption(
        name="no_color",
        kind=Kind.FLAG,
        flags=("--no-color",),
        default=False,
        help="No colours, on a terminal too (also: NO_COLOR).",
    ),
    CommonOption(
        name="version",
        kind=Kind.FLAG,
        flags=("--version",),
        help="The versions of virtsnap, the binding, and libvirt and QEMU of the connection.",
        # VIRTSNAP_VERSION=0.2 in somebody's build script must not change what a verb does
        is_setting=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is in force for this run.  *connect* is None unless the user named a URI."""

    connect: str | None = None
    default_uri: str = DEFAULT_URI
    manifests: str | None = None
    host: str | None = None
    output: Output = Output.TEXT
    selection: Selection = field(default_factory=Selection)
    verbosity: int = 0
    is_quiet: bool = False
    no_color: bool = False
    wants_version: bool = False
    state_dir: Path | None = None
    runtime_dir: Path | None = None
    source_id: str | None = None
    #: seconds
    timeout: float = DEFAULT_TIMEOUT
    lock_timeout: float = 0.0

    @property
    def is_text(self) -> bool:
        """For people."""
        return self.output is Output.TEXT

    @property
    def uri(self) -> str:
        """The connection, where no manifest says another."""
        return self.connect or self.default_uri


def environment_name(option: str) -> str:
    """``VIRTSNAP_DETAILED_EXITCODE`` for ``detailed_exitcode``."""
    return f"VIRTSNAP_{option.upper()}"


def resolve(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    settings: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
) -> Options:
    """1. after the verb, 2. before it, 3. environment, 4. config files; lists add up."""
    given = {option.name: _given(option, before, after, environment) for option in COMMON}

    def value(name: str) -> Any:
        return given[name] if given[name] is not None else settings.get(name)

    return Options(
        connect=given["connect"],
        default_uri=str(
            environment.get("LIBVIRT_DEFAULT_URI") or settings.get("connect") or DEFAULT_URI
        ),
        manifests=_text(value("manifests")),
        host=_text(value("host")),
        output=_output(value("output")),
        selection=Selection(
            targets=_many(value("target")),
            excluded=_many(value("exclude")),
        ),
        verbosity=int(value("verbose") or 0),
        is_quiet=bool(value("quiet")),
        no_color=bool(value("no_color")),
        wants_version=bool(given["version"]),
        timeout=_duration("timeout", value("timeout"), absent=DEFAULT_TIMEOUT, least=1.0),
        lock_timeout=_duration("lock_timeout", value("lock_timeout"), absent=0.0),
        state_dir=_path(environment.get("VIRTSNAP_STATE_DIR") or settings.get("state_dir")),
        runtime_dir=_path(environment.get("VIRTSNAP_RUNTIME_DIR") or settings.get("runtime_dir")),
        source_id=_text(environment.get("VIRTSNAP_SOURCE_ID") or settings.get("source_id")),
    )


def _given(
    option: CommonOption,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    environment: Mapping[str, str],
) -> Any:
    """What the command line says, else the environment; None when neither does."""
    first, second = before.get(option.name), after.get(option.name)
    text = environment.get(option.environment) or None if option.is_setting else None
    match option.kind:
        case Kind.TEXT:
            return second if second is not None else first if first is not None else text
        case Kind.MANY:
            return [*(first or ()), *(second or ())] or (text.split() if text else None)
        case Kind.FLAG:
            return True if first or second else _flag(option.environment, text)
        case Kind.COUNT:
            number = (first or 0) + (second or 0)
            return number or _number(option.environment, text)


def _flag(name: str, text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"cannot use {name}={text}: it must be 1 or 0")


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    raise UsageError(f"cannot use {name}={text}: it must be a number")


def _output(value: Any) -> Output:
    if value is None:
        return Output.TEXT
    try:
        return Output(value)
    except ValueError:
        raise UsageError(
            f"cannot print as {value!r}: it must be one of {', '.join(Output)}",
            hint="virtsnap plan -o json",
        ) from None


def seconds(flag: str, text: str, *, least: float = 1.0, example: str) -> float:
    """A duration such as ``90s``; ``UsageError`` for what is none, or less than *least* seconds."""
    from reconciler.manifest.texts import duration

    try:
        found = 0.0 if text == "0s" else duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"cannot use {flag} {text}: {error}", hint=example) from error
    if found < least:
        raise UsageError(f"cannot use {flag} {text}: it is too short", hint=example)
    return found


def _duration(name: str, value: Any, *, absent: float, least: float = 0.0) -> float:
    if value is None:
        return absent
    flag = f"--{name.replace('_', '-')}"
    return seconds(flag, str(value), least=least, example=f"{flag} 2m")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _many(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _path(value: Any) -> Path | None:
    return Path(str(value)).expanduser() if value else None
