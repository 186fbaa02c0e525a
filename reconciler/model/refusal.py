"""What a plan will not do, and why: a closed list of codes with the facts of the case."""

import enum
from dataclasses import dataclass, field, replace

from reconciler.model.names import SnapshotName


class RefusalCode(enum.StrEnum):
    """Each has an entry in ``docs/reference/refusals.md``."""

    AGENT_NOT_CONNECTED = "AgentNotConnected"
    AGENT_FROZEN = "AgentFrozen"
    BLOCK_JOB_RUNNING = "BlockJobRunning"
    CHAIN_BROKEN = "ChainBroken"
    CHAIN_TOO_DEEP = "ChainTooDeep"
    CLAIMED_TWICE = "ClaimedTwice"
    DEFINITION_OWED = "DefinitionOwed"
    DEFINITION_WENT_BACK = "DefinitionWentBack"
    DEFINITIONS_DISAGREE = "DefinitionsDisagree"
    DISK_NOT_SUPPORTED = "DiskNotSupported"
    DOMAIN_BUSY = "DomainBusy"
    DOMAIN_MISSING = "DomainMissing"
    DOMAIN_TRANSIENT = "DomainTransient"
    FOREIGN_OVERLAY = "ForeignOverlay"
    HOOK_REFUSED = "HookRefused"
    IMAGE_NAME_TAKEN = "ImageNameTaken"
    INTERNAL_NOT_POSSIBLE = "InternalNotPossible"
    INTERNAL_SNAPSHOTS = "InternalSnapshots"
    LEDGER_UNREADABLE = "LedgerUnreadable"
    MANAGED_SAVE = "ManagedSave"
    MEMORY_NOT_POSSIBLE = "MemoryNotPossible"
    NAME_TAKEN = "NameTaken"
    NEEDS_LOCAL_ACCESS = "NeedsLocalAccess"
    NEEDS_POWER_OFF = "NeedsPowerOff"
    NO_SPACE = "NoSpace"
    NOT_ADOPTABLE = "NotAdoptable"
    ORDER_NOT_MET = "OrderNotMet"
    OUTSIDE_FOLDERS = "OutsideFolders"
    POWER_STATE = "PowerState"
    REQUEST_REUSED = "RequestReused"
    REVERT_NOT_POSSIBLE = "RevertNotPossible"
    REVERT_UNPROVEN = "RevertUnproven"
    SHARED_STORAGE = "SharedStorage"
    SHUT_DOWN_REFUSED = "ShutDownRefused"
    SNAPSHOT_EXPOSED = "SnapshotExposed"
    SNAPSHOT_HAS_BRANCHES = "SnapshotHasBranches"
    SNAPSHOT_HELD = "SnapshotHeld"
    SNAPSHOT_LOST = "SnapshotLost"
    SNAPSHOT_UNPROVEN = "SnapshotUnproven"
    STORAGE_ABSENT = "StorageAbsent"
    UNMANAGED_READER = "UnmanagedReader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing that is not done.  *facts* feed the report's sentence: ``disk``, ``image``,
    ``reader``, ``state`` … by code, in a fixed order; all are texts.
    """

    code: RefusalCode
    snapshot: SnapshotName | None = None
    facts: tuple[tuple[str, str], ...] = field(default=())

    def fact(self, name: str) -> str:
        """The fact of that name, or an empty text."""
        return dict(self.facts).get(name, "")

    @property
    def cause(self) -> tuple[object, ...]:
        """All but the act that it stopped."""
        facts = tuple(fact for fact in self.facts if fact[0] != "act")
        return self.code, self.snapshot, facts

    def doing(self, act: str) -> "Refusal":
        """The same, met while *act* (``revert to``, ``adopt``) was tried: the same check stands before
        several acts, and the words say which."""
        if self.fact("act"):
            return self
        return replace(self, facts=tuple(sorted((*self.facts, ("act", act)))))


def refusal(code: RefusalCode, *, snapshot: SnapshotName | None = None, **facts: object) -> Refusal:
    """A refusal with its *facts* as texts, those that are None left out."""
    texts = tuple((name, str(value)) for name, value in sorted(facts.items()) if value is not None)
    return Refusal(code=code, snapshot=snapshot, facts=texts)
