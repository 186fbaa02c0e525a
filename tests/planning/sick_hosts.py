"""A host for every finding of ``doctor``: what is wrong there is wrong in one way."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.model.domain import (
    AgentState,
    Disk,
    DiskKind,
    JobKind,
    ObservedDomain,
    ObservedHost,
)
from reconciler.model.drift import LedgerFault
from reconciler.model.finding import FindingCode as Code
from reconciler.model.ledger import LedgerProblem
from reconciler.model.names import SnapshotName
from reconciler.model.power import PowerOwed, PowerState
from tests.drawing import domain, host, image, overlay, shut_off, unmanaged, unrecorded
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person

STATE = "/var/lib/virtsnap"


def healthy(*snapshots: str, version: int | None = None) -> FakeHost:
    """web01 runs, with an agent; nothing is to be said of it."""
    return host(domain("web01", vda=" ← ".join(("base", *snapshots))), version=version)


def with_domain(seen: ObservedHost, **changes: object) -> ObservedHost:
    """*seen* with its first domain changed."""
    changed: ObservedDomain = replace(seen.domains[0], **changes)  # type: ignore[arg-type]  # test data
    return replace(seen, domains=(changed, *seen.domains[1:]))


def with_folder(seen: ObservedHost, **changes: object) -> ObservedHost:
    """*seen* with its first folder changed."""
    changed = replace(seen.folders[0], **changes)  # type: ignore[arg-type]  # test data
    return replace(seen, folders=(changed, *seen.folders[1:]))


def with_disk(seen: ObservedHost, **changes: object) -> ObservedHost:
    """*seen* with the first live disk of its first domain changed."""
    live = seen.domains[0].live
    assert live is not None
    disk: Disk = replace(live[0], **changes)  # type: ignore[arg-type]  # test data
    return with_domain(seen, live=(disk, *live[1:]))


def _unreadable() -> ObservedHost:
    fake = healthy()
    fake.world.storage.add(
        replace(fake.world.storage.file(image("base")), path=image("other"), is_readable=False)
    )
    Administrator(fake).define("db01", {"vda": image("other")})
    return fake.observe()


def _foreign_job() -> ObservedHost:
    fake = healthy()
    Person(fake).job("web01", "vda", JobKind.COPY)
    return fake.observe()


def _interrupted(until: str) -> ObservedHost:
    fake = healthy("s1", "s2")
    assert Controller(fake).begin_removal("web01", "s1", until=until)
    return fake.observe()


def _frozen() -> ObservedHost:
    seen = healthy("s1").observe()
    ledger = seen.domains[0].ledger
    assert ledger is not None
    return with_domain(seen, ledger=replace(ledger, is_freezing=True))


def _owed() -> ObservedHost:
    seen = healthy("s1").observe()
    ledger = seen.domains[0].ledger
    assert ledger is not None
    return with_domain(seen, ledger=replace(ledger, owed=PowerOwed(state=PowerState.RUNNING)))


def _half_reverted() -> ObservedHost:
    seen = healthy("s1").observe()
    ledger = seen.domains[0].ledger
    assert ledger is not None
    return with_domain(seen, ledger=replace(ledger, definition=SnapshotName("gone")))


def _half_deleted() -> ObservedHost:
    seen = host(domain("web01", unmanaged("u1"), vda="base ← u1")).observe()
    [record] = seen.domains[0].records
    return with_domain(seen, records=(replace(record, is_delete_unfinished=True),))


def _ledger(fault: LedgerFault) -> ObservedHost:
    fake = healthy("s1", "s2")
    administrator = Administrator(fake)
    if fault is LedgerFault.LOST:
        administrator.lose_ledger("web01")
    elif fault is LedgerFault.ROLLED_BACK:
        seen = fake.observe()
        return with_domain(seen, journal_serial=1000)
    else:
        problem = {
            LedgerFault.NEWER: LedgerProblem.NEWER,
            LedgerFault.DAMAGED: LedgerProblem.DAMAGED,
        }[fault]
        administrator.spoil_ledger("web01", problem)
    return fake.observe()


def _unconfirmed() -> ObservedHost:
    fake = healthy()
    Controller(fake).take("web01", "s1", ["vda"], until="created")
    return fake.observe()


def _missing() -> ObservedHost:
    fake = host(domain("web01", shut_off, unmanaged("u1"), vda="base ← u1"))
    Person(fake).remove_file(image("base"))
    return fake.observe()


def _hidden_chain() -> ObservedHost:
    fake = host(domain("web01", shut_off, vda="base"))
    Person(fake).make_unreadable(image("base"))
    return fake.observe()


def _stated_wrongly() -> ObservedHost:
    fake = host(domain("web01", shut_off, vda="(template) ← base"))
    Administrator(fake).edit("web01", "vda", image("base"), stated=[image("x"), image("base")])
    return fake.observe()


def _no_format() -> ObservedHost:
    fake = host(domain("web01", vda="(template) ← base"))
    fake.world.storage.file(image("base")).backing_format = None
    return fake.observe()


def _disagree() -> ObservedHost:
    fake = healthy()
    Person(fake).overlay_on(image("base"), image("other"))
    Administrator(fake).edit("web01", "vda", image("other"))
    return fake.observe()


def _record_dropped() -> ObservedHost:
    fake = healthy("s1", "s2")
    Person(fake).snapshot_delete_metadata("web01", "s2")
    return fake.observe()


def _merged_by_hand() -> ObservedHost:
    fake = healthy("s1")
    Person(fake).blockcommit("web01", "vda", base=image("base"), top=overlay("web01", "vda", "s1"))
    return fake.observe()


def _misplaced() -> ObservedHost:
    fake = healthy("s1", "s2")
    Person(fake).snapshot_current("web01", "s1")
    return fake.observe()


def _outdated() -> ObservedHost:
    fake = healthy("s1", "s2")
    assert Controller(fake).begin_removal("web01", "s1", until="confirmed")
    return fake.observe()


def _unproven() -> ObservedHost:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Person(fake).revert("web01", "s1", redefine_disks=True)
    record = fake.domain("web01").records["s2"].disks["vda"]
    record.source, record.overlay = image("base"), None
    Person(fake).remove_file(overlay("web01", "vda", "s1"))
    return fake.observe()


def _went_back() -> ObservedHost:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Administrator(fake).edit("web01", "vda", image("base"))
    return fake.observe()


def _exposed() -> ObservedHost:
    fake = healthy("s1")
    Administrator(fake).define("db01", {"vda": image("base")})
    return fake.observe()


def _read_elsewhere() -> ObservedHost:
    fake = healthy("s1")
    clone = Person(fake).overlay_on(image("base"), image("clone"))
    Administrator(fake).define("db01", {"vda": clone})
    return fake.observe()


def _written_elsewhere() -> ObservedHost:
    fake = host(domain("web01", shut_off, vda="(template) ← base"))
    Administrator(fake).define("db01", {"vda": image("template")})
    return fake.observe()


def _internal() -> ObservedHost:
    fake = healthy("s1")
    for name in ("one", "two"):
        Person(fake).image_snapshot(overlay("web01", "vda", "s1"), name)
    return fake.observe()


def _out_of_sight() -> ObservedHost:
    fake = host(domain("web01", vda="base"), domain("db01", shut_off, vda="other"))
    Person(fake).remove_file(image("other"))
    return fake.observe()


def _corrupt() -> ObservedHost:
    fake = healthy("s1")
    fake.world.storage.file(image("base")).is_corrupt = True
    return fake.observe()


SICK: dict[Code, Callable[[], ObservedHost]] = {
    Code.LIBVIRT_TOO_OLD: lambda: healthy(version=8_000_000).observe(),
    Code.LIBVIRT_DEEP_CHAINS: lambda: healthy(version=11_003_000).observe(),
    Code.HOST_NOT_LOCAL: lambda: replace(healthy().observe(), is_local=False),
    Code.FOLDER_NOT_LISTED: lambda: with_folder(healthy().observe(), is_listed=False),
    Code.FOLDER_NOT_WRITABLE: lambda: with_folder(healthy().observe(), is_writable=False),
    Code.IMAGES_UNREADABLE: _unreadable,
    Code.READER_UNKNOWN: _out_of_sight,
    Code.LOW_SPACE: lambda: with_folder(healthy().observe(), free=1 << 31, size=1 << 40),
    Code.STORAGE_SHARED: lambda: with_folder(healthy().observe(), is_shared=True),
    Code.PAUSED_ON_ERROR: lambda: with_domain(healthy().observe(), is_paused_on_error=True),
    Code.MANAGED_SAVE: lambda: with_domain(healthy().observe(), has_managed_save=True),
    Code.DOMAIN_BUSY: lambda: with_domain(healthy().observe(), domain_job="backup"),
    Code.JOB_UNFINISHED: lambda: _interrupted("started"),
    Code.JOB_FOREIGN: _foreign_job,
    Code.FREEZE_UNENDED: _frozen,
    Code.POWER_OWED: _owed,
    Code.DEFINITION_OWED: _half_reverted,
    Code.REMOVAL_UNFINISHED: lambda: _interrupted("intended"),
    Code.DELETE_UNFINISHED: _half_deleted,
    Code.LEDGER_LOST: lambda: _ledger(LedgerFault.LOST),
    Code.LEDGER_ROLLED_BACK: lambda: _ledger(LedgerFault.ROLLED_BACK),
    Code.LEDGER_DAMAGED: lambda: _ledger(LedgerFault.DAMAGED),
    Code.LEDGER_NEWER: lambda: _ledger(LedgerFault.NEWER),
    Code.LEDGER_UNFINISHED: _unconfirmed,
    Code.IMAGE_MISSING: _missing,
    Code.CHAIN_UNREADABLE: _hidden_chain,
    Code.CHAIN_BROKEN: _stated_wrongly,
    Code.IMAGE_CORRUPT: _corrupt,
    Code.BACKING_FORMAT_MISSING: _no_format,
    Code.DEFINITIONS_DISAGREE: _disagree,
    Code.CHAIN_DEEP: lambda: healthy(*(f"s{n}" for n in range(20)), version=11_003_000).observe(),
    Code.FOREIGN_OVERLAY: lambda: host(
        domain("web01", unrecorded("backup"), vda="base ← s1 ← backup")
    ).observe(),
    Code.OVERLAY_UNRECORDED: _record_dropped,
    Code.RECORD_DANGLING: _merged_by_hand,
    Code.RECORD_OUTDATED: _outdated,
    Code.DEFINITION_WENT_BACK: _went_back,
    Code.SNAPSHOT_UNPROVEN: _unproven,
    Code.SNAPSHOT_EXPOSED: _exposed,
    Code.CURRENT_MISPLACED: _misplaced,
    Code.IMAGE_ORPHANED: _merged_by_hand,
    Code.IMAGE_WRITTEN_ELSEWHERE: _written_elsewhere,
    Code.IMAGE_READ_ELSEWHERE: _read_elsewhere,
    Code.INTERNAL_SNAPSHOTS: _internal,
    Code.DISK_NOT_CAPTURED: lambda: with_disk(
        healthy().observe(), kind=DiskKind.NETWORK, source=None, chain=None
    ),
    Code.AGENT_ABSENT: lambda: host(domain("web01", AgentState.ABSENT, vda="base")).observe(),
    Code.AGENT_NOT_CONNECTED: lambda: host(
        domain("web01", AgentState.DISCONNECTED, vda="base")
    ).observe(),
    Code.CHECKPOINTS: lambda: with_domain(healthy().observe(), checkpoints=("monday",)),
    Code.UEFI_NOT_CAPTURED: lambda: with_domain(healthy().observe(), firmware="uefi"),
    Code.TPM_NOT_CAPTURED: lambda: with_domain(healthy().observe(), has_tpm=True),
    Code.STATE_NOT_WRITABLE: lambda: healthy().observe(),
}
