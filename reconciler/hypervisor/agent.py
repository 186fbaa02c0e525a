"""The guest agent: is it frozen, thaw it (facts §8)."""

import json
import time
from shlex import quote
from typing import Any

import libvirt
import libvirt_qemu

from reconciler.errors import AgentError
from reconciler.hypervisor.explaining import agent_error

#: How long one short question may take.
ASK_SECONDS = 10
_BETWEEN_TRIES = 0.5


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
    demand_agent(domain, what)
    question = json.dumps({"execute": "guest-fsfreeze-status"})
    try:
        answer = json.loads(libvirt_qemu.qemuAgentCommand(domain, question, seconds, 0))
    except libvirt.libvirtError as error:
        raise agent_error(error, what) from error
    except ValueError as error:
        raise AgentError(f"cannot {what}: it answers no JSON") from error
    return bool(answer.get("return") == "frozen")


def limit_answers(domain: Any, seconds: int) -> None:
    """How long libvirt waits for the agent; its default is for ever, even on a hung one."""
    try:
        domain.agentSetResponseTimeout(seconds, 0)
    except libvirt.libvirtError as error:
        what = f"limit how long the agent of {domain.name()} may take"
        raise agent_error(error, what) from error


def thaw(domain: Any, *, seconds: float) -> None:
    """Thaw until the agent says that nothing is frozen; ``AgentError`` when *seconds* are over.

    A freeze that timed out is still queued: the guest may freeze when its agent wakes (facts §8).
    """
    what = f"thaw the file systems of {domain.name()}"
    deadline = time.monotonic() + seconds
    while domain.isActive():
        demand_agent(domain, what)
        try:
            domain.fsThaw(None, 0)
            if not is_frozen(domain):
                return
            last: AgentError = AgentError(f"cannot {what}: they are frozen again")
        except libvirt.libvirtError as error:
            last = agent_error(error, what)
        except AgentError as error:
            last = error
        if time.monotonic() > deadline:
            raise last
        time.sleep(_BETWEEN_TRIES)
