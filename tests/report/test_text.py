"""The plan for people."""

from reconciler.model.action import AbortJob, CommitMethod, RemovalCause, Risk, ThawGuest
from reconciler.model.desired import Desired, DesiredDomain, Origin, Prune
from reconciler.model.domain import AgentState
from reconciler.model.drift import (
    CaptureDiffers,
    SnapshotLost,
    SnapshotMissing,
    SnapshotUndeclared,
    SnapshotUnmanaged,
    Undeclared,
)
from reconciler.model.ledger import Consistency
from reconciler.model.names import HostName, SnapshotName
from reconciler.model.plan import Plan, Reason
from reconciler.model.power import PowerState
from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.lines import as_text
from reconciler.report.text import plan_lines
from tests.report import drawn_plans as drawn
from tests.report.drawn_plans import domain_plan, removal, s1, s3, step, vda, vdb, vdc, whole


def text(
    plan: Plan,
    *,
    prune: Prune | None = None,
    is_verbose: bool = False,
    is_quiet: bool = False,
) -> str:
    desired = None
    if prune is not None:
        wish = DesiredDomain(
            host=HostName("kvm01"),
            domain="web01",
            snapshots=(),
            origin=Origin(manifest="web01.yaml"),
            prune=prune,
        )
        desired = Desired(source="", revision=None, is_complete=True, hosts=(), domains=(wish,))
    return as_text(plan_lines(plan, desired=desired, is_verbose=is_verbose, is_quiet=is_quiet))


def test_a_plan_reads_as_the_issue_shows_it() -> None:
    assert text(whole(domain_plan(*removal())), prune=Prune.AUTO) == (
        "web01 on kvm01: running, agent connected\n"
        "  + create  s3      vda, vdb, quiesced                              declared, not taken\n"
        "  - commit  s1, s2  312 MiB into web01-vda.qcow2, one pass, guest keeps running   "
        "not in the manifest (prune: auto)\n"
        "                    s1 and s2 can no longer be reverted to afterwards\n"
        "Plan: 1 to create, 2 to remove, 0 refused. 312 MiB to copy, no downtime.\n"
    )


def test_supporting_steps_are_shown_one_by_one_when_asked_for() -> None:
    shown = text(whole(domain_plan(*removal())), is_verbose=True)

    heads = [line for line in shown.splitlines()[1:-1] if not line.startswith(" " * 8)]
    assert [line.split()[0] for line in heads] == [f"s{number}" for number in range(1, 8)]
    assert "remove-image  web01-vda-s2.qcow2" in shown


def test_every_image_is_named_by_its_whole_path_when_asked_for() -> None:
    """What a step makes, merges or removes; a person who looks for a file needs to know where."""
    made = whole(domain_plan(step(1, drawn.create(s3, vda, vdb), Reason.DECLARED_NOT_TAKEN)))

    assert "/images/" not in text(made)
    shown = text(made, is_verbose=True)
    for overlay in drawn.create(s3, vda, vdb).overlays:
        assert f" {overlay.target}: {overlay.overlay}\n" in shown
    shown = text(whole(domain_plan(*removal())), is_verbose=True)
    assert shown.count("/images/web01-vda-s2.qcow2\n") == 1
    assert " into /images/" in shown


def test_commits_of_the_same_snapshots_on_several_disks_stand_together() -> None:
    plan = domain_plan(
        step(1, drawn.commit(vda), Reason.NOT_IN_MANIFEST, mib=312),
        step(2, drawn.commit(vdb), Reason.NOT_IN_MANIFEST, mib=20),
    )
    shown = text(whole(plan))

    assert shown.count("- commit") == 1
    assert "20 MiB into web01-vdb.qcow2" in shown
    assert shown.count("can no longer be reverted") == 1
    assert "2 to remove" in shown


def test_a_repair_without_a_commit_has_its_own_line() -> None:
    orphan = drawn.removed_image("web01-vda-s9", RemovalCause.ORPHANED)
    plan = domain_plan(
        step(1, ThawGuest(), Reason.FREEZE_UNENDED),
        step(2, AbortJob(disk=vda), Reason.JOB_UNFINISHED),
        step(3, orphan, Reason.IMAGE_ORPHANED, risk=Risk.DESTRUCTIVE),
    )
    shown = text(whole(plan))

    assert "~ thaw" in shown
    assert "~ abort-job" in shown
    assert "- remove-image" in shown
    assert "destructive" in shown
    assert "what only this image holds is discarded" in shown
    assert "3 to put right" in shown


