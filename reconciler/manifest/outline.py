"""The names in a DomainSnapshots document, read also when something else in it is wrong."""

import uuid
from dataclasses import dataclass

from reconciler.manifest.document import Document
from reconciler.manifest.positions import Node
from reconciler.manifest.problem import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOutline:
    """The names in one snapshot; None where there is no text."""

    name: str | None
    after: str | None
    snapshot_class: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The names in one document."""

    document: Document
    host: str | None
    domain: str | None
    #: where the domain is named
    domain_path: Path
    snapshots: tuple[SnapshotOutline, ...]
    #: what it depends on, an empty text for what is no text
    depends_on: tuple[str, ...]


def outline(document: Document) -> Outline:
    """What *document* names."""
    node = document.node
    given = _text(node, "spec", "domain")
    items = _items(node, "spec", "snapshots")
    domain = given if given is not None else document.name
    return Outline(
        document=document,
        host=_text(node, "spec", "host"),
        domain=libvirt_spelling(domain) if domain is not None else None,
        domain_path=("spec", "domain") if given is not None else ("metadata", "name"),
        snapshots=tuple(
            SnapshotOutline(
                name=_text(item, "name"),
                after=_text(item, "after"),
                snapshot_class=_text(item, "class"),
            )
            for item in items
        ),
        depends_on=tuple(
            libvirt_spelling(item.value) if isinstance(item.value, str) else ""
            for item in _items(node, "spec", "dependsOn")
        ),
    )


def libvirt_spelling(domain: str) -> str:
    """A UUID as libvirt writes it; a name as it is."""
    try:
        return str(uuid.UUID(domain)) if len(domain) == 36 else domain
    except ValueError:
        return domain


def _at(node: Node, *path: str) -> Node | None:
    found: Node | None = node
    for part in path:
        found = found.child(part) if found else None
    return found


def _items(node: Node, *path: str) -> list[Node]:
    found = _at(node, *path)
    return found.value if found and isinstance(found.value, list) else []


def _text(node: Node, *path: str) -> str | None:
    found = _at(node, *path)
    return found.value if found and isinstance(found.value, str) else None
