"""What a controller knows, as gauges: made anew for each scrape, so that nothing stale stays."""

import platform
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from reconciler.model.controller import ControllerState, DomainState, Readiness, SuspendedBy
from reconciler.model.secrets import without_secrets

#: The values of a metric's labels, and its value.
Sample = tuple[tuple[str, ...], float]

_DOMAIN = ("host", "domain")
#: of a text in a label
_LONGEST = 300


def gauges(state: ControllerState) -> Iterator[GaugeMetricFamily]:
    """Every gauge of *state*; one without samples is named all the same."""
    yield from _of_controller(state)
    yield from _of_source(state)
    yield from _of_hosts(state)
    # a name that comes twice would make the whole scrape void
    domains = tuple({(domain.host, domain.domain): domain for domain in state.domains}.values())
    yield from _of_standing(domains)
    yield from _of_plan(domains)
    yield from _of_chain(domains)
    yield from _of_running(domains)


def _of_controller(state: ControllerState) -> Iterator[GaugeMetricFamily]:
    yield _gauge(
        "virtsnap_build_info",
        "Always 1; the versions of virtsnap and of Python.",
        ("version", "python"),
        [((state.version, platform.python_version()), 1)],
    )
    yield _single(
        "virtsnap_ready",
        "1: the source is read, every libvirt is observed, and nothing was left behind by trouble.",
        state.is_ready,
    )
    yield _single(
        "virtsnap_stopping", "1: the controller was asked to end, or has.", state.is_stopping
    )
    yield _single(
        "virtsnap_report_only", "1: every pass plans and changes nothing.", state.is_report_only
    )
    yield _single(
        "virtsnap_start_timestamp_seconds",
        "When the controller started.",
        state.started.timestamp(),
    )
    yield _single("virtsnap_interval_seconds", "A pass is made at least so often.", state.interval)


def _of_source(state: ControllerState) -> Iterator[GaugeMetricFamily]:
    source = state.source
    yield _gauge(
        "virtsnap_source_info",
        "Always 1; the source, the revision in force and who signed it.",
        ("source", "revision", "signed_by"),
        [((without_secrets(source.id), source.revision or "", source.signed_by or ""), 1)],
    )
    yield _single(
        "virtsnap_source_ready", "1: what is in force is what the source holds.", source.is_ready
    )
    trouble = source.trouble
    yield _gauge(
        "virtsnap_source_trouble_info",
        "Always 1, while newer manifests are not in force; why, and file:line:column where there is one.",
        ("message", "where"),
        []
        if trouble is None
        else [((without_secrets(trouble.message)[:_LONGEST], without_secrets(trouble.where)), 1)],
    )
    yield _gauge(
        "virtsnap_source_fetched_timestamp_seconds",
        "When the source was last looked at with success.",
        (),
        [((), value) for value in _when(source.fetched)],
    )
    yield _gauge(
        "virtsnap_source_revision_timestamp_seconds",
        "When the revision in force was first read.",
        (),
        [((), value) for value in _when(source.since)],
    )


def _of_hosts(state: ControllerState) -> Iterator[GaugeMetricFamily]:
    hosts = tuple({host.name: host for host in state.hosts}.values())
    yield _gauge(
        "virtsnap_host_up",
        "1: this libvirt was observed, and there is no trouble with it.",
        ("host",),
        [((host.name,), host.trouble is None and host.observed is not None) for host in hosts],
    )
    yield _gauge(
        "virtsnap_host_observed_timestamp_seconds",
        "When this libvirt was last observed.",
        ("host",),
        [((host.name,), value) for host in hosts for value in _when(host.observed)],
    )
    yield _gauge(
        "virtsnap_host_suspended",
        "1: nothing is changed on this host.",
        ("host",),
        [((host.name,), host.is_suspended) for host in hosts],
    )


def _of_standing(domains: tuple[DomainState, ...]) -> Iterator[GaugeMetricFamily]:
    yield _gauge(
        "virtsnap_domain_readiness",
        "1 for the readiness that the domain has, 0 for the others.",
        (*_DOMAIN, "readiness"),
        [
            ((*_name(domain), readiness.value), domain.readiness is readiness)
            for domain in domains
            for readiness in Readiness
        ],
    )
    yield _gauge(
        "virtsnap_domain_reason",
        "Always 1; why the domain stands as it does.",
        (*_DOMAIN, "reason"),
        [((*_name(domain), domain.reason), 1) for domain in domains],
    )
    yield _gauge(
        "virtsnap_domain_suspended",
        "1 for each who said that the domain is not to be changed.",
        (*_DOMAIN, "by"),
        [
            ((*_name(domain), by.value), by in domain.suspended_by)
            for domain in domains
            for by in SuspendedBy
        ],
    )
    yield _of_each(
        domains,
        "virtsnap_domain_consecutive_failures",
        "Passes that failed, one after another.",
        lambda domain: [domain.failures],
    )
    yield _of_each(
        domains,
        "virtsnap_domain_since_timestamp_seconds",
        "When readiness or reason last changed.",
        lambda domain: _when(domain.since),
    )
    yield _of_each(
        domains,
        "virtsnap_domain_observed_timestamp_seconds",
        "When the domain was last observed.",
        lambda domain: _when(domain.observed),
    )
    yield _of_each(
        domains,
        "virtsnap_domain_last_success_timestamp_seconds",
        "When all that is asked for was last found there, or done.",
        lambda domain: _when(domain.succeeded),
    )
    yield _of_each(
        domains,
        "virtsnap_domain_retry_timestamp_seconds",
        "After a failure: the next try is not before.",
        lambda domain: _when(domain.retry_at),
    )


