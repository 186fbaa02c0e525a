"""How much work is given up is said: in the step, in the last line, and to machines."""

import pytest

from reconciler.model.action import RevertInternal, RevertSnapshot
from reconciler.model.desired import CaptureType, DesiredRevert, DesiredSnapshot, RevertPower
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.plan import DomainPlan, Step
from reconciler.report import step_documents, step_text
from reconciler.report.units import size
from tests.drawing import domain, host, shut_off, wanted
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.storage import CLUSTER
from tests.planning.reading import plan_of

S1 = SnapshotName("s1")


def back(*, discards: bool = True) -> DesiredRevert:
    return DesiredRevert(to=S1, request="r1", discards=discards, power=RevertPower.OFF)


def revert_of(plan: DomainPlan) -> Step:
    (step,) = (s for s in plan.steps if isinstance(s.action, RevertSnapshot | RevertInternal))
    return step


def lost_in_all(plan: DomainPlan) -> int:
    return sum(step.estimate.discards for step in plan.steps)


def written(fake: FakeHost, target: str, clusters: int) -> None:
    for cluster in range(clusters):
        fake.guest_writes("web01", target, cluster, 1000 + cluster)


@pytest.mark.parametrize("is_on", [True, False])
def test_what_the_active_images_alone_hold_is_what_is_lost(*, is_on: bool) -> None:
    traits = () if is_on else (shut_off,)
    drawn = domain("web01", *traits, vda="base ← s1 ← s2", vdb="data ← s1 ← s2")
    fake = host(drawn)
    written(fake, "vda", 3)
    written(fake, "vdb", 2)
    active = (ImagePath(f"/images/web01-{target}-s2.qcow2") for target in ("vda", "vdb"))
    lost = sum(len(fake.world.storage.files[path].clusters) * CLUSTER for path in active)
    plan = plan_of(fake, wanted("web01", "s1", "s2", revert=back()))

    step = revert_of(plan)

    assert step.estimate.discards == lost
    assert f"present state discarded (at most {size(lost)})" in str(step_text.row(step, reason=""))
    assert step_documents.step_document(step).estimate.discards == lost
    # what removes those images counts nothing a second time
    assert lost_in_all(plan) == lost
    kept = plan_of(fake, wanted("web01", "s1", "s2", revert=back(discards=False)))
    assert lost_in_all(kept) == 0


def test_inside_an_image_it_is_at_most_all_of_it() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "s1", inside=True)
    snapshot = DesiredSnapshot(name=S1, type=CaptureType.INTERNAL)
    wish = wanted("web01", snapshot, revert=back())
    assert revert_of(plan_of(fake, wish)).estimate.discards == 0
    written(fake, "vda", 4)
    clusters = len(fake.world.storage.files[ImagePath("/images/base.qcow2")].clusters)

    assert revert_of(plan_of(fake, wish)).estimate.discards == clusters * CLUSTER
