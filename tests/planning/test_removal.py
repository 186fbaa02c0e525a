"""What leaves the manifest: which images are merged, in how few passes, and what is refused."""

from reconciler.model.desired import Prune
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, image, managed, shut_off, unmanaged, wanted
from tests.engine.passes import planned
from tests.fakes.person import Person
from tests.planning.reading import codes, gone, kinds, plan_of, steps

AUTO = Prune.AUTO


def test_neighbours_that_go_at_once_are_merged_in_one_pass() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))

    plan = plan_of(fake, wanted("web01", "s3", prune=AUTO))

    assert steps(plan) == [
        "commit vda base ← vda-s1, vda-s2 live",
        "redefine s3 vda=base",
        "forget s2",
        "forget s1",
        "remove vda-s2 emptied",
        "remove vda-s1 emptied",
    ]


def test_the_last_snapshot_is_committed_with_a_pivot() -> None:
    fake = host(domain("web01", vda="base ← s1"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert steps(plan) == ["commit vda base ← vda-s1 active", "forget s1", "remove vda-s1 emptied"]


def test_a_shut_off_domain_is_merged_without_being_started() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))

    plan = plan_of(fake, wanted("web01", "s2", prune=AUTO))

    assert steps(plan)[0] == "commit vda base ← vda-s1 offline rebase vda-s2"


def test_a_snapshot_between_two_that_stay_is_merged_into_the_lower() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))

    plan = plan_of(fake, wanted("web01", "s1", "s3", prune=AUTO))

    assert steps(plan)[0] == "commit vda vda-s1 ← vda-s2 live"
    assert "redefine s3 vda=vda-s1" in steps(plan)


def test_only_the_snapshots_that_took_a_disk_count_on_it() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2", vdb="data ← s1"))

    plan = plan_of(fake, wanted("web01", "s2", prune=AUTO))

    assert steps(plan)[:3] == [
        "commit vda base ← vda-s1 live",
        "commit vdb data ← vdb-s1 active",
        "redefine s2 vda=base vdb=data",
    ]


def test_with_prune_never_nothing_goes_and_it_counts_as_in_sync() -> None:
    fake = host(domain("web01", vda="base ← s1"))

    plan = plan_of(fake, wanted("web01"))

    assert not plan.steps
    assert not plan.refusals
    assert kinds(plan) == ["SnapshotUndeclared s1"]


def test_a_managed_snapshot_above_an_unmanaged_one_may_go() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← u1 ← s1"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert codes(plan) == []
    assert len(plan.steps) == 3


def test_a_commit_below_an_unmanaged_snapshot_is_refused() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← u1"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert not plan.steps
    assert codes(plan) == ["UnmanagedReader s1"]
    assert plan.refusals[0].fact("readers") == "u1"


def test_a_base_that_another_domain_stands_on_is_not_committed_into() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("web02", shut_off, vda="(base) ← other"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert not plan.steps
    assert codes(plan) == ["UnmanagedReader s1"]
    assert plan.refusals[0].fact("readers") == "web02"


def test_a_stray_file_on_the_base_is_a_reader_too() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).overlay_on(image("base"), image("stray"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert not plan.steps
    assert plan.refusals[0].fact("readers") == image("stray")


def test_one_of_two_snapshots_is_refused_and_the_other_goes() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← u1 ← s2"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert codes(plan) == ["UnmanagedReader s1"]
    assert steps(plan)[0] == "commit vda vda-s1.u1 ← vda-s2 active"


def test_a_domain_whose_manifest_has_gone_keeps_its_snapshots() -> None:
    fake = host(domain("web01", vda="base ← s1"))

    plan = gone(fake, "web01", desired(wanted("nobody")), PlanRequest())

    assert not plan.steps
    assert kinds(plan) == ["SnapshotUndeclared s1", "ManifestGone"]


def test_prune_gone_consolidates_them() -> None:
    fake = host(domain("web01", vda="base ← s1"))

    plan = gone(fake, "web01", desired(), PlanRequest(prune_gone=AUTO))

    assert "forget s1" in steps(plan)


def test_an_incomplete_source_makes_no_manifest_gone() -> None:
    fake = host(domain("web01", managed("s1"), vda="base ← s1"))

    wish = desired(wanted("nobody"), is_complete=False)

    assert [d.domain for d in planned(fake, wish, PlanRequest()).domains] == ["nobody"]


def test_a_chain_limit_makes_removals_come_first() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))

    plan = plan_of(fake, wanted("web01", "s2", "s3", prune=AUTO, max_depth=2))

    assert codes(plan) == []
    assert steps(plan)[0].startswith("commit")
    assert steps(plan)[-1] == "create s3 vda"
