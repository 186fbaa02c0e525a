"""Commits while a backup reads: it is seen before, and what could not begin has written nothing."""

from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.errors import CommitNotBegun
from reconciler.hypervisor import commit_proof
from reconciler.model.action import CommitMethod, CommitOverlays, SwitchDisk
from reconciler.model.names import DiskTarget, ImagePath
from tests.contract.bench import (
    Bench,
    Handle,
    RealBench,
    active,
    chain,
    commit,
    go_on,
    nothing,
    seen,
    take,
)

VDA = DiskTarget("vda")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody lets go here."""
    monkeypatch.setattr(commit_proof, "_SECONDS_TO_LET_GO", 0.3)


def bytes_of(bench: Bench, path: ImagePath) -> object:
    """Not only what a guest would read: whether a byte of the file is another."""
    if isinstance(bench, RealBench):
        return sha256(Path(path).read_bytes()).hexdigest()
    return bench.content(path)


def try_live(bench: Bench, handle: Handle, action: CommitOverlays) -> None:
    bench.host.commit_live(handle.uuid, action, bandwidth=0, progress=nothing, stop_asked=go_on)


def test_shut_off_whatever_somebody_reads_is_told_and_nothing_is_written(bench: Bench) -> None:
    handle = bench.domain()
    for number, name in enumerate(("s1", "s2"), start=1):
        bench.write(active(bench, handle), 0, number)
        take(bench, handle, name)
    bench.write(active(bench, handle), 1, 7)
    base, s1, s2 = chain(bench, handle)
    action = commit(base, s1, s2, method=CommitMethod.OFFLINE)
    assert bench.host.image_in_use(action) is None
    before = {path: bytes_of(bench, path) for path in (base, s1, s2)}

    for path in (base, s2):
        with bench.read_elsewhere(path):
            # who reads an overlay reads all below it
            assert bench.host.image_in_use(action) in (base, path)
            with pytest.raises(CommitNotBegun):
                bench.host.commit_offline(handle.uuid, action)
        assert {path: bytes_of(bench, path) for path in before} == before

    assert bench.host.image_in_use(action) is None
    bench.host.commit_offline(handle.uuid, action)
    assert bench.content(base) == {0: 2, 1: 7}


def test_running_whoever_reads_the_base_beside_the_guest_is_told(bench: Bench) -> None:
    handle = bench.domain(running=True)
    for name in ("s1", "s2"):
        bench.guest_works(handle)
        take(bench, handle, name)
    base, s1, s2 = chain(bench, handle)
    before = {path: bytes_of(bench, path) for path in (base, s1)}

    for action in (
        commit(base, s1, method=CommitMethod.LIVE),
        commit(base, s1, s2, method=CommitMethod.ACTIVE),
    ):
        assert bench.host.image_in_use(action) is None
        with bench.read_elsewhere(action.base):
            assert bench.host.image_in_use(action) == action.base
            with pytest.raises(CommitNotBegun):
                try_live(bench, handle, action)
            assert not seen(bench, handle).jobs
        assert {path: bytes_of(bench, path) for path in before} == before
    assert chain(bench, handle) == (base, s1, s2)
    bench.demand_whole(handle)

    try_live(bench, handle, commit(base, s1, method=CommitMethod.LIVE))
    assert chain(bench, handle) == (base, s2)


def test_what_a_guest_is_to_be_given_is_told_when_somebody_has_it_open(bench: Bench) -> None:
    handle = bench.domain()
    take(bench, handle, "s1")
    base, s1 = chain(bench, handle)
    action = SwitchDisk(disk=VDA, image=s1, observed=base)
    bench.host.switch_disk(handle.uuid, VDA, to=base, image_format="qcow2")
    assert bench.host.image_in_use(action) is None

    with bench.read_elsewhere(s1):
        assert bench.host.image_in_use(action) == s1
    # whoever reads what it stands on is in nobody's way
    with bench.read_elsewhere(base):
        assert bench.host.image_in_use(action) is None

    bench.host.switch_disk(handle.uuid, VDA, to=s1, image_format="qcow2")
    assert chain(bench, handle) == (base, s1)
