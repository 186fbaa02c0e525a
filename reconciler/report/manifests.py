"""A domain as the manifest that describes it: what is managed declared, the rest as comments."""

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from reconciler.model.domain import ObservedDomain
from reconciler.model.ledger import EntryState, LedgerProblem
from reconciler.model.names import SnapshotName, why_not_a_name
from reconciler.model.ownership import Mark, is_hold_whole, mark_of
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.report.lines import safe
from reconciler.report.units import joined

#: Where ``manifests/`` and ``schemas/`` lie beside each other, as in this project.
SCHEMA = "../schemas/domainsnapshots.v1.schema.json"

#: Texts that need no quotes in YAML 1.1 nor 1.2.
_PLAIN = re.compile(r"[^\W\d]([\w ./-]*[\w./-])?")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def manifest_text(
    domain: ObservedDomain,
    *,
    host: str | None = None,
    dangling: Mapping[SnapshotName, str] | None = None,
    adopting: Mapping[SnapshotName, str | None] | None = None,
) -> str:
    """A whole ``DomainSnapshots`` document.

    *host* is written when it must be said.  *dangling* are snapshots whose frozen layer is not what
    it was, or is missing now, each with why; declared, they would be refused.  *adopting* asks for
    a manifest that adopts: of each unmanaged snapshot why it cannot be, None when it can.
    """
    broken = dangling or {}
    records = _in_tree_order(domain)
    adopted = adopted_of(adopting or {})
    declared = [
        r
        for r in records
        if r.name not in broken and (_is_declared(domain, r) or r.name in adopted)
    ]
    document = {
        "apiVersion": "virtsnap/v1",
        "kind": "DomainSnapshots",
        "metadata": {"name": _document_name(domain)},
        "spec": {
            **({"host": host} if host is not None else {}),
            **_named_domain(domain),
            **({"unmanaged": "adopt"} if adopting is not None else {}),
            "snapshots": list(_snapshots(domain, declared)),
        },
    }
    indent = "    " if declared else "  "
    told = _comments(domain, [r for r in records if r.name not in adopted], broken, adopting or {})
    comments = "".join(f"{indent}# {safe(text)}\n" for text in told)
    return f"# yaml-language-server: $schema={SCHEMA}\n{_dumped(document)}{comments}"


# --- what is declared


def adopted_of(adopting: Mapping[SnapshotName, str | None]) -> frozenset[SnapshotName]:
    """Those that can be adopted, and that a manifest can name."""
    return frozenset(
        name for name, why in adopting.items() if why is None and why_not_a_name(name) is None
    )


def _is_declared(domain: ObservedDomain, record: SnapshotRecord) -> bool:
    """Managed, born or taken, and of a kind that a manifest can ask for."""
    return mark_of(domain, record) in (Mark.MANAGED, Mark.CREATING) and _is_of_known_kind(record)


def _is_of_known_kind(record: SnapshotRecord) -> bool:
    """As a manifest declares it: all disks one way, and memory kept as the disks are."""
    if record.is_external:
        return True
    captured = {disk.capture for disk in record.disks if disk.is_writable}
    return captured == {DiskCapture.INTERNAL} and record.memory is not MemoryCapture.EXTERNAL


def _is_internal(record: SnapshotRecord) -> bool:
    return any(disk.capture is DiskCapture.INTERNAL for disk in record.disks)


def _in_tree_order(domain: ObservedDomain) -> list[SnapshotRecord]:
    """Each record before its children, a branch as a whole before the next one."""
    names = {record.name for record in domain.records}
    children: dict[str | None, list[SnapshotRecord]] = {}
    for record in domain.records:
        # a parent that is not there makes a root
        above = record.parent if record.parent in names - {record.name} else None
        children.setdefault(above, []).append(record)
    ordered: list[SnapshotRecord] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        record = waiting.pop()
        ordered.append(record)
        waiting += reversed(children.get(record.name, []))
    return ordered


def _snapshots(
    domain: ObservedDomain, declared: list[SnapshotRecord]
) -> Iterator[dict[str, object]]:
    names = {record.name for record in declared}
    before: str | None = None
    for record in declared:
        above = _declared_above(domain, record, names)
        left_out = sorted(
            disk.target
            for disk in record.disks
            if disk.capture is DiskCapture.SKIPPED and disk.is_writable
        )
        yield {
            "name": record.name,
            **({"description": record.description} if _has_prose(record) else {}),
            **({"type": "internal"} if _is_internal(record) else {}),
            **({"memory": True} if record.memory is not MemoryCapture.NONE else {}),
            **({"disks": dict.fromkeys(left_out, "skip")} if left_out else {}),
            **({"protect": True} if is_hold_whole(domain, record) else {}),
            **({"after": above} if above is not None and above != before else {}),
        }
        before = record.name


