"""Hosts and chains drawn the way people draw them.

``host(domain("web01", managed("s1"), unmanaged("u1"), vda="base ← s1 ← u1", vdb="data ← s1"))`` is a
running domain on which virtsnap took ``s1`` of two disks and then a person ``u1`` of one.  The
first name of a chain is an image, every further one the snapshot whose overlay stands there;
``(template) ← base ← s1`` has an image below the disk's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.chain import BackingChain
from reconciler.model.desired import (
    Desired,
    DesiredDomain,
    DesiredHost,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
    Quiesce,
    Unmanaged,
)
from reconciler.model.domain import AgentState
from reconciler.model.names import DomainName, HostName, ImagePath, SnapshotName
from reconciler.model.power import PowerState
from tests.fakes.administrator import Administrator
from tests.fakes.controller import SOURCE, Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.fakes.world import LOCAL, World

FOLDER = "/images"

running = PowerState.RUNNING
paused = PowerState.PAUSED
shut_off = PowerState.SHUT_OFF


def image(name: str) -> ImagePath:
    """``base`` → ``/images/base.qcow2``; a name with a dot keeps its suffix (``base.img`` is raw).

    ``/dev/vg0/web01`` is what it says: a block device, raw.
    """
    if name.startswith("/"):
        return ImagePath(name)
    return ImagePath(f"{FOLDER}/{name}" if "." in name else f"{FOLDER}/{name}.qcow2")


def overlay(domain: str, target: str, snapshot: str) -> ImagePath:
    """The overlay that virtsnap makes by default."""
    return ImagePath(f"{FOLDER}/{domain}-{target}-{snapshot}.qcow2")


def chain(drawn: str) -> BackingChain:
    """``chain("base ← a ← b")``, each of them an ``image``."""
    return BackingChain(tuple(image(name) for name in _names(drawn)))


def _names(drawn: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in drawn.split("←"))


@dataclass(frozen=True, slots=True)
class managed:  # noqa: N801 - reads as a word in a drawing
    """Snapshots that virtsnap took (all that are not said to be otherwise)."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True, slots=True)
class unmanaged:  # noqa: N801 - reads as a word in a drawing
    """Snapshots that a person took."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True, slots=True)
class unrecorded:  # noqa: N801 - reads as a word in a drawing
    """Overlays that a person (a backup tool) made with NO_METADATA."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


Trait = PowerState | AgentState | managed | unmanaged | unrecorded


@dataclass(frozen=True, slots=True)
class DomainDrawing:
    """A domain to be put on a host."""

    name: str
    traits: tuple[Trait, ...]
    disks: Mapping[str, str]

    def names(self, kind: type[unmanaged] | type[unrecorded]) -> frozenset[str]:
        """Snapshots of that kind."""
        return frozenset(
            name for trait in self.traits if isinstance(trait, kind) for name in trait.names
        )


def domain(name: str, *traits: Trait, **disks: str) -> DomainDrawing:
    """A domain, running with an agent unless *traits* say otherwise, with a chain for each disk."""
    return DomainDrawing(name, traits, disks)


def host(*drawings: DomainDrawing, version: int | None = None) -> FakeHost:
    """A host with these domains; guests wrote before, between and after their snapshots."""
    world = World() if version is None else World(version=version)
    fake = FakeHost(world)
    for drawing in drawings:
        _draw(fake, drawing)
    world.changes.clear()
    return fake


def _draw(fake: FakeHost, drawing: DomainDrawing) -> None:
    administrator = Administrator(fake)
    chains = {target: _above(fake, _names(drawn)) for target, drawn in drawing.disks.items()}
    bases = {target: image(names[0]) for target, names in chains.items()}
    power = next((trait for trait in drawing.traits if isinstance(trait, PowerState)), running)
    drawn = administrator.define(drawing.name, bases, running=power is not shut_off)
    for trait in drawing.traits:
        if isinstance(trait, AgentState):
            drawn.agent.state = trait
    fake.guest_goes_on(drawing.name)
    for snapshot in _in_order(chains):
        targets = [target for target, names in chains.items() if snapshot in names[1:]]
        if snapshot in drawing.names(unmanaged):
            Person(fake).snapshot_create(drawing.name, snapshot, targets)
        elif snapshot in drawing.names(unrecorded):
            Person(fake).snapshot_create(drawing.name, snapshot, targets, has_metadata=False)
        else:
            Controller(fake).take(drawing.name, snapshot, targets)
        fake.guest_goes_on(drawing.name)
    if power is paused:
        administrator.pause(drawing.name)


def _above(fake: FakeHost, names: tuple[str, ...]) -> tuple[str, ...]:
    """*names* without those in brackets, which are made here, each on the one before."""
    files = fake.world.storage.files
    below: ImagePath | None = None
    for position, name in enumerate(names):
        path = image(name.strip("()"))
        if path not in files and below is not None:
            Person(fake).overlay_on(below, path)
        elif path not in files:
            image_format = "qcow2" if path.endswith(".qcow2") else "raw"
            fake.world.storage.add(FakeFile(path=path, format=image_format, clusters={9: 9}))
        if not name.startswith("("):
            return names[position:]
        below = path
    raise ValueError(f"no image of the disk's own in {names}")


def _in_order(chains: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The snapshots of all chains, so that each chain's own order holds."""
    left = [list(names[1:]) for names in chains.values()]
    ordered: list[str] = []
    while any(left):
        first = next(
            (
                names[0]
                for names in left
                if names and not any(names[0] in other[1:] for other in left)
            ),
            None,
        )
        if first is None:
            raise ValueError(f"these chains contradict each other: {chains}")
        ordered.append(first)
        left = [names[1:] if names[:1] == [first] else names for names in left]
    return ordered


def wanted(
    name: str,
    *snapshots: str | DesiredSnapshot,
    prune: Prune = Prune.NEVER,
    quiesce: Quiesce = Quiesce.NEVER,
    max_depth: int | None = None,
    unmanaged: Unmanaged = Unmanaged.REPORT,
    revert: DesiredRevert | None = None,
) -> DesiredDomain:
    """The manifest of a domain: its snapshots by name, or whole."""
    return DesiredDomain(
        host=LOCAL,
        domain=DomainName(name),
        snapshots=tuple(
            DesiredSnapshot(name=SnapshotName(s), quiesce=quiesce) if isinstance(s, str) else s
            for s in snapshots
        ),
        origin=Origin(manifest=f"{name}.yaml"),
        prune=prune,
        max_depth=max_depth,
        unmanaged=unmanaged,
        revert=revert,
    )


def desired(
    *domains: DesiredDomain,
    prune_gone: Prune = Prune.NEVER,
    is_complete: bool = True,
    host_name: HostName = LOCAL,
    folders: tuple[str, ...] = (),
) -> Desired:
    """A source that declares these domains."""
    return Desired(
        source=SOURCE,
        revision=None,
        is_complete=is_complete,
        hosts=(DesiredHost(name=host_name, prune_gone=prune_gone, folders=folders),),
        domains=domains,
    )
