"""What ``doctor`` found, for people and for machines."""

from collections.abc import Iterator, Sequence

from reconciler.model.domain import ObservedHost
from reconciler.model.finding import Finding, FindingCode, Severity
from reconciler.report.document import Document, WholeDocument
from reconciler.report.finding_words import WORDS
from reconciler.report.lines import Line, Tone
from reconciler.report.phrase import filled
from reconciler.report.units import count, size

_TONES = {Severity.PROBLEM: Tone.REFUSED, Severity.WARNING: Tone.WARNING}
_SIZES = ("free", "size")


class FindingDocument(Document):
    """One finding; *domain* is null for the host itself."""

    host: str
    domain: str | None
    disk: str | None
    code: FindingCode
    severity: Severity
    message: str
    hint: str
    facts: dict[str, str]


class ExaminedHostDocument(Document):
    """A host that was looked at; *domains* are those that were."""

    host: str
    uri: str
    libvirt: str
    qemu: str | None
    domains: tuple[str, ...]


class DoctorDocument(WholeDocument):
    """Every finding: by host, those of the host itself first, then by domain."""

    problems: int
    warnings: int
    hosts: tuple[ExaminedHostDocument, ...]
    findings: tuple[FindingDocument, ...]


def doctor_document(
    examined: Sequence[tuple[ObservedHost, Sequence[str], Sequence[Finding]]],
) -> DoctorDocument:
    """The document of *examined*: hosts, the names of the domains that were meant, findings."""
    told = tuple(
        finding_document(host.name, finding) for host, _, found in examined for finding in found
    )
    return DoctorDocument(
        problems=sum(1 for finding in told if finding.severity is Severity.PROBLEM),
        warnings=sum(1 for finding in told if finding.severity is Severity.WARNING),
        hosts=tuple(
            ExaminedHostDocument(
                host=host.name,
                uri=host.uri,
                libvirt=_dotted(host.libvirt_version),
                qemu=_dotted(host.qemu_version) if host.qemu_version else None,
                domains=tuple(names),
            )
            for host, names, _ in examined
        ),
        findings=told,
    )


def finding_document(host: str, finding: Finding) -> FindingDocument:
    """*finding* in words."""
    words = WORDS[finding.code]
    facts = {"domain": finding.domain or "", "disk": finding.disk or "", **dict(finding.facts)}
    for name in _SIZES:
        if facts.get(name, "").isdecimal():
            facts[name] = size(int(facts[name]))
    return FindingDocument(
        host=host,
        domain=finding.domain,
        disk=finding.disk,
        code=finding.code,
        severity=finding.severity,
        message=filled(words.sentence, facts),
        hint=filled(words.hint, facts),
        facts=dict(finding.facts),
    )


def doctor_lines(document: DoctorDocument) -> Iterator[Line]:
    """A block for each host and domain that has findings, then one line that sums up."""
    heads = {host.host: _head(host) for host in document.hosts}
    last: tuple[str, str | None] | None = None
    for finding in document.findings:
        where = (finding.host, finding.domain)
        if where != last:
            named = f"{finding.domain} on {finding.host}"
            yield Line(named if finding.domain else heads[finding.host], Tone.STRONG)
            last = where
        severity, code = finding.severity, finding.code
        yield Line(f"  ! {severity} {code}: {finding.message}", _TONES[severity])
        yield Line(f"    hint: {finding.hint}", Tone.QUIET)
    yield Line(_summary(document), Tone.STRONG)


def _head(host: ExaminedHostDocument) -> str:
    qemu = f", QEMU {host.qemu}" if host.qemu else ""
    return f"host {host.host} ({host.uri}): libvirt {host.libvirt}{qemu}"


def _summary(document: DoctorDocument) -> str:
    number = sum(len(host.domains) for host in document.hosts)
    looked = f"{count(number, 'domain')} looked at."
    if not document.findings:
        return f"No findings. {looked}"
    problems = count(document.problems, "problem")
    return f"{problems}, {count(document.warnings, 'warning')}. {looked}"


def _dotted(version: int) -> str:
    """``11.3.0`` for libvirt's 11003000."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
