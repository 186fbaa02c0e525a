"""What a good manifest asks for."""

from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.manifest.load import load
from reconciler.model.desired import (
    DEFAULT_OVERLAY,
    DesiredHost,
    DesiredSnapshot,
    Limits,
    Origin,
    Power,
    Prune,
    Quiesce,
    Unmanaged,
)
from reconciler.model.manifest_file import ManifestFile
from reconciler.model.names import DiskTarget, HostName, SnapshotName
from reconciler.source.folder import read_files
from tests.manifest.loading import HEAD, desired, domain

ROOT = Path(__file__).parent.parent.parent
CLASS = """\
apiVersion: virtsnap/v1
kind: SnapshotClass
metadata: {name: hot}
spec: {quiesce: required, disks: {vdb: skip, vdc: no}}
---
"""


def taken(spec: str) -> list[str]:
    return [snapshot.name for snapshot in domain(spec).snapshots]


def test_what_is_left_out_is_off() -> None:
    found = domain("{snapshots: [{name: s1}]}")

    assert found.host == "local"
    assert found.domain == "web01"
    assert found.prune is Prune.NEVER
    assert found.unmanaged is Unmanaged.REPORT
    assert found.max_depth is None
    assert found.snapshots == (DesiredSnapshot(name=SnapshotName("s1"), overlay=DEFAULT_OVERLAY),)


def test_everything_that_this_version_supports_arrives() -> None:
    found = domain(
        "{domain: web01.example, suspend: false, prune: confirm, unmanaged: ignore,"
        " disruption: never, chain: {maxDepth: 8}, snapshots: [{name: s1, description: why,"
        " type: external, memory: false, quiesce: preferred, power: running, protect: false,"
        " ifLost: report, disks: {vda: external, vdb: skip, vdc: no},"
        " overlay: '/srv/{{ disk.target }}-{{snapshot.name}}'}, {name: s2, after: s1}]}"
    )

    assert found.domain == "web01.example"
    assert found.prune is Prune.CONFIRM
    assert found.unmanaged is Unmanaged.IGNORE
    assert found.max_depth == 8
    assert found.snapshots[0] == DesiredSnapshot(
        name=SnapshotName("s1"),
        description="why",
        quiesce=Quiesce.PREFERRED,
        skip=frozenset({DiskTarget("vdb"), DiskTarget("vdc")}),
        take=frozenset({DiskTarget("vda")}),
        power=Power.RUNNING,
        overlay="/srv/{{ disk.target }}-{{snapshot.name}}",
        protect=False,
    )
    assert found.snapshots[1].after == "s1"


def test_holds_retaking_and_adopting_arrive() -> None:
    found = domain(
        "{unmanaged: adopt, snapshots: [{name: a, protect: true, ifLost: retake},"
        " {name: b, protect: false}, {name: c, ifLost: report}]}"
    )

    assert found.unmanaged is Unmanaged.ADOPT
    # a key that is left out is no opinion: it does not end a hold
    assert [snapshot.protect for snapshot in found.snapshots] == [True, False, None]
    assert [snapshot.is_retaken for snapshot in found.snapshots] == [True, False, False]


def test_without_a_host_there_is_the_local_one() -> None:
    file = ManifestFile("-", f"{HEAD}spec: {{snapshots: []}}".encode())

    found = load(
        [file], source="-", revision=None, is_complete=False, default_host_uri="test:///default"
    )

    assert found.hosts == (DesiredHost(name=HostName("local"), uri="test:///default"),)
    assert found.domains[0].origin == Origin(manifest="-", line=1)
    assert not found.is_complete


def test_a_host_arrives_and_is_the_default() -> None:
    host = (
        "apiVersion: virtsnap/v1\nkind: Host\nmetadata: {name: kvm01, labels: {site: mad}}\n"
        "spec: {uri: 'qemu:///system', suspend: false, pruneGone: auto, folders: [/srv/a],"
        " limits: {domains: 4, blockJobs: 1, bandwidth: 200MiB}}"
    )

    found = desired(host, f"{HEAD}spec: {{snapshots: []}}")

    assert found.hosts == (
        DesiredHost(
            name=HostName("kvm01"),
            uri="qemu:///system",
            prune_gone=Prune.AUTO,
            folders=("/srv/a",),
            limits=Limits(domains=4, block_jobs=1, bandwidth=200 * 2**20),
        ),
    )
    assert found.domains[0].host == "kvm01"


def test_an_origin_is_the_line_of_the_document() -> None:
    found = desired(f"# a comment\n---\n{CLASS}{HEAD}spec: {{snapshots: []}}")

    assert found.domains[0].origin == Origin(manifest="m1.yaml", line=8)


def test_a_class_fills_what_the_snapshot_leaves_out() -> None:
    spec = "{snapshots: [{name: s1, class: hot}, {name: s2, class: hot, quiesce: never}]}"

    first, second = desired(f"{CLASS}{HEAD}spec: {spec}").domains[0].snapshots

    assert first.quiesce is Quiesce.REQUIRED
    assert second.quiesce is Quiesce.NEVER


def test_the_disks_of_class_and_snapshot_are_merged_target_by_target() -> None:
    spec = "{snapshots: [{name: s1, class: hot, disks: {vdb: external, vdd: skip}}]}"

    snapshot = desired(f"{CLASS}{HEAD}spec: {spec}").domains[0].snapshots[0]

    assert snapshot.take == {"vdb"}
    assert snapshot.skip == {"vdc", "vdd"}


def test_snapshots_come_in_the_order_of_the_list() -> None:
    assert taken("{snapshots: [{name: c}, {name: a}, {name: b}]}") == ["c", "a", "b"]


def test_after_moves_what_must_be_earlier() -> None:
    spec = "{snapshots: [{name: c, after: a}, {name: b}, {name: a, after: d}, {name: d}]}"

    assert taken(spec) == ["d", "a", "c", "b"]


def test_domains_are_sorted_whatever_the_order_of_files() -> None:
    texts = [f"{HEAD}spec: {{domain: {name}, snapshots: []}}" for name in ("b", "a", "c")]

    assert [found.domain for found in desired(*texts).domains] == ["a", "b", "c"]


def test_no_and_on_are_texts() -> None:
    found = domain("{domain: on, snapshots: [{name: no, disks: {vda: no}}]}")

    assert found.domain == "on"
    assert found.snapshots[0].name == "no"


def test_anchors_and_aliases_within_bounds_are_fine() -> None:
    found = domain("{snapshots: [{name: s1, disks: &d {vda: skip}}, {name: s2, disks: *d}]}")

    assert [snapshot.skip for snapshot in found.snapshots] == [{"vda"}, {"vda"}]


def test_no_document_at_all_is_refused() -> None:
    with pytest.raises(SourceError) as caught:
        desired("# nothing\n", "---\n---\n")

    assert caught.value.message.startswith("cannot use the manifests of /desired")
    assert "--allow-empty" in (caught.value.hint or "")


def test_no_document_at_all_is_allowed_when_it_is_meant() -> None:
    found = load([], source="/desired", revision=None, is_complete=True, allow_empty=True)

    assert found.domains == ()
    assert [host.name for host in found.hosts] == ["local"]


def test_a_class_alone_is_a_document() -> None:
    assert desired(CLASS).domains == ()


def test_the_classes_of_this_repository_load() -> None:
    load(read_files(ROOT / "manifests"), source="x", revision=None, is_complete=True)


EXAMPLES = sorted(ROOT.glob("examples/*/manifest.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_load(path: Path) -> None:
    assert load(read_files(path), source="x", revision=None, is_complete=False).domains
