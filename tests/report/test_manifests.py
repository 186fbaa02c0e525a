"""The manifest that describes a domain: it loads, and its plan does nothing."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given, note
from hypothesis import strategies as st

from reconciler.manifest.load import load
from reconciler.model.action import AdoptSnapshot, RedefineSnapshot
from reconciler.model.desired import Desired, DesiredSnapshot
from reconciler.model.domain import Disk as ObservedDisk
from reconciler.model.domain import DiskKind, ObservedDomain, PowerState
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry, LedgerProblem
from reconciler.model.manifest_file import ManifestFile
from reconciler.model.names import (
    DiskTarget,
    DomainName,
    DomainUuid,
    ImagePath,
    SnapshotName,
    why_not_a_name,
)
from reconciler.model.outcome import DomainStatus
from reconciler.model.plan import DomainPlan, Reason
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from reconciler.model.snapshot import DiskCapture, SnapshotDisk, SnapshotRecord
from reconciler.planning import adopting, differ, storage
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of
from reconciler.report.manifests import manifest_text
from tests.drawing import domain, host, unmanaged
from tests.engine.passes import planned, reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.strategies import hosts

UUID = DomainUuid("11111111-2222-4333-8444-555555555555")
HEAD = "# yaml-language-server: $schema=../schemas/domainsnapshots.v1.schema.json\n"

#: Any character that a manifest can hold in a description.
PROSE = st.text(
    st.characters(exclude_categories=("Cs",)).filter(
        lambda c: (
            c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160 or 0xFFFE <= ord(c) <= 0xFFFF)
        )
    ),
    min_size=1,
    max_size=60,
)
NAMES = st.text(min_size=1, max_size=30).filter(lambda text: why_not_a_name(text) is None)


def record(
    name: str, *, parent: str | None = None, description: str = "", uid: str | None = "u"
) -> SnapshotRecord:
    return SnapshotRecord(
        name=SnapshotName(name),
        created=1_700_000_000,
        state="disk-snapshot",
        description=description,
        parent=SnapshotName(parent) if parent is not None else None,
        disks=(
            SnapshotDisk(
                target=DiskTarget("vda"),
                capture=DiskCapture.EXTERNAL,
                source=ImagePath("/images/base.qcow2"),
            ),
        ),
        uid=uid,
    )


def entry(name: str, *, state: EntryState = EntryState.TAKEN) -> LedgerEntry:
    return LedgerEntry(name=SnapshotName(name), uid="u", state=state, created=1_700_000_000)


def observed(
    *records: SnapshotRecord, name: str = "web01", entries: tuple[LedgerEntry, ...] | None = None
) -> ObservedDomain:
    """A shut-off domain on which virtsnap took *records*, unless *entries* say otherwise."""
    known = tuple(entry(each.name) for each in records) if entries is None else entries
    return ObservedDomain(
        name=DomainName(name),
        uuid=UUID,
        power=PowerState.SHUT_OFF,
        persistent=(ObservedDisk(target=DiskTarget("vda"), kind=DiskKind.FILE),),
        records=records,
        ledger=Ledger(uuid=UUID, entries=known),
    )


def loaded(*texts: str) -> Desired:
    file = ManifestFile("imported.yaml", "---\n".join(texts).encode())
    return load([file], source="imported", revision=None, is_complete=False)


def declared(seen: ObservedDomain) -> tuple[DesiredSnapshot, ...]:
    (found,) = loaded(manifest_text(seen)).domains
    return found.snapshots


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()[1:] if line.strip().startswith("#")]


def imported(fake: FakeHost, *, adopts: bool = False) -> list[str]:
    seen = fake.observe()
    index = index_of(seen)
    return [
        manifest_text(
            each,
            dangling={
                found.snapshot: found.cause
                for found in storage.dangling(world_of(index, each), frozenset())
            },
            adopting=adoption(world_of(index, each)) if adopts else None,
        )
        for each in seen.domains
    ]


def adoption(world: World) -> dict[SnapshotName, str | None]:
    found = adopting.candidates(world)
    return {name: None if why is None else str(why.code) for name, why in found.items()}


def test_a_domain_is_described() -> None:
    fake = host(
        domain("web01", unmanaged("u1"), vda="base ← s1 ← s2 ← u1", vdb="data ← s1"),
    )
    created = {each.name: each.created for each in fake.observe().domains[0].records}
    text = manifest_text(fake.observe().domains[0])

    assert created
    assert text.replace(text.splitlines()[-1], "") == (
        HEAD + "apiVersion: virtsnap/v1\n"
        "kind: DomainSnapshots\n"
        "metadata:\n"
        "  name: web01\n"
        "spec:\n"
        "  snapshots:\n"
        "    - name: s1\n"
        "    - name: s2\n"
        "      disks:\n"
        "        vdb: skip\n"
        "\n"
    )
    last = text.splitlines()[-1]
    assert last.startswith("    # unmanaged: u1 (20")
    assert last.endswith("Z, vda, external)")


def test_a_domain_without_snapshots_declares_that_there_are_none() -> None:
    text = manifest_text(observed())

    assert text.endswith("spec:\n  snapshots: []\n")
    assert declared(observed()) == ()


def test_a_branch_says_what_it_stands_on() -> None:
    seen = observed(
        record("a"), record("b", parent="a"), record("c", parent="a"), record("d", parent="b")
    )

    assert [(s.name, s.after) for s in declared(seen)] == [
        ("a", None),
        ("b", None),
        ("d", None),
        ("c", "a"),
    ]


def test_what_stands_on_an_unmanaged_one_comes_after_what_is_below_that() -> None:
    records = (record("a"), record("x"), record("u", parent="a", uid=None), record("b", parent="u"))
    seen = observed(*records, entries=(entry("a"), entry("x"), entry("b")))
    # in the tree: a ← u ← b, and x beside them
    assert [(s.name, s.after) for s in declared(seen)] == [("a", None), ("b", None), ("x", None)]
    reordered = replace(seen, records=(*records[:1], record("k", parent="a"), *records[2:]))
    reordered = replace(
        reordered, ledger=Ledger(uuid=UUID, entries=(entry("a"), entry("k"), entry("b")))
    )

    assert [(s.name, s.after) for s in declared(reordered)] == [
        ("a", None),
        ("k", None),
        ("b", "a"),
    ]


def test_what_is_not_declared_is_a_comment_with_why() -> None:
    odd = replace(
        record("inside"),
        disks=(SnapshotDisk(target=DiskTarget("vda"), capture=DiskCapture.MANUAL),),
    )
    seen = observed(
        record("ok"),
        record("going", parent="ok"),
        record("again"),
        record("broken"),
        record("marked"),
        record("u\n1", uid=None),
        odd,
        entries=(
            entry("ok"),
            entry("going", state=EntryState.DELETING),
            entry("again", state=EntryState.LOST),
            entry("broken"),
            entry("inside"),
            entry("vanished"),
            LedgerEntry(name=SnapshotName("begun"), uid="u", state=EntryState.CREATING),
        ),
    )
    text = manifest_text(seen, dangling={SnapshotName("broken"): "/images/b is missing"})
    when = "2023-11-14T22:13:20Z"

    assert [s.name for s in loaded(text).domains[0].snapshots] == ["ok"]
    assert comments(text) == [
        f"# deleting: going ({when}, vda, external), its removal has begun",
        f"# lost: again ({when}, vda, external), its record is there again",
        f"# not intact: broken ({when}, vda, external), /images/b is missing",
        f"# unmanaged: marked ({when}, vda, external), bears virtsnap's mark",
        f"# unmanaged: u\\n1 ({when}, vda, external)",
        f"# managed: inside ({when}, vda, manual), of a kind this version cannot declare",
        f"# lost: vanished ({when}, no record)",
        "# creating: begun (no record)",
    ]


def test_a_ledger_of_a_newer_version_is_said() -> None:
    seen = replace(observed(record("s1")), ledger=None, ledger_problem=LedgerProblem.NEWER)
    text = manifest_text(seen)

    assert comments(text)[0] == "# the ledger cannot be used (newer): what is managed is unknown"
    assert loaded(text).domains[0].snapshots == ()


@pytest.mark.parametrize(
    ("name", "head", "wanted"),
    [
        ("web01", "web01", "web01"),
        ("no", "no", "no"),
        (".hidden", UUID, ".hidden"),
        ("-x", UUID, "-x"),
        ("n" * 120, UUID, "n" * 120),
        ("a\u0085b", UUID, UUID),
        ("AAAAAAAA-2222-4333-8444-555555555555", "AAAAAAAA-2222-4333-8444-555555555555", UUID),
    ],
)
def test_the_domain_is_found_by_what_the_manifest_says(name: str, head: str, wanted: str) -> None:
    text = manifest_text(observed(name=name))

    assert loaded(text).domains[0].domain == wanted
    assert yaml.safe_load(text)["metadata"]["name"] == head


def test_the_host_is_written_where_it_must_be_said() -> None:
    text = manifest_text(observed(), host="kvm01")

    assert yaml.safe_load(text)["spec"]["host"] == "kvm01"
    assert "host" not in yaml.safe_load(manifest_text(observed()))["spec"]


def test_lines_of_a_description_stand_as_lines() -> None:
    seen = observed(
        record("s1", description="Before the upgrade:\n- web\n  and db\n"), record("s2")
    )

    assert "      description: |\n        Before the upgrade:\n        - web\n" in manifest_text(
        seen
    )
    assert declared(seen)[0].description == "Before the upgrade:\n- web\n  and db\n"


def test_a_description_that_no_manifest_can_hold_is_left_alone() -> None:
    seen = observed(record("s1", description="bell\x07"))

    assert declared(seen)[0].description is None
    assert comments(manifest_text(seen)) == [
        "# s1: its description has control characters and is left alone"
    ]


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), PROSE)
@example(["yes", "1e3", "0o17", "null", "~", "1:30", "2026-11-23", "=", "0x1", "y"], "- not a list")
@example(["'", '"', "#", "a: b", "a #b", "&a", "*a", "!a", "%a", "@a", "`a", "?", "|"], "…: \u2028")
@example(["<<", "[a]", "{a}", "a,b", "\ufeffx", "x\u2029y", "😀", "\U0010ffff", "e\u0301"], "\n\n")
@example(["a"], "  first\n\n last \n")
@example(["a"], "\ttab\n---\n...\n# no comment\n\n\n")
@example(["a"], "x" * 5000 + "\n" + "word " * 2000)
def test_names_and_descriptions_come_back_as_they_were(names: list[str], prose: str) -> None:
    seen = observed(*(record(name, description=prose) for name in names))
    text = manifest_text(replace(seen, records=(*seen.records, record("\x00 u", uid=None))))
    note(text)

    other = manifest_text(observed(record("s1"), name="web02"))
    found = loaded(text, other).domains

    assert [(s.name, s.description) for s in found[0].snapshots] == [(n, prose) for n in names]
    assert [s.name for s in found[1].snapshots] == ["s1"]
    for document in yaml.safe_load_all(text):  # a reader of YAML 1.1
        assert [s["name"] for s in document["spec"]["snapshots"]] == names


def empty_of(fake: FakeHost) -> Desired:
    """A manifest for each domain that declares nothing."""
    seen = fake.observe()
    return loaded(*(manifest_text(replace(d, records=(), ledger=None)) for d in seen.domains))


@given(hosts())
def test_what_is_imported_plans_to_nothing(drawn: tuple[FakeHost, tuple[str, ...]]) -> None:
    fake, history = drawn
    texts = imported(fake)
    note(f"{history}\n" + "".join(texts))

    plans = planned(fake, loaded(*texts), PlanRequest()).domains

    # repairs are due whatever is declared
    due = {plan.uuid: plan for plan in planned(fake, empty_of(fake), PlanRequest()).domains}
    assert len(plans) == len(texts)
    for plan in plans:
        note(str(plan))
        assert work(plan) <= work(due[plan.uuid])
        assert refused(plan) <= refused(due[plan.uuid])
        assert RefusalCode.NAME_TAKEN not in refused(plan)


@given(hosts())
def test_what_is_imported_to_be_adopted_plans_to_nothing_once_it_is(
    drawn: tuple[FakeHost, tuple[str, ...]],
) -> None:
    fake, history = drawn
    texts = imported(fake, adopts=True)
    note(f"{history}\n" + "".join(texts))
    before = {plan.uuid: plan for plan in planned(fake, loaded(*texts), PlanRequest()).domains}
    due = {plan.uuid: plan for plan in planned(fake, empty_of(fake), PlanRequest()).domains}

    result = reconciled(fake, loaded(*texts), PlanRequest())

    for plan in before.values():
        note(str(plan))
        assert not refused(plan) & {RefusalCode.NAME_TAKEN, RefusalCode.NOT_ADOPTABLE}
        # of what is ours from now on the record and the current mark are put right, and a removal
        # that was begun no longer waits for somebody who reads the same images
        kinds, begun = AdoptSnapshot | RedefineSnapshot, Reason.REMOVAL_BEGUN
        others = tuple(
            step
            for step in plan.steps
            if not isinstance(step.action, kinds) and step.reason is not begun
        )
        assert work(replace(plan, steps=others)) <= work(due[plan.uuid])
    if all(outcome.status is not DomainStatus.FAILED for outcome in result.outcomes):
        for plan in planned(fake, loaded(*texts), PlanRequest()).domains:
            left = [step for step in plan.steps if step.reason is Reason.DECLARED_UNMANAGED]
            rebuilt = differ.rebuild_only(world_of_uuid(fake, plan.uuid)) or any(
                step.reason is Reason.LEDGER_STALE for step in before[plan.uuid].steps
            )
            assert not left or rebuilt


def world_of_uuid(fake: FakeHost, uuid: DomainUuid | None) -> World:
    index = index_of(fake.observe())
    return world_of(index, next(d for d in index.host.domains if d.uuid == uuid))


def work(plan: DomainPlan) -> set[str]:
    return {f"{step.action} {step.reason}" for step in plan.steps}


def refused(plan: DomainPlan) -> set[RefusalCode]:
    return {refusal.code for refusal in plan.refusals}


@given(hosts(troubles=(0, 0)))
def test_where_nothing_went_wrong_everything_managed_is_declared(
    drawn: tuple[FakeHost, tuple[str, ...]],
) -> None:
    fake, _ = drawn
    seen = fake.observe()
    desired = loaded(*imported(fake))

    for each in seen.domains:
        world = world_of(index_of(seen), each)
        broken = {found.snapshot for found in storage.dangling(world, frozenset())}
        wish = next(d for d in desired.domains if d.domain == each.name)
        assert {s.name for s in wish.snapshots} == {
            r.name for r in each.records if world.is_managed(r) and r.name not in broken
        }


def test_a_snapshot_half_taken_is_declared_and_finished() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", until="created")
    Administrator(fake).shut_off("web01")

    assert [s.name for s in loaded(*imported(fake)).domains[0].snapshots] == ["s1"]
