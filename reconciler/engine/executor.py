"""Carrying out a plan: each domain by itself, each step written down, done, and looked at."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.engine.listener import Listener
from reconciler.engine.ports import Clock, Hypervisor, Identity, Journal, Locks
from reconciler.model.desired import Desired
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the executor works with."""

    hosts: Mapping[HostName, Hypervisor]
    journal: Journal
    locks: Locks
    clock: Clock
    identity: Identity
    listener: Listener
    #: set by Ctrl-C or SIGTERM: end at the next safe point
    stop: threading.Event


def apply(
    plan: Plan, desired: Desired, request: PlanRequest, tools: Tools
) -> tuple[DomainOutcome, ...]:
    """Do what *plan* says, domains in parallel; one outcome for every domain of the plan."""
    return ()
