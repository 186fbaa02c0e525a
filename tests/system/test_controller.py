"""The controller's days: a repository is pushed to, and real guests follow."""

import shutil
import signal

import pytest

from reconciler.model.controller import Readiness
from reconciler.model.plan import HeldBecause
from tests.source.signing import allowed_signers, ssh_key
from tests.system import by_hand, storage
from tests.system.controlling import Repository, controlling
from tests.system.site import Site
from tests.system.test_crashes import finish_quickly, has_copied, slow_commits

pytestmark = pytest.mark.qemu

BACK = {"to": "s1", "request": "R1", "present": "discard"}


def test_a_repository_is_all_a_person_touches(site: Site) -> None:
    guest, other = site.lab.guest("web01"), site.lab.guest("web02", running=False)
    repository = Repository(site)
    site.declare(guest, prune="auto")
    site.declare(other, "kept")
    repository.push("nothing yet of web01")
    with controlling(site, "--source", str(repository.bare), "--interval", "1s") as controller:
        # a commit is taken
        site.declare(guest, "s1", prune="auto")
        controller.in_force(repository.push("declare s1"))
        assert by_hand.names(guest) == ["s1"]
        assert by_hand.names(other) == ["kept"]
        guest.wait_for_record(guest.head() + 2)
        guest.mark("after-s1")

        # a revert is held, until the guest may be stopped for it
        number = guest.domain.ID()
        site.declare(guest, "s1", prune="auto", revert=BACK)
        repository.push("go back")
        held = controller.until_domain(lambda d: bool(d.held), "what is held")
        assert (held.readiness, held.reason) == (Readiness.STALLED, "DisruptionNever")
        assert held.held[0].because is HeldBecause.DISRUPTION_NEVER
        assert controller.two_passes().passes
        assert guest.domain.ID() == number
        assert guest.has_marker("after-s1")

        # allowed, it is done, and once, however often the controller begins anew
        site.declare(guest, "s1", prune="auto", revert=BACK, disruption="allowed")
        controller.in_force(repository.push("go back, whatever it stops"))
        guest.wait_for_agent()
        assert not guest.has_marker("after-s1")
        guest.mark("after-R1")
        number = guest.domain.ID()
        for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            controller.restart(how)
            controller.until_domain(lambda d: d.reason == "InSync", "in sync")
        assert guest.domain.ID() == number
        assert guest.has_marker("after-R1")

        # stopped in the middle of a block job, the next controller begins where that ended
        guest.fill("vda", 24, seed=1)
        guest.execute("/bin/sync")
        slow_commits(site)
        site.declare(guest, prune="auto")
        repository.push("drop s1, slowly")
        controller.until(lambda _: has_copied(guest), "the middle of the commit")
        assert controller.stop().code == 0
        assert not guest.domain.blockJobInfo("vda")
        assert by_hand.names(guest) == ["s1"]
        finish_quickly(site)
        quick = repository.push("drop s1")
        controller.start()
        controller.in_force(quick)

        # the removal was a consolidation, and all data is there
        assert by_hand.names(guest) == []
        assert guest.active_images() == guest.disks
        assert storage.images(guest.folder) == set(guest.disks.values())
        assert guest.has_marker("after-R1")
        guest.verify()

        # what hands do is seen within an interval, and left alone
        by_hand.snapshot(guest, "by-hand")
        seen = controller.until_domain(lambda d: d.drift == ("SnapshotUnmanaged",), "a snapshot")
        assert seen.readiness is Readiness.READY
        by_hand.merge_live(guest)
        controller.until_domain(lambda d: "RecordDangling" in d.drift, "a block commit")
        assert controller.stop().code == 0


def test_what_is_wrong_with_a_repository_changes_nothing(site: Site) -> None:
    guest, other = (site.lab.guest(name, running=False) for name in ("web01", "web02"))
    repository = Repository(site)
    site.declare(guest, "s1", prune="auto")
    site.declare(other, "s1")
    with controlling(site, "--source", str(repository.bare), "--interval", "1s") as controller:
        # a repository without any revision is no wish either
        assert not controller.state.is_ready
        good = repository.push("two domains")
        controller.in_force(good)
        controller.in_force(good, "web02")

        # garbage beside the removal of s1
        site.declare(guest, prune="auto")
        (site.manifests / "web02.yaml").write_text("kind: DomainSnapshots\nspec: [\n")
        repository.push("garbage")
        state = controller.until(lambda s: s.source.trouble is not None, "the trouble")
        assert state.source.trouble is not None
        assert state.source.trouble.where.startswith("manifests/web02.yaml:")
        assert state.source.trouble.message.startswith("manifests/web02.yaml:")
        state = controller.two_passes()
        assert (state.source.revision, state.is_ready) == (good, False)
        assert by_hand.names(guest) == by_hand.names(other) == ["s1"]

        # an empty tree, and one without any document
        shutil.rmtree(site.manifests)
        repository.push("nothing at all")
        controller.until(
            lambda s: s.source.trouble is not None and "no folder" in s.source.trouble.message,
            "the empty tree",
        )
        (site.manifests / "README").write_text("no manifest")
        repository.push("no document")
        controller.until(
            lambda s: s.source.trouble is not None and "no document" in s.source.trouble.message,
            "the source without any document",
        )
        controller.two_passes()
        assert by_hand.names(guest) == by_hand.names(other) == ["s1"]

        # the next good push heals; a manifest that has gone is reported, and removes nothing
        site.declare(guest, "s1", "s2", prune="auto")
        controller.in_force(repository.push("no web02"))
        assert by_hand.names(guest) == ["s1", "s2"]
        gone = controller.until_domain(lambda d: "ManifestGone" in d.drift, "gone", "web02")
        assert gone.readiness is Readiness.READY
        assert by_hand.names(other) == ["s1"]

        # what hands do is seen within an interval
        by_hand.snapshot(guest, "foreign")
        seen = controller.until_domain(lambda d: "SnapshotUnmanaged" in d.drift, "the snapshot")
        assert seen.readiness is Readiness.READY
        by_hand.drop_record(other, "s1")
        controller.until_domain(lambda d: "OverlayUnrecorded" in d.drift, "the loss", "web02")

        # the repository is deleted: nothing changes
        shutil.rmtree(repository.bare)
        state = controller.until(lambda s: s.source.trouble is not None, "no repository")
        state = controller.two_passes()
        assert not state.is_ready
        assert by_hand.names(guest) == ["foreign", "s1", "s2"]
        assert controller.stop().code == 0


def test_what_nobody_signed_is_refused_also_when_it_is_forced_in(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    repository, key = Repository(site), ssh_key(site.folder, "alice")
    signers = allowed_signers(site.folder / "signers", ("alice", "", key))
    options = ("--source", str(repository.bare), "--interval", "1s", "--verify-ssh", str(signers))
    site.declare(guest, "s1", prune="auto")
    signed = repository.push("declare s1", key=key)
    with controlling(site, *options) as controller:
        controller.in_force(signed)
        assert controller.state.source.signed_by
        site.declare(guest, prune="auto")
        repository.push("drop s1", over=True)
        state = controller.until(lambda s: s.source.trouble is not None, "the refusal")
        assert state.source.trouble is not None
        assert "not signed" in state.source.trouble.message
        state = controller.two_passes()
        assert (state.source.revision, state.is_ready) == (signed, False)
        assert by_hand.names(guest) == ["s1"]
        controller.in_force(repository.push("drop s1", key=key, over=True))
        assert by_hand.names(guest) == []
