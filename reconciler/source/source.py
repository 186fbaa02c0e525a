"""Where manifests come from, whatever it is."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.model.manifest_file import ManifestFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """All that a source holds, and the revision it stands at, where it has one."""

    files: tuple[ManifestFile, ...]
    revision: str | None
    #: who vouches for the revision, where that is asked for
    signed_by: str | None = None


class Source(Protocol):
    """A place that holds manifests."""

    @property
    def id(self) -> str:
        """What the source is known by in ledgers; it stays when the content changes."""

    def fetch(self) -> Fetched:
        """All of it, or ``SourceError``; never a part, and never nothing for a failure."""

    def watched(self) -> tuple[Path, ...]:
        """The paths on which a change is worth a look, those that exist."""

    def concerns(self, path: Path) -> bool:
        """Whether a change of *path*, seen on ``watched``, may change what ``fetch`` gives."""

    def mark(self) -> Hashable:
        """Cheap to ask for; another one means that what ``fetch`` gives may be another too."""
