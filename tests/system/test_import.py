"""What is imported from real guests plans to nothing, whatever they are called and have been through."""

import pytest
import yaml

from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def test_what_is_imported_is_in_sync(site: Site) -> None:
    guest = site.lab.guest("web01", disks=2)
    off = site.lab.guest("off", running=False)
    odd = ["yes", "1e3", "x y: #", "snäp"]
    prose = "Before the upgrade:\n- 'web' & <db>\n"
    site.declare(
        guest, {"name": "s1", "description": prose}, {"name": "s2", "disks": {"vdb": "no"}}
    )
    site.declare(off, *odd)
    site.apply()
    by_hand.snapshot(guest, "theirs", disks=["vda"])
    by_hand.internal(off, "inside")
    folder = site.folder / "imported"

    said = site.virtsnap("import", guest.name, off.name, "--out", str(folder))

    assert said.code == 0, said.err
    texts = {each.name: (folder / f"{each.name}.yaml").read_text() for each in (guest, off)}
    spec = {name: yaml.safe_load(text)["spec"]["snapshots"] for name, text in texts.items()}
    assert spec[guest.name] == [
        {"name": "s1", "description": prose},
        {"name": "s2", "disks": {"vdb": "skip"}},
    ]
    assert spec[off.name] == [{"name": name} for name in odd]
    assert "# unmanaged: theirs (" in texts[guest.name]
    assert "vda, internal)" in texts[off.name]
    plan = site.virtsnap("plan", "--detailed-exitcode", "-f", str(folder))
    assert plan.code == 0, plan.out + plan.err
    again = site.virtsnap("import", guest.name, off.name, "--out", str(folder))
    assert again.code == 1
    assert f"{guest.name}.yaml" in again.err
    assert f"{off.name}.yaml" in again.err
    printed = site.virtsnap("import", off.name)
    assert printed.out == texts[off.name]
