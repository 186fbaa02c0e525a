"""The guest agent: what it may do, is the guest frozen, freeze it, thaw it (facts §8)."""

import json
import time
from shlex import quote
from typing import Any

import libvirt
import libvirt_qemu

from reconciler.errors import AgentError, AgentUnableError
from reconciler.hypervisor.explaining import agent_error, explained, is_of_agent

#: How long one short question may take.
ASK_SECONDS = 10
_BETWEEN_TRIES = 0.5
_STATUS, _FREEZE, _THAW = (f"guest-fsfreeze-{verb}" for verb in ("status", "freeze", "thaw"))


def demand_agent(domain: Any, what: str) -> None:
    """``AgentError`` unless the guest runs, so that its agent could answer at all."""
    try:
        state, _ = domain.state()
    except libvirt.libvirtError as error:
        raise agent_error(error, what) from error
    if state not in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED):
        raise AgentError(
            f"cannot {what}: the domain is not running",
            hint=f"virsh domstate {quote(domain.name())}",
        )


def is_frozen(domain: Any, *, seconds: int = ASK_SECONDS) -> bool:
    """Whether the guest file systems are frozen now; ``AgentError`` if the agent is silent."""
    what = f"ask the agent of {domain.name()} whether it is frozen"
    return bool(_answer(domain, _STATUS, what, seconds) == "frozen")


def is_frozen_or_can_be(domain: Any) -> bool:
    """``is_frozen``; of a guest that is not, ``AgentUnableError`` where the agent may not freeze it,
    or, worse, not thaw it again: each of its commands can be blocked in the guest.

    Frozen, an agent calls nearly all of them disabled.
    """
    what = f"ask the agent of {domain.name()} what it can do"
    said = _answer(domain, "guest-info", what, ASK_SECONDS)
    listed = said.get("supported_commands", ()) if isinstance(said, dict) else ()
    can = {each.get("name") for each in listed if each.get("enabled", True)}
    _demand(can, (_STATUS, _THAW), what)
    if is_frozen(domain):
        return True
    _demand(can, (_FREEZE,), what)
    return False


def _demand(can: set[str], needed: tuple[str, ...], what: str) -> None:
    blocked = ", ".join(command for command in needed if command not in can)
    if blocked:
        raise AgentUnableError(f"cannot {what}: it may not do {blocked}")


def _answer(domain: Any, command: str, what: str, seconds: int) -> Any:
    demand_agent(domain, what)
    question = json.dumps({"execute": command})
    try:
        answer = json.loads(libvirt_qemu.qemuAgentCommand(domain, question, seconds, 0))
    except libvirt.libvirtError as error:
        raise agent_error(error, what) from error
    except ValueError as error:
        raise AgentError(f"cannot {what}: it answers no JSON") from error
    return answer.get("return") if isinstance(answer, dict) else None


def freeze(domain: Any, what: str) -> None:
    """Freeze the guest file systems, for *what*; ``AgentError`` in the agent's own words."""
    try:
        domain.fsFreeze(None, 0)
    except libvirt.libvirtError as error:
        raise (agent_error if is_of_agent(error) else explained)(error, what) from error


def limit_answers(domain: Any, seconds: int) -> None:
    """How long libvirt waits for the agent; its default is for ever, even on a hung one."""
    try:
        domain.agentSetResponseTimeout(seconds, 0)
    except libvirt.libvirtError as error:
        what = f"limit how long the agent of {domain.name()} may take"
        raise agent_error(error, what) from error


def thaw(domain: Any, *, seconds: float) -> str:
    """Thaw until the agent says that nothing is frozen; ``AgentError`` when *seconds* are over.

    A freeze that timed out is still queued: the guest may freeze when its agent wakes (facts §8).
    What the agent had to say of a guest that is thawed all the same (a hook that failed, say) is
    handed back.
    """
    what = f"thaw the file systems of {domain.name()}"
    deadline = time.monotonic() + seconds
    while domain.isActive():
        demand_agent(domain, what)
        try:
            said = _thaw_once(domain, what)
            if not is_frozen(domain):
                return said
            last = AgentError(said or f"cannot {what}: they are frozen again")
        except AgentError as error:
            last = error
        if time.monotonic() > deadline:
            raise last
        time.sleep(_BETWEEN_TRIES)
    return ""


def _thaw_once(domain: Any, what: str) -> str:
    """The agent does commands in their order: what its status says afterwards is the truth."""
    try:
        domain.fsThaw(None, 0)
    except libvirt.libvirtError as error:
        return agent_error(error, what).message
    return ""
