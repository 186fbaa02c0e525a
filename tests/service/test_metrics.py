"""What Prometheus sees of a controller."""

import subprocess
from dataclasses import replace

from hypothesis import given
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as from_openmetrics
from prometheus_client.parser import text_string_to_metric_families as from_text

from reconciler.model.action import DeleteSnapshot, ForgetSnapshot
from reconciler.model.controller import ControllerState, Trouble
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainStatus
from reconciler.model.plan import Reason
from reconciler.service.metrics import Metrics, registry_of, with_process
from tests.lab.promtool import promtool
from tests.report.drawn_plans import create, domain_plan, s1, step
from tests.service.controllers import KVM01, TROUBLE, busy, outcome, passed, state, web
from tests.service.states import states

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(metrics: Metrics) -> Series:
    """Every sample by name and labels; twice the same would be one too few to tell."""
    found: Series = {}
    for family in from_text(generate_latest(registry_of(metrics)).decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return series(metrics).get((name, tuple(sorted(labels.items()))))


def showing(found: ControllerState) -> Metrics:
    return Metrics(lambda: found)


def told(metrics: Metrics) -> Metrics:
    """*metrics* after one of everything."""
    metrics.source_changed(state().source, state().source)
    metrics.pass_ended(passed())
    plan = domain_plan()
    for number, action in enumerate((create(), ForgetSnapshot(snapshot=s1, has_record=True))):
        metrics.step_started(plan, step(number, action, Reason.NOT_IN_MANIFEST))
        metrics.step_finished(plan, step(number, action, Reason.NOT_IN_MANIFEST), "", 2.0)
    metrics.domain_ended(outcome(), 3.0)
    metrics.domain_changed(None, web())
    return metrics


def test_a_domain_is_seen_whole() -> None:
    metrics = showing(state(busy()))
    domain = {"host": "kvm01", "domain": "db01"}

    assert value(metrics, "virtsnap_domain_readiness", **domain, readiness="Stalled") == 1
    assert value(metrics, "virtsnap_domain_readiness", **domain, readiness="Ready") == 0
    assert value(metrics, "virtsnap_domain_reason", **domain, reason="SnapshotLost") == 1
    assert value(metrics, "virtsnap_domain_drift", **domain, kind="SnapshotMissing") == 1
    assert value(metrics, "virtsnap_domain_refusals", **domain, code="SnapshotLost") == 2
    assert value(metrics, "virtsnap_domain_held_steps", **domain, because="NeedsApproval") == 1
    assert value(metrics, "virtsnap_domain_suspended", **domain, by="hand") == 1
    assert value(metrics, "virtsnap_domain_suspended", **domain, by="manifest") == 0
    assert value(metrics, "virtsnap_domain_consecutive_failures", **domain) == 2
    assert value(metrics, "virtsnap_domain_chain_depth", **domain) == 2
    assert value(metrics, "virtsnap_domain_chain_depth_limit", **domain) == 8
    assert value(metrics, "virtsnap_block_job_copied_bytes", **domain, action="commit") == 50
    assert value(metrics, "virtsnap_block_job_size_bytes", **domain, action="commit") == 200
    assert value(metrics, "virtsnap_block_job_progress_ratio", **domain, action="commit") == 0.25


def test_what_is_not_known_has_no_series() -> None:
    metrics = showing(replace(state(web()), source=replace(state().source, fetched=None)))

    assert value(metrics, "virtsnap_source_fetched_timestamp_seconds") is None
    assert value(metrics, "virtsnap_source_ready") == 0
    assert value(metrics, "virtsnap_domain_chain_depth_limit", host="kvm01", domain="web01") is None


def test_why_newer_manifests_are_not_in_force_is_said_with_the_place() -> None:
    trouble = Trouble(message="a.yaml:3:5: spec: no", hint="mend it", where="a.yaml:3:5")
    metrics = showing(replace(state(web()), source=replace(state().source, trouble=trouble)))
    labels = {"message": trouble.message, "where": "a.yaml:3:5"}

    assert value(metrics, "virtsnap_source_trouble_info", **labels) == 1
    assert value(metrics, "virtsnap_source_ready") == 0


def test_what_it_is_told_is_counted() -> None:
    metrics = told(showing(state(web())))
    metrics.pass_ended(passed(trouble=TROUBLE))
    passes = {"host": "kvm01", "cause": "interval"}
    web01 = {"host": "kvm01", "domain": "web01"}

    assert value(metrics, "virtsnap_passes_total", **passes, result="done") == 1
    assert value(metrics, "virtsnap_passes_total", **passes, result="failed") == 1
    assert value(metrics, "virtsnap_pass_duration_seconds_sum", host="kvm01") == 2
    assert value(metrics, "virtsnap_domain_outcomes_total", **web01, status="applied") == 1
    work = {"host": "kvm01", "status": "applied"}
    assert value(metrics, "virtsnap_reconcile_duration_seconds_sum", **work) == 3
    assert (
        value(metrics, "virtsnap_step_duration_seconds_count", host="kvm01", action="create") == 1
    )
    assert value(metrics, "virtsnap_snapshots_taken_total", **web01) == 1
    assert value(metrics, "virtsnap_snapshots_deleted_total", **web01) == 1


def test_a_snapshot_that_is_lost_is_not_deleted() -> None:
    metrics = showing(state(web()))
    web01 = {"host": "kvm01", "domain": "web01"}
    for action in (
        ForgetSnapshot(snapshot=s1, has_record=True, keeps_as_lost=True),
        DeleteSnapshot(snapshot=s1, images=()),
    ):
        metrics.step_finished(domain_plan(), step(1, action, Reason.NOT_IN_MANIFEST), "", 1.0)

    assert value(metrics, "virtsnap_snapshots_deleted_total", **web01) == 1


def test_a_domain_that_has_gone_leaves_nothing_behind() -> None:
    seen = [state(web())]
    metrics = told(Metrics(lambda: seen[-1]))
    assert "web01" in str(series(metrics))
    seen.append(state())

    assert "web01" not in str(series(metrics))


def test_a_host_that_has_gone_leaves_nothing_behind() -> None:
    seen = [state(web())]
    metrics = told(Metrics(lambda: seen[-1]))
    assert "kvm01" in str(series(metrics))
    seen.append(replace(state(), hosts=()))

    assert "kvm01" not in str(series(metrics))


def test_what_is_counted_before_the_board_knows_the_domain_is_kept() -> None:
    seen = [state()]
    metrics = told(Metrics(lambda: seen[-1]))
    series(metrics)
    told(metrics)
    seen.append(state(web()))
    web01 = {"host": "kvm01", "domain": "web01"}

    assert value(metrics, "virtsnap_domain_outcomes_total", **web01, status="applied") == 2


def test_domains_that_come_and_go_do_not_add_up() -> None:
    now = [state(web())]
    metrics = Metrics(lambda: now[-1])
    sizes = []
    for number in range(20):
        name = f"ci-{number}"
        now.append(state(web(name)))
        metrics.domain_ended(replace(outcome(), domain=name), 1.0)
        sizes.append(len(series(metrics)))

    assert len(set(sizes)) == 1


def test_the_series_of_one_domain_are_few() -> None:
    def size(number: int) -> int:
        domains = [web(f"web{i}") for i in range(number)]
        metrics = showing(state(*domains))
        for domain in domains:
            metrics.domain_ended(replace(outcome(), domain=domain.domain), 1.0)
        return len(series(metrics))

    assert size(11) - size(10) <= 20


def test_no_password_reaches_a_label() -> None:
    found = replace(state(), source=replace(state().source, id="https://me:hush@git.example/x"))

    assert "hush" not in str(series(showing(found)))


@given(found=states)
def test_both_formats_can_be_read_back_whatever_the_names(found: ControllerState) -> None:
    metrics = told(showing(found))
    registry = registry_of(metrics)

    assert series(metrics)
    assert list(from_openmetrics(generate_openmetrics(registry).decode()))


def test_promtool_accepts_them() -> None:
    text = generate_latest(with_process(told(showing(state(web(), busy())))))
    done = subprocess.run(
        (promtool(), "check", "metrics"), input=text, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_two_controllers_of_one_process_know_nothing_of_each_other() -> None:
    one, two = showing(state(web())), showing(state(web()))
    one.pass_ended(passed())
    other = replace(passed(), host=HostName("other"))
    two.pass_ended(other)

    assert value(two, "virtsnap_pass_duration_seconds_count", host=KVM01) is None
    assert outcome().status is DomainStatus.APPLIED
