"""Who names which image, over a whole host; built once, asked for every domain."""

import enum
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model.chain import Image
from reconciler.model.domain import Disk, ObservedDomain, ObservedHost
from reconciler.model.ledger import EntryState
from reconciler.model.names import DomainName, DomainUuid, ImagePath, SnapshotName
from reconciler.planning.unseen import Unseen, unseen


class Role(enum.StrEnum):
    """How an image is named."""

    #: a definition has it as a disk: the guest writes to it (or will)
    ACTIVE = "active"
    #: a definition spells it out in ``<backingStore>``
    STATED = "stated"
    #: a snapshot's frozen layer
    FROZEN = "frozen"
    #: a record says it without depending on its content
    MENTIONED = "mentioned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """One place that names an image directly."""

    path: ImagePath
    role: Role
    domain: DomainName
    uuid: DomainUuid
    snapshot: SnapshotName | None = None
    #: the guest can write through this definition
    is_writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostIndex:
    """The images of a host with who stands on them and who names them."""

    host: ObservedHost
    images: Mapping[ImagePath, Image]
    children: Mapping[ImagePath, tuple[ImagePath, ...]]
    namings: Mapping[ImagePath, tuple[Naming, ...]]
    #: who may read any image, as far as can be told
    unseen: tuple[Unseen, ...]


def index_of(host: ObservedHost) -> HostIndex:
    """Look at every domain and image of *host* once."""
    images = {image.path: image for image in host.images}
    named: dict[ImagePath, list[Naming]] = defaultdict(list)
    for domain in host.domains:
        for naming in namings_of(domain):
            named[naming.path].append(naming)
    for path, also in _sharing(images, named):
        named[path] += also
    return HostIndex(
        host=host,
        images=images,
        children=children_of(images, host.domains),
        namings={path: tuple(namings) for path, namings in named.items()},
        unseen=tuple(unseen(host, images)),
    )


def _sharing(
    images: Mapping[ImagePath, Image], named: Mapping[ImagePath, list[Naming]]
) -> list[tuple[ImagePath, list[Naming]]]:
    """Who names a device names all that lies below it, and the other way round: the bytes are one."""
    pairs = [(image.path, below) for image in images.values() for below in image.lies_on]
    return [
        (one, [replace(naming, path=one) for naming in named[other]])
        for pair in pairs
        for one, other in (pair, pair[::-1])
        if other in named
    ]


def children_of(
    images: Mapping[ImagePath, Image], domains: tuple[ObservedDomain, ...]
) -> dict[ImagePath, tuple[ImagePath, ...]]:
    """For each image those that stand on it: by header, and by live chains where no header was read."""
    found: dict[ImagePath, set[ImagePath]] = defaultdict(set)
    for image in images.values():
        for below in (image.backing, *image.also_reads):
            if below is not None:
                found[below].add(image.path)
    for domain in domains:
        for disks in domain.definitions:
            for disk in disks:
                if disk.chain is not None:
                    for below, above in zip(disk.chain.images, disk.chain.images[1:], strict=False):
                        if above not in images or not images[above].is_examined:
                            found[below].add(above)
    return {path: tuple(sorted(above)) for path, above in found.items()}


def namings_of(domain: ObservedDomain) -> list[Naming]:
    """Every place of *domain* that names an image, definitions first."""
    found = []
    for disks in domain.definitions:
        for disk in disks:
            found += _of_disk(domain, disk)
    for record in domain.records:
        for path in sorted(record.mentions):
            frozen = any(disk.source == path for disk in record.external_disks)
            role = Role.FROZEN if frozen else Role.MENTIONED
            found.append(
                Naming(
                    path=path,
                    role=role,
                    domain=domain.name,
                    uuid=domain.uuid,
                    snapshot=record.name,
                )
            )
    return found + list(_of_ledger(domain))


def _of_ledger(domain: ObservedDomain) -> Iterator[Naming]:
    """What managed snapshots froze, whatever their records say by now."""
    ledger = domain.ledger
    for entry in ledger.entries if ledger is not None else ():
        if entry.state in (EntryState.CREATING, EntryState.DELETING):
            continue
        named = [(d.path, Role.MENTIONED if d.is_inside else Role.FROZEN) for d in entry.frozen]
        named += [(entry.memory, Role.MENTIONED)] if entry.memory is not None else []
        for path, role in named:
            yield Naming(
                path=path,
                role=role,
                domain=domain.name,
                uuid=domain.uuid,
                snapshot=entry.name,
            )


def _of_disk(domain: ObservedDomain, disk: Disk) -> list[Naming]:
    found = []
    if disk.source is not None:
        found.append(
            Naming(
                path=disk.source,
                role=Role.ACTIVE,
                domain=domain.name,
                uuid=domain.uuid,
                is_writable=disk.is_writable or disk.is_beyond_snapshots,
            )
        )
    chains = [chain.images for chain in (disk.chain, disk.stated) if chain is not None]
    below = [path for images in chains for path in images if path != disk.source]
    for path in (*below, *disk.also_reads):
        found.append(Naming(path=path, role=Role.STATED, domain=domain.name, uuid=domain.uuid))
    return found
