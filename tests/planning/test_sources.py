"""Sources that are not plain images on files: whoever stands on them is kept whole, or refused."""

from dataclasses import replace

import pytest

from reconciler.model.chain import BackingChain, Image, Presence
from reconciler.model.desired import CaptureType, DesiredRevert, DesiredSnapshot, Prune
from reconciler.model.domain import DiskKind, ObservedDomain, ObservedHost
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.plan import DomainPlan
from reconciler.model.request import PlanRequest
from reconciler.model.snapshot import DiskCapture, SnapshotDisk, SnapshotRecord
from reconciler.planning import planner
from reconciler.planning.diagnosis import diagnose
from reconciler.report.refusals import explained
from tests.drawing import desired, domain, host, image, overlay, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.planning.reading import codes, plan_of, steps

NONE = wanted("web01", prune=Prune.AUTO)


def hint(plan: DomainPlan) -> str:
    (why,) = plan.refusals
    return explained(why, domain=plan.domain).hint


def message(plan: DomainPlan) -> str:
    (why,) = plan.refusals
    return explained(why, domain=plan.domain).message


def planned_on(seen: ObservedHost, *snapshots: str) -> DomainPlan:
    wish = desired(wanted("web01", *snapshots, prune=Prune.AUTO))
    plans = planner.plan_host(wish, wish.hosts[0], seen, PlanRequest(), now=seen.observed_at)
    return next(plan for plan in plans if plan.domain == "web01")


def with_other(**disk: object) -> FakeHost:
    """web01 with s1 that is to go; db01 is off, on an image of its own in another folder."""
    fake = host(domain("web01", vda="base ← s1"))
    Administrator(fake).define("db01", {"vda": "/elsewhere/db01.qcow2"})
    definition = fake.domain("db01").persistent
    assert definition is not None
    definition.disks[0] = replace(definition.disks[0], **disk)  # type: ignore[arg-type]  # test data
    return fake


# --- a source that nobody can tell the place of


def test_whoever_has_a_source_that_cannot_be_resolved_reads_everything() -> None:
    plan = plan_of(with_other(unresolved="volume v of pool p"), NONE)

    assert (steps(plan), codes(plan)) == ([], ["UnmanagedReader s1"])
    assert "domain db01" in message(plan)
    assert "where its vda lies cannot be told: volume v of pool p" in message(plan)
    assert "virsh pool-list --all" in hint(plan)


def test_so_does_a_domain_itself() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1", vdb="data"))
    definition = fake.domain("web01").persistent
    assert definition is not None
    definition.disks[1].unresolved = "volume v of pool p"

    assert codes(plan_of(fake, NONE)) == ["UnmanagedReader s1"]


@pytest.mark.parametrize("discards", [False, True])
def test_nobody_goes_back_on_a_disk_whose_place_cannot_be_told(*, discards: bool) -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    definition = fake.domain("web01").persistent
    assert definition is not None
    definition.disks[0].unresolved = "volume v of pool p"
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=discards)

    plan = plan_of(fake, wanted("web01", "s1", revert=back))

    assert "RevertNotPossible s1" in codes(plan)
    assert not plan.steps


def test_so_does_a_snapshot() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("db01", shut_off, vda="other ← t1"))
    seen = fake.observe()
    changed = tuple(
        replace(
            each,
            records=tuple(replace(r, unresolved=("volume v of pool p",)) for r in each.records),
        )
        if each.name == "db01"
        else each
        for each in seen.domains
    )

    plan = planned_on(replace(seen, domains=changed))

    assert codes(plan) == ["UnmanagedReader s1"]
    assert "a disk of its snapshot t1" in message(plan)


def test_taking_a_snapshot_changes_nobodys_data() -> None:
    fake = with_other(unresolved="volume v of pool p")

    assert steps(plan_of(fake, wanted("web01", "s1", "s2"))) == ["create s2 vda"]


@pytest.mark.parametrize("which", ["its own image", "its backing file"])
def test_a_domain_whose_image_is_out_of_sight_reads_everything(which: str) -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("db01", shut_off, vda="(mid) ← other"))
    Person(fake).remove_file(image("other" if which == "its own image" else "mid"))

    plan = plan_of(fake, NONE)

    assert codes(plan) == ["UnmanagedReader s1"]
    assert "of its vda is not there now" in message(plan)
    assert "mount the folder of" in hint(plan)


