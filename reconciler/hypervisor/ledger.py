"""The ledger as the XML element that libvirt keeps in a domain's ``<metadata>`` (design §3)."""

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from reconciler.hypervisor import frozen_codec
from reconciler.hypervisor.xml import Element
from reconciler.model.ledger import (
    LEDGER_FORMAT,
    CommitState,
    Consistency,
    EntryState,
    Fence,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    LedgerImage,
    LedgerProblem,
    LedgerReading,
    LedgerRequest,
    RequestState,
    WayBack,
)
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState

NAMESPACE = "urn:virtsnap:ledger:1"
PREFIX = "virtsnap"
TAG = f"{{{NAMESPACE}}}ledger"
_KEYS = {
    "entries",
    "images",
    "commits",
    "freezing",
    "requests",
    "owed",
    "definition",
    "fence",
    "identities",
}
#: what comes of reading a ledger that somebody has written into
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


def encoded(ledger: Ledger) -> str:
    """The element; the same ledger always gives the same text."""
    element = etree.Element("ledger", xmlns=NAMESPACE)
    element.set("uuid", ledger.uuid)
    element.set("serial", str(ledger.serial))
    element.set("format", str(LEDGER_FORMAT))
    # ASCII only: XML has no control characters and no lone surrogates, paths may have both.
    element.text = json.dumps(_document(ledger), sort_keys=True, separators=(",", ":"))
    return etree.tostring(element, encoding="unicode")


def decoded(element: Element | None, uuid: DomainUuid) -> LedgerReading:
    """What *element* says to the domain *uuid*; None is no ledger."""
    if element is None:
        return LedgerReading()
    if element.get("uuid") != uuid:
        return LedgerReading(problem=LedgerProblem.FOREIGN)
    try:
        if int(element.get("format", "")) > LEDGER_FORMAT:
            return LedgerReading(problem=LedgerProblem.NEWER)
        serial = int(element.get("serial", ""))
        return LedgerReading(ledger=_ledger(uuid, serial, json.loads(element.text or "")))
    except _DAMAGE:
        return LedgerReading(problem=LedgerProblem.DAMAGED)


def element_of(domain: Element) -> Element | None:
    """The ledger element of a ``<domain>``."""
    return domain.find(f"metadata/{TAG}")


def put_into(domain: Element, value: Ledger) -> None:
    """Replace the ledger element of a ``<domain>``, or add one."""
    metadata = domain.find("metadata")
    if metadata is None:
        metadata = etree.SubElement(domain, "metadata")
    for old in metadata.findall(TAG):
        metadata.remove(old)
    metadata.append(etree.fromstring(encoded(value)))


def copy_into(domain: Element, other: Element) -> None:
    """Give *domain* the ledger element of *other*, or none."""
    theirs, metadata = element_of(other), domain.find("metadata")
    for old in metadata.findall(TAG) if metadata is not None else ():
        metadata.remove(old)  # type: ignore[union-attr]
    if theirs is not None:
        if metadata is None:
            metadata = etree.SubElement(domain, "metadata")
        metadata.append(deepcopy(theirs))


def decided(domains: tuple[Element, ...], uuid: DomainUuid) -> LedgerReading:
    """One reading of several definitions: the higher serial counts, and a newer format forbids."""
    elements = [element for element in map(element_of, domains) if element is not None]
    readings = [(_serial(element), decoded(element, uuid)) for element in elements]
    newer = [r for _, r in readings if r.problem is LedgerProblem.NEWER]
    if newer:
        return newer[0]
    ours = [(s, r) for s, r in readings if r.problem is not LedgerProblem.FOREIGN]
    chosen = max(ours or readings, key=lambda pair: pair[0], default=(0, LedgerReading()))[1]
    said = {_content(element_of(domain)) for domain in domains}
    # of who is at work, one definition may have been read before a write and one after it
    is_at_rest = chosen.ledger is not None and chosen.ledger.fence is None
    return replace(chosen, is_partial=is_at_rest and len(said) > 1)