def test_a_degraded_snapshot_says_why() -> None:
    action = drawn.create(
        s3,
        vda,
        skipped=(vdc,),
        quiesce=False,
        may_degrade=True,
        consistency=Consistency.CRASH,
    )
    plan = domain_plan(step(1, action, Reason.DECLARED_NOT_TAKEN), agent=AgentState.DISCONNECTED)

    assert "vda, degraded: not quiesced (agent not connected), without vdc" in text(whole(plan))


def test_a_create_above_a_taken_one_says_so() -> None:
    plan = domain_plan(
        step(1, drawn.create(), Reason.DECLARED_NOT_TAKEN),
        drift=(SnapshotMissing(snapshot=s3, is_above_taken=True),),
    )

    assert "a later one of the list is there already" in text(whole(plan))


def test_an_offline_commit_says_so() -> None:
    plan = domain_plan(
        step(1, drawn.commit(method=CommitMethod.OFFLINE), Reason.NOT_IN_MANIFEST, mib=1),
        power=PowerState.SHUT_OFF,
    )
    shown = text(whole(plan))

    assert "web01 on kvm01: shut off\n" in shown
    assert "one pass, offline" in shown


def test_a_refusal_has_code_sentence_and_hint() -> None:
    refused = refusal(RefusalCode.NAME_TAKEN, snapshot=s1)
    shown = text(
        whole(
            domain_plan(
                refusals=(refused,), drift=(SnapshotUnmanaged(snapshot=s1, is_declared=True),)
            )
        )
    )

    assert "  ! refused NameTaken s1: cannot take s1: web01 has a snapshot of that name" in shown
    assert "    hint: choose another name in web01.yaml" in shown
    assert "drift:" not in shown
    assert shown.endswith("Plan: 0 to create, 0 to remove, 1 refused.\n")


def test_what_is_held_says_until_what() -> None:
    plan = domain_plan(step(1, drawn.commit(), Reason.NOT_IN_MANIFEST), held=("s1",))
    shown = text(whole(plan), prune=Prune.CONFIRM)

    assert "held back until a person agrees: virtsnap apply" in shown
    assert "1 held" in shown


def test_drift_nobody_asked_to_change_is_listed_with_its_remedy() -> None:
    drift = (
        SnapshotUndeclared(snapshot=s1, why=Undeclared.NOT_IN_MANIFEST),
        *(SnapshotUnmanaged(snapshot=SnapshotName(name)) for name in ("a", "b")),
        CaptureDiffers(snapshot=s3, field="disks.vdb", desired="skip", observed="external"),
    )
    shown = text(whole(domain_plan(drift=drift)))

    assert "web01 on kvm01: running, agent connected, in sync\n  drift:\n" in shown
    assert "s1 is managed and not in the manifest (declare it, or set `prune" in shown
    assert "2 snapshots unmanaged: a, b (" in shown
    assert "a taken snapshot never changes" in shown
    assert shown.endswith("No changes. 1 domain is in sync.\n")


def test_many_domains_in_sync_are_folded_and_nothing_else_is() -> None:
    lost = refusal(RefusalCode.SNAPSHOT_LOST, snapshot=s1)
    quiet = [domain_plan(name=f"web{number}") for number in range(17)]
    loud = domain_plan(name="db", refusals=(lost,), drift=(SnapshotLost(snapshot=s1),))
    shown = text(whole(*quiet, loud))

    assert "17 domains in sync" in shown
    assert "web3" not in shown
    assert "! refused SnapshotLost s1" in shown
    assert "web3 on kvm01" in text(whole(*quiet, loud), is_verbose=True)


def test_few_domains_in_sync_are_named_unless_quiet() -> None:
    plan = whole(domain_plan())

    assert text(plan) == (
        "web01 on kvm01: running, agent connected, in sync\nNo changes. 1 domain is in sync.\n"
    )
    assert text(plan, is_quiet=True) == "1 domain in sync\nNo changes. 1 domain is in sync.\n"


def test_a_plan_of_nothing_says_so() -> None:
    assert text(whole()) == "No changes. No domain is declared or managed.\n"


def test_downtime_and_warnings_are_not_hidden() -> None:
    plan = domain_plan(
        step(1, drawn.commit(), Reason.NOT_IN_MANIFEST, mib=1, downtime=True),
        warnings=("the NVRAM is not part of a snapshot",),
    )
    shown = text(whole(plan))

    assert "guest stands still" in shown
    assert "! warning: the NVRAM" in shown
    assert "1 domain will stand still" in shown


def test_a_name_cannot_send_commands_to_the_terminal() -> None:
    shown = text(whole(domain_plan(name="web\x1b[2J")))

    assert "\x1b" not in shown
    assert "web\\x1b[2J" in shown
