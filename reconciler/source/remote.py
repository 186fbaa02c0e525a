"""Manifests in a git repository elsewhere: fetched into a clone of our own, and read from there."""

import hashlib
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.source.address import RemoteAddress
from reconciler.source.clone import Clone
from reconciler.source.command import Late, Stopped, run_git
from reconciler.source.complaint import Unexplained, complaint
from reconciler.source.credentials import Credentials, Login, login_for
from reconciler.source.git import folder_parts
from reconciler.source.objects import (
    UNREADABLE,
    first_line,
    opened,
    read,
    revision_behind,
)
from reconciler.source.refs import Refs
from reconciler.source.signatures import Verification, signer_of
from reconciler.source.source import Fetched
from reconciler.source.trees import manifests_of
from reconciler.source.wanted import Head, Revision, Wanted, ref_of

#: Where a fetch puts what it brings, in our clone; a tag may be there too.
_FETCHED = "refs/virtsnap/fetched"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """How a repository elsewhere is reached."""

    #: where clones are
    clones: Path
    credentials: Credentials = field(default_factory=Credentials)
    #: seconds, for all of one fetch, with the wait for others and a second try
    limit: float = 120.0
    #: ends a fetch under way
    stop: threading.Event = field(default_factory=threading.Event)


class RemoteSource:
    """The folder *subfolder* of *wanted*.  Nothing tells when it changes: it is asked."""

    def __init__(
        self,
        address: RemoteAddress,
        settings: RemoteSettings,
        *,
        subfolder: str = "manifests",
        wanted: Wanted = Head(),  # noqa: B008 - frozen
        accepted: Verification | None = None,
    ) -> None:
        self._address = address
        self._settings = settings
        self._wanted = wanted
        self._accepted = accepted
        self._parts = folder_parts(subfolder)
        # A clone serves one login and one ref: nobody is handed what only somebody else may read.
        key = f"{address.url}\0{address.user or ''}\0{ref_of(wanted)}"
        name = hashlib.sha256(key.encode()).hexdigest()[:20]
        self._clone = Clone(settings.clones / name)

    @property
    def id(self) -> str:
        """The address without login, and the path inside after ``//``."""
        inside = "/".join(self._parts)
        return f"{self._address.id}//{inside}" if inside else self._address.id

    def fetch(self) -> Fetched:
        """What is there now; what was fetched before never stands in for it."""
        login = login_for(self._address, self._settings.credentials)
        due = time.monotonic() + self._settings.limit
        with self._clone.locked(seconds=self._settings.limit, stop=self._settings.stop):
            if self._clone.is_there():
                try:
                    return self._fetched(login, due)
                except (Unexplained, _Damaged):
                    pass  # perhaps it is the clone that is to blame: once more with a new one
            self._clone.make()
            return self._fetched(login, due)

    def watched(self) -> tuple[Path, ...]:
        """Nothing on this machine."""
        return ()

    def concerns(self, path: Path) -> bool:
        """No path does."""
        return False

    def mark(self) -> Hashable:
        """Always the same: what has changed shows in the next fetch only."""
        return None

    def _fetched(self, login: Login, due: float) -> Fetched:
        if isinstance(self._wanted, Revision):
            # A revision that we have is not asked for again; but is the repository still there?
            self._git("ls-remote", "-q", "--", self._address.url, "HEAD", login=login, due=due)
        self._git(
            *("fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force"),
            *("--no-auto-maintenance", "--no-write-fetch-head", "--", self._address.url),
            f"+{ref_of(self._wanted)}:{_FETCHED}",
            login=login,
            due=due,
        )
        try:
            fetched = self._read()
        except UNREADABLE as error:
            raise _Damaged(
                f"cannot read the clone of {self._address}: {first_line(error)}",
                hint=f"rm -r {quote(str(self._clone.folder))}",
            ) from error
        if self._clone.is_worn():
            self._clone.discard()
        return fetched

    def _read(self) -> Fetched:
        with opened(self._clone.folder) as repository:
            refs = Refs(own=self._clone.folder, common=self._clone.folder)
            name = refs.at(_FETCHED)
            if name is None:
                raise ValueError("what was fetched is not there")
            named = read(repository, bytes.fromhex(name))
            revision = revision_behind(repository, named)
            signed_by = (
                signer_of(named, revision, self._wanted, self._accepted) if self._accepted else None
            )
            files = manifests_of(
                *(repository, revision, self._parts),
                subject=str(self._address),
                look=f"git -C {quote(str(self._clone.folder))} ls-tree -d -r --name-only"
                f" {revision.name.hex()[:12]}",
            )
        return Fetched(files=files, revision=revision.name.hex(), signed_by=signed_by)

    def _git(self, *words: str, login: Login, due: float) -> None:
        settings = self._settings
        try:
            said = run_git(
                self._clone.folder,
                *words,
                seconds=due - time.monotonic(),
                stop=settings.stop,
                settings=login.settings,
                environment=login.environment,
            )
        except Late as error:
            raise SourceError(
                f"cannot fetch {self._address}: it took longer than {settings.limit:g} seconds",
                hint="a slow line needs a longer --source-timeout;"
                f" by hand: git ls-remote -- {quote(self._address.url)}",
            ) from error
        except Stopped as error:
            raise SourceError(f"cannot fetch {self._address}: virtsnap is about to end") from error
        if said.code:
            raise complaint(self._address, self._wanted, said.err, secrets=login.secrets)


class _Damaged(SourceError):
    """Our clone cannot be read."""
