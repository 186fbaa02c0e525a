"""The drawing of snapshots and chains."""

from dataclasses import replace
from datetime import UTC

from reconciler.model.chain import Image, Presence
from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import EntryState
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.report.lines import as_text
from reconciler.report.tree import tree_lines
from reconciler.report.tree_documents import domain_tree
from tests.drawing import domain, host, image, overlay, unmanaged
from tests.fakes.person import Person


def drawn(seen: ObservedHost, *, is_verbose: bool = False) -> str:
    tree = domain_tree(seen, seen.domains[0])
    return as_text(tree_lines(tree, zone=UTC, is_verbose=is_verbose))


def test_a_tree_is_drawn_as_a_person_would() -> None:
    seen = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← u1", vdb="data ← s1")).observe()

    assert drawn(seen) == (
        "web01 on local: running\n"
        "  └─ s1        2026-01-15 12:01, vda and vdb, crash, managed\n"
        "     └─ * u1   2026-01-15 12:02, vda, unmanaged, current\n"
        "  vda  base.qcow2 (192 KiB, holds s1) ← web01-vda-s1.qcow2 (128 KiB, holds u1)"
        " ← web01-vda-s1.u1 (128 KiB, active)\n"
        "  vdb  data.qcow2 (192 KiB, holds s1) ← web01-vdb-s1.qcow2 (192 KiB, active)\n"
    )


def test_branches_are_drawn_beside_each_other() -> None:
    seen = host(domain("web01", vda="base ← a ← b")).observe()
    records = tuple(
        replace(r, parent=None) if r.name == "b" else r for r in seen.domains[0].records
    )
    seen = replace(seen, domains=(replace(seen.domains[0], records=records),))

    assert "  ├─ a" in drawn(seen)
    assert "  └─ * b" in drawn(seen)


def test_a_branch_off_the_live_chain_is_shown() -> None:
    seen = host(domain("web01", vda="base ← a")).observe()
    beside = ImagePath("/images/beside.qcow2")
    [record] = seen.domains[0].records
    [disk] = record.disks
    record = replace(record, disks=(replace(disk, overlay=beside),))
    branch = Image(path=beside, format="qcow2", backing=image("base"), allocated=1024)
    seen = replace(
        seen,
        images=(*seen.images, branch),
        domains=(replace(seen.domains[0], records=(record,)),),
    )

    assert "       base.qcow2 (192 KiB, holds a) ← beside.qcow2 (1 KiB), off the live chain\n" in (
        drawn(seen)
    )


def test_missing_images_and_unreadable_chains_are_marked() -> None:
    seen = host(domain("web01", vda="base ← a")).observe()
    gone = overlay("web01", "vda", "a")
    images = tuple(
        replace(i, presence=Presence.MISSING) if i.path == gone else i for i in seen.images
    )
    live = seen.domains[0].live
    assert live is not None
    broken = tuple(replace(disk, chain=None) for disk in live)
    seen = replace(seen, images=images, domains=(replace(seen.domains[0], live=broken),))

    assert "? ← base.qcow2 (192 KiB, holds a) ← web01-vda-a.qcow2 (MISSING, active)" in drawn(seen)


def test_lost_and_deleting_snapshots_are_marked() -> None:
    seen = host(domain("web01", vda="base ← a ← b")).observe()
    ledger = seen.domains[0].ledger
    assert ledger is not None
    entries = tuple(
        replace(e, state=EntryState.DELETING) if e.name == "b" else e for e in ledger.entries
    )
    records = tuple(r for r in seen.domains[0].records if r.name != SnapshotName("a"))
    changed = replace(seen.domains[0], records=records, ledger=replace(ledger, entries=entries))
    shown = drawn(replace(seen, domains=(changed,)))

    assert "deleting, current" in shown
    assert "lost, no record" in shown


def test_whole_paths_and_descriptions_are_shown_when_asked_for() -> None:
    seen = host(domain("web01", vda="base ← a")).observe()
    [record] = seen.domains[0].records
    changed = replace(seen.domains[0], records=(replace(record, description="Before it"),))
    shown = drawn(replace(seen, domains=(changed,)), is_verbose=True)

    assert "/images/base.qcow2 (" in shown
    assert "Before it" in shown


def test_a_domain_without_snapshots_says_so() -> None:
    assert "  no snapshots\n" in drawn(host(domain("web01", vda="base")).observe())


def test_hundreds_of_snapshots_in_a_row_are_drawn() -> None:
    seen = host(domain("web01", vda="base ← a")).observe()
    [record] = seen.domains[0].records
    records = [record]
    for number in range(1500):
        below = records[-1].name
        records.append(replace(record, name=SnapshotName(f"n{number}"), parent=below))
    changed = replace(seen.domains[0], records=tuple(records))

    assert "n1499" in drawn(replace(seen, domains=(changed,)))


def test_who_else_reads_an_image_is_named_beside_it() -> None:
    """``tree`` is what refusals send people to, to see whom they mean."""
    fake = host(
        domain("web01", vda="(template) ← base ← s1"),
        *(domain(f"clone{number}", vda=f"(template) ← c{number}") for number in range(5)),
    )
    Person(fake).overlay_on(image("base"), "/images/nobodys.qcow2")
    seen = fake.observe()
    seen = replace(seen, domains=tuple(d for d in seen.domains if d.name == "web01") + seen.domains)

    said = drawn(seen)

    assert "template.qcow2 (64 KiB, read by clone0, clone1, clone2 and 2 more)" in said
    assert "base.qcow2 (128 KiB, holds s1, read by nobodys.qcow2)" in said
    assert "clone3 and clone4" in drawn(seen, is_verbose=True)


def test_work_on_a_domain_is_said_above_its_tree() -> None:
    seen = host(domain("web01", vda="base ← s1")).observe()
    seen = replace(seen, domains=(replace(seen.domains[0], domain_job="backup"),))

    assert "  backup is under way" in drawn(seen)
