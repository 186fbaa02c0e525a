"""What only several documents together, or several snapshots of one, can have wrong."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from reconciler.manifest.document import Document
from reconciler.manifest.outline import Outline, outline
from reconciler.manifest.problem import Path, Problem, did_you_mean, path_text, quoted

#: What the host is called when no Host is declared.
LOCAL = "local"
#: Of a circle, so many names are told.
_LONGEST_WAY = 20


def host_names(documents: Sequence[Document]) -> tuple[str, ...]:
    """The declared Hosts, or ``local``."""
    has_host = any(document.kind == "Host" for document in documents)
    return _names(documents, "Host") if has_host else (LOCAL,)


def repeated_names(documents: Sequence[Document]) -> Iterator[Problem]:
    """Two documents of one kind and name, for the kinds that others refer to."""
    for kind in ("Host", "SnapshotClass"):
        first: dict[str, Document] = {}
        for document in documents:
            if document.kind != kind or document.name is None:
                continue
            before = first.setdefault(document.name, document)
            if before is not document:
                message = f"there is a {kind} {quoted(document.name)} already, in {_place(before)}"
                yield document.problem(("metadata", "name"), message)


def unknown_references(documents: Sequence[Document]) -> Iterator[Problem]:
    """Hosts and classes that no document declares."""
    hosts = dict.fromkeys(host_names(documents))
    classes = dict.fromkeys(_names(documents, "SnapshotClass"))
    for manifest in outlines(documents):
        document = manifest.document
        if manifest.host is None and len(hosts) > 1:
            message = f"is required: there are several Hosts ({', '.join(hosts)})"
            yield document.problem(("spec", "host"), message)
        elif manifest.host is not None and manifest.host not in hosts:
            why = _no_such("Host", manifest.host, hosts, documents)
            yield document.problem(("spec", "host"), why)
        for position, snapshot in enumerate(manifest.snapshots):
            name = snapshot.snapshot_class
            if name is not None and name not in classes:
                why = _no_such("SnapshotClass", name, classes, documents)
                yield document.problem(("spec", "snapshots", position, "class"), why)


def repeated_domains(documents: Sequence[Document]) -> Iterator[Problem]:
    """Two documents for one domain of one host."""
    hosts = host_names(documents)
    first: dict[tuple[str, str], Document] = {}
    for manifest in outlines(documents):
        if manifest.domain is None:
            continue
        document = manifest.document
        host = manifest.host or (hosts[0] if len(hosts) == 1 else "")
        before = first.setdefault((host, manifest.domain), document)
        if before is not document:
            domain = quoted(manifest.domain)
            message = f"the snapshots of {domain} are declared already, in {_place(before)}"
            yield document.problem(manifest.domain_path, message)


def snapshot_lists(documents: Sequence[Document]) -> Iterator[Problem]:
    """Names twice in one list, and ``after`` that leads nowhere or round in a circle."""
    for manifest in outlines(documents):
        first: dict[str, int] = {}
        after = {s.name: s.after for s in reversed(manifest.snapshots) if s.name is not None}
        circles = _circles(after)
        for position, snapshot in enumerate(manifest.snapshots):
            path: Path = ("spec", "snapshots", position)
            if snapshot.name is None:
                continue
            if (before := first.setdefault(snapshot.name, position)) != position:
                other = path_text(("spec", "snapshots", before))
                message = f"{quoted(snapshot.name)} is the name of {other} already"
                yield manifest.document.problem((*path, "name"), message)
            elif why := _bad_after(snapshot.name, after, circles):
                yield manifest.document.problem((*path, "after"), why)


def outlines(documents: Sequence[Document]) -> tuple[Outline, ...]:
    """The names in every DomainSnapshots document."""
    return tuple(outline(each) for each in documents if each.kind == "DomainSnapshots")


def _bad_after(
    name: str, after: Mapping[str, str | None], circles: Mapping[str, tuple[str, ...]]
) -> str | None:
    """What is wrong with the ``after`` of the snapshot *name* itself."""
    wanted = after[name]
    if wanted is not None and wanted not in after:
        return f"there is no snapshot {quoted(wanted)} in this list{did_you_mean(wanted, after)}"
    if name not in circles:
        return None
    circle = circles[name]
    start = circle.index(name)
    way = [*circle[start:], *circle[:start], name]
    if len(way) > _LONGEST_WAY:
        way = [*way[:_LONGEST_WAY], "…"]
    return f"goes round in a circle: {' after '.join(way)}"


def _circles(after: Mapping[str, str | None]) -> dict[str, tuple[str, ...]]:
    """The circle that each name is part of; every name is walked over once."""
    found: dict[str, tuple[str, ...]] = {}
    walked: set[str] = set()
    for name in after:
        way: dict[str, int] = {}
        at: str | None = name
        while at is not None and at in after and at not in walked:
            walked.add(at)
            way[at] = len(way)
            at = after[at]
        if at is not None and at in way:
            circle = tuple(way)[way[at] :]
            found |= dict.fromkeys(circle, circle)
    return found


def _no_such(kind: str, name: str, known: Collection[str], documents: Sequence[Document]) -> str:
    if any(document.kind == kind for document in documents):
        return f"there is no {kind} {quoted(name)}{did_you_mean(name, known)}"
    only = f"; the only host is {quoted(LOCAL)}" if kind == "Host" else ""
    return f"there is no {kind} {quoted(name)}: none is declared{only}"


def _names(documents: Sequence[Document], kind: str) -> tuple[str, ...]:
    found = (document.name for document in documents if document.kind == kind)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _place(document: Document) -> str:
    return f"{document.file}:{document.node.place.line}"
