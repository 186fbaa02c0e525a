"""Shutting guests down and starting them again."""

from dataclasses import replace

import pytest

from reconciler.errors import Interrupted, StepRefused
from reconciler.model.ledger import Consistency
from reconciler.model.power import PowerState, Stopped
from tests.contract.bench import Bench, Handle, chain, go_on, seen, snapshot_of, take


def shut_down(
    bench: Bench, handle: Handle, *, timeout: float = 60, destroy: bool = False
) -> Stopped:
    return bench.host.shut_down(
        handle.uuid, timeout=timeout, then_destroy=destroy, stop_asked=go_on
    )


def test_a_guest_that_obeys_is_off_and_starts_again_with_its_data(bench: Bench) -> None:
    handle = bench.domain(running=True)
    take(bench, handle, "s1")  # while it runs: libvirt spells out the chain from now on
    bench.guest_works(handle)

    assert shut_down(bench, handle) is Stopped.BY_GUEST
    off = seen(bench, handle)
    assert (off.power, off.live) == (PowerState.SHUT_OFF, None)
    assert shut_down(bench, handle) is Stopped.BY_GUEST
    action = replace(snapshot_of(bench, handle, "s2"), consistency=Consistency.OFFLINE)
    bench.host.create_snapshot(handle.uuid, action, quiesce=False)
    bench.host.start(handle.uuid, is_paused=False)
    bench.host.start(handle.uuid, is_paused=False)

    assert seen(bench, handle).power is PowerState.RUNNING
    assert len(chain(bench, handle)) == 3
    bench.wait_until_up(handle)
    bench.demand_whole(handle)
    with pytest.raises(StepRefused):
        bench.host.create_snapshot(
            handle.uuid,
            replace(snapshot_of(bench, handle, "s3"), consistency=Consistency.OFFLINE),
            quiesce=False,
        )


def test_a_guest_that_is_deaf_runs_on_or_is_destroyed(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.turn_deaf(handle)

    assert shut_down(bench, handle, timeout=1) is Stopped.NOT_YET
    assert seen(bench, handle).power is PowerState.RUNNING
    with pytest.raises(Interrupted):
        bench.host.shut_down(handle.uuid, timeout=60, then_destroy=True, stop_asked=lambda: True)
    assert seen(bench, handle).power is PowerState.RUNNING
    assert shut_down(bench, handle, timeout=1, destroy=True) is Stopped.BY_FORCE
    assert seen(bench, handle).power is PowerState.SHUT_OFF


def test_a_paused_guest_is_destroyed_at_once_and_starts_paused(bench: Bench) -> None:
    handle = bench.domain(running=True, agent=False)
    bench.pause(handle)

    assert shut_down(bench, handle) is Stopped.NOT_YET
    assert seen(bench, handle).power is PowerState.PAUSED
    assert shut_down(bench, handle, destroy=True) is Stopped.BY_FORCE
    bench.host.start(handle.uuid, is_paused=True)

    assert seen(bench, handle).power is PowerState.PAUSED


def test_a_saved_domain_is_not_started(bench: Bench) -> None:
    handle = bench.domain(running=True, agent=False)
    bench.managed_save(handle)

    with pytest.raises(StepRefused):
        shut_down(bench, handle)
    with pytest.raises(StepRefused):
        bench.host.start(handle.uuid, is_paused=False)

    found = seen(bench, handle)
    assert (found.power, found.has_managed_save) == (PowerState.SHUT_OFF, True)
