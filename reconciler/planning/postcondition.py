"""Whether a step did to the host what the plan said it would."""

from reconciler.model.action import Action, RemoveImage
from reconciler.model.chain import Presence
from reconciler.planning import fingerprint, simulate
from reconciler.planning.world import World


def difference(before: World, action: Action, after: World) -> str | None:
    """What *after* has other than expected, as ``what: expected …, found …``; None when all is well."""
    expected = fingerprint.shape(simulate.after(before, action))
    found = fingerprint.shape(after)
    if isinstance(action, RemoveImage) and action.path in after.images:
        # a record may still say its name, as one that is missing
        missing = after.image(action.path).presence is Presence.MISSING
        if not missing:
            return f"image: expected {action.path} to be gone, found it"
    for what, wanted in expected.items():
        if wanted != found[what]:
            return f"{what}: expected {wanted}, found {found[what]}"
    return None
