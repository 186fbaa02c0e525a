"""Whether a step did to the host what the plan said it would."""

from reconciler.model.action import Action, RemoveImage, ShutDownDomain, StartDomain
from reconciler.model.chain import Presence
from reconciler.planning import fingerprint, simulate
from reconciler.planning.world import World


def difference(before: World, action: Action, after: World) -> str | None:
    """What *after* has other than expected, as ``what: expected …, found …``; None when all is well."""
    wanted_world = simulate.after(before, action)
    expected, found = fingerprint.shape(wanted_world), fingerprint.shape(after)
    if isinstance(action, ShutDownDomain | StartDomain):
        # at other times people may pause, resume and start as they like
        expected["power"], found["power"] = wanted_world.domain.power, after.domain.power
        expected["owed"], found["owed"] = _owed(wanted_world), _owed(after)
    if isinstance(action, RemoveImage) and action.path in after.images:
        # a record may still say its name, as one that is missing
        missing = after.image(action.path).presence is Presence.MISSING
        if not missing:
            return f"image: expected {action.path} to be gone, found it"
    for what, wanted in expected.items():
        if wanted != found[what]:
            return f"{what}: expected {wanted}, found {found[what]}"
    return None


def _owed(world: World) -> str:
    owed = world.ledger.owed
    return owed.state.value if owed else "nothing"
