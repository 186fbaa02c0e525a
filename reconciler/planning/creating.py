"""Declared snapshots that were never taken, in the order of the list."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.model.action import CreateSnapshot, ShutDownDomain
from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Power
from reconciler.model.drift import (
    SnapshotMissing,
)
from reconciler.model.names import SnapshotName
from reconciler.model.plan import Reason, Step
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import Selection
from reconciler.planning import creation, differ, powering, simulate
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared


def create(
    builder: Builder,
    wish: DesiredDomain,
    whole: Declared,
    selection: Selection,
    *,
    until: Callable[[Step], bool] | None = None,
) -> bool:
    """Declared and never taken, in the order of the list; a refused one holds those after it.

    With *until* it ends before the first that takes such a step; True when it did, so that this
    one and those after it are left.
    """
    missing = {
        d.snapshot
        for d in differ.compare(whole, builder.world).differences
        if isinstance(d, SnapshotMissing)
    }
    refused: SnapshotName | None = None
    for snapshot in wish.snapshots:
        chosen = selection.has_snapshot(builder.world.domain.name, snapshot.name)
        if snapshot.name not in missing or not chosen:
            continue
        if refused is not None:
            why = refusal(
                RefusalCode.ORDER_NOT_MET,
                snapshot=snapshot.name,
                after=refused,
                cause="it is refused",
            )
            builder.refuse(why)
            continue
        before = builder.mark()
        if not _take(builder, wish, snapshot):
            refused = snapshot.name
        elif until is not None and any(until(step) for step in builder.steps[len(before.steps) :]):
            builder.back_to(before)
            return True
    return False


def _take(builder: Builder, wish: DesiredDomain, snapshot: DesiredSnapshot) -> bool:
    """Plan to take *snapshot*, with the shut-down it needs; False: it is refused."""
    before, shut_down = builder.world, _shut_down(builder, wish, snapshot)
    world = before if shut_down is None else simulate.after(before, shut_down)
    action = creation.creation(world, wish, snapshot)
    if shut_down is not None and not isinstance(action, Refusal):
        why = powering.why_not_shut_down(before, world, shut_down)
        action = replace(why, snapshot=snapshot.name) if why else action
    if isinstance(action, Refusal):
        builder.refuse(action)
        return False
    if shut_down is not None:
        builder.add(shut_down, Reason.TAKEN_SHUT_OFF)
    _warn(builder, action)
    builder.add(action, Reason.DECLARED_NOT_TAKEN)
    return True


def _shut_down(
    builder: Builder, wish: DesiredDomain, snapshot: DesiredSnapshot
) -> ShutDownDomain | None:
    """Of a domain that is active; a transient one would vanish, and is refused anyway."""
    domain = builder.world.domain
    if snapshot.power is not Power.OFF or domain.live is None or domain.persistent is None:
        return None
    return powering.shut_down(builder.world, wish)


def _warn(builder: Builder, action: CreateSnapshot) -> None:
    domain = builder.world.domain
    found = []
    if domain.checkpoints:
        found.append(f"{domain.name} has checkpoints: {', '.join(domain.checkpoints)}")
    if domain.firmware == "uefi":
        found.append(f"{domain.name}: the NVRAM is not part of a snapshot")
    if domain.has_tpm:
        found.append(f"{domain.name}: the TPM state is not part of a snapshot")
    builder.warnings += [text for text in found if text not in builder.warnings]
