"""The guest agent's part of a snapshot (facts §8)."""

from reconciler.errors import AgentError, AgentUnableError
from reconciler.model.domain import AgentState
from tests.fakes.domain import FakeDomain


def freeze(domain: FakeDomain) -> None:
    """Freeze the guest file systems for a snapshot, or fail as the agent does."""
    # Asked before: a hung agent then has no freeze waiting for it.
    if is_frozen(domain):
        raise AgentError(f"cannot freeze {domain.name}: it is frozen already")
    _ask(domain, is_freeze=True)
    if "freeze" in domain.agent.failing:
        raise AgentUnableError(f"cannot freeze {domain.name}: the hook has failed", code=1)
    domain.agent.is_frozen = True


def thaw(domain: FakeDomain) -> str:
    """Ask until the agent answers; it may never do.  A domain that is off has nothing frozen."""
    if domain.live is None:
        return ""
    while domain.agent.silent_for > 0:
        domain.agent.silent_for -= 1
    _ask(domain)
    if "thaw" in domain.agent.blocked and domain.agent.is_frozen:
        raise AgentError(f"cannot thaw {domain.name}: the command is blocked", code=1)
    domain.agent.is_frozen = False
    return "the hook has failed" if "thaw" in domain.agent.failing else ""


def is_frozen(domain: FakeDomain) -> bool:
    """What the agent says about the guest file systems, if it may thaw them, and freeze them."""
    _ask(domain)
    if not domain.agent.is_frozen and domain.agent.blocked:
        raise AgentUnableError(f"cannot freeze {domain.name}: the agent may not", code=1)
    return domain.agent.is_frozen


def _ask(domain: FakeDomain, *, is_freeze: bool = False) -> None:
    agent = domain.agent
    cause: tuple[str, int] | None = None
    if domain.live is None:
        cause = ("the domain is not running", 55)
    elif agent.state is AgentState.ABSENT:
        cause = ("it has no agent channel", 74)
    elif domain.is_paused:
        cause = ("the domain is paused", 55)
    elif agent.state is AgentState.DISCONNECTED:
        cause = ("the agent is not connected", 86)
    elif agent.silent_for:
        agent.silent_for -= agent.silent_for > 0
        agent.has_freeze_queued |= is_freeze
        cause = ("the agent does not answer", 86)
    if cause is not None:
        raise AgentError(f"cannot ask the agent of {domain.name}: {cause[0]}", code=cause[1])
    if agent.has_freeze_queued:
        agent.has_freeze_queued = False
        agent.is_frozen = True
