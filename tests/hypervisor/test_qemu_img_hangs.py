"""A qemu-img that hangs on storage that does not answer is ended and said so."""

import os
from pathlib import Path

import pytest

from reconciler.errors import HypervisorError
from reconciler.hypervisor import qemu_img


def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Another qemu-img that comes first."""
    tool = tmp_path / "qemu-img"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(qemu_img, "LOOKS_EVERY", 0.05)


def test_a_merge_that_does_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path, monkeypatch, "echo $$ > pid; exec sleep 600")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(qemu_img, "STILL_SECONDS", 0.5)

    with pytest.raises(HypervisorError, match=r"cannot merge .*: qemu-img has done nothing for"):
        qemu_img.commit("top", "qcow2", "base")

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_merge_that_gets_on_is_waited_for_however_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = "i=0; while [ $i -lt 40 ]; do echo x > out; sleep 0.05; i=$((i+1)); done"
    instead(tmp_path, monkeypatch, busy)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(qemu_img, "STILL_SECONDS", 1.0)

    qemu_img.commit("top", "qcow2", "base")  # two seconds


def test_looking_at_an_image_has_a_limit_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(tmp_path, monkeypatch, "exec sleep 600")
    monkeypatch.setattr(qemu_img, "LOOK_SECONDS", 0.3)

    with pytest.raises(HypervisorError, match="longer than") as caught:
        qemu_img.info("/images/a.qcow2", None)

    assert "mount" in caught.value.hint
