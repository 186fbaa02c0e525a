"""Block commits of a running domain.  Whether one is done, the chain decides (facts §7)."""

import time
from collections.abc import Callable
from contextlib import suppress
from shlex import quote
from typing import Any

import libvirt

from reconciler.errors import CommitNotBegun, HypervisorError, Interrupted, StepRefused
from reconciler.hypervisor import access, power
from reconciler.hypervisor.commit_proof import Unwritten
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.domain_xml import DiskReading, Layer
from reconciler.hypervisor.explaining import cause, explained, explaining
from reconciler.hypervisor.job_events import JobEvents, listening
from reconciler.hypervisor.live_disk import demand_chain, layer_of, live_disk, reference
from reconciler.hypervisor.patience import alive
from reconciler.hypervisor.xml import parse
from reconciler.model.action import CommitMethod, CommitOverlays, FinishJob
from reconciler.model.names import DiskTarget, DomainUuid

Progress = Callable[[int, int], None]
StopAsked = Callable[[], bool]

_POLL_SECONDS = 1.0
_FIRST_POLL_SECONDS = 0.05
#: After a job has gone, libvirt may need a moment to write the new chain down.
_SECONDS_TO_SETTLE = 5.0
_SECONDS_TO_PIVOT = 60.0
#: A stop asked for this late lets the job come to its end, for so long.
_NEARLY_DONE = 0.95
_SECONDS_TO_FINISH = 30.0
#: An active commit that has got no nearer to its end for so long never will, while the guest goes on
#: as it does.  Ended, it is no rollback: what it copied stays in the base.
SECONDS_WITHOUT_GAIN = 600.0


def commit(
    connection: Connection,
    uuid: DomainUuid,
    action: CommitOverlays,
    *,
    bandwidth: int,
    progress: Progress,
    stop_asked: StopAsked,
) -> None:
    """Start the commit with both ends given, and follow it up to *ready* or to its end."""
    domain = connection.domain(uuid)
    what = f"commit {action.top} into {action.base} on {domain.name()}/{action.disk}"
    unwritten = Unwritten(action.base, is_here=connection.is_local)
    with unwritten.told():
        base, top = _ends(domain, action, what)
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES
    if action.method is CommitMethod.ACTIVE:
        flags |= libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
    with listening(connection, domain, action.disk) as events:
        try:
            domain.blockCommit(
                action.disk,
                reference(action.disk, base),
                reference(action.disk, top),
                bandwidth,
                flags,
            )
        except libvirt.libvirtError as error:
            failure = _not_begun(connection, domain, action, error, what)
            if _has_no_effect(domain, action, error, what) and unwritten.is_proven():
                raise CommitNotBegun(
                    failure.message, hint=failure.hint, code=failure.code
                ) from error
            raise failure from error
        _Watch(domain, action, events, what).follow(progress, stop_asked)


def _ends(domain: Any, action: CommitOverlays, what: str) -> tuple[Layer, Layer]:
    """The base and the top in the live chain, which is as it was planned."""
    disk = live_disk(domain, action.disk)
    if disk is None:
        raise StepRefused(f"cannot {what}: the domain is not running")
    return demand_chain(disk, base=action.base, merged=action.merged, what=what)


def _has_no_effect(
    domain: Any, action: CommitOverlays, error: libvirt.libvirtError, what: str
) -> bool:
    """The daemon itself said no, there is no job now, and the chain is as it was."""
    if error.get_error_domain() == libvirt.VIR_FROM_RPC:
        return False  # perhaps only the answer was lost
    try:
        _ends(domain, action, what)
        disk = live_disk(domain, action.disk)
        has_job = domain.blockJobInfo(action.disk, 0)
    except (libvirt.libvirtError, HypervisorError, StepRefused):
        return False
    return not has_job and disk is not None and disk.mirror is None


def _not_begun(
    connection: Connection,
    domain: Any,
    action: CommitOverlays,
    error: libvirt.libvirtError,
    what: str,
) -> HypervisorError:
    """libvirt's own words, and in front of them who it is that may not write to which image."""
    failure = explained(error, what)
    with suppress(libvirt.libvirtError):
        who = access.who_runs(parse(domain.XMLDesc(0)))
        denied = None
        if connection.is_local and who is not None:
            denied = access.why_not_writable(action.base, who)
        if who is not None and denied is not None:
            return HypervisorError(
                f"cannot {what}: QEMU runs as {who.name}, and is kept out by {denied}"
                f" ({cause(error)})",
                hint=f"namei -l {action.base}; let {who.name} write there, then apply again",
                code=failure.code,
            )
    return failure


def follow(
    connection: Connection,
    uuid: DomainUuid,
    action: FinishJob,
    *,
    progress: Progress,
    stop_asked: StopAsked,
) -> None:
    """Follow a commit that is under way; one that has ended well meanwhile is done."""
    domain = connection.domain(uuid)
    what = f"finish the commit of {action.top} into {action.base} on {domain.name()}/{action.disk}"
    with listening(connection, domain, action.disk) as events:
        _Watch(domain, action, events, what).follow(progress, stop_asked)


