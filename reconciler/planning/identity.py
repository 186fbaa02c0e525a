"""Whether images are what they were when snapshots came to stand on them (``Ledger.identities``)."""

from reconciler.model.chain import Image, Presence
from reconciler.model.ledger import ImageIdentity
from reconciler.model.names import ImagePath
from reconciler.planning.world import World


def changed(world: World, path: ImagePath) -> ImagePath | None:
    """The first image of the chain below and with *path* that somebody has written to, or put in the
    place of another one, since it was frozen; None where all are as they were, as far as it is known.
    """
    fine = explained(world, path)
    for image in world.walk(world.now_at(path)):
        if image not in fine and is_changed(world, image):
            return image
    return None


def is_proven(world: World, path: ImagePath) -> bool:
    """Nothing was written to *path* itself since it was frozen: its identity says so."""
    known = world.identities.get(path)
    image = world.image(path)
    both = known is not None and known.file is not None and image.file is not None
    return both and not is_changed(world, path)


def remembered(world: World, path: ImagePath) -> ImageIdentity | None:
    """What the journal of this machine knows of *path*, where it still is so: a ledger that was lost
    with an older definition knew it too.  Where it is not, other machines may have gone on since."""
    last, image = world.domain.journal_last, world.image(path)
    known = next((i for i in last.identities if i.path == path), None) if last else None
    return known if known is not None and _is_like(known, image) else None


def is_same_file(world: World, before: ImagePath, now: ImagePath) -> bool:
    """*now* is the file that *before* was, or a faithful copy of it, with its time."""
    known, image = world.identities.get(before), world.image(now)
    return known is not None and _is_like(known, image)


def known_chain(world: World, path: ImagePath) -> tuple[ImagePath, ...]:
    """The images that *path* stood on, *path* first, as the ledger remembers them."""
    found: list[ImagePath] = []
    step: ImagePath | None = path
    while step is not None and step not in found:
        found.append(step)
        known = world.identities.get(step)
        step = known.backing if known else None
    return tuple(found)


def of(image: Image) -> ImageIdentity:
    """What is to be remembered of *image*."""
    return ImageIdentity(
        path=image.path,
        file=image.file,
        virtual_size=image.virtual_size,
        backing=image.backing,
    )


def unsettled(world: World) -> frozenset[ImagePath]:
    """Images that a commit of ours is changing, or has changed and not written down to the end."""
    return frozenset(
        path for commit in world.ledger.commits for path in (commit.base, *commit.merged)
    )


def explained(world: World, path: ImagePath) -> frozenset[ImagePath]:
    """Images of the chain of *path* whose change is no change of what is read through it.

    One between was merged down by us, by libvirt itself, or by hand: what lay below holds it now, and
    the header of what stood on it says so.
    """
    chain, busy = known_chain(world, path), unsettled(world)
    found = set(busy)
    for number, image in enumerate(chain):
        if image in busy or world.now_at(image) != image or is_gone(world, image):
            found |= {*chain[number + 1 :], *chain[max(0, number - 1) : number]}
    return frozenset(found)


def is_gone(world: World, path: ImagePath) -> bool:
    """What its folder does not show, where all of that is shown, is not there."""
    known = world.images.get(path)
    is_seen = known is not None and known.presence is not Presence.MISSING
    return not is_seen and world.is_listed(path)


def is_changed(world: World, path: ImagePath) -> bool:
    """Somebody has written to *path* itself, or put another file there; not where that is not known."""
    known, image = world.identities.get(path), world.image(path)
    if known is None or image.presence is not Presence.PRESENT or not image.is_examined:
        return False
    if known.file is None or image.file is None:
        return known.backing != image.backing  # of a device only its header tells
    return not _is_like(known, image)


def _is_like(known: ImageIdentity, image: Image) -> bool:
    if known.file is None or image.file is None:
        return False
    sizes = (known.virtual_size, image.virtual_size)
    same_size = None in sizes or len(set(sizes)) == 1
    return known.file.modified == image.file.modified and same_size
