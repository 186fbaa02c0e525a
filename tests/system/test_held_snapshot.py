"""A present that was kept off the live chain, and a record below it dropped by hand: nothing is lost."""

from typing import Any

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site
from tests.system.test_revert import back, of, running_with_s1

pytestmark = pytest.mark.qemu

KEPT = "before-revert-r1"


@pytest.fixture
def site(any_site: Site) -> Site:
    """An empty site on each libvirt."""
    return any_site


def kept_off_the_live_chain(site: Site) -> Guest:
    """s1 and s2; the guest went back to s1, and its present is kept above the image made for s2."""
    guest = running_with_s1(site)
    site.declare(guest, "s1", "s2", prune="confirm")
    site.apply()
    guest.wait_for_record(guest.head() + 3)
    site.declare(guest, "s1", "s2", prune="confirm", revert=back("s1", "r1"))
    site.apply()
    assert by_hand.names(guest) == [KEPT, "s1", "s2"]
    return guest


@pytest.mark.parametrize("dropped", ["s2", None], ids=["s2-dropped", "nothing-dropped"])
def test_a_kept_present_outlives_the_record_below_it(site: Site, dropped: str | None) -> None:
    guest = kept_off_the_live_chain(site)
    held, layers = of(storage.moments(guest), KEPT), set(storage.frozen(guest)[KEPT].values())
    if dropped is not None:
        by_hand.drop_record(guest, dropped)

    doctor = site.virtsnap("doctor", "-o", "json")
    assert not {str(layer) for layer in layers} & orphans(doctor.document)
    site.declare(guest, "s1", prune="confirm")
    site.virtsnap("apply", "--auto-approve")
    is_there = all(layer.exists() for layer in layers)
    assert is_there or of(storage.moments(guest), KEPT) == held, "moved, and the record says where"

    site.declare(guest, "s1", prune="confirm", revert=back(KEPT, "r2"))
    done = site.virtsnap("apply", "--auto-approve")
    if done.code == 5:
        assert f"cannot revert to {KEPT}" in done.err + done.out
        assert dropped is not None
    else:
        assert done.code == 0, done.err
        assert of(storage.moments(guest), KEPT) == held
        assert guest.is_running
    guest.wait_for_agent()
    guest.verify()
    storage.assert_sound(guest)


def orphans(document: Any) -> set[str]:
    """The images that doctor calls orphaned."""
    found = [each for each in document["findings"] if each["code"] == "ImageOrphaned"]
    return {each["facts"]["image"] for each in found}
