"""Reverts among children, odd pointers and partial snapshots; and native calls after them."""

from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.model.desired import RevertPower
from tests.lab.domain_xml import cdrom
from tests.lab.guest import Guest, Lab
from tests.lab.versions import each_libvirt
from tests.system import by_hand, storage
from tests.system.bench import bench, definition, discard, keep, spell_the_chain
from tests.system.desk import Desk, desk
from tests.system.site import Site
from tests.system.test_revert import back, of, running_with_s1
from tests.system.test_versions import (
    BRANCH_REFUSED,
    NATIVE_REVERT,
    assert_kept,
    assert_refused,
    native_delete,
    native_revert,
)

pytestmark = pytest.mark.qemu


@pytest.fixture(params=each_libvirt())
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Each libvirt; its daemon is the same one at the end."""
    found: Lab = request.getfixturevalue(request.param)
    pid = found.daemon.pid
    yield found
    assert found.daemon.pid == pid
    assert found.connection.isAlive()
    found.cleanup()


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Site:
    """An empty site."""
    return Site(lab, tmp_path)


@pytest.fixture
def at(lab: Lab, tmp_path: Path) -> Iterator[Desk]:
    """virtsnap in this process."""
    with desk(lab, tmp_path) as found:
        yield found


only_native = pytest.mark.parametrize("lab", each_libvirt(since=NATIVE_REVERT), indirect=True)


def test_lv_72_after_a_revert_by_hand_everything_goes_on(lab: Lab, at: Desk) -> None:
    on = bench(lab, at, disks=1)
    on.take("s1", "s2", "s3")

    by_hand.revert(on.guest, "s1")

    on.demand("s1", "s2", "s3", at="s1")
    assert on.outcome("s1", "s2", "s3").error is None
    on.demand("s1", "s2", "s3", at="s1")
    spell_the_chain(on.guest)
    on.apply("s1", "s2", "s3", **discard("s3", "r1"))
    on.demand("s1", "s2", "s3", at="s3")
    on.apply("s1", "s3")
    on.demand("s1", "s3", at="s3")
    on.apply("s1", "s3", **discard("s1", "r2"))
    on.demand("s1", "s3", at="s1")
    on.write()
    on.apply("s1", "s3", "s4")
    on.moments = storage.moments(on.guest)
    on.apply("s1", "s3", "s4", **discard("s3", "r3"))
    on.demand("s1", "s3", "s4", at="s3")
    on.apply("s1", "s3")
    on.demand("s1", "s3", at="s3")
    if lab.connection.getLibVersion() >= 9_010_000:
        for name in ("s1", "s3"):
            native_revert(on.guest, name)
            on.demand("s1", "s3", at=name)
    storage.assert_clean(at.folder / "images")


@only_native
def test_native_calls_after_reverts_of_a_shut_off_guest_lose_nothing(lab: Lab, at: Desk) -> None:
    on = bench(lab, at)
    on.take("s1", "s2", "s3")
    on.apply("s1", "s2", "s3", **discard("s1", "r1"))
    on.write()
    names = ["s1", "s2", "s3", "s4"]
    on.apply(*names)
    on.apply(*names, **keep("s2", "r2"))
    on.moments = storage.moments(on.guest)
    assert by_hand.names(on.guest) == names, "s4 keeps the present already"
    for name in ("s4", "s1", "s3", "s2"):
        native_revert(on.guest, name)
        on.demand(*names, at=name)
    assert on.outcome(*names).error is None
    on.demand(*names, at="s2")

    assert_refused(native_delete, on.guest, "s1", BRANCH_REFUSED)
    for gone in ("s4", "s3"):
        native_delete(on.guest, gone)
        names.remove(gone)
        on.demand(*names, at="s2")
    assert on.outcome(*names).error is None
    on.apply(*names, **discard("s1", "r3"))
    on.demand(*names, at="s1")


@only_native
def test_native_calls_after_reverts_of_an_active_guest_lose_nothing(lab: Lab, at: Desk) -> None:
    on = bench(lab, at)
    on.take("s1", "s2")
    on.apply("s1", "s2", **discard("s1", "r1"))
    on.guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    on.apply("s1", "s2", "s3")
    on.apply("s1", "s2", "s3", **discard("s2", "r2"), power=RevertPower.PAUSED)
    assert on.guest.is_running
    on.moments = storage.moments(on.guest)
    for name in ("s3", "s1", "s2"):
        native_revert(on.guest, name)
        assert on.guest.is_running
        assert_kept(on.guest, on.moments, "s1", "s2", "s3")
    native_delete(on.guest, "s3")
    assert_kept(on.guest, on.moments, "s1", "s2")
    assert on.outcome("s1", "s2").error is None
    assert_kept(on.guest, on.moments, "s1", "s2")


def point_at_none(guest: Guest) -> None:
    """libvirt has no current snapshot: it was a root without children, and its record went."""
    root = by_hand.record(guest, "s1")
    name = root.find("name")
    assert name is not None
    name.text = "passing"
    by_hand.redefine(guest, root, flags=by_hand.CURRENT)
    by_hand.drop_record(guest, "passing")
    assert by_hand.current(guest) is None


@pytest.mark.parametrize("pointer", [None, "s1"], ids=["no current", "wrong current"])
def test_lv_74_a_pointer_that_is_off_costs_nothing(lab: Lab, at: Desk, pointer: str | None) -> None:
    on = bench(lab, at)
    on.take("s1", "s2", "s3")
    present = on.view()
    if pointer is None:
        point_at_none(on.guest)
    else:
        by_hand.point_at(on.guest, pointer)

    on.apply("s1", "s2", "s3", **keep("s2", "r1"))

    now = storage.moments(on.guest)
    assert of(now, "before-revert-r1") == present
    assert {key: now[key] for key in on.moments} == on.moments
    assert on.view() == of(on.moments, "s2")
    assert by_hand.current(on.guest) == "s2"
    on.demand_tidy()


def test_lv_76_what_was_left_out_keeps_its_file_in_any_power_state(lab: Lab, at: Desk) -> None:
    iso = at.folder / "tools.iso"
    iso.write_bytes(b"not written to" * 4096)
    content = iso.read_bytes()
    on = bench(lab, at, cdrom(source=iso))
    on.apply("s1", skip="vdb")
    on.write()
    moment, left_out = storage.moments(on.guest)["s1", "vda"], on.view()["vdb"]
    states = {
        RevertPower.OFF: libvirt.VIR_DOMAIN_SHUTOFF,
        RevertPower.PAUSED: libvirt.VIR_DOMAIN_PAUSED,
        RevertPower.RUNNING: libvirt.VIR_DOMAIN_RUNNING,
        RevertPower.RECORDED: libvirt.VIR_DOMAIN_SHUTOFF,
    }
    for power, state in states.items():
        on.apply("s1", skip="vdb", **keep("s1", f"to-{power}"), power=power)

        assert on.guest.domain.state()[0] == state
        assert on.guest.active_images()["vdb"] == on.guest.disks["vdb"]
        assert on.guest.active_images()["sda"] == iso
        assert iso.read_bytes() == content
        assert storage.moments(on.guest)["s1", "vda"] == moment
        assert on.view() == {"vda": moment, "vdb": left_out}
    storage.assert_clean(at.folder / "images")


@only_native
def test_lv_76_a_revert_says_that_the_nvram_stays(site: Site) -> None:
    guest = site.lab.uefi_guest("web01")
    site.declare(guest, "s1", prune="auto")
    site.apply()
    site.declare(guest, "s1", prune="auto", revert=back("s1", "r1", present="discard"))

    assert "web01: the NVRAM stays as it is now" in site.planned(guest)["warnings"]
    site.apply()
    assert site.is_in_sync()


def test_lv_25_a_snapshot_of_a_disk_that_is_gone_is_no_target(lab: Lab, at: Desk) -> None:
    on = bench(lab, at)
    on.take("s1")
    view, files = on.view(), storage.images(at.folder / "images")
    root = definition(on.guest)
    devices = root.find("devices")
    assert devices is not None
    devices.remove(root.xpath("./devices/disk[target/@dev='vdb']")[0])
    by_hand.define(on.guest, root)
    before = etree.tostring(definition(on.guest))

    outcome = on.outcome("s1", **keep("s1", "r1"))

    assert "RevertNotPossible" in {refusal.code for refusal in outcome.refusals}
    assert not outcome.plan.steps
    assert etree.tostring(definition(on.guest)) == before
    assert storage.images(at.folder / "images") == files
    assert storage.moments(on.guest) == on.moments
    assert on.view() == {"vda": view["vda"]}


def test_lv_19_a_managed_save_image_holds_a_revert_back(lab: Lab, at: Desk) -> None:
    on = bench(lab, at)
    on.take("s1")
    on.guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    on.guest.domain.managedSave()
    active, files = on.guest.active_images(), storage.images(at.folder / "images")
    view = on.view()

    outcome = on.outcome("s1", **keep("s1", "r1"))

    assert "ManagedSave" in {refusal.code for refusal in outcome.refusals}
    assert not outcome.plan.steps
    assert on.guest.domain.hasManagedSaveImage()
    assert (on.guest.active_images(), on.view()) == (active, view)
    assert storage.images(at.folder / "images") == files
    assert_kept(on.guest, on.moments, "s1")
    on.guest.domain.create()
    assert not on.guest.domain.hasManagedSaveImage()


@only_native
def test_lv_44_after_a_pointer_was_moved_the_guest_boots_with_all_its_data(site: Site) -> None:
    guest = running_with_s1(site)
    site.declare(guest, "s1", "s2", prune="auto")
    site.apply()
    head = guest.head()
    by_hand.point_at(guest, "s1")
    site.declare(guest, "s1", prune="auto")

    site.apply()

    assert by_hand.current(guest) == "s1"
    guest.shut_down()
    guest.start()
    assert min(guest.verify().values()) > 0
    assert guest.head() >= head