def test_a_branch_of_a_snapshot_in_a_folder_that_is_not_mounted_reads_everything() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("db01", shut_off, vda="/far/db01.qcow2"))
    seen = with_branch(fake.observe(), "/far/branch.qcow2")

    assert codes(planned_on(seen)) == []  # a file that was deleted: others lie there still
    assert codes(planned_on(with_branch(fake.observe(), "/away/branch.qcow2"))) == [
        "UnmanagedReader s1"
    ]


def with_branch(seen: ObservedHost, path: str) -> ObservedHost:
    """db01 has a snapshot off its chain, whose image is missing."""
    other = next(each for each in seen.domains if each.name == "db01")
    disk = SnapshotDisk(
        target=DiskTarget("vda"),
        capture=DiskCapture.EXTERNAL,
        source=ImagePath(path),
        source_format="qcow2",
    )
    record = SnapshotRecord(name=SnapshotName("t1"), created=1, state="shutoff", disks=(disk,))
    gone = Image(path=ImagePath(path), format="qcow2", presence=Presence.MISSING, is_examined=False)
    return replace(_with(seen, replace(other, records=(record,))), images=(*seen.images, gone))


def test_what_is_raw_stands_on_nothing_there_or_not() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("db01", shut_off, vda="other.img"))
    Person(fake).remove_file(image("other.img"))
    Administrator(fake).attach_disk("db01", "sda", "/iso/debian.iso", cdrom=True)
    Person(fake).remove_file("/iso/debian.iso")

    assert codes(plan_of(fake, NONE)) == []


def test_what_a_running_qemu_has_open_is_told_by_it() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("db01", vda="(mid) ← other"))
    Person(fake).remove_file(image("mid"))
    definition = fake.domain("db01").persistent
    fake.domain("db01").persistent = None
    assert definition is not None

    assert codes(plan_of(fake, NONE)) == []


# --- files that are odd


def odd(fake: FakeHost, name: str = "odd", **how: object) -> FakeHost:
    fake.world.storage.add(FakeFile(path=image(name), **how))  # type: ignore[arg-type]  # test data
    return fake


def test_what_no_qemu_can_open_stands_on_nothing() -> None:
    fake = odd(with_other(), is_spoilt=True)
    Administrator(fake).edit("db01", "vda", image("odd"))

    assert codes(plan_of(fake, NONE)) == []


def test_what_stands_on_no_file_is_named_with_its_cause_and_a_remedy() -> None:
    plan = plan_of(odd(with_other(), stands_on="nbd://h/x"), NONE)

    assert codes(plan) == ["UnmanagedReader s1"]
    assert "read by file /images/odd.qcow2" in message(plan)
    assert "it stands on nbd://h/x" in message(plan)
    assert "qemu-img rebase -b '' /images/odd.qcow2" in hint(plan)
    assert "root" not in hint(plan)


def test_a_user_who_may_not_look_is_told_to_become_one_who_may() -> None:
    fake = odd(with_other(), is_readable=False)
    Administrator(fake).edit("db01", "vda", image("odd"))

    plan = plan_of(fake, NONE)

    assert codes(plan) == ["NeedsLocalAccess s1"]
    assert "root" in hint(plan)


# --- hints


def test_no_hint_hides_a_reader_from_sight() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).overlay_on(image("base"), image("clone"))

    plan = plan_of(fake, NONE)

    assert codes(plan) == ["UnmanagedReader s1"]
    assert "qemu-img rebase -b '' /images/clone.qcow2" in hint(plan)
    assert "move" not in hint(plan)
    assert not hint(plan).startswith("remove")


def test_no_hint_costs_a_reader_its_internal_snapshots() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).overlay_on(image("base"), image("clone"))
    Person(fake).image_snapshot(image("clone"), "inside")

    assert "qemu-img rebase" not in hint(plan_of(fake, NONE))


# --- what changes which bytes a source is


def sliced(*drawn: str, **disks: str) -> FakeHost:
    fake = host(domain("web01", shut_off, vda="base ← s1", vdb="data"))
    definition = fake.domain("web01").persistent
    assert definition is not None
    definition.disks[0].oddity = "on a part of a file (slices)"
    return fake


