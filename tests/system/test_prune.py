"""What leaves the manifests: kept, asked for, consolidated; a manifest that has gone is no wish."""

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def taken(site: Site, *, prune: str = "never") -> Guest:
    """web01 with s1, shut off."""
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", prune=prune)
    site.apply()
    return guest


def test_prune_confirm_is_done_by_a_persons_apply(site: Site) -> None:
    guest = taken(site, prune="confirm")
    site.declare(guest, prune="confirm")
    assert "commit" in [step["action"] for step in site.planned(guest)["steps"]]
    site.apply()
    assert site.is_in_sync()
    assert by_hand.names(guest) == []
    storage.assert_tidy(guest)


def test_a_manifest_that_has_gone_is_reported_and_pruned_only_on_request(site: Site) -> None:
    guest = taken(site, prune="auto")
    other = site.lab.guest("other", running=False)
    (site.manifests / "web01.yaml").unlink()
    site.declare(other)

    assert "ManifestGone" in [drift["kind"] for drift in site.planned(guest)["drift"]]
    assert "web01" in site.virtsnap("plan").out
    assert site.virtsnap("plan", "--detailed-exitcode").code == 0
    site.apply()
    assert by_hand.names(guest) == ["s1"]

    # a part of the source says nothing about what has gone
    part = str(site.manifests / "other.yaml")
    site.apply("--prune-gone", "-f", part)
    site.apply("--prune-gone", "--target", "*")
    site.apply("--prune-gone", "--target", "web01")
    assert by_hand.names(guest) == ["s1"]

    site.apply("--prune-gone")
    assert by_hand.names(guest) == []
    assert guest.active_images() == guest.disks
    assert site.is_in_sync()
    storage.assert_tidy(guest)


def test_an_empty_folder_is_refused_unless_it_is_meant(site: Site) -> None:
    guest = taken(site)
    (site.manifests / "web01.yaml").unlink()
    for arguments in (("plan",), ("apply", "--auto-approve", "--prune-gone")):
        said = site.virtsnap(*arguments)
        assert said.code == 1
        assert "--allow-empty" in said.err
    assert by_hand.names(guest) == ["s1"]

    site.apply("--allow-empty")
    assert by_hand.names(guest) == ["s1"]
    site.apply("--allow-empty", "--prune-gone")
    assert by_hand.names(guest) == []
    storage.assert_tidy(guest)
