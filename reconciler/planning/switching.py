"""The definition that went back names the newer images again: that alone, when a person agrees."""

from reconciler.model.action import SwitchDisk
from reconciler.model.names import DomainName, ImagePath
from reconciler.model.plan import Reason
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning import oddities, readable, safety, went_back
from reconciler.planning.builder import Builder
from reconciler.planning.world import World


def switch(builder: Builder) -> bool:
    """Plan it for all disks, each checked in the world in which its turn comes; or for none.

    Whoever dies between leaves one that shows that the definition went back: what was written.
    """
    mark, world = builder.mark(), builder.world
    found = sorted(went_back.found(world), key=lambda back: not world.image(back.image).is_blank)
    for back in found:
        action = SwitchDisk(disk=back.disk, image=back.image, observed=back.observed)
        why = why_not_switch(builder.world, action)
        if why is not None:
            builder.back_to(mark)
            builder.refuse(why.doing("switch a disk of"))
            return False
        builder.add(action, Reason.DEFINITION_WENT_BACK, needs_approval=True)
    return builder.steps != mark.steps


def why_not_switch(world: World, action: SwitchDisk) -> Refusal | None:
    """Why the guest is not to go on from the newer image, or would not be alone with it."""
    domain, image, disk = world.domain, action.image, action.disk
    if domain.is_active:
        return refusal(RefusalCode.POWER_STATE, state=domain.power, domain=domain.name)
    found = {(back.disk, back.image, back.observed) for back in went_back.found(world)}
    if (disk, image, action.observed) not in found or went_back.is_ambiguous(world):
        return refusal(
            RefusalCode.DEFINITION_WENT_BACK,
            disk=disk,
            image=image,
            observed=action.observed,
            domain=domain.name,
            cause="which of them is wanted cannot be told",
        )
    users = sorted(_users(world, image))
    if users:
        return refusal(
            RefusalCode.UNMANAGED_READER,
            image=image,
            disk=disk,
            kind="domain",
            how="used",
            readers=", ".join(users),
        )
    said = safety.undescribed(world) or oddities.why_not_disk(world, disk, ())
    return said or readable.why_not(world, None, world.walk(image), disk=disk)


def _users(world: World, image: ImagePath) -> set[DomainName]:
    """Other domains that have *image*, or write to what it stands on."""
    named = {naming.domain for naming in world.foreign.get(image, ())}
    writers = {name for path in world.walk(image) for name in world.writers(path)}
    return {DomainName(name) for name in named | writers} - {world.domain.name}