def _of_plan(domains: tuple[DomainState, ...]) -> Iterator[GaugeMetricFamily]:
    yield _of_each(
        domains,
        "virtsnap_domain_planned_steps",
        "Steps of the last plan, held ones too.",
        lambda domain: [domain.steps],
    )
    yield _gauge(
        "virtsnap_domain_drift",
        "1 for each kind of drift that the domain has.",
        (*_DOMAIN, "kind"),
        [((*_name(domain), kind), 1) for domain in domains for kind in dict.fromkeys(domain.drift)],
    )
    yield _gauge(
        "virtsnap_domain_refusals",
        "What the last plan refuses, by code.",
        (*_DOMAIN, "code"),
        _counted(domains, lambda domain: (refusal.code for refusal in domain.refusals)),
    )
    yield _gauge(
        "virtsnap_domain_held_steps",
        "Steps of the last plan that wait, and why.",
        (*_DOMAIN, "because"),
        _counted(domains, lambda domain: (held.because for held in domain.held)),
    )


def _of_chain(domains: tuple[DomainState, ...]) -> Iterator[GaugeMetricFamily]:
    yield _of_each(
        domains,
        "virtsnap_domain_chain_depth",
        "Images above the base, of the longest live chain.",
        lambda domain: [domain.depth],
    )
    yield _of_each(
        domains,
        "virtsnap_domain_chain_depth_limit",
        "maxDepth of the manifest, where there is one.",
        lambda domain: () if domain.depth_limit is None else [domain.depth_limit],
    )
    yield _of_each(
        domains,
        "virtsnap_domain_newest_snapshot_timestamp_seconds",
        "When the newest managed snapshot was taken.",
        lambda domain: _when(domain.newest_snapshot),
    )


def _of_running(domains: tuple[DomainState, ...]) -> Iterator[GaugeMetricFamily]:
    running = [(domain, domain.running) for domain in domains if domain.running]
    copying = [
        ((*_name(domain), step.action), step.done, step.total)
        for domain, step in running
        if step.total
    ]
    labels = (*_DOMAIN, "action")
    yield _gauge(
        "virtsnap_step_begun_timestamp_seconds",
        "When the step that is under way began.",
        labels,
        [((*_name(domain), step.action), step.begun.timestamp()) for domain, step in running],
    )
    yield _gauge(
        "virtsnap_block_job_copied_bytes",
        "What the block job under way has copied.",
        labels,
        [(names, done) for names, done, _ in copying],
    )
    yield _gauge(
        "virtsnap_block_job_size_bytes",
        "What the block job under way has to copy in all.",
        labels,
        [(names, total) for names, _, total in copying],
    )
    yield _gauge(
        "virtsnap_block_job_progress_ratio",
        "The part that is copied, from 0 to 1.",
        labels,
        [(names, min(1.0, done / total)) for names, done, total in copying],
    )


def _name(domain: DomainState) -> tuple[str, str]:
    return domain.host, domain.domain


def _when(moment: datetime | None) -> list[float]:
    return [] if moment is None else [moment.timestamp()]


def _counted(
    domains: Iterable[DomainState], words: Callable[[DomainState], Iterable[str]]
) -> Iterator[Sample]:
    """How often each word comes, for each domain."""
    for domain in domains:
        counts: dict[str, int] = {}
        for word in words(domain):
            counts[str(word)] = counts.get(str(word), 0) + 1
        yield from (((*_name(domain), word), number) for word, number in sorted(counts.items()))


def _of_each(
    domains: Iterable[DomainState],
    name: str,
    meaning: str,
    values: Callable[[DomainState], Iterable[float]],
) -> GaugeMetricFamily:
    """A gauge with one value a domain, or none."""
    return _gauge(
        name,
        meaning,
        _DOMAIN,
        [(_name(domain), value) for domain in domains for value in values(domain)],
    )


def _single(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return _gauge(name, meaning, (), [((), value)])


def _gauge(
    name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[Sample]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric([label(text) for text in values], float(value))
    return family


def label(text: str) -> str:
    """*text* as it may stand in a label: always UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
