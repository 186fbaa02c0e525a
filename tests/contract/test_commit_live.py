"""Block commits of a running domain."""

from collections.abc import Callable

import pytest

from reconciler.errors import CommitNotBegun, HypervisorError, Interrupted, StepRefused
from reconciler.model.action import CommitMethod, CommitOverlays, FinishJob
from reconciler.model.domain import JobKind
from reconciler.model.names import DiskTarget
from tests.contract.bench import (
    Bench,
    Handle,
    active,
    chain,
    commit,
    go_on,
    inside,
    nothing,
    seen,
    take,
)

VDA = DiskTarget("vda")


def run(
    bench: Bench,
    handle: Handle,
    action: CommitOverlays,
    *,
    bandwidth: int = 0,
    stop_asked: Callable[[], bool] = go_on,
) -> None:
    """Commit with nobody looking."""
    bench.host.commit_live(
        handle.uuid, action, bandwidth=bandwidth, progress=nothing, stop_asked=stop_asked
    )


def follow(bench: Bench, handle: Handle, action: CommitOverlays) -> None:
    """Wait for the job that *action* began."""
    bench.host.follow_job(
        handle.uuid,
        FinishJob(
            disk=action.disk,
            base=action.base,
            base_format=action.base_format,
            merged=action.merged,
            method=action.method,
            snapshots=(),
        ),
        progress=nothing,
        stop_asked=go_on,
    )


def two_snapshots(bench: Bench) -> Handle:
    """``base ← s1 ← s2``, with data in each."""
    handle = bench.domain(running=True)
    for name in ("s1", "s2"):
        bench.guest_works(handle)
        take(bench, handle, name)
    bench.guest_works(handle)
    return handle


def test_an_active_commit_waits_for_its_pivot(bench: Bench) -> None:
    handle = two_snapshots(bench)
    base, s1, s2 = chain(bench, handle)

    run(bench, handle, commit(s1, s2, method=CommitMethod.ACTIVE))

    (job,) = seen(bench, handle).jobs
    assert (job.disk, job.kind, job.is_ready) == ("vda", JobKind.ACTIVE_COMMIT, True)
    assert job.destination == s1
    assert active(bench, handle) == s2

    bench.host.pivot(handle.uuid, VDA)

    domain = seen(bench, handle)
    assert domain.jobs == ()
    assert chain(bench, handle) == (base, s1)
    assert domain.persistent is not None
    assert domain.persistent[0].source == s1
    assert bench.has_file(s2)
    bench.demand_whole(handle)


def test_neighbours_are_merged_in_one_pass(bench: Bench) -> None:
    handle = two_snapshots(bench)
    base, s1, s2 = chain(bench, handle)

    run(bench, handle, commit(base, s1, s2, method=CommitMethod.ACTIVE))
    bench.host.pivot(handle.uuid, VDA)

    assert chain(bench, handle) == (base,)
    bench.guest_works(handle)
    bench.demand_whole(handle)


def test_a_commit_below_the_active_layer_ends_by_itself(bench: Bench) -> None:
    handle = two_snapshots(bench)
    base, s1, s2 = chain(bench, handle)

    run(bench, handle, commit(base, s1, method=CommitMethod.LIVE))

    domain = seen(bench, handle)
    assert domain.jobs == ()
    assert chain(bench, handle) == (base, s2)
    assert domain.persistent is not None
    assert domain.persistent[0].chain == domain.disks[0].chain
    header = next(image for image in bench.host.observe().images if image.path == s2)
    assert (header.backing, header.backing_format) == (base, "qcow2")
    assert bench.has_file(s1)
    bench.demand_whole(handle)


def test_the_guest_may_shut_down_and_the_chain_is_the_new_one(bench: Bench) -> None:
    handle = two_snapshots(bench)
    base, s1, s2 = chain(bench, handle)
    run(bench, handle, commit(base, s1, method=CommitMethod.LIVE))

    bench.shut_off(handle)

    domain = seen(bench, handle)
    assert chain(bench, handle) == (base, s2)
    assert domain.disks[0].stated in (None, domain.disks[0].chain)


