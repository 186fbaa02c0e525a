"""A revert whose memory did not load is undone: the disks go back to where they were."""

from reconciler.model.action import NewOverlay, RevertSnapshot
from reconciler.model.chain import Presence
from reconciler.model.desired import RevertConfig
from reconciler.model.plan import Reason
from reconciler.model.power import PowerState
from reconciler.planning import revert_safety, way_back
from reconciler.planning.builder import Builder
from reconciler.planning.world import World


def step(world: World) -> RevertSnapshot | None:
    """The step back, where there is one to be made."""
    request = way_back.failed(world)
    if request is None or request.back is None or world.domain.power is not PowerState.SHUT_OFF:
        return None
    disks = []
    for target, path in request.back.disks:
        image = world.image(path)
        if image.presence is not Presence.PRESENT or image.backing is None:
            return None
        disks.append(
            NewOverlay(
                target=target,
                frozen=image.backing,
                frozen_format=image.backing_format or "raw",
                overlay=path,
            )
        )
    definition = request.back.definition
    return RevertSnapshot(
        snapshot=definition or request.to,
        request=request.request,
        disks=tuple(disks),
        config=RevertConfig.DISKS if definition is None else RevertConfig.WHOLE,
        discards=False,
        owed=request.back.owed,
        is_undone=True,
    )


def undo(builder: Builder) -> None:
    """Plan it, before anything else: a pass died before it could be done."""
    action = step(builder.world)
    if action is None:
        return
    why = revert_safety.why_not_revert(builder.world, action)
    if why is not None:
        builder.refuse(why)
    else:
        builder.add(action, Reason.MEMORY_NOT_LOADED)
