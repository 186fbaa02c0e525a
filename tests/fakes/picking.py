"""Drawing one of the things that a host has."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from reconciler.model.names import ImagePath, SnapshotName
from tests.fakes.domain import FakeDisk, FakeDomain
from tests.fakes.host import FakeHost

#: hypothesis' own ``draw``.
Draw = Callable[[st.SearchStrategy[Any]], Any]
Item = TypeVar("Item")

NAMES = ("s1", "s2", "s3", "s4", "s5", "s6")


def pick(draw: Draw, items: Sequence[Item]) -> Item | None:
    """One of *items*, None when there is none."""
    return draw(st.sampled_from(items)) if items else None


def a_domain(draw: Draw, fake: FakeHost) -> FakeDomain:
    """Any domain."""
    names = sorted(domain.name for domain in fake.world.domains.values())
    return fake.domain(draw(st.sampled_from(names)))


def a_disk(draw: Draw, domain: FakeDomain) -> FakeDisk | None:
    """A disk of it that the guest writes to."""
    return pick(draw, [disk for disk in domain.definition.disks if disk.is_writable])


def an_image(draw: Draw, fake: FakeHost) -> ImagePath | None:
    """Any image file."""
    return pick(draw, sorted(fake.world.storage.files))


def a_snapshot(draw: Draw, domain: FakeDomain) -> SnapshotName | None:
    """Any record of it."""
    return pick(draw, sorted(domain.records))


def free_name(draw: Draw, domain: FakeDomain, prefix: str = "s") -> str | None:
    """A name that no record and no entry has."""
    ledger = domain.ledger
    entries = {entry.name for entry in ledger.entries} if ledger else set()
    names = [f"{prefix}{name[1:]}" for name in NAMES]
    return pick(draw, [n for n in names if n not in entries and n not in domain.records])


def some_targets(draw: Draw, domain: FakeDomain) -> list[str]:
    """Writable disks: all of them, or some."""
    targets = [disk.target for disk in domain.definition.disks if disk.is_writable]
    if not targets:
        return []
    chosen = draw(st.one_of(st.just(targets), st.lists(st.sampled_from(targets), min_size=1)))
    return sorted(set(chosen))
