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
        groups = _groups(graph)
        for manifest in manifests:
            first: dict[str, int] = {}
            for position, name in enumerate(manifest.depends_on):
                before = first.setdefault(name, position)
                why = _why_not(manifest, name, graph, groups)
                if name and before != position:
                    other = path_text(("spec", "dependsOn", before))
                    why = f"{quoted(name)} is named in {other} already"
                if why is not None:
                    yield _problem(manifest, position, why)


def unknown(documents: Sequence[Document]) -> Iterator[Problem]:
    """Domains that no manifest of the same host declares."""
    for host, manifests in _by_host(documents).items():
        known = {m.domain: None for m in manifests if m.domain is not None}
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


def _why_not(manifest: Outline, name: str, graph: _Graph, groups: Mapping[str, int]) -> str | None:
    if not name or manifest.domain is None:
        return None  # no text: reported as such
    if name == manifest.domain:
        return f"{quoted(name)} is the domain itself"
    if groups.get(name) != groups[manifest.domain]:
        return None
    way = _way(name, manifest.domain, graph)
    return f"goes round in a circle: {' → '.join([manifest.domain, *way])}" if way else None


def _groups(graph: _Graph) -> dict[str, int]:
    """Domains that lead to each other have one number (Kosaraju: twice over each edge)."""
    back: dict[str, list[str]] = {domain: [] for domain in graph}
    for domain, below in graph.items():
        for name in below:
            back.setdefault(name, []).append(domain)
    found: dict[str, int] = {}
    for number, start in enumerate(reversed(_finished(graph))):
        waiting = [start]
        while waiting:
            domain = waiting.pop()
            if domain not in found:
                found[domain] = number
                waiting += back.get(domain, ())
    return found


def _finished(graph: _Graph) -> list[str]:
    """Every domain, behind all that it leads to; no recursion, since ways may be long."""
    finished: list[str] = []
    seen: set[str] = set()
    for start in graph:
        waiting = [(start, iter((start,)))]
        while waiting:
            domain, below = waiting[-1]
            name = next((name for name in below if name not in seen), None)
            if name is None:
                waiting.pop()
                if waiting:
                    finished.append(domain)
                continue
            seen.add(name)
            waiting.append((name, iter(graph.get(name, ()))))
    return finished


def _way(start: str, goal: str, graph: _Graph) -> tuple[str, ...] | None:
    """A shortest way from *start* to *goal* along what domains depend on."""
    before: dict[str, str | None] = {start: None}
    waiting = [start]
    for domain in waiting:
        if domain == goal:
            way = [domain]
            while (above := before[way[-1]]) is not None:
                way.append(above)
            return tuple(reversed(way))
        for name in graph.get(domain, ()):
            if name not in before:
                before[name] = domain
                waiting.append(name)
    return None


def _problem(manifest: Outline, position: int, why: str) -> Problem:
    return manifest.document.problem(("spec", "dependsOn", position), why)
