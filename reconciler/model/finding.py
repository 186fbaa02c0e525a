"""What ``doctor`` finds: a closed list of codes with the facts of the case."""

import enum
from dataclasses import dataclass, field

from reconciler.model.names import DiskTarget, DomainName


class Severity(enum.StrEnum):
    """How much a finding matters."""

    #: virtsnap refuses work there, a guest will not start, or data is at stake
    PROBLEM = "problem"
    #: good to know: work goes on, with less than there could be
    WARNING = "warning"


class FindingCode(enum.StrEnum):
    """Each has an entry in ``docs/reference/doctor.md``; first those of the host."""

    LIBVIRT_TOO_OLD = "LibvirtTooOld"
    LIBVIRT_DEEP_CHAINS = "LibvirtDeepChains"
    HOST_NOT_LOCAL = "HostNotLocal"
    STATE_NOT_WRITABLE = "StateNotWritable"
    FOLDER_NOT_LISTED = "FolderNotListed"
    FOLDER_NOT_WRITABLE = "FolderNotWritable"
    IMAGES_UNREADABLE = "ImagesUnreadable"
    READER_UNKNOWN = "ReaderUnknown"
    LOW_SPACE = "LowSpace"
    STORAGE_SHARED = "StorageShared"

    PAUSED_ON_ERROR = "PausedOnError"
    MANAGED_SAVE = "ManagedSave"
    DOMAIN_BUSY = "DomainBusy"
    JOB_UNFINISHED = "JobUnfinished"
    JOB_FOREIGN = "JobForeign"
    FREEZE_UNENDED = "FreezeUnended"
    POWER_OWED = "PowerOwed"
    DEFINITION_OWED = "DefinitionOwed"
    REMOVAL_UNFINISHED = "RemovalUnfinished"
    DELETE_UNFINISHED = "DeleteUnfinished"
    LEDGER_LOST = "LedgerLost"
    LEDGER_ROLLED_BACK = "LedgerRolledBack"
    LEDGER_DAMAGED = "LedgerDamaged"
    LEDGER_NEWER = "LedgerNewer"
    LEDGER_UNFINISHED = "LedgerUnfinished"
    IMAGE_MISSING = "ImageMissing"
    CHAIN_UNREADABLE = "ChainUnreadable"
    CHAIN_BROKEN = "ChainBroken"
    IMAGE_CORRUPT = "ImageCorrupt"
    BACKING_FORMAT_MISSING = "BackingFormatMissing"
    DEFINITIONS_DISAGREE = "DefinitionsDisagree"
    CHAIN_DEEP = "ChainDeep"
    FOREIGN_OVERLAY = "ForeignOverlay"
    OVERLAY_UNRECORDED = "OverlayUnrecorded"
    DEFINITION_WENT_BACK = "DefinitionWentBack"
    RECORD_DANGLING = "RecordDangling"
    RECORD_OUTDATED = "RecordOutdated"
    SNAPSHOT_UNPROVEN = "SnapshotUnproven"
    SNAPSHOT_EXPOSED = "SnapshotExposed"
    CURRENT_MISPLACED = "CurrentMisplaced"
    IMAGE_ORPHANED = "ImageOrphaned"
    IMAGE_WRITTEN_ELSEWHERE = "ImageWrittenElsewhere"
    IMAGE_READ_ELSEWHERE = "ImageReadElsewhere"
    INTERNAL_SNAPSHOTS = "InternalSnapshots"
    DISK_NOT_CAPTURED = "DiskNotCaptured"
    AGENT_ABSENT = "AgentAbsent"
    AGENT_NOT_CONNECTED = "AgentNotConnected"
    CHECKPOINTS = "Checkpoints"
    UEFI_NOT_CAPTURED = "UefiNotCaptured"
    TPM_NOT_CAPTURED = "TpmNotCaptured"


#: What is a warning as long as nothing makes it worse; all others are problems.
WARNINGS = frozenset(
    {
        FindingCode.LIBVIRT_DEEP_CHAINS,
        FindingCode.HOST_NOT_LOCAL,
        FindingCode.FOLDER_NOT_WRITABLE,
        FindingCode.LOW_SPACE,
        FindingCode.STORAGE_SHARED,
        FindingCode.MANAGED_SAVE,
        FindingCode.DOMAIN_BUSY,
        FindingCode.JOB_FOREIGN,
        FindingCode.POWER_OWED,
        FindingCode.LEDGER_UNFINISHED,
        FindingCode.CHAIN_DEEP,
        FindingCode.OVERLAY_UNRECORDED,
        FindingCode.RECORD_OUTDATED,
        FindingCode.IMAGE_ORPHANED,
        FindingCode.IMAGE_READ_ELSEWHERE,
        FindingCode.INTERNAL_SNAPSHOTS,
        FindingCode.DISK_NOT_CAPTURED,
        FindingCode.AGENT_ABSENT,
        FindingCode.AGENT_NOT_CONNECTED,
        FindingCode.CHECKPOINTS,
        FindingCode.UEFI_NOT_CAPTURED,
        FindingCode.TPM_NOT_CAPTURED,
    }
)


def usual_severity(code: FindingCode) -> Severity:
    """How much *code* matters unless something makes it worse."""
    return Severity.WARNING if code in WARNINGS else Severity.PROBLEM


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing worth knowing; *domain* is None for the host itself.

    *facts* feed the report's sentence: ``image``, ``folder``, ``cause`` … by code, sorted by name;
    all are texts.
    """

    code: FindingCode
    severity: Severity
    domain: DomainName | None = None
    disk: DiskTarget | None = None
    facts: tuple[tuple[str, str], ...] = field(default=())

    def fact(self, name: str) -> str:
        """The fact of that name, or an empty text."""
        return dict(self.facts).get(name, "")


def finding(
    code: FindingCode,
    *,
    domain: DomainName | None = None,
    disk: DiskTarget | None = None,
    is_problem: bool = False,
    **facts: object,
) -> Finding:
    """A finding with its *facts* as texts, those that are None left out.

    *is_problem*: something makes this one worse than its code usually is.
    """
    texts = tuple((name, str(value)) for name, value in sorted(facts.items()) if value is not None)
    severity = Severity.PROBLEM if is_problem else usual_severity(code)
    return Finding(code=code, severity=severity, domain=domain, disk=disk, facts=texts)
