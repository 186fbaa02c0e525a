"""Manifests in plain files are believed once they stand still: a write under way looks like a wish."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.manifest_file import ManifestFile

#: Seconds for which nothing may have changed.
STILL = 3.0
#: Seconds after which what goes on changing is given up on.
LONGEST = 60.0
#: Seconds between two looks.
_PAUSE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was read in one go."""

    files: tuple[ManifestFile, ...]
    #: when a file or folder of it changed last, in seconds since 1970
    changed: float = 0.0
    #: what tells that a write is under way, and of which file
    unfinished: SourceError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Time, and how to let it pass."""

    now: Callable[[], float] = time.time
    wait: Callable[[float], object] = time.sleep
    is_over: Callable[[], bool] = field(default=lambda: False)


def finished(look: Callable[[], Look], patience: Patience) -> Look:
    """The first look in which no write is seen under way; the error that says so after ``STILL``."""
    return _awaited(look, patience, lambda found, _: found.unfinished is None, STILL)


def still(
    look: Callable[[], Look], known: tuple[ManifestFile, ...] | None, patience: Patience
) -> Look:
    """A look at what stood still for ``STILL`` seconds: by its times, or because it read alike.

    What is as *known*, which was believed before, is believed again at once.
    """

    def is_still(found: Look, alike: float) -> bool:
        # A time that is yet to come, by another machine's clock, tells nothing.
        is_old = patience.now() - found.changed >= STILL
        return found.unfinished is None and (found.files == known or is_old or alike >= STILL)

    return _awaited(look, patience, is_still, LONGEST)


def _awaited(
    look: Callable[[], Look],
    patience: Patience,
    is_good: Callable[[Look, float], bool],
    longest: float,
) -> Look:
    """The first look that *is_good*, given for how many seconds it has been alike."""
    found, alike, waited = look(), 0.0, 0.0
    while not is_good(found, alike):
        if found.unfinished is not None and alike >= STILL:
            raise found.unfinished
        if waited >= longest:
            name = found.files[0].name if found.files else "the manifests"
            raise found.unfinished or SourceError(
                f"cannot use {name}: the manifests do not stand still, for {longest:g} seconds now",
                hint=f"fuser -v {quote(name)}",
            )
        if patience.is_over():
            raise SourceError("cannot read the manifests: virtsnap is about to end")
        patience.wait(_PAUSE)
        waited += _PAUSE
        before, found = found, look()
        is_alike = (before.files, before.unfinished is None) == (
            found.files,
            found.unfinished is None,
        )
        alike = alike + _PAUSE if is_alike else 0.0
    return found