def test_a_part_of_a_file_is_not_supported_and_the_other_disk_goes_on() -> None:
    fake = sliced()
    skip = DesiredSnapshot(name=SnapshotName("s2"), skip=frozenset({DiskTarget("vda")}))

    assert codes(plan_of(fake, wanted("web01", "s1", "s2"))) == ["DiskNotSupported s2"]
    assert steps(plan_of(fake, wanted("web01", "s1", skip))) == ["create s2 vdb"]
    assert codes(plan_of(fake, NONE)) == ["DiskNotSupported s1"]


def test_neither_is_a_revert_to_what_was_one() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    seen = fake.observe()
    (of,) = seen.domains
    (record,) = of.records
    (disk,) = record.disks
    was = replace(record, disks=(replace(disk, oddity="slices"),))
    wish = desired(wanted("web01", "s1", revert=DesiredRevert(to=SnapshotName("s1"), request="r1")))

    plans = planner.plan_host(
        wish,
        wish.hosts[0],
        replace(seen, domains=(replace(of, records=(was,)),)),
        PlanRequest(),
        now=seen.observed_at,
    )

    assert "DiskNotSupported" in {r.code.value for plan in plans for r in plan.refusals}
    assert not any("revert" in step for plan in plans for step in steps(plan))


def test_an_image_that_stands_on_a_part_of_a_file_is_not_merged() -> None:
    fake = host(domain("web01", shut_off, vda="(template) ← base ← s1"))
    seen = fake.observe()
    odd_base = tuple(
        replace(each, oddity="its backing file name has offset")
        if each.path == image("base")
        else each
        for each in seen.images
    )

    plan = planned_on(replace(seen, images=odd_base))

    assert codes(plan) == ["DiskNotSupported s1"]
    assert codes(planned_on(replace(seen, images=odd_base), "s1", "s2")) == ["DiskNotSupported s2"]


def test_a_file_that_another_reads_by_a_second_name_is_read_by_it() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).overlay_on(image("base"), image("clone"))
    seen = fake.observe()
    twofold = tuple(
        replace(each, backing=image("elsewhere"), also_reads=(image("base"),))
        if each.path == image("clone")
        else each
        for each in seen.images
    )

    assert codes(planned_on(replace(seen, images=twofold))) == ["UnmanagedReader s1"]


def test_a_stated_chain_that_ends_in_no_file_is_a_broken_one() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    definition = fake.domain("web01").persistent
    assert definition is not None
    definition.disks[0].is_stated_elsewhere = True

    for wish in (NONE, wanted("web01", "s1", "s2")):
        plan = plan_of(fake, wish)
        assert (steps(plan), codes(plan)) == ([], ["ChainBroken"])
        assert "states that it stands on what is no file" in message(plan)


def test_the_files_in_a_stated_chain_are_read_wherever_it_ends() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("db01", shut_off, vda="other"))
    seen = fake.observe()
    other = next(each for each in seen.domains if each.name == "db01")
    assert other.persistent is not None
    stated = replace(
        other.persistent[0],
        stated=BackingChain((image("base"), image("other"))),
        is_stated_elsewhere=True,
    )
    network = replace(stated, kind=DiskKind.NETWORK, source=None, chain=None)
    for disk in (stated, network):
        changed = replace(other, persistent=(disk,))
        assert codes(planned_on(_with(seen, changed))) == ["UnmanagedReader s1"]


def _with(seen: ObservedHost, changed: ObservedDomain) -> ObservedHost:
    domains = tuple(changed if d.uuid == changed.uuid else d for d in seen.domains)
    return replace(seen, domains=domains)


# --- corrupt images


@pytest.mark.parametrize("name", ["base", "web01-vda-s1"])
@pytest.mark.parametrize("is_off", [False, True])
def test_nothing_is_merged_into_or_out_of_what_qemu_marked_as_corrupt(
    name: str, *, is_off: bool
) -> None:
    fake = host(domain("web01", *([shut_off] if is_off else []), vda="base ← s1 ← s2"))
    fake.world.storage.file(image(name)).is_corrupt = True

    plan = plan_of(fake, wanted("web01", prune=Prune.AUTO))

    assert steps(plan) == []
    assert {r.code.value for r in plan.refusals} == {"ChainBroken"}
    assert f"qemu-img check {image(name)}" in explained(plan.refusals[0], domain="web01").hint


