"""``dependsOn``: domains of one host that come before others."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.manifest.cross_check import host_names, outlines
from reconciler.manifest.document import Document
from reconciler.manifest.outline import Outline
from reconciler.manifest.problem import Problem, did_you_mean, path_text, quoted

#: Domain → what it depends on.
_Graph = dict[str, tuple[str, ...]]


def circles(documents: Sequence[Document]) -> Iterator[Problem]:
    """Domains that wait for themselves, alone or through others, and those named twice."""
    for manifests in _by_host(documents).values():
        graph = {m.domain: m.depends_on for m in manifests if m.domain is not None}
        for manifest in manifests:
            for position in range(len(manifest.depends_on)):
                why = _why_not(manifest, position, graph)
                if why is not None:
                    yield _problem(manifest, position, why)


def unknown(documents: Sequence[Document]) -> Iterator[Problem]:
    """Domains that no manifest of the same host declares."""
    for host, manifests in _by_host(documents).items():
        known = [manifest.domain for manifest in manifests if manifest.domain is not None]
        for manifest in manifests:
            for position, name in enumerate(manifest.depends_on):
                if name and name not in known:
                    near = did_you_mean(name, known)
                    why = f"no manifest declares {quoted(name)} on host {quoted(host)}{near}"
                    yield _problem(manifest, position, why)


def _by_host(documents: Sequence[Document]) -> Mapping[str, list[Outline]]:
    """The manifests of each host; those whose host is not said are reported elsewhere."""
    hosts = host_names(documents)
    found: dict[str, list[Outline]] = {}
    for manifest in outlines(documents):
        host = manifest.host or (hosts[0] if len(hosts) == 1 else None)
        if host is not None:
            found.setdefault(host, []).append(manifest)
    return found


def _why_not(manifest: Outline, position: int, graph: _Graph) -> str | None:
    name = manifest.depends_on[position]
    if not name:
        return None  # no text: reported as such
    if name in manifest.depends_on[:position]:
        other = path_text(("spec", "dependsOn", manifest.depends_on.index(name)))
        return f"{quoted(name)} is named in {other} already"
    if name == manifest.domain:
        return f"{quoted(name)} is the domain itself"
    way = _way(name, manifest.domain, graph) if manifest.domain is not None else None
    if way is None or manifest.domain is None:
        return None
    return f"goes round in a circle: {' → '.join([manifest.domain, *way])}"


def _way(start: str, goal: str, graph: _Graph) -> tuple[str, ...] | None:
    """A shortest way from *start* to *goal* along what domains depend on."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for way in ways:
        if way[-1] == goal:
            return way
        for name in graph.get(way[-1], ()):
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return None


def _problem(manifest: Outline, position: int, why: str) -> Problem:
    return manifest.document.problem(("spec", "dependsOn", position), why)
