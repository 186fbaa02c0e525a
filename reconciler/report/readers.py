"""Who else reads an image: what ``tree`` says beside it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.domain import Disk, ObservedDomain, ObservedHost
from reconciler.model.names import DomainUuid, ImagePath, base_name


@dataclass(frozen=True, slots=True)
class Readers:
    """Of each image: which domains name it or stand on it, and which files stand right on it."""

    domains: Mapping[ImagePath, Mapping[DomainUuid, str]]
    files: Mapping[ImagePath, tuple[ImagePath, ...]]

    def beside(
        self, domain: ObservedDomain, path: ImagePath, shown: frozenset[ImagePath]
    ) -> tuple[str, ...]:
        """Others than *domain* that read *path*: 1. domains, 2. files that are no image *shown* and
        that no domain names."""
        others = {n for uuid, n in self.domains.get(path, {}).items() if uuid != domain.uuid}
        files = [
            base_name(file)
            for file in self.files.get(path, ())
            if file not in shown and file not in self.domains
        ]
        return (*sorted(others), *sorted(files))


def readers_of(host: ObservedHost) -> Readers:
    """Look at every domain and image of *host* once."""
    below = {image.path: image.backing for image in host.images}
    domains: dict[ImagePath, dict[DomainUuid, str]] = defaultdict(dict)
    for domain in host.domains:
        for path in set(_named(domain)):
            for link in _walk(path, below):
                domains[link][domain.uuid] = domain.name
    files: dict[ImagePath, list[ImagePath]] = defaultdict(list)
    for image in host.images:
        if image.backing is not None:
            files[image.backing].append(image.path)
    return Readers(domains, {path: tuple(above) for path, above in files.items()})


def _named(domain: ObservedDomain) -> Iterator[ImagePath]:
    for definition in domain.definitions:
        for disk in definition:
            yield from _of_disk(disk)
    for record in domain.records:
        yield from record.mentions


def _of_disk(disk: Disk) -> Iterator[ImagePath]:
    if disk.source is not None:
        yield disk.source
    for chain in (disk.chain, disk.stated):
        yield from chain or ()


def _walk(path: ImagePath, below: Mapping[ImagePath, ImagePath | None]) -> Iterator[ImagePath]:
    seen: set[ImagePath] = set()
    link: ImagePath | None = path
    while link is not None and link not in seen:
        seen.add(link)
        yield link
        link = below.get(link)
