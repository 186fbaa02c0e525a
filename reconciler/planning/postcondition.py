"""Whether a step did to the host what the plan said it would; and what people did meanwhile."""

import enum

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
            return _said(what, wanted, found[what])
    return None


def by_people(before: World, action: Action, after: World) -> str | None:
    """``somebody started it``: while *action* was done, which is no fault of it.

    What else differs then cannot be told from what the guest, or its end, did to it.
    """
    wanted = simulate.after(before, action).domain
    if wanted.is_active is after.domain.is_active:
        return None
    return "somebody started it" if after.domain.is_active else "it was shut off"


def _owed(world: World) -> str:
    owed = world.ledger.owed
    return owed.state.value if owed else "nothing"


def _said(what: str, wanted: object, found: object) -> str:
    """Only what differs, where there is much of it."""
    if isinstance(wanted, list) and isinstance(found, list):
        both = [each for each in wanted if each in found]
        wanted = [each for each in wanted if each not in both]
        found = [each for each in found if each not in both]
    return f"{what}: expected {_words(wanted)}, found {_words(found)}"


def _words(value: object) -> str:
    """No Python: ``vda /images/a.qcow2, vdb nothing``."""
    match value:
        case None | "" | () | []:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case enum.Enum():
            return str(value.value)
        case list():
            return ", ".join(map(_words, value))
        case tuple():
            return " ".join(map(_words, value))
        case _:
            return str(value)
