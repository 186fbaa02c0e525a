"""Errors as an administrator meets them: one line, a hint, the right exit code."""

import pytest

from tests.system.nobody import as_nobody
from tests.system.site import Said, Site

pytestmark = pytest.mark.qemu


def told(said: Said, code: int, *words: str) -> list[str]:
    """The lines on stderr: one ``cannot …`` and one hint, with these words in them."""
    assert said.code == code, said.out + said.err
    lines = said.err.splitlines()
    assert len(lines) == 2, said.err
    assert lines[0].startswith("cannot "), said.err
    assert lines[1].startswith("hint: "), said.err
    for word in words:
        assert word in said.err, said.err
    assert "Traceback" not in said.err
    return lines


def test_a_libvirt_that_is_not_running(site: Site) -> None:
    site.declare("web01", "s1")
    socket = site.folder / "no-such-socket"
    uri = f"qemu+unix:///system?socket={socket}"
    for verb in ("plan", "tree", "status", "observe"):
        told(site.virtsnap(verb, "-c", uri), 1, str(socket), "systemctl start libvirtd")
    said = site.virtsnap("apply", "--auto-approve", "-c", uri)
    told(said, 1, "systemctl start libvirtd")


@pytest.mark.parametrize("uri", ["quemu:///system", "nonsense"])
def test_a_wrong_uri(site: Site, uri: str) -> None:
    site.declare("web01", "s1")
    told(site.virtsnap("plan", "-c", uri), 1, uri, "qemu:///system")


def test_a_user_whom_libvirt_does_not_let_in(site: Site) -> None:
    folder = site.folder / "closed"
    folder.mkdir(mode=0o700)
    site.declare("web01", "s1")
    said = as_nobody(site, "tree", "-c", f"qemu+unix:///system?socket={folder}/libvirt-sock")
    told(said, 1, "usermod -aG libvirt")


def test_a_domain_that_does_not_exist_is_refused_with_the_name_that_is_near(site: Site) -> None:
    site.lab.guest("web01", running=False)
    site.declare("web10", "s1")
    refused = site.refuses("web10")
    assert refused["code"] == "DomainMissing"
    assert "web10" in refused["message"]
    assert "nearly the same: web01" in refused["message"]
    assert site.virtsnap("plan").code == 0
    assert site.virtsnap("plan", "--detailed-exitcode").code == 5


def test_a_typo_in_a_domain_for_tree(site: Site) -> None:
    site.lab.guest("web01", running=False)
    told(site.virtsnap("tree", "wbe01"), 1, "wbe01", "web01")


def test_no_manifests_here(site: Site) -> None:
    for verb in ("plan", "apply", "validate"):
        told(site.virtsnap(verb), 1, "manifests/", "-f PATH")
    told(site.virtsnap("plan", "-f", "nowhere"), 1, "nowhere")
    assert site.virtsnap("status").code == 0
    assert site.virtsnap("tree").code == 0


def test_a_field_that_is_not_built_yet(site: Site) -> None:
    file = site.declare("web01", "s1", approve=f"sha256:{'0' * 64}")
    said = site.virtsnap("plan", "-c", "qemu+unix:///system?socket=/nonexistent")
    assert said.code == 1
    assert f"{file.name}:1:" in said.err
    assert "spec.approve" in said.err
    assert "not supported by this version" in said.err
    assert "Traceback" not in said.err
    assert "/nonexistent" not in said.err


def test_typos_on_the_command_line(site: Site) -> None:
    site.declare("web01", "s1")
    told(site.virtsnap("paln"), 64, "paln")
    told(site.virtsnap("plan", "--detailed-exitcod"), 64, "--detailed-exitcod")
    told(site.virtsnap("plan", "-o", "xml"), 64, "xml")
    told(site.virtsnap("apply", "--auto-aprove"), 64, "--auto-aprove")


def test_errors_are_documents_where_documents_are_asked_for(site: Site) -> None:
    said = site.virtsnap("plan", "-o", "json", "-f", "nowhere")
    assert said.code == 1
    document = Said(0, said.err, "").document
    assert "nowhere" in document["error"]["message"]
    assert document["error"]["exitCode"] == 1


def test_nobody_to_ask_is_nothing_done(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1")
    told(site.virtsnap("apply"), 1, "nothing was done", "--auto-approve")
    told(site.virtsnap("apply", text="yes\n"), 1, "nothing was done")
    assert guest.active_images() == guest.disks