def pivot(domain: Any, target: DiskTarget) -> None:
    """Switch over to the base of the active commit; waits while the mirror is not ready yet."""
    what = f"pivot {domain.name()}/{target}"
    deadline = time.monotonic() + _SECONDS_TO_PIVOT
    while True:
        try:
            domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        except libvirt.libvirtError as error:
            # Not ready: cur == end is not enough, the mirror may still have to catch up (facts §7.2).
            is_early = error.get_error_code() == libvirt.VIR_ERR_BLOCK_COPY_ACTIVE
            if not is_early or time.monotonic() > deadline:
                with explaining(what):
                    raise
            alive()
            time.sleep(_FIRST_POLL_SECONDS)
        else:
            break
    while (disk := live_disk(domain, target)) is not None and disk.mirror is not None:
        if time.monotonic() > deadline:
            raise HypervisorError(
                f"cannot {what}: the mirror is still there",
                hint=f"virsh blockjob {quote(domain.name())} {quote(target)} --info",
            )
        time.sleep(_FIRST_POLL_SECONDS)


def abort(domain: Any, target: DiskTarget) -> None:
    """End the job of *target*, if there is one; the chain stays."""
    what = f"abort the block job on {domain.name()}/{target}"
    with explaining(what):
        if not domain.isActive() or not domain.blockJobInfo(target, 0):
            return
        domain.blockJobAbort(target, 0)


class _Gain:
    """Whether the bytes that are left ever get fewer."""

    def __init__(self) -> None:
        self._least: int | None = None
        self._since = time.monotonic()

    def is_over(self, left: int) -> bool:
        """No new low for ``SECONDS_WITHOUT_GAIN``."""
        if self._least is None or left < self._least:
            self._least, self._since = left, time.monotonic()
        return time.monotonic() - self._since > SECONDS_WITHOUT_GAIN


class _Watch:
    """One commit that is under way."""

    def __init__(
        self, domain: Any, action: CommitOverlays | FinishJob, events: JobEvents, what: str
    ) -> None:
        self._domain = domain
        self._action = action
        self._events = events
        self._what = what

    def follow(self, progress: Progress, stop_asked: StopAsked) -> None:
        """Return when the mirror is ready (active) or the images are merged (both)."""
        pause = _FIRST_POLL_SECONDS
        give_up_at: float | None = None
        gain = _Gain()
        while True:
            info = self._info()
            if info is None:
                self._settle()
                return
            done, total = info.get("cur", 0), info.get("end", 0)
            if self._is_ready():
                # The guest goes on writing, so the two differ a little for ever.
                progress(total, total)
                return
            progress(done, total)
            if give_up_at is None and stop_asked():
                is_late = total > 1 and done >= total * _NEARLY_DONE
                give_up_at = time.monotonic() + (_SECONDS_TO_FINISH if is_late else 0)
            if give_up_at is not None and time.monotonic() >= give_up_at:
                self._interrupt()
            self._demand_no_error()
            if gain.is_over(total - done):
                self._abort_quietly()
                raise self._outrun(total - done)
            alive()
            self._events.wait(pause)
            pause = min(pause * 2, _POLL_SECONDS)

    def _info(self) -> dict[str, int] | None:
        try:
            info: dict[str, int] = self._domain.blockJobInfo(self._action.disk, 0)
        except libvirt.libvirtError as error:
            # A domain that has just stopped answers with an error, not with "no job".
            if error.get_error_code() in (
                libvirt.VIR_ERR_OPERATION_INVALID,
                libvirt.VIR_ERR_NO_DOMAIN,
            ):
                return None
            with explaining(self._what):
                raise
        return info or None

    def _is_ready(self) -> bool:
        if self._action.method is not CommitMethod.ACTIVE:
            return False
        disk = live_disk(self._domain, self._action.disk)
        return disk is not None and disk.mirror is not None and disk.mirror.is_ready

    def _settle(self) -> None:
        """No job any more: right if the chain has lost the merged images, else an error."""
        deadline = time.monotonic() + _SECONDS_TO_SETTLE
        while True:
            disk = self._disk_if_running()
            if disk is None:
                raise self._failure("the domain stopped; its chain stands")
            if not any(layer_of(disk, image) for image in self._action.merged):
                return
            if self._events.has_failed or time.monotonic() > deadline:
                raise self._failure("the block job ended without merging; the chain stands")
            self._events.wait(2 * _FIRST_POLL_SECONDS)

    def _disk_if_running(self) -> DiskReading | None:
        try:
            return live_disk(self._domain, self._action.disk)
        except HypervisorError as error:
            if error.code == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _interrupt(self) -> None:
        self._abort_quietly()
        raise Interrupted(
            f"cannot {self._what}: stopped on request",
            hint="the chain stands and the guest goes on; the next apply merges again",
        )

    def _demand_no_error(self) -> None:
        with suppress(libvirt.libvirtError):
            state, reason = self._domain.state()
            if power.is_paused_on_error(state, reason):
                self._abort_quietly()
                raise self._failure("the guest was paused by an I/O error; the job was aborted")

    def _abort_quietly(self) -> None:
        with suppress(libvirt.libvirtError):
            self._domain.blockJobAbort(self._action.disk, 0)

    def _outrun(self, left: int) -> HypervisorError:
        return HypervisorError(
            f"cannot {self._what}: the guest writes faster than its data is copied; the job was"
            f" aborted with {left} bytes to go, and the chain stands",
            hint="a higher spec.limits.bandwidth of the Host, or an hour when the guest is quiet",
        )

    def _failure(self, why: str) -> HypervisorError:
        name = self._domain.name()
        return HypervisorError(
            f"cannot {self._what}: {why}",
            hint=f"tail /var/log/libvirt/qemu/{quote(name)}.log; df -h {quote(str(self._folder()))}",
        )

    def _folder(self) -> str:
        return self._action.base.rpartition("/")[0] or "/"
