"""The images of one disk: its live chain, and what branches off it."""

from dataclasses import dataclass

from reconciler.model.chain import Image, Presence
from reconciler.model.domain import Disk, ObservedDomain, ObservedHost
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.snapshot import DiskCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One image of a chain; *image* is None when nothing is known of the file."""

    path: ImagePath
    image: Image | None
    is_active: bool
    #: snapshots whose moment of this disk it holds
    snapshots: tuple[SnapshotName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskImages:
    """*chain* lowest first; each of *branches* starts at the image it shares, where there is one."""

    chain: tuple[Link, ...]
    branches: tuple[tuple[Link, ...], ...]
    next_active: ImagePath | None

    @property
    def paths(self) -> frozenset[ImagePath]:
        """Every image in it."""
        return frozenset(link.path for links in (self.chain, *self.branches) for link in links)


def disk_images(host: ObservedHost, domain: ObservedDomain, disk: Disk) -> DiskImages:
    """What *disk* of *domain* stands on, and the images beside it that belong to it."""
    index = {image.path: image for image in host.images}
    frozen: dict[ImagePath, list[SnapshotName]] = {}
    for record in domain.records:
        seen = record.disk(disk.target)
        path = record.frozen(disk.target)
        if seen is not None and seen.capture is DiskCapture.INTERNAL:
            path = seen.source  # the moment lies in the image itself
        if path is not None:
            frozen.setdefault(path, []).append(record.name)

    def link(path: ImagePath) -> Link:
        return Link(
            path=path,
            image=index.get(path),
            is_active=path == disk.source,
            snapshots=tuple(frozen.get(path, ())),
        )

    live = disk.chain.images if disk.chain else _followed(disk.source, index)
    known = _of_disk(domain, disk.target, index) - set(live)
    return DiskImages(
        chain=tuple(link(path) for path in live),
        branches=tuple(
            tuple(link(path) for path in branch) for branch in _branches(known, set(live), index)
        ),
        next_active=_next_active(domain, disk),
    )


def _followed(path: ImagePath | None, index: dict[ImagePath, Image]) -> tuple[ImagePath, ...]:
    """The chain under *path* as far as headers tell, lowest first."""
    chain: list[ImagePath] = []
    while path is not None and path not in chain:
        chain.append(path)
        image = index.get(path)
        path = image.backing if image else None
    return tuple(reversed(chain))


def _of_disk(
    domain: ObservedDomain, target: DiskTarget, index: dict[ImagePath, Image]
) -> set[ImagePath]:
    """Images that records, ledger or the other definition name for this disk.

    What was written after a snapshot may have been given up: such an overlay that is not there any
    more is nothing to look for.
    """
    paths: set[ImagePath | None] = set()
    for record in domain.records:
        seen = record.disk(target)
        if seen is not None:
            paths.add(record.frozen(target))
            paths |= {
                path for path in (seen.overlay, seen.revert_overlay) if _is_there(path, index)
            }
    if domain.ledger:
        paths |= {image.path for image in domain.ledger.images if image.disk == target}
    for definition in domain.definitions:
        paths |= {disk.source for disk in definition if disk.target == target}
    return {path for path in paths if path is not None}


def _is_there(path: ImagePath | None, index: dict[ImagePath, Image]) -> bool:
    image = index.get(path) if path is not None else None
    return image is None or image.presence is not Presence.MISSING


def _branches(
    known: set[ImagePath], live: set[ImagePath], index: dict[ImagePath, Image]
) -> tuple[tuple[ImagePath, ...], ...]:
    """One chain for every leaf beside the live one: 1. by its lowest image, 2. by its leaf."""
    chains = []
    for leaf in known:
        chain = _followed(leaf, index)
        shared = [position for position, path in enumerate(chain) if path in live]
        chains.append(chain[shared[-1] :] if shared else chain)
    below = {path for chain in chains for path in chain[:-1]}
    return tuple(sorted(chain for chain in chains if chain[-1] not in below))


def _next_active(domain: ObservedDomain, disk: Disk) -> ImagePath | None:
    """The persistent definition's image, where it is not the live one."""
    if domain.live is None or domain.persistent is None:
        return None
    later = next((d for d in domain.persistent if d.target == disk.target), None)
    return later.source if later and later.source != disk.source else None