def _content(element: Element | None) -> tuple[str | None, ...]:
    if element is None:
        return ()
    return (element.get("uuid"), element.get("serial"), (element.text or "").strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What the ledger copy in a record says of the record's own snapshot."""

    serial: int
    uid: str | None = None
    images: tuple[ImagePath, ...] = ()
    is_held: bool = False
    #: revert requests that were done by then
    requests: tuple[LedgerRequest, ...] = ()


def intent(
    domains: tuple[Element, ...], uuid: DomainUuid, name: SnapshotName, created: int
) -> Intent:
    """The intent to take *name* (at *created*), by the copy that ``decided`` would choose; serial 0 for none.

    A host has as many copies as records: only the one entry that matters is made a noun.
    """
    elements = [element for element in map(element_of, domains) if element is not None]
    ours = [element for element in elements if element.get("uuid") == uuid]
    if any(_is_newer(element) for element in ours) or not ours:
        return Intent(serial=0)
    chosen = max(ours, key=_serial)
    try:
        serial, _ = int(chosen.get("serial", "")), int(chosen.get("format", ""))
        document = json.loads(chosen.text or "")
        _only(document, _KEYS)
        entries = [e for e in _list(document.get("entries", [])) if e["name"] == name]
        entry = _entry(entries[0]) if entries else None
        requests = tuple(
            request
            for request in map(_request, _list(document.get("requests", [])))
            if request.state is RequestState.DONE
        )
        if entry is None or not _is_of(entry, created):
            return Intent(serial=serial, requests=requests)
        images = _list(document.get("images", []))
        paths = tuple(ImagePath(_text(i["path"])) for i in images if i["snapshot"] == name)
    except _DAMAGE:
        return Intent(serial=0)
    return Intent(
        serial=serial, uid=entry.uid, images=paths, is_held=entry.is_held, requests=requests
    )


def _is_of(entry: LedgerEntry, created: int) -> bool:
    """Written before this very snapshot was taken, or after it, for a revert to it.

    A snapshot by hand inherits the entries of others, and of an older one of its name.
    """
    return entry.state is EntryState.CREATING or entry.created == created


def _is_newer(element: Element) -> bool:
    try:
        return int(element.get("format", "")) > LEDGER_FORMAT
    except ValueError:
        return False


def _serial(element: Element) -> int:
    try:
        return int(element.get("serial", ""))
    except ValueError:
        return -1


def _document(ledger: Ledger) -> dict[str, Any]:
    return _without_empty(
        {
            "entries": [_entry_document(entry) for entry in ledger.entries],
            "images": [_image_document(image) for image in ledger.images],
            "commits": [_commit_document(commit) for commit in ledger.commits],
            "freezing": ledger.is_freezing or None,
            "requests": [_request_document(request) for request in ledger.requests],
            "owed": _owed_document(ledger.owed),
            "definition": ledger.definition,
            "fence": _fence_document(ledger.fence),
            "identities": frozen_codec.identity_documents(ledger.identities),
        }
    )


def _entry_document(entry: LedgerEntry) -> dict[str, Any]:
    return _without_null(
        {
            "name": entry.name,
            "uid": entry.uid,
            "state": entry.state.value,
            "created": entry.created,
            "consistency": entry.consistency.value if entry.consistency else None,
            "source": entry.source,
            "manifest": entry.manifest,
            "revision": entry.revision,
            "power": entry.power.value if entry.power else None,
            "held": entry.is_held or None,
            "frozen": frozen_codec.disk_documents(entry.frozen) or None,
            "memory": entry.memory,
        }
    )


def _image_document(image: LedgerImage) -> dict[str, Any]:
    return _without_null(
        {
            "path": image.path,
            "disk": image.disk,
            "snapshot": image.snapshot,
            "givenUp": image.is_given_up or None,
        }
    )


def _commit_document(commit: LedgerCommit) -> dict[str, Any]:
    return {
        "disk": commit.disk,
        "base": commit.base,
        "merged": list(commit.merged),
        "snapshots": list(commit.snapshots),
        "state": commit.state.value,
    }


def _request_document(request: LedgerRequest) -> dict[str, Any]:
    back = request.back
    return _without_null(
        {
            "request": request.request,
            "to": request.to,
            "state": request.state.value,
            "back": None
            if back is None
            else _without_null(
                {
                    "disks": dict(back.disks),
                    "owed": _owed_document(back.owed),
                    "definition": back.definition,
                    "discards": back.discards or None,
                }
            ),
        }
    )


def _owed_document(owed: PowerOwed | None) -> dict[str, Any] | None:
    if owed is None:
        return None
    until = _time_document(owed.until) if owed.until else None
    return _without_null({"state": owed.state.value, "memory": owed.memory, "until": until})


def _fence_document(fence: Fence | None) -> dict[str, Any] | None:
    if fence is None:
        return None
    until = _time_document(fence.until)
    return {"holder": fence.holder, "plan": fence.plan_id, "until": until}


def _time_document(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _without_null(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value not in (None, [])}


def _ledger(uuid: DomainUuid, serial: int, document: dict[str, Any]) -> Ledger:
    _only(document, _KEYS)
    definition = document.get("definition")
    return Ledger(
        uuid=uuid,
        serial=serial,
        entries=tuple(_entry(entry) for entry in _list(document.get("entries", []))),
        images=tuple(_image(image) for image in _list(document.get("images", []))),
        commits=tuple(_commit(commit) for commit in _list(document.get("commits", []))),
        is_freezing=document.get("freezing", False) is True,
        requests=tuple(_request(request) for request in _list(document.get("requests", []))),
        owed=_owed(document.get("owed")),
        definition=None if definition is None else SnapshotName(_text(definition)),
        fence=_fence(document.get("fence")),
        identities=frozen_codec.identities(_list(document.get("identities", []))),
    )


def _entry(document: dict[str, Any]) -> LedgerEntry:
    known = {"name", "uid", "state", "created", "consistency", "source", "manifest", "revision"}
    _only(document, known | {"power", "held", "frozen", "memory"})
    consistency, power = document.get("consistency"), document.get("power")
    memory = _text_or_none(document.get("memory"))
    created = document.get("created")
    return LedgerEntry(
        name=SnapshotName(_text(document["name"])),
        uid=_text(document["uid"]),
        state=EntryState(document["state"]),
        created=None if created is None else int(created),
        consistency=None if consistency is None else Consistency(consistency),
        source=_text_or_none(document.get("source")),
        manifest=_text_or_none(document.get("manifest")),
        revision=_text_or_none(document.get("revision")),
        power=None if power is None else PowerState(power),
        is_held=document.get("held", False) is True,
        frozen=frozen_codec.disks(_list(document.get("frozen", []))),
        memory=None if memory is None else ImagePath(memory),
    )


def _image(document: dict[str, Any]) -> LedgerImage:
    _only(document, {"path", "disk", "snapshot", "givenUp"})
    return LedgerImage(
        path=ImagePath(_text(document["path"])),
        disk=DiskTarget(_text(document["disk"])),
        snapshot=SnapshotName(_text(document["snapshot"])),
        is_given_up=document.get("givenUp", False) is True,
    )


def _request(document: dict[str, Any]) -> LedgerRequest:
    _only(document, {"request", "to", "state", "back"})
    return LedgerRequest(
        request=_text(document["request"]),
        to=SnapshotName(_text(document["to"])),
        state=RequestState(document["state"]),
        back=_back(document.get("back")),
    )


def _back(document: dict[str, Any] | None) -> WayBack | None:
    if document is None:
        return None
    _only(document, {"disks", "owed", "definition", "discards"})
    definition = document.get("definition")
    return WayBack(
        disks=tuple((DiskTarget(t), ImagePath(_text(p))) for t, p in document["disks"].items()),
        owed=_owed(document.get("owed")),
        definition=None if definition is None else SnapshotName(_text(definition)),
        discards=document.get("discards", False) is True,
    )


def _owed(document: dict[str, Any] | None) -> PowerOwed | None:
    if document is None:
        return None
    _only(document, {"state", "memory", "until"})
    memory, until = document.get("memory"), document.get("until")
    return PowerOwed(
        state=PowerState(document["state"]),
        memory=None if memory is None else ImagePath(_text(memory)),
        until=None if until is None else _time(until),
    )


def _commit(document: dict[str, Any]) -> LedgerCommit:
    _only(document, {"disk", "base", "merged", "snapshots", "state"})
    return LedgerCommit(
        disk=DiskTarget(_text(document["disk"])),
        base=ImagePath(_text(document["base"])),
        merged=tuple(ImagePath(_text(path)) for path in _list(document["merged"])),
        snapshots=tuple(SnapshotName(_text(name)) for name in _list(document["snapshots"])),
        state=CommitState(document["state"]),
    )


def _fence(document: dict[str, Any] | None) -> Fence | None:
    if document is None:
        return None
    _only(document, {"holder", "plan", "until"})
    return Fence(
        holder=_text(document["holder"]),
        plan_id=_text(document["plan"]),
        until=_time(document["until"]),
    )


def _only(document: dict[str, Any], known: set[str]) -> None:
    """A key that this format does not have would be lost when the ledger is written again."""
    if set(document) - known:
        raise ValueError(f"unknown keys {sorted(set(document) - known)}")


def _time(text: str) -> datetime:
    """A moment; without its offset it cannot be compared with any other."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment.astimezone(UTC)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
