"""What is declared and was never taken."""

from dataclasses import replace

import pytest

from reconciler.model.desired import (
    CaptureType,
    DesiredRevert,
    DesiredSnapshot,
    Power,
    Prune,
    Quiesce,
)
from reconciler.model.domain import AgentState
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.power import PowerState
from tests.drawing import domain, host, image, paused, running, shut_off, unmanaged, wanted
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import FakeDisk
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.planning.reading import codes, kinds, plan_of, steps


def one(name: str = "s1", **fields: object) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), **fields)  # type: ignore[arg-type]


def test_snapshots_are_taken_in_the_order_of_the_list() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))

    plan = plan_of(fake, wanted("web01", "s2", "s1"))

    assert steps(plan) == ["create s2 vda,vdb", "create s1 vda,vdb"]


def test_one_added_above_a_taken_one_is_taken_now_and_the_plan_says_so() -> None:
    fake = host(domain("web01", vda="base ← s2"))

    plan = plan_of(fake, wanted("web01", "s1", "s2"))

    assert steps(plan) == ["create s1 vda"]
    (missing,) = plan.drift
    assert missing.is_above_taken  # type: ignore[union-attr]


def test_another_order_of_taken_snapshots_is_nothing() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))

    plan = plan_of(fake, wanted("web01", "s2", "s1"))

    assert not plan.drift


@pytest.mark.parametrize(
    ("state", "power", "wish", "expected"),
    [
        (AgentState.CONNECTED, PowerState.RUNNING, Quiesce.REQUIRED, ["create s1 vda quiesced"]),
        (AgentState.CONNECTED, PowerState.RUNNING, Quiesce.PREFERRED, ["create s1 vda quiesced"]),
        (AgentState.CONNECTED, PowerState.RUNNING, Quiesce.NEVER, ["create s1 vda"]),
        (AgentState.ABSENT, PowerState.RUNNING, Quiesce.PREFERRED, ["create s1 vda"]),
        (AgentState.ABSENT, PowerState.RUNNING, Quiesce.REQUIRED, ["AgentNotConnected s1"]),
        (AgentState.DISCONNECTED, PowerState.RUNNING, Quiesce.REQUIRED, ["AgentNotConnected s1"]),
        (AgentState.CONNECTED, PowerState.PAUSED, Quiesce.REQUIRED, ["PowerState s1"]),
        (AgentState.CONNECTED, PowerState.PAUSED, Quiesce.PREFERRED, ["create s1 vda"]),
        (AgentState.ABSENT, PowerState.SHUT_OFF, Quiesce.REQUIRED, ["create s1 vda"]),
    ],
)
def test_quiescing_is_required_preferred_or_never(
    state: AgentState, power: PowerState, wish: Quiesce, expected: list[str]
) -> None:
    fake = host(domain("web01", state, power, vda="base"))

    plan = plan_of(fake, wanted("web01", "s1", quiesce=wish))

    assert steps(plan) + codes(plan) == expected


def test_a_skipped_disk_is_left_out_and_named() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))

    plan = plan_of(fake, wanted("web01", one(skip=frozenset({DiskTarget("vdb")}))))

    assert steps(plan) == ["create s1 vda"]
    assert plan.steps[0].action.skipped == ("vdb",)  # type: ignore[union-attr]


def test_a_disk_that_is_named_and_absent_is_refused() -> None:
    fake = host(domain("web01", vda="base"))

    plan = plan_of(fake, wanted("web01", one(take=frozenset({DiskTarget("vdz")}))))

    assert codes(plan) == ["DiskNotSupported s1"]


def test_a_taken_file_name_is_avoided_in_the_plan() -> None:
    fake = host(domain("web01", vda="base"))
    Person(fake).overlay_on(image("base"), image("web01-vda-s1"))

    plan = plan_of(fake, wanted("web01", "s1"))

    assert plan.steps[0].action.overlays[0].overlay == image("web01-vda-s1.2.qcow2")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "template",
    [
        "{{ image.folder }}/../{{ disk.target }}-{{ snapshot.name }}.qcow2",
        "/etc/{{ disk.target }}-{{ snapshot.name }}.qcow2",
        "{{ disk.target }}-{{ snapshot.name }}.qcow2",
        "{{ image.folder }}/sub/{{ disk.target }}-{{ snapshot.name }}",
        "{{ image.folder }}/{{ disk.target.__class__ }}",
    ],
)
def test_an_overlay_outside_the_allowed_folders_is_refused(template: str) -> None:
    fake = host(domain("web01", vda="base"))

    plan = plan_of(fake, wanted("web01", one(overlay=template)))

    assert codes(plan) == ["OutsideFolders s1"]


def test_a_name_that_an_unmanaged_snapshot_has_is_refused() -> None:
    fake = host(domain("web01", unmanaged("s1"), vda="base ← s1"))

    plan = plan_of(fake, wanted("web01", "s1"))

    assert not plan.steps
    assert codes(plan) == ["NameTaken s1"]


def test_a_lost_snapshot_is_reported_and_not_taken_again() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).snapshot_delete_metadata("web01", "s1")

    plan = plan_of(fake, wanted("web01", "s1", prune=Prune.AUTO))

    assert not plan.steps
    assert codes(plan) == ["SnapshotLost s1"]
    assert kinds(plan) == ["SnapshotLost s1", "OverlayUnrecorded s1"]


def test_a_lost_snapshot_that_leaves_the_manifest_is_consolidated() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).snapshot_delete_metadata("web01", "s1")

    plan = plan_of(fake, wanted("web01", prune=Prune.AUTO))

    assert codes(plan) == []
    assert steps(plan) == [
        "forget s1 entry",
        "commit vda base ← vda-s1 active",
        "remove vda-s1 emptied",
    ]


