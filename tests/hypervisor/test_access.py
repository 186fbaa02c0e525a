"""Whom libvirt runs QEMU as, and what keeps that user out of a file."""

import os
from pathlib import Path

import pytest

from reconciler.hypervisor.access import Who, who_runs, why_not_writable
from reconciler.hypervisor.xml import parse

OTHER = Who(54321, 54321)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("<seclabel model='dac'><label>+64055:+108</label></seclabel>", Who(64055, 108)),
        (
            "<seclabel model='apparmor'/><seclabel model='dac'><label>+0:+0</label></seclabel>",
            Who(0, 0),
        ),
        ("<seclabel model='dac'><label>qemu:qemu</label></seclabel>", None),
        ("", None),
    ],
)
def test_the_user_is_in_the_live_definition(label: str, expected: Who | None) -> None:
    assert who_runs(parse(f"<domain>{label}</domain>")) == expected


def test_a_user_without_a_name_is_called_by_number() -> None:
    assert OTHER.name == "54321"
    assert Who(0, 0).name == "root"


def test_the_first_folder_that_keeps_the_user_out_is_named(tmp_path: Path) -> None:
    image = tmp_path / "images" / "base"
    image.parent.mkdir()
    image.touch()
    image.parent.chmod(0o700)
    tmp_path.chmod(0o700)

    said = why_not_writable(str(image), OTHER)

    assert said is not None
    assert "a folder of" in said
    assert str(image).startswith(said.partition(",")[0])
    assert said.endswith("mode 0700")


def test_a_file_is_named_where_all_folders_let_the_user_through() -> None:
    said = why_not_writable("/etc/passwd", OTHER)

    assert said == "/etc/passwd, a file of root, mode 0644"


def test_root_may_all_and_the_owner_what_the_mode_says(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch(0o600)

    assert why_not_writable(str(image), Who(0, 0)) is None
    assert why_not_writable(str(image), Who(os.getuid(), os.getgid())) is None


def test_what_is_not_there_keeps_nobody_out() -> None:
    assert why_not_writable("/no/such/image", OTHER) is None
