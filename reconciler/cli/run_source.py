"""The options of ``virtsnap run`` that say where manifests come from."""

import threading
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.options import DEFAULT_MANIFESTS, Options, seconds
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.source.address import LocalAddress, RemoteAddress
    from reconciler.source.credentials import Credentials
    from reconciler.source.signatures import Verification
    from reconciler.source.source import Source
    from reconciler.source.stillness import Patience
    from reconciler.source.wanted import Wanted

PANEL = "Where manifests come from"

SourceLocation = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="URL|PATH",
        help="A git repository (https, ssh, file or a path), of which the newest revision counts, "
        "or a plain folder. Without it: the folder of --manifests.",
        rich_help_panel=PANEL,
    ),
]
BranchName = Annotated[
    str | None,
    typer.Option(
        "--branch",
        metavar="NAME",
        help="The branch of --source; default: its HEAD.",
        rich_help_panel=PANEL,
    ),
]
TagName = Annotated[
    str | None,
    typer.Option(
        "--tag",
        metavar="NAME",
        help="What this tag of --source names, instead of a branch.",
        rich_help_panel=PANEL,
    ),
]
RevisionHash = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="HASH",
        help="This revision of --source and no other; a full hash.",
        rich_help_panel=PANEL,
    ),
]
FolderInside = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="FOLDER",
        help="The folder of the manifests inside the repository (manifests).",
        rich_help_panel=PANEL,
    ),
]
SshKey = Annotated[
    Path | None,
    typer.Option(
        "--source-ssh-key",
        metavar="FILE",
        help="The private key for an ssh repository; default: what ssh itself finds.",
        rich_help_panel=PANEL,
    ),
]
KnownHosts = Annotated[
    Path | None,
    typer.Option(
        "--source-known-hosts",
        metavar="FILE",
        help="The host keys that ssh may believe; default: its own known hosts.",
        rich_help_panel=PANEL,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--source-token-file",
        metavar="FILE",
        help="A file with nothing but the token (or password) for an https repository.",
        rich_help_panel=PANEL,
    ),
]
FetchTimeout = Annotated[
    str,
    typer.Option(
        "--source-timeout",
        metavar="DURATION",
        help="Give up on a fetch that takes longer.",
        rich_help_panel=PANEL,
    ),
]
VerifySsh = Annotated[
    Path | None,
    typer.Option(
        "--verify-ssh",
        metavar="FILE",
        help="Accept only revisions signed by an SSH key of this allowed-signers file.",
        rich_help_panel=PANEL,
    ),
]
VerifyOpenpgp = Annotated[
    Path | None,
    typer.Option(
        "--verify-openpgp",
        metavar="PATH",
        help="Accept only revisions signed by an OpenPGP key of this file or folder; beside "
        "--verify-ssh, either will do.",
        rich_help_panel=PANEL,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceValues:
    """What the options say."""

    source: str | None = None
    branch: str | None = None
    tag: str | None = None
    revision: str | None = None
    path: str | None = None
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    token_file: Path | None = None
    timeout: str = "2m"
    verify_ssh: Path | None = None
    verify_openpgp: Path | None = None


def source_of(values: SourceValues, options: Options, stop: threading.Event) -> "Source":
    """The source that they name; nothing is fetched yet.  *stop* ends a fetch under way."""
    from reconciler.source.address import RemoteAddress, address_of
    from reconciler.source.folder import FolderSource

    if options.manifests == "-":
        raise UsageError("cannot watch standard input", hint="virtsnap run -f FOLDER")
    _refuse_contradictions(values)
    if values.source is None:
        _refuse_of_a_folder(values, options.manifests or DEFAULT_MANIFESTS)
        return FolderSource(Path(options.manifests or DEFAULT_MANIFESTS), _patience(stop))
    match address_of(values.source):
        case RemoteAddress() as address:
            return _remote(address, values, options, stop)
        case address:
            return _local(address, values, options, stop)


def _remote(
    address: "RemoteAddress", values: SourceValues, options: Options, stop: threading.Event
) -> "Source":
    from reconciler.source.remote import RemoteSettings, RemoteSource

    state = wiring.folders_of((wiring.only_host(options),), options).state
    return RemoteSource(
        address,
        RemoteSettings(
            clones=state.absolute() / "sources",
            credentials=_credentials(address, values),
            limit=seconds(
                "--source-timeout", values.timeout, least=1.0, example="--source-timeout 2m"
            ),
            stop=stop,
        ),
        subfolder=_folder(values, options),
        wanted=_wanted(values),
        accepted=_verification(values),
    )


def _local(
    address: "LocalAddress", values: SourceValues, options: Options, stop: threading.Event
) -> "Source":
    from reconciler.source.git import GitSource
    from reconciler.source.local import PathSource, is_repository

    if address.path.is_file():
        # A part of what there is says nothing about what has gone (law 8).
        raise UsageError(
            f"cannot use source {address.path}: it is a file, and no repository or folder",
            hint=f"virtsnap run -f {quote(str(address.path))}",
        )
    for flag, given in _for_remotes(values):
        if given is not None:
            raise UsageError(
                f"cannot use {flag}: {address.path} is on this machine",
                hint=f"leave {flag} out",
            )
    repository = GitSource(
        address.path,
        subfolder=_folder(values, options),
        wanted=_wanted(values),
        accepted=_verification(values),
    )
    if address.is_repository or is_repository(address.path):
        return repository
    if any(given is not None for _, given in _for_repositories(values)):
        if address.path.exists():
            _refuse_of_a_folder(values, str(address.path))
        return repository
    return PathSource(address.path, lambda: repository, _patience(stop))


def _patience(stop: threading.Event) -> "Patience":
    from reconciler.source.stillness import Patience

    return Patience(wait=stop.wait, is_over=stop.is_set)


def _folder(values: SourceValues, options: Options) -> str:
    return values.path or options.manifests or DEFAULT_MANIFESTS


def _wanted(values: SourceValues) -> "Wanted":
    from reconciler.source.wanted import Branch, Head, Revision, Tag

    if values.branch is not None:
        return Branch(values.branch)
    if values.tag is not None:
        return Tag(values.tag)
    return Head() if values.revision is None else Revision(values.revision.lower())


def _credentials(address: "RemoteAddress", values: SourceValues) -> "Credentials":
    from reconciler.source.credentials import Credentials

    for flag, given in _for_remotes(values):
        scheme = "https" if flag == "--source-token-file" else "ssh"
        if given is not None and address.scheme != scheme:
            raise UsageError(
                f"cannot use {flag}: it is for {scheme}, and {address} is not",
                hint=f"leave {flag} out, or give the {scheme} URL",
            )
    if address.password is not None and values.token_file is not None:
        raise UsageError(
            f"cannot use --source-token-file: the URL of {address} holds a password too",
            hint=f"--source {address}",
        )
    return Credentials(
        ssh_key=_absolute(values.ssh_key),
        known_hosts=_absolute(values.known_hosts),
        token_file=_absolute(values.token_file),
    )


def _verification(values: SourceValues) -> "Verification | None":
    from reconciler.source.signatures import Verification

    if values.verify_ssh is None and values.verify_openpgp is None:
        return None
    return Verification(ssh=_absolute(values.verify_ssh), openpgp=_absolute(values.verify_openpgp))


def _absolute(path: Path | None) -> Path | None:
    """git is run in another folder."""
    return None if path is None else path.expanduser().absolute()


def _for_remotes(values: SourceValues) -> tuple[tuple[str, object], ...]:
    return (
        ("--source-ssh-key", values.ssh_key),
        ("--source-known-hosts", values.known_hosts),
        ("--source-token-file", values.token_file),
    )


def _for_repositories(values: SourceValues) -> tuple[tuple[str, object], ...]:
    return (
        ("--branch", values.branch),
        ("--tag", values.tag),
        ("--revision", values.revision),
        ("--path", values.path),
        ("--verify-ssh", values.verify_ssh),
        ("--verify-openpgp", values.verify_openpgp),
    )


def _refuse_contradictions(values: SourceValues) -> None:
    given = [flag for flag, value in _for_repositories(values)[:3] if value is not None]
    if len(given) > 1:
        raise UsageError(
            f"cannot use {' and '.join(given)} together: each says which revision counts",
            hint=f"virtsnap run --source REPOSITORY {given[0]} …",
        )


def _refuse_of_a_folder(values: SourceValues, folder: str) -> None:
    """What only a repository has is not ignored for a plain folder."""
    for flag, given in (*_for_repositories(values), *_for_remotes(values)):
        if given is not None:
            raise UsageError(
                f"cannot use {flag}: {folder} is not a git repository",
                hint=f"virtsnap run --source REPOSITORY {flag} …",
            )
