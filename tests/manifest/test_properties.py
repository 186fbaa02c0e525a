"""Drawn manifests: good ones arrive whole, and nothing but our errors comes out of bad ones."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors import ManifestError, SourceError
from reconciler.manifest.load import load
from reconciler.manifest.positions import documents
from reconciler.model.desired import DEFAULT_OVERLAY, DesiredSnapshot, Power, Prune, Quiesce
from reconciler.model.manifest_file import ManifestFile
from reconciler.model.names import DiskTarget, SnapshotName, why_not_a_name

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\ufeff"))
NAMES = TEXT.filter(lambda text: why_not_a_name(text) is None)
TARGETS = st.sampled_from(["vda", "vdb", "sdc", "hdd", "nvme0n1"])
Manifest = dict[str, Any]


@st.composite
def snapshots(draw: st.DrawFn) -> Manifest:
    found: Manifest = {"name": draw(NAMES)}
    choices = {
        "description": TEXT,
        "type": st.just("external"),
        "memory": st.just(value=False),
        "quiesce": st.sampled_from(["required", "preferred", "never"]),
        "disks": st.dictionaries(TARGETS, st.sampled_from(["external", "skip", "no"])),
        "power": st.sampled_from(["any", "running"]),
    }
    for key, values in choices.items():
        if draw(st.booleans()):
            found[key] = draw(values)
    return found


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    listed = draw(st.lists(snapshots(), max_size=5, unique_by=lambda each: each["name"]))
    for position, snapshot in enumerate(listed):
        if position and draw(st.booleans()):
            snapshot["after"] = draw(st.sampled_from([each["name"] for each in listed[:position]]))
    return {
        "apiVersion": "virtsnap/v1",
        "kind": "DomainSnapshots",
        "metadata": {"name": draw(NAMES), "labels": draw(st.dictionaries(TEXT, TEXT, max_size=2))},
        "spec": {
            "snapshots": listed,
            "prune": draw(st.sampled_from(["never", "confirm", "auto"])),
            "chain": {"maxDepth": draw(st.integers(1, 200))},
        },
    }


def as_yaml(value: Any) -> str:
    """JSON is YAML 1.2, as long as nothing in it is escaped in JSON's own way."""
    return json.dumps(value, ensure_ascii=False)


def load_text(text: bytes, name: str = "m.yaml") -> Any:
    return load([ManifestFile(name, text)], source="/d", revision=None, is_complete=True)


@given(manifests())
def test_a_good_manifest_arrives_whole(manifest: Manifest) -> None:
    found = load_text(as_yaml(manifest).encode()).domains[0]

    assert found.domain == manifest["metadata"]["name"]
    assert found.prune is Prune(manifest["spec"]["prune"])
    assert found.max_depth == manifest["spec"]["chain"]["maxDepth"]
    assert found.snapshots == tuple(map(expected, manifest["spec"]["snapshots"]))


def expected(snapshot: Manifest) -> DesiredSnapshot:
    disks: dict[str, str] = snapshot.get("disks", {})
    return DesiredSnapshot(
        name=SnapshotName(snapshot["name"]),
        description=snapshot.get("description"),
        quiesce=Quiesce(snapshot.get("quiesce", "never")),
        skip=frozenset(DiskTarget(disk) for disk, choice in disks.items() if choice != "external"),
        take=frozenset(DiskTarget(disk) for disk, choice in disks.items() if choice == "external"),
        power=Power(snapshot.get("power", "any")),
        overlay=DEFAULT_OVERLAY,
        after=snapshot.get("after"),
    )


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=8,
)


@st.composite
def almost_manifests(draw: st.DrawFn) -> str:
    """A manifest with one value in it replaced by anything, or one key more."""
    manifest = draw(manifests())
    at: Any = manifest
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or draw(st.booleans()):
            at[key] = draw(VALUES)
            break
        at = at[key]
    if isinstance(at, dict) and draw(st.booleans()):
        at[draw(TEXT)] = draw(VALUES)
    return as_yaml(manifest)


def only_our_errors(call: Callable[[], object]) -> None:
    told: tuple[str, ...] = ("m.yaml: none",)
    try:
        call()
    except ManifestError as error:
        told = error.problems
    except SourceError as error:
        told = (error.message.replace("cannot use the manifests of /d", "m.yaml"),)
    assert told
    assert all(each.startswith("m.yaml") and "\n" not in each for each in told)


@given(almost_manifests())
def test_a_manifest_with_one_thing_wrong_raises_nothing_else(text: str) -> None:
    only_our_errors(lambda: load_text(text.encode("utf-8", "surrogatepass")))


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbfkind: Host")
@example(b"- &a [*a]")
@example(b"? [a]\n: b")
@example(b"? {a: b}\n: !!int x")
@example(b"%YAML 1.2\n---\nkind: 99999999999999999999999999999999999999999999\n")
@example(b'"\\ud800": "\\U00110000"')
@example(b"kind: !!str\n")
@example(b"!!binary x")
def test_any_bytes_raise_nothing_else(text: bytes) -> None:
    only_our_errors(lambda: load_text(text))


WORDS = st.sampled_from(
    [*"[]{}:,-?&*!|>#'\"%@`~ \n\t", "a", "&a ", "*a", "- ", ": ", "\n  ", "---\n", "...\n", "!!int ",
     "kind: ", "spec:", "name: ", "snapshots", "null", "0x1f", "1e9", "<<: ", "\x85", "\u2028",
     "apiVersion: virtsnap/v1\n", "DomainSnapshots"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=40).map("".join))
def test_any_text_like_yaml_raises_nothing_else(text: str) -> None:
    only_our_errors(lambda: load_text(text.encode()))


@given(st.lists(WORDS, max_size=40).map("".join))
def test_every_place_is_in_the_text(text: str) -> None:
    lines = text.splitlines() or [""]
    for problem in documents("m.yaml", text)[1]:
        assert 1 <= problem.place.line <= len(lines) + 1
        assert problem.place.column >= 1


@given(st.lists(manifests(), min_size=1, max_size=3), st.randoms())
def test_the_order_of_files_does_not_matter(drawn: list[Manifest], chance: Any) -> None:
    files = [
        ManifestFile(f"m{number}.yaml", as_yaml(manifest).encode())
        for number, manifest in enumerate(drawn)
    ]
    shuffled = list(files)
    chance.shuffle(shuffled)

    def outcome(given: list[ManifestFile]) -> object:
        try:
            return load(given, source="/d", revision=None, is_complete=True)
        except ManifestError as error:
            return error.problems

    assert outcome(files) == outcome(shuffled)
