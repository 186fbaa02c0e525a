"""Every kind of bad manifest has its message: ``bad/NN-name.yaml`` and ``.txt``."""

from pathlib import Path

import pytest

from reconciler.errors import ManifestError
from reconciler.manifest.load import load
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES, ManifestFile
from tests.manifest.loading import HEAD, problems

BAD = sorted(Path(__file__).parent.glob("bad/*.yaml"))


def test_there_are_many_kinds_of_bad_manifest() -> None:
    assert len(BAD) >= 24


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_manifest_is_told_precisely(path: Path) -> None:
    file = ManifestFile(path.name, path.read_bytes())

    with pytest.raises(ManifestError) as caught:
        load([file], source="/desired", revision=None, is_complete=True)

    assert "\n".join(caught.value.problems) + "\n" == path.with_suffix(".txt").read_text()


def test_all_problems_of_all_files_are_told_at_once_in_order() -> None:
    files = [ManifestFile(path.name, path.read_bytes()) for path in reversed(BAD)]

    with pytest.raises(ManifestError) as caught:
        load(files, source="/desired", revision=None, is_complete=True)

    told = caught.value.problems
    # Some of these files cannot be read, so that nobody knows which Hosts there are not.
    silent = {"16-unknown-host.yaml"}
    assert {path.name for path in BAD} - silent == {each.partition(":")[0] for each in told}
    assert [problem.partition(":")[0] for problem in told] == sorted(
        problem.partition(":")[0] for problem in told
    )


def test_a_reference_is_not_doubted_while_a_file_cannot_be_read() -> None:
    told = problems(f"{HEAD}spec: {{host: kvm01, snapshots: []}}", "kind: [Host")

    assert [problem.partition(":")[0] for problem in told] == ["m2.yaml"]


def test_a_file_that_is_too_large_is_not_read() -> None:
    assert problems(b"#" * (MAX_MANIFEST_BYTES + 1)) == ("m1.yaml:1:1: is larger than 1 MiB",)


def test_a_file_has_no_endless_number_of_documents() -> None:
    told = problems("---\nkind: x\n" * 1001)

    assert "m1.yaml:2001:1: there are more than 1000 documents" in told


def test_domains_are_compared_over_files_and_uuid_spellings() -> None:
    uuid = "0F1E2D3C-0000-4000-8000-0123456789ab"
    told = problems(
        f"{HEAD}spec: {{domain: {uuid}, snapshots: []}}",
        f"{HEAD}spec: {{domain: {uuid.lower()}, snapshots: []}}",
    )

    why = f"the snapshots of '{uuid.lower()}' are declared already, in m1.yaml:1"
    assert told == (f"m2.yaml:4:16: spec.domain: {why}",)


def test_numbers_are_read_as_yaml_1_2_reads_them() -> None:
    told = problems(f"{HEAD}spec: {{snapshots: [], chain: {{maxDepth: 0o311}}}}")
    assert told == ("m1.yaml:4:41: spec.chain.maxDepth: must be at most 200, not 0o311",)

    told = problems(f"{HEAD}spec: {{snapshots: [], chain: {{maxDepth: 1:30}}}}")
    assert told == ("m1.yaml:4:41: spec.chain.maxDepth: expected a whole number, not '1:30'",)