def test_no_snapshot_is_taken_on_it_outside_or_inside() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    fake.world.storage.file(image("base")).is_corrupt = True
    inside = DesiredSnapshot(name=SnapshotName("i1"), type=CaptureType.INTERNAL)

    assert codes(plan_of(fake, wanted("web01", "s1"))) == ["ChainBroken s1"]
    assert codes(plan_of(fake, wanted("web01", inside))) == ["ChainBroken i1"]


def test_it_is_gone_back_from_and_not_to() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    fake.world.storage.file(overlay("web01", "vda", "s1")).is_corrupt = True

    def revert(to: str) -> DomainPlan:
        wish = DesiredRevert(to=SnapshotName(to), request="r1", discards=True)
        return plan_of(fake, wanted("web01", "s1", "s2", revert=wish))

    assert any(step.startswith("revert s1") for step in steps(revert("s1")))
    assert "ChainBroken" in {r.code.value for r in revert("s2").refusals}


# --- optional and doubled disks


def with_optional(*, missing: bool = True, is_off: bool = True) -> FakeHost:
    fake = host(domain("web01", shut_off, vda="base", vdb="usb"))
    definition = fake.domain("web01").persistent
    assert definition is not None
    definition.disks[1].is_optional = True
    if missing:
        Person(fake).remove_file(image("usb"))
    return fake


def test_an_optional_disk_that_is_missing_and_skipped_blocks_nothing() -> None:
    fake = with_optional()
    skip = DesiredSnapshot(name=SnapshotName("s1"), skip=frozenset({DiskTarget("vdb")}))
    wish = wanted("web01", skip)

    assert steps(plan_of(fake, wish)) == ["create s1 vda"]
    reconciled(fake, desired(wish), PlanRequest())
    assert not plan_of(fake, wish).steps
    assert not plan_of(fake, wish).refusals


def test_one_that_is_not_skipped_is_refused_where_it_is_wanted() -> None:
    plan = plan_of(with_optional(), wanted("web01", "s1"))

    assert codes(plan) == ["StorageAbsent s1"]
    (why,) = plan.refusals
    assert why.fact("disk") == "vdb"


def test_one_that_is_missing_and_needed_blocks_as_before() -> None:
    fake = host(domain("web01", shut_off, vda="base", vdb="usb"))
    Person(fake).remove_file(image("usb"))
    skip = DesiredSnapshot(name=SnapshotName("s1"), skip=frozenset({DiskTarget("vdb")}))

    assert codes(plan_of(fake, wanted("web01", skip))) == ["StorageAbsent"]


@pytest.mark.parametrize(
    ("first", "second", "is_readonly"),
    [
        ("base", "base", False),
        ("base", "base", True),
        ("(template) ← base", "template", False),
    ],
)
def test_an_image_that_two_disks_of_a_guest_use_is_not_frozen(
    first: str, second: str, *, is_readonly: bool
) -> None:
    fake = host(domain("web01", shut_off, vda=first))
    Administrator(fake).attach_disk("web01", "vdb", image(second))
    definition = fake.domain("web01").persistent
    assert definition is not None
    definition.disks[1].is_readonly = is_readonly
    skip = DesiredSnapshot(name=SnapshotName("s1"), skip=frozenset({DiskTarget("vdb")}))

    for wish in (wanted("web01", "s1"), wanted("web01", skip)):
        plan = plan_of(fake, wish)
        assert (steps(plan), codes(plan)) == ([], ["DiskNotSupported s1"])
        assert "vdb of the same guest" in plan.refusals[0].fact("cause")


def test_doctor_says_so_before_anybody_asks() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Administrator(fake).attach_disk("web01", "vdb", image("base"))

    found = {f.disk: f.fact("cause") for f in diagnose(fake.observe())}

    assert found == {
        "vda": "on an image that vdb of the same guest uses too",
        "vdb": "on an image that vda of the same guest uses too",
    }


def test_a_template_that_two_disks_of_a_guest_stand_on_is_for_sharing() -> None:
    fake = host(domain("web01", shut_off, vda="(template) ← base", vdb="(template) ← data"))

    assert steps(plan_of(fake, wanted("web01", "s1"))) == ["create s1 vda,vdb"]
