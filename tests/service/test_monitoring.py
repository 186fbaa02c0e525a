"""Alerts, dashboard and page speak of metrics that there are, and Prometheus can read them."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families as from_text

from reconciler.cli.run_http import DEFAULT_LISTEN
from reconciler.service.metrics import Metrics, with_process
from reconciler.service.textfile import TextFile
from tests.lab.promtool import promtool
from tests.service.controllers import TROUBLE, busy, state, web
from tests.service.test_metrics import told

ROOT = Path(__file__).parent.parent.parent
MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text())
PAGE = (ROOT / "docs" / "monitoring.md").read_text()

_METRIC = re.compile(r"\b(?:virtsnap|process)_[a-z_]+")
#: What Grafana puts in before it asks.
_VARIABLES = {"$instance": ".*", "$host": ".*", "$domain": ".*", "$__rate_interval": "5m"}


def run(*command: str) -> str:
    """What promtool says; it must be content."""
    done = subprocess.run((promtool(), *command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Metric]:
    """Everything that is ever exposed."""
    in_trouble = state(web(), busy())
    in_trouble = replace(in_trouble, source=replace(in_trouble.source, trouble=TROUBLE))
    metrics = told(Metrics(lambda: in_trouble))
    path = tmp_path_factory.mktemp("textfile") / "virtsnap.prom"
    TextFile(path, metrics).write()
    found = [*with_process(metrics).collect(), *from_text(path.read_text())]
    return {family.name: family for family in reversed(found)}


@pytest.fixture(scope="module")
def names(families: dict[str, Metric]) -> set[str]:
    """As they are asked for: with ``_total`` or ``_bucket``."""
    return {s.name for f in families.values() for s in f.samples} | set(families)


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        yield panel
        yield from panel.get("panels", ())


def expressions() -> list[str]:
    """All that the dashboard asks Prometheus."""
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def test_alerts_name_metrics_that_there_are(names: set[str]) -> None:
    assert set(_METRIC.findall(ALERTS.read_text())) <= names


def test_the_dashboard_names_metrics_that_there_are(names: set[str]) -> None:
    assert set(_METRIC.findall(json.dumps(DASHBOARD))) <= names


def test_promtool_accepts_the_alerts() -> None:
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]

    assert f"{len(rules)} rules found" in run("check", "rules", str(ALERTS))
    assert all(rule["labels"]["severity"] and rule["annotations"]["summary"] for rule in rules)


def test_promtool_accepts_what_the_dashboard_asks(tmp_path: Path) -> None:
    rules = []
    for number, expression in enumerate(expressions()):
        for name, value in _VARIABLES.items():
            expression = expression.replace(name, value)
        assert "$" not in expression
        rules.append({"record": f"panel:{number}", "expr": expression})
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    run("check", "rules", str(path))


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    story = (Path(__file__).parent / "alerts_test.yaml").read_text()
    path = tmp_path / "alerts_test.yaml"
    path.write_text(story.replace("RULES", str(ALERTS)))

    run("test", "rules", str(path))


def test_the_dashboard_has_what_grafana_needs_to_load_it() -> None:
    ids = [panel["id"] for panel in panels()]
    variables = {v["name"]: v["type"] for v in DASHBOARD["templating"]["list"]}

    assert DASHBOARD["uid"] == "virtsnap"
    assert DASHBOARD["title"]
    assert DASHBOARD["id"] is None
    assert DASHBOARD["schemaVersion"] >= 36
    assert len(ids) == len(set(ids))
    assert variables["datasource"] == "datasource"
    for panel in panels():
        assert panel["title"]
        assert set(panel["gridPos"]) == {"x", "y", "w", "h"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["datasource"]["uid"] == "${datasource}"
            refs = [target["refId"] for target in panel["targets"]]
            assert len(refs) == len(set(refs))


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_page_has_every_metric_as_it_is(families: dict[str, Metric]) -> None:
    """Name, labels, type and meaning; the row that is missing can be copied from here."""
    rows = {row(family) for family in families.values() if family.name.startswith("virtsnap_")}
    written = set(re.findall(r"^\| `virtsnap_.*$", PAGE, re.MULTILINE))

    assert sorted(rows - written) == []
    assert sorted(written - rows) == []


def row(family: Metric) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    found = {label for sample in family.samples for label in sample.labels} - {"le"}
    labels = sorted(found, key=lambda label: (label != "host", label != "domain", label))
    cells = (f"`{name}`", family.type, ", ".join(f"`{x}`" for x in labels), family.documentation)
    return f"| {' | '.join(cells)} |"


def test_the_page_names_every_alert() -> None:
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]

    assert set(re.findall(r"^\| `(Virtsnap\w+)` \|", PAGE, re.MULTILINE)) == {
        rule["alert"] for rule in rules
    }
    assert DEFAULT_LISTEN in PAGE
