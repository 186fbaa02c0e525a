"""Names and descriptions that a shell, XML, YAML, a terminal or a template would trip over."""

import json
from pathlib import Path

import libvirt
import pytest

from tests.lab.domain_xml import DiskSpec
from tests.system import by_hand, storage
from tests.system.site import Site
from tests.system.test_create import new_image

pytestmark = pytest.mark.qemu

DOMAIN = "a&b \"quoted\" <x> ü $(touch pwned) 'y' [red]{{ 1 }} %s -rf"
FOLDER = "ïm ages;`touch pwned`'&<x>[bold] {{ 7 }}=x:y"
SNAPSHOTS = (
    "$(touch pwned)",
    "[red] & <y> \"z\" 'w'",
    "]]> %s {{ 1 }} 雪\U0001f600e\u0301",
)
DESCRIPTION = (
    "first ]]> <b>&amp;</b> \"q\" 'r'\n  second\t{{ x }} %s [red] \u202e\u2028$(touch pwned)\n"
)


def test_awkward_names_go_through_the_whole_tool(site: Site) -> None:
    disk = DiskSpec(source=new_image(site.folder / FOLDER / "disk 'a' & b.qcow2"))
    guest = site.lab.guest_of((disk,), DOMAIN)
    base = guest.disks["vda"]
    wishes = [{"name": name, "description": DESCRIPTION} for name in SNAPSHOTS]
    declare(site, wishes, prune="auto")

    planned = site.virtsnap("plan")
    assert planned.code == 0, planned.err
    assert f"{DOMAIN} on local" in planned.out
    for name in SNAPSHOTS:
        assert name in planned.out
    site.apply()

    assert by_hand.names(guest) == sorted(SNAPSHOTS)
    for name in SNAPSHOTS:
        assert by_hand.record(guest, name).findtext("description") == DESCRIPTION
    assert site.is_in_sync()
    for image in storage.images(base.parent) - {base}:
        assert image.name.isascii()
        assert not set(image.name) & set(" $;&'\"<>[]{}")
        assert image.stat().st_mode & 0o777 == 0o600

    selects_and_draws(site)
    goes_back_and_forth(site, wishes)
    declare(site, [], prune="auto")
    site.apply()
    assert site.is_in_sync()
    assert by_hand.names(guest) == []
    assert storage.images(base.parent) == {base}
    assert not list(site.folder.rglob("pwned"))
    assert not Path("pwned").exists()


def declare(site: Site, wishes: list[dict[str, str]], **spec: object) -> None:
    document = {
        "apiVersion": "virtsnap/v1",
        "kind": "DomainSnapshots",
        "metadata": {"name": "odd"},
        "spec": {"domain": DOMAIN, "snapshots": wishes, "shutdown": {"timeout": "1s"}, **spec},
    }
    (site.manifests / "odd.yaml").write_text(json.dumps(document, ensure_ascii=False))


def selects_and_draws(site: Site) -> None:
    """Globs find it, and nothing in its texts reaches a terminal as more than text."""
    for pattern in ("?&b *[[]red[]]*", DOMAIN.replace("[", "[[]")):
        said = site.virtsnap("tree", pattern, "-v")
        assert said.code == 0, said.err
        assert f"{DOMAIN} on local" in said.out
        assert "\\u202e\\u2028" in said.out
        assert "\u202e" not in said.out
        assert "\u2028" not in said.out
    assert site.virtsnap("tree", "a[&]b").code == 1
    status = site.virtsnap("status", "--target", "a&b *", "-o", "json")
    assert [domain["domain"] for domain in status.document["domains"]] == [DOMAIN]
    recorded = site.virtsnap("observe", "-o", "json")
    (site.folder / "host.json").write_text(recorded.out)
    assert site.virtsnap("plan", "--observed", "host.json").code == 0
    imported = site.virtsnap("import", DOMAIN)
    assert imported.code == 0, imported.err
    (site.folder / "imported.yaml").write_text(imported.out)
    assert site.virtsnap("validate", "-f", "imported.yaml").code == 0


def goes_back_and_forth(site: Site, wishes: list[dict[str, str]]) -> None:
    """A revert writes names into files, the ledger and the definition."""
    revert = {"to": SNAPSHOTS[1], "request": 'req & "1" <$(touch pwned)>', "present": "discard"}
    declare(site, wishes, prune="auto", revert=revert)
    site.apply()
    assert site.is_in_sync()


def test_a_comma_that_libvirt_would_double_is_refused_while_the_domain_is_off(site: Site) -> None:
    """libvirt doubles it in the name that it gives to qemu-img, and not in the definition."""
    disk = DiskSpec(source=new_image(site.folder / "a,b" / "disk.qcow2"))
    guest = site.lab.guest_of((disk,), "web01")
    site.declare(guest, "s1")

    refused = site.refuses(guest)

    assert refused["code"] == "DiskNotSupported"
    assert "comma" in refused["message"]
    assert storage.images(site.folder / "a,b") == {disk.source}


def test_what_others_wrote_does_not_reach_the_terminal(site: Site) -> None:
    """XML cannot hold an ESC; what obeys it in eight bits, and what turns a line round, it can."""
    guest = site.lab.guest_of((DiskSpec(source=new_image(site.folder / "i" / "a.qcow2")),), "web01")
    xml = (
        "<domainsnapshot><name>s\u009b31m\u202e</name>"
        "<description>\u009b2J\u200f [red]x\nCreated by virtsnap</description>"
        "<disks><disk name='vda' snapshot='external'>"
        f"<source file='{site.folder}/i/o.qcow2'/></disk></disks></domainsnapshot>"
    )
    guest.domain.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    site.declare(guest)

    for verb in (("plan",), ("status",), ("tree", "-v"), ("doctor",), ("observe",), ("plan", "-v")):
        said = site.virtsnap(*verb)
        assert said.code in (0, 5), said.err
        for character in ("\u009b", "\u202e", "\u200f", "\x1b"):
            assert character not in said.out + said.err
    assert "\\x9b31m\\u202e" in site.virtsnap("tree").out
    assert site.virtsnap("observe", "-o", "json").document["hosts"]