def test_progress_never_goes_beyond_the_total(bench: Bench) -> None:
    handle = two_snapshots(bench)
    _, s1, s2 = chain(bench, handle)
    told: list[tuple[int, int]] = []

    bench.host.commit_live(
        handle.uuid,
        commit(s1, s2, method=CommitMethod.ACTIVE),
        bandwidth=0,
        progress=lambda done, total: told.append((done, total)),
        stop_asked=go_on,
    )

    assert told
    assert all(0 <= done <= total for done, total in told)


def test_stopped_before_the_end_the_chain_stands_and_no_job_is_left(bench: Bench) -> None:
    handle = two_snapshots(bench)
    before = chain(bench, handle)

    with pytest.raises(Interrupted):
        run(
            bench,
            handle,
            commit(before[0], before[1], method=CommitMethod.LIVE),
            bandwidth=1 << 20,
            stop_asked=lambda: True,
        )

    assert seen(bench, handle).jobs == ()
    assert chain(bench, handle) == before
    bench.demand_whole(handle)


def test_an_aborted_commit_leaves_the_chain(bench: Bench) -> None:
    handle = two_snapshots(bench)
    before = chain(bench, handle)
    action = commit(*before[1:], method=CommitMethod.ACTIVE)
    run(bench, handle, action)

    bench.host.abort_job(handle.uuid, VDA)
    bench.host.abort_job(handle.uuid, VDA)

    assert seen(bench, handle).jobs == ()
    assert chain(bench, handle) == before
    bench.demand_whole(handle)
    with pytest.raises(HypervisorError):
        follow(bench, handle, action)


def test_a_job_that_is_ready_has_been_followed_to_its_end(bench: Bench) -> None:
    handle = two_snapshots(bench)
    base, s1, s2 = chain(bench, handle)
    action = commit(s1, s2, method=CommitMethod.ACTIVE)
    run(bench, handle, action)

    follow(bench, handle, action)
    bench.host.pivot(handle.uuid, VDA)
    follow(bench, handle, action)

    assert chain(bench, handle) == (base, s1)


def test_one_job_a_disk(bench: Bench) -> None:
    handle = two_snapshots(bench)
    base, s1, s2 = chain(bench, handle)
    run(bench, handle, commit(s1, s2, method=CommitMethod.ACTIVE))

    with pytest.raises(HypervisorError) as caught:
        run(bench, handle, commit(base, s1, method=CommitMethod.LIVE))

    assert caught.value.code is not None
    bench.host.abort_job(handle.uuid, VDA)


def test_no_snapshot_is_taken_inside_an_image_that_a_job_is_at_work_on(bench: Bench) -> None:
    handle = two_snapshots(bench)
    run(bench, handle, commit(*chain(bench, handle)[1:], method=CommitMethod.ACTIVE))

    with pytest.raises(HypervisorError) as caught:
        bench.host.create_snapshot(handle.uuid, inside(bench, handle, "i1"), quiesce=False)

    assert caught.value.code == 83
    bench.host.abort_job(handle.uuid, VDA)


def test_a_chain_that_is_not_as_planned_is_refused(bench: Bench) -> None:
    handle = two_snapshots(bench)
    before = chain(bench, handle)

    with pytest.raises((StepRefused, CommitNotBegun)):
        run(bench, handle, commit(before[0], before[2], method=CommitMethod.ACTIVE))

    assert seen(bench, handle).jobs == ()
    assert chain(bench, handle) == before


def test_a_pivot_without_a_job_is_an_error(bench: Bench) -> None:
    handle = bench.domain(running=True)

    with pytest.raises(HypervisorError):
        bench.host.pivot(handle.uuid, VDA)


def test_a_domain_that_is_off_has_no_live_commit(bench: Bench) -> None:
    handle = bench.domain()
    take(bench, handle, "s1")
    base, s1 = chain(bench, handle)

    with pytest.raises((StepRefused, CommitNotBegun)):
        run(bench, handle, commit(base, s1, method=CommitMethod.ACTIVE))