def test_a_refused_create_holds_those_after_it() -> None:
    fake = host(domain("web01", AgentState.ABSENT, vda="base"))

    plan = plan_of(fake, wanted("web01", one(quiesce=Quiesce.REQUIRED), "s2"))

    assert codes(plan) == ["AgentNotConnected s1", "OrderNotMet s2"]


def test_a_snapshot_that_must_run_is_refused_when_off() -> None:
    fake = host(domain("web01", shut_off, vda="base"))

    plan = plan_of(fake, wanted("web01", one(power=Power.RUNNING)))

    assert codes(plan) == ["PowerState s1"]


def test_a_paused_guest_may_be_snapshotted() -> None:
    assert steps(plan_of(host(domain("web01", paused, vda="base")), wanted("web01", "s1"))) == [
        "create s1 vda"
    ]


def test_managed_save_refuses_everything() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Administrator(fake).managed_save("web01")

    plan = plan_of(fake, wanted("web01", "s2", prune=Prune.AUTO))

    assert not plan.steps
    assert codes(plan) == ["ManagedSave"]


def test_another_description_is_written_and_other_disks_are_only_reported() -> None:
    fake = host(domain("web01", vda="base ← s1", vdb="data ← s1"))
    wish = one(description="new", skip=frozenset({DiskTarget("vdb")}))

    plan = plan_of(fake, wanted("web01", wish))

    assert steps(plan) == ["redefine s1 'new'"]
    assert kinds(plan) == ["DescriptionDiffers s1", "CaptureDiffers s1"]


def test_deep_chains_are_refused_on_the_libvirts_that_cannot_start_them() -> None:
    names = [f"s{n}" for n in range(1, 25)]
    fake = host(domain("web01", vda=" ← ".join(["base", *names])), version=11_003_000)

    plan = plan_of(fake, wanted("web01", *names, "s25"))

    assert codes(plan) == ["ChainTooDeep s25"]
    older = plan_of(
        host(domain("web01", vda=" ← ".join(["base", *names]))), wanted("web01", *names, "s25")
    )
    assert codes(older) == []


def test_two_manifests_for_one_domain_are_refused() -> None:
    fake = host(domain("web01", vda="base"))
    uuid = fake.domain("web01").uuid

    plan = plan_of(fake, wanted("web01", "s1"), replace(wanted("web01", "s2"), domain=uuid))

    assert codes(plan) == ["ClaimedTwice"]


def test_a_missing_domain_is_refused_with_what_is_near() -> None:
    plan = plan_of(host(domain("web01", vda="base")), wanted("web0l", "s1"))

    assert codes(plan) == ["DomainMissing"]
    assert plan.refusals[0].fact("near") == "web01"


def with_second_disk(power: PowerState, **traits: object) -> FakeHost:
    """Its second disk is of another kind."""
    fake = host(domain("web01", power, vda="base", vdb="data"))
    definitions = fake.domain("web01").definitions
    for definition in definitions:
        disk = definition.disk(DiskTarget("vdb"))
        assert disk is not None
        for name, value in traits.items():
            setattr(disk, name, value)
    return fake


@pytest.mark.parametrize("power", [shut_off, running])
@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({"device": "lun"}, "vdb is left out, a lun, and the guest can write to it"),
        ({"device": "floppy"}, "vdb is left out, a floppy, and the guest can write to it"),
        ({"is_manual": True}, "vdb is left out by the definition (snapshot='manual')"),
        ({"device": "floppy", "is_readonly": True}, None),
        ({"device": "cdrom", "is_readonly": True}, None),
    ],
)
def test_what_the_guest_writes_to_is_not_left_out_without_a_word(
    power: PowerState, traits: dict[str, object], said: str | None
) -> None:
    fake = with_second_disk(power, **traits)

    plan = plan_of(fake, wanted("web01", one()))
    skipping = plan_of(fake, wanted("web01", one(skip=frozenset({DiskTarget("vdb")}))))

    assert steps(plan)[0].startswith("create s1 vda")
    assert "vdb" not in steps(plan)[0].split("without")[0]
    assert [w for w in plan.warnings if "vdb" in w] == ([said] if said else [])
    assert [w for w in skipping.warnings if "vdb" in w] == []


@pytest.mark.parametrize("device", ["lun", "floppy"])
def test_what_no_snapshot_takes_is_refused_where_it_is_asked_for(device: str) -> None:
    fake = with_second_disk(shut_off, device=device)

    plan = plan_of(fake, wanted("web01", one(take=frozenset({DiskTarget("vdb")}))))

    (why,) = plan.refusals
    assert (why.code, why.fact("cause")) == ("DiskNotSupported", f"a {device}")


@pytest.mark.parametrize("traits", [{"device": "lun"}, {"device": "floppy"}, {"is_manual": True}])
def test_no_snapshot_inside_the_images_beside_a_disk_that_is_left_out(
    traits: dict[str, object],
) -> None:
    fake = with_second_disk(shut_off, **traits)

    plan = plan_of(fake, wanted("web01", one(type=CaptureType.INTERNAL)))

    assert codes(plan) == ["DiskNotSupported s1"]


def test_memory_is_not_put_back_beside_a_lun_that_went_on() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    lun = FakeDisk(target=DiskTarget("sda"), source=image("lun"), device="lun")
    fake.world.storage.add(FakeFile(path=image("lun")))
    for definition in fake.domain("web01").definitions:
        definition.disks.append(replace(lun))
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)

    plan = plan_of(fake, wanted("web01", one(memory=True), revert=back))

    (why,) = plan.refusals
    assert why.code == "RevertNotPossible"
    assert "its memory does not fit sda" in why.fact("cause")
