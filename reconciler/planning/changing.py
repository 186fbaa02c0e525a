"""Create, revert and remove, in the order that loses least and waits least."""

from reconciler.model.desired import Prune
from reconciler.model.drift import Undeclared
from reconciler.model.names import SnapshotName
from reconciler.model.plan import Reason, Step
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from reconciler.planning import creating, holding, powering, removing, repairing, reverting
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.world import World

_REASONS = (
    (Undeclared.NOT_IN_MANIFEST, Reason.NOT_IN_MANIFEST),
    (Undeclared.MANIFEST_GONE, Reason.MANIFEST_GONE),
)


def change(
    builder: Builder, wish: Declared, prune: Prune, request: PlanRequest, before: World
) -> None:
    """Create and revert first; where a chain limit forbids that, after the removals that make room.

    What a loop may have to hold back comes after what needs nobody, whoever plans and whenever:
    the plan that a person approves is the one that a loop makes.
    """
    is_left = False

    def create() -> None:
        nonlocal is_left
        if wish.domain is not None:
            until = _is_disruptive if holding.may_wait(wish.domain) else None
            is_left = creating.create(builder, wish.domain, wish, request.selection, until=until)
            if not is_left and not (builder.world.domain.is_active and until):
                go_back()

    def create_rest() -> None:
        if wish.domain is not None and is_left:
            creating.create(builder, wish.domain, wish, request.selection)
        go_back()

    def go_back() -> None:
        if wish.domain is None or wish.domain.revert is None:
            return
        count = len(builder.steps)
        reverting.revert(builder, wish, before, request.selection)
        repairing.point_at_current(builder)
        if len(builder.steps) > count:  # a branch that stood in the way may have gone
            removing.remove(builder, builder.world.deleting, Reason.REMOVAL_BEGUN)

    def remove() -> None:
        _remove(builder, wish, prune, request, with_approval=False)

    def agreed() -> None:
        while True:
            count = len(builder.steps)
            repairing.point_at_current(builder)
            repairing.repair_with_approval(builder, wish, prune, request.selection)
            _remove(builder, wish, prune, request, with_approval=True)
            if len(builder.steps) == count:
                break
            _retry(builder, wish, prune, request)
        create()  # a name whose removal had to wait for a person may be free now
        create_rest()

    if not builder.world.domain.is_active and powering.half_reverted(builder.world):
        # its images are of no moment: nothing is taken of them, or merged, before they are whole
        go_back()
        half = powering.half_reverted(builder.world)
        if half is not None:
            builder.refuse(powering.unfinished(builder.world, half))
            return
    start = builder.mark()
    for order in (
        (create, remove, create_rest, remove, agreed),
        (remove, create, create_rest, remove, agreed),
        (remove, agreed, create, create_rest),
    ):
        builder.back_to(start)
        for part in order:
            part()
        if not any(r.code is RefusalCode.CHAIN_TOO_DEEP for r in builder.refusals):
            return


def _is_disruptive(step: Step) -> bool:
    return step.is_disruptive


def _remove(
    builder: Builder, wish: Declared, prune: Prune, request: PlanRequest, *, with_approval: bool
) -> None:
    """Removals that go by themselves, or (*with_approval*) those that a person agrees to."""
    if prune is Prune.NEVER:
        return
    undeclared = removing.undeclared(builder, wish, request.selection)
    lost_images = removing.missing(builder)
    for why, reason in _REASONS:
        going = frozenset(
            u.snapshot
            for u in undeclared
            if u.why is why
            and with_approval
            == (prune is Prune.CONFIRM or u.other_source is not None or u.snapshot in lost_images)
        )
        removing.remove(builder, going, reason, needs_approval=with_approval)
    if with_approval or prune is Prune.AUTO:
        repairing.merge_unclaimed(builder, wish, with_approval=with_approval)


def _retry(builder: Builder, wish: Declared, prune: Prune, request: PlanRequest) -> None:
    """What was refused because an orphan stood on it may go once the orphan has gone."""
    begun = builder.world.deleting
    _remove_again(builder, begun, Reason.REMOVAL_BEGUN)
    if prune is Prune.AUTO:
        left = removing.undeclared(builder, wish, request.selection)
        for why, reason in _REASONS:
            going = (u.snapshot for u in left if u.why is why and u.other_source is None)
            _remove_again(builder, frozenset(going), reason)


def _remove_again(builder: Builder, going: frozenset[SnapshotName], reason: Reason) -> None:
    builder.refusals = [r for r in builder.refusals if r.snapshot not in going]
    removing.remove(builder, going, reason, needs_approval=True)
