"""Whether a commit that failed has written: on real files, with a stand-in for qemu-img."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import CommitNotBegun, HypervisorError, StepRefused
from reconciler.hypervisor.commit_proof import Unwritten
from reconciler.model.names import ImagePath


@pytest.fixture
def base(tmp_path: Path) -> ImagePath:
    """An image that was written just now."""
    path = tmp_path / "base.qcow2"
    path.write_bytes(b"a" * 4096)
    return ImagePath(str(path))


def overwrite(base: ImagePath) -> None:
    with open(base, "r+b") as stream:
        stream.write(b"b")


def grow(base: ImagePath) -> None:
    os.truncate(base, 8192)


def exchange(base: ImagePath) -> None:
    other = Path(base).with_name("other")
    other.write_bytes(b"a" * 4096)
    other.rename(base)


@pytest.mark.parametrize("error", [HypervisorError("cannot: x", code=38), StepRefused("cannot: x")])
def test_a_call_that_failed_and_wrote_nothing_has_not_begun(
    base: ImagePath, error: HypervisorError | StepRefused
) -> None:
    with pytest.raises(CommitNotBegun, match="cannot: x"), Unwritten(base).told():
        raise error


@pytest.mark.parametrize("write", [overwrite, grow, exchange])
def test_one_byte_is_enough_to_have_begun(
    base: ImagePath, write: Callable[[ImagePath], None]
) -> None:
    """However soon after the last write it comes: the clock of files turns slowly."""
    for _ in range(5):
        overwrite(base)
        unwritten = Unwritten(base)
        write(base)
        with pytest.raises(HypervisorError) as caught, unwritten.told():
            raise HypervisorError("cannot: x")
        assert not isinstance(caught.value, CommitNotBegun)


def test_what_cannot_be_told_is_not_proven(base: ImagePath) -> None:
    elsewhere = Unwritten(base, is_here=False)
    gone = Unwritten(ImagePath(base + ".gone"))

    assert not elsewhere.is_proven()
    assert not gone.is_proven()
    assert not Unwritten(ImagePath("/dev/null")).is_proven()
