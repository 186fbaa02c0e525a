"""Names of new files: no two snapshots, disks or domains of one plan get one."""

from dataclasses import replace
from itertools import combinations

import pytest

from reconciler.model.action import CreateSnapshot, RevertSnapshot
from reconciler.model.desired import DesiredDomain, DesiredRevert, DesiredSnapshot
from reconciler.model.names import ImagePath, SnapshotName, file_name_part
from reconciler.model.plan import DomainPlan
from reconciler.model.request import PlanRequest
from reconciler.planning.overlay_names import alike, first_free
from tests.drawing import FOLDER, desired, domain, host, shut_off, wanted
from tests.engine.passes import planned
from tests.fakes.host import FakeHost
from tests.fakes.storage import FakeFile

WITHOUT_DOMAIN = "{{ image.folder }}/{{ disk.target }}-{{ snapshot.name }}.qcow2"


def plans_of(fake: FakeHost, *wishes: DesiredDomain) -> tuple[DomainPlan, ...]:
    return planned(fake, desired(*wishes), PlanRequest()).domains


def new_files(plan: DomainPlan) -> list[str]:
    found: list[str] = []
    for step in plan.steps:
        if isinstance(step.action, CreateSnapshot):
            found += step.action.new_files
        if isinstance(step.action, RevertSnapshot):
            found += [new.overlay for new in step.action.disks]
    return found


def wish(name: str, *snapshots: str, template: str, memory: bool = False) -> DesiredDomain:
    return wanted(
        name,
        *(
            DesiredSnapshot(name=SnapshotName(s), overlay=template, memory=memory)
            for s in snapshots
        ),
    )


@pytest.mark.parametrize(
    "names",
    [
        ("müller", "möller", "m_ller"),
        ("web 01", "web_01", "web/01", "web\t01"),
        ("é", "e\u0301", "_", "__"),
    ],
)
def test_names_that_become_ascii_stay_apart(names: tuple[str, ...]) -> None:
    for one, other in combinations(names, 2):
        assert alike(file_name_part(one)) != alike(file_name_part(other))
    assert file_name_part("web-01.example_A") == "web-01.example_A"


def test_two_domains_of_one_folder_get_an_image_each() -> None:
    fake = host(domain("müller", shut_off, vda="base-a"), domain("möller", shut_off, vda="base-b"))

    plans = plans_of(fake, wanted("müller", "daily"), wanted("möller", "daily"))

    files = [path for plan in plans for path in new_files(plan)]
    assert len({alike(path) for path in files}) == len(files) == 2
    assert not any(plan.refusals for plan in plans)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            wish("web01", "s1", template=WITHOUT_DOMAIN),
            wish("web02", "s1", template=WITHOUT_DOMAIN),
        ),
        # in a file system that does not tell upper from lower case
        (wanted("web01", "s1"), wanted("WEB01", "s1")),
        (
            wanted("web01", "Daily"),
            wish("web02", "dAILY", template="/images/web01-vda-Daily.qcow2"),
        ),
        # composed of the parts of a name as they follow each other
        (wanted("web", "vda-s1"), wanted("web-vda", "s1")),
        # one letter, put together in two ways
        (
            wish("web01", "s1", template="/images/\u00e9-{{ disk.target }}-{{ snapshot.name }}"),
            wish("web02", "s1", template="/images/e\u0301-{{ disk.target }}-{{ snapshot.name }}"),
        ),
    ],
)
def test_what_two_domains_would_make_neither_makes(
    one: DesiredDomain, other: DesiredDomain
) -> None:
    fake = host(
        domain(one.domain, shut_off, vda="base-a"),
        domain(other.domain, shut_off, vda="base-b"),
        domain("third", shut_off, vda="base-c"),
    )

    plans = {p.domain: p for p in plans_of(fake, one, other, wanted("third", "s1"))}

    for this, that in ((one, other), (other, one)):
        (why,) = plans[this.domain].refusals
        assert (why.code, why.fact("other")) == ("ImageNameTaken", that.domain)
        assert new_files(plans[this.domain]) == []
    assert len(new_files(plans["third"])) == 1
    alone = plans_of(fake, one)
    assert len(new_files(alone[0])) == 1


def test_memory_images_too() -> None:
    fake = host(domain("web01", vda="base-a"), domain("web02", vda="base-b"))
    wishes = [
        wish(name, "s1", template=template, memory=True)
        for name, template in (
            ("web01", "/images/{{ disk.target }}-{{ snapshot.name }}.qcow2"),
            ("web02", "/images/{{ disk.target }}-{{ snapshot.name }}.raw"),
        )
    ]

    plans = plans_of(fake, *wishes)

    assert [plan.refusals[0].code for plan in plans] == ["ImageNameTaken"] * 2
    assert plans[0].refusals[0].fact("path") == "/images/memory-s1.save"


def test_overlays_of_reverts_too() -> None:
    fake = host(
        domain("web01", shut_off, vda="base-a ← s1"), domain("web02", shut_off, vda="base-b ← s1")
    )
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)
    wishes = [
        replace(wish(name, "s1", template=WITHOUT_DOMAIN), revert=back)
        for name in ("web01", "web02")
    ]

    plans = plans_of(fake, *wishes)

    assert [plan.refusals[0].code for plan in plans] == ["ImageNameTaken"] * 2
    assert [new_files(plan) for plan in plans] == [[], []]


def test_a_name_that_differs_in_case_alone_is_taken() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    fake.world.storage.add(FakeFile(path=ImagePath(f"{FOLDER}/WEB01-vda-s1.QCOW2")))

    (plan,) = plans_of(fake, wanted("web01", "s1"))

    assert new_files(plan) == [f"{FOLDER}/web01-vda-s1.2.qcow2"]
    taken = frozenset({ImagePath("/i/\u00e9.qcow2"), ImagePath("/i/\u00c9.2.qcow2")})
    assert first_free(ImagePath("/i/e\u0301.qcow2"), taken) == "/i/e\u0301.3.qcow2"


def test_a_name_that_is_too_long_is_told_as_that() -> None:
    long = "x" * 232
    fake = host(domain("web01", shut_off, vda="base"))
    template = f"{{{{ image.folder }}}}/{long}-{{{{ disk.target }}}}-{{{{ snapshot.name }}}}.qcow2"

    (plan,) = plans_of(fake, wish("web01", "s1", template=template))

    (why,) = plan.refusals
    assert why.code == "OutsideFolders"
    assert why.fact("cause") == "its name has 245 bytes, and 240 are allowed"
