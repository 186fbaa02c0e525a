"""The models of all that design §2 says, and the JSON Schemas made from them."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reconciler.manifest import schema, unsupported
from reconciler.manifest.positions import documents
from reconciler.manifest.schema_fields import fields

ROOT = Path(__file__).parent.parent.parent
#: All of design §2, word for word where it is YAML.
WHOLE = """\
apiVersion: virtsnap/v1
kind: Host
metadata: {name: kvm01, labels: {site: mad}}
spec:
  uri: qemu+ssh://root@kvm01/system
  suspend: false
  pruneGone: never
  folders: [/srv/overlays]
  limits: {domains: 8, blockJobs: 2, bandwidth: 200MiB}
---
apiVersion: virtsnap/v1
kind: SnapshotClass
metadata: {name: hot-quiesced}
spec: {type: external, memory: false, quiesce: required, disks: {vdc: skip}}
---
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {name: debian13, labels: {app: web}}
spec:
  host: kvm01
  domain: debian13
  suspend: false
  snapshots:
    - name: pre-upgrade
      description: Before apt full-upgrade
      class: hot-quiesced
      type: external
      memory: false
      quiesce: preferred
      disks: {vdb: external, vdc: skip}
      power: any
      overlay: "{{ image.folder }}/{{ domain.name }}-{{ disk.target }}-{{ snapshot.name }}.qcow2"
      protect: false
      ifLost: report
    - name: after-upgrade
      after: pre-upgrade
  revert:
    to: pre-upgrade
    request: INC-4711
    power: recorded
    config: disks
    present: keep
  chain: {maxDepth: 8}
  prune: never
  unmanaged: report
  disruption: never
  windows: [{schedule: "0 2 * * sun", duration: 2h, timeZone: Europe/Madrid}]
  shutdown: {timeout: 2m, then: refuse}
  dependsOn: [db01]
  approve: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
---
apiVersion: virtsnap/v1
kind: SnapshotPolicy
metadata: {name: nightly}
spec:
  selector: {hosts: ["kvm*"], domains: ["web-*"], matchLabels: {app: web}}
  schedule: "0 2 * * *"
  timeZone: UTC
  startingDeadline: 1h
  class: hot-quiesced
  retention: {keepLast: 3, hourly: 24, daily: 7, weekly: 4, monthly: 6, maxAge: 90d}
  suspend: false
"""
PARSED: list[dict[str, Any]] = [node.plain() for node in documents("x", WHOLE)[0]]  # type: ignore[misc]  # mappings


def checker(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema.json_schema(kind))


@pytest.mark.parametrize("document", PARSED, ids=lambda document: document["kind"])
def test_the_models_know_all_of_the_design(document: dict[str, Any]) -> None:
    schema.KINDS[document["kind"]].model_validate(document)
    checker(document["kind"]).validate(document)


@pytest.mark.parametrize("document", PARSED, ids=lambda document: document["kind"])
def test_the_models_know_nothing_more_than_the_design(document: dict[str, Any]) -> None:
    known = {field.path for field in fields(schema.json_schema(document["kind"]))}

    assert known == set(paths(document, "")) | {"metadata.labels"}


def paths(value: Any, above: str) -> list[str]:
    """The paths of fields in a document; free keys (labels, targets) are values."""
    if re.search(r"(labels|disks|matchLabels)$", above):
        return []
    if isinstance(value, list):
        return [path for item in value for path in paths(item, f"{above}[]")]
    if not isinstance(value, dict):
        return []
    prefix = f"{above}." if above else ""
    return [
        path
        for key, below in value.items()
        for path in (f"{prefix}{key}", *paths(below, f"{prefix}{key}"))
    ]


def test_what_is_not_supported_exists() -> None:
    for rule in unsupported.FIELDS:
        known = {field.path for field in fields(schema.json_schema(rule.kind))}
        assert rule.path.removesuffix(".*") in known


@pytest.mark.parametrize("kind", schema.KINDS)
def test_every_field_says_what_it_means(kind: str) -> None:
    assert all(field.schema["description"] for field in fields(schema.json_schema(kind)))


@pytest.mark.parametrize("kind", schema.KINDS)
def test_a_schema_is_one(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema.json_schema(kind))


@pytest.mark.parametrize("kind", schema.KINDS)
def test_a_schema_refuses_what_the_loader_refuses(kind: str) -> None:
    document = next(document for document in PARSED if document["kind"] == kind)
    for wrong in ({"extra": 1}, {"metadata": {"name": 1}}, {"spec": None}, {"apiVersion": "v1"}):
        assert not checker(kind).is_valid({**document, **wrong})


SAMPLES = sorted([*ROOT.glob("examples/*/manifest.yaml"), *ROOT.glob("manifests/**/*.yaml")])


class Yaml12(yaml.SafeLoader):
    """``off`` is a text."""


_BOOL = "tag:yaml.org,2002:bool"
Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Yaml12.add_implicit_resolver(_BOOL, re.compile("^(true|false)$"), list("tf"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sample_names_its_schema_and_keeps_to_it(path: Path) -> None:
    named = None
    for text in path.read_text().split("---\n"):
        # a document of another kind than the one before it has a first line of its own
        named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text) or named
        assert named, "the first line names the schema"
        found = json.loads((path.parent / named[1]).read_text())
        document = yaml.load(text, Loader=Yaml12)
        jsonschema.Draft202012Validator(found).validate(document)