def _declared_above(
    domain: ObservedDomain, record: SnapshotRecord, names: set[SnapshotName]
) -> str | None:
    """The nearest snapshot that *record* stands on and that is declared too."""
    above = record.parent
    while above is not None and above not in names:
        found = domain.record(above)
        above = found.parent if found else None
    return above


def _has_prose(record: SnapshotRecord) -> bool:
    """A description that a manifest can hold; without one, what libvirt has is left alone."""
    return bool(record.description) and not any(
        (_is_control(c) and c not in "\n\t") or c in "\ufffe\uffff" for c in record.description
    )


def _is_control(character: str) -> bool:
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code <= 0xDFFF


def _document_name(domain: ObservedDomain) -> str:
    return domain.name if why_not_a_name(domain.name) is None else domain.uuid


def _named_domain(domain: ObservedDomain) -> dict[str, str]:
    """``spec.domain``, where the name of the document does not say it."""
    name = domain.name
    if not name.strip() or "/" in name or any(map(_is_control, name)) or _reads_as_uuid(name):
        return {"domain": domain.uuid}
    return {} if _document_name(domain) == name else {"domain": name}


def _reads_as_uuid(name: str) -> bool:
    try:
        return len(name) == 36 and bool(uuid.UUID(name).hex)
    except ValueError:
        return False


# --- what is not


def _comments(
    domain: ObservedDomain,
    records: list[SnapshotRecord],
    broken: Mapping[SnapshotName, str],
    adopting: Mapping[SnapshotName, str | None],
) -> Iterator[str]:
    """A line for each snapshot that is not declared: records in tree order, then the ledger's."""
    if domain.ledger_problem in (LedgerProblem.NEWER, LedgerProblem.DAMAGED):
        yield f"the ledger cannot be used ({domain.ledger_problem}): what is managed is unknown"
    for record in records:
        facts = _facts(record)
        match mark_of(domain, record):
            case Mark.UNMANAGED if record.name in adopting:
                why = adopting[record.name] or f"its name {why_not_a_name(record.name)}"
                yield f"unmanaged: {record.name} ({facts}): {why}"
            case Mark.UNMANAGED if record.uid is not None:
                yield f"unmanaged: {record.name} ({facts}), bears virtsnap's mark"
            case Mark.UNMANAGED:
                yield f"unmanaged: {record.name} ({facts})"
            case Mark.DELETING:
                yield f"deleting: {record.name} ({facts}), its removal has begun"
            case Mark.LOST:
                yield f"lost: {record.name} ({facts}), its record is there again"
            case _ if record.name in broken:
                yield f"not intact: {record.name} ({facts}), {broken[record.name]}"
            case _ if not _is_of_known_kind(record):
                yield f"managed: {record.name} ({facts}), of a kind this version cannot declare"
            case _ if record.description and not _has_prose(record):
                yield f"{record.name}: its description has control characters and is left alone"
    for entry in domain.ledger.entries if domain.ledger else ():
        if domain.record(entry.name) is None:
            when = "" if entry.created is None else f"{_moment(entry.created)}, "
            state = EntryState.LOST if entry.state is EntryState.TAKEN else entry.state
            yield f"{state}: {entry.name} ({when}no record)"


def _facts(record: SnapshotRecord) -> str:
    """When, which disks, how."""
    by_kind: dict[DiskCapture, list[str]] = {}
    for disk in record.disks:
        if disk.capture is not DiskCapture.SKIPPED:
            by_kind.setdefault(disk.capture, []).append(disk.target)
    parts = [f"{joined(targets)}, {kind}" for kind, targets in by_kind.items()]
    if record.memory is not MemoryCapture.NONE:
        parts.append(f"memory {record.memory}")
    return ", ".join([_moment(record.created), *parts])


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "unknown time"


# --- YAML


class _Dumper(yaml.SafeDumper):
    """Lists stand indented below their key, texts in quotes unless nobody could misread them."""

    def increase_indent(self, *given: Any, **named: Any) -> None:
        super().increase_indent(*given[:1], **{**named, "indentless": False})

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


_Dumper.add_representer(str, _text)


def _style(text: str) -> str | None:
    if _PLAIN.fullmatch(text) and text.isprintable() and text.lower() not in _WORDS:
        return None
    if text.isprintable():
        return "'"
    return "|" if _is_block(text) else '"'


def _is_block(text: str) -> bool:
    """Lines that read the same as a block: no odd character, no space that would get lost."""
    lines = text.split("\n")
    body = lines[:-1] if lines[-1] == "" else lines
    return (
        bool(body[0])
        and bool(body[-1])
        and not body[0].startswith(" ")
        and all(line.isprintable() and not line.endswith(" ") for line in body)
    )


def _dumped(document: Mapping[str, object]) -> str:
    dumped: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000
    )
    return dumped
