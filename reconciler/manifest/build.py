"""Documents → what is desired, with classes and defaults filled in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.manifest import disruption, texts
from reconciler.manifest.cross_check import LOCAL, host_names
from reconciler.manifest.document import Document
from reconciler.manifest.domain_snapshots import DomainSnapshots, Revert, Snapshot
from reconciler.manifest.fields import CaptureType as Capture
from reconciler.manifest.fields import DiskChoice, QuiesceChoice
from reconciler.manifest.host import Host
from reconciler.manifest.outline import libvirt_spelling
from reconciler.manifest.problem import Problem, quoted
from reconciler.manifest.snapshot_class import ClassSpec, SnapshotClass
from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredHost,
    DesiredRevert,
    DesiredSnapshot,
    Disruption,
    Limits,
    Origin,
    Power,
    Prune,
    Quiesce,
    RevertConfig,
    RevertPower,
    Shutdown,
    Unmanaged,
)
from reconciler.model.names import DiskTarget, HostName, SnapshotName

Classes = Mapping[str, ClassSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capture:
    """How a snapshot is taken, its class considered."""

    type: Capture
    memory: bool
    quiesce: QuiesceChoice
    disks: dict[str, DiskChoice]


def hosts(documents: Sequence[Document], *, default_uri: str | None) -> tuple[DesiredHost, ...]:
    """The declared Hosts in the order of their names; without any, ``local``."""
    declared = [document.model for document in documents if isinstance(document.model, Host)]
    if not declared:
        return (DesiredHost(name=HostName(LOCAL), uri=default_uri),)
    return tuple(_host(host) for host in sorted(declared, key=lambda host: host.metadata.name))


def domains(documents: Sequence[Document]) -> tuple[DesiredDomain, ...]:
    """The declared domains: 1. by host, 2. by domain."""
    classes = _classes(documents)
    only_host = host_names(documents)[0]
    found = [
        _domain(document, manifest, classes, HostName(manifest.spec.host or only_host))
        for document, manifest in _manifests(documents)
    ]
    return tuple(sorted(found, key=lambda domain: (domain.host, domain.domain)))


def capture_conflicts(documents: Sequence[Document]) -> Iterator[Problem]:
    """Settings that exclude each other, once classes are filled in (design §2)."""
    classes = _classes(documents)
    for document, manifest in _manifests(documents):
        for position, snapshot in enumerate(manifest.spec.snapshots):
            for why in _conflicts(_capture(snapshot, classes)):
                yield document.problem(("spec", "snapshots", position), why)


def in_creation_order(snapshots: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
    """Every snapshot after the one it names in ``after``; else as listed."""
    by_name = {snapshot.name: snapshot for snapshot in snapshots}
    ordered: dict[str, Snapshot] = {}
    for snapshot in snapshots:
        waiting: list[Snapshot] = []
        wanted: Snapshot | None = snapshot
        while wanted is not None and wanted.name not in ordered:
            waiting.append(wanted)
            wanted = by_name[wanted.after] if wanted.after is not None else None
        ordered |= {earlier.name: earlier for earlier in reversed(waiting)}
    return tuple(ordered.values())


def _manifests(documents: Sequence[Document]) -> Iterator[tuple[Document, DomainSnapshots]]:
    for document in documents:
        if isinstance(document.model, DomainSnapshots):
            yield document, document.model


def _conflicts(capture: _Capture) -> Iterator[str]:
    kinds = {capture.type, *capture.disks.values()}
    skipped = [target for target, choice in capture.disks.items() if choice in ("skip", "no")]
    if {"internal", "external"} <= kinds:
        yield "takes some disks internal and some external; libvirt takes all one way"
    if "internal" in kinds and skipped:
        yield f"is internal and skips {quoted(skipped[0])}; an internal snapshot takes every disk"
    if capture.memory and capture.quiesce == "required":
        yield "keeps the memory and requires quiesce; one excludes the other"


def _classes(documents: Sequence[Document]) -> Classes:
    return {
        document.model.metadata.name: document.model.spec
        for document in documents
        if isinstance(document.model, SnapshotClass)
    }


def _capture(snapshot: Snapshot, classes: Classes) -> _Capture:
    """What the snapshot says, else its class, else the default; disks target by target."""
    below = classes.get(snapshot.snapshot_class or "", ClassSpec())
    own = snapshot.model_fields_set
    return _Capture(
        type=snapshot.type if "type" in own else below.type,
        memory=snapshot.memory if "memory" in own else below.memory,
        quiesce=snapshot.quiesce if "quiesce" in own else below.quiesce,
        disks={**below.disks, **snapshot.disks},
    )


def _host(host: Host) -> DesiredHost:
    limits = host.spec.limits
    return DesiredHost(
        name=HostName(host.metadata.name),
        uri=host.spec.uri,
        prune_gone=Prune(host.spec.prune_gone),
        folders=tuple(host.spec.folders),
        is_suspended=host.spec.suspend,
        limits=Limits(
            domains=limits.domains,
            block_jobs=limits.block_jobs,
            bandwidth=texts.size(limits.bandwidth) if limits.bandwidth else 0,
        ),
    )


def _domain(
    document: Document, manifest: DomainSnapshots, classes: Classes, host: HostName
) -> DesiredDomain:
    spec = manifest.spec
    return DesiredDomain(
        host=host,
        domain=libvirt_spelling(spec.domain or manifest.metadata.name),
        snapshots=tuple(_snapshot(each, classes) for each in in_creation_order(spec.snapshots)),
        origin=Origin(manifest=document.manifest, line=document.node.place.line),
        prune=Prune(spec.prune),
        unmanaged=Unmanaged(spec.unmanaged),
        max_depth=spec.chain.max_depth,
        disruption=Disruption(spec.disruption),
        windows=disruption.windows(spec),
        depends_on=tuple(libvirt_spelling(name) for name in spec.depends_on),
        is_suspended=spec.suspend,
        shutdown=Shutdown(
            timeout=int(texts.duration(spec.shutdown.timeout).total_seconds()),
            then_destroy=spec.shutdown.then == "destroy",
        ),
        revert=_revert(spec.revert) if spec.revert else None,
    )


def _revert(revert: Revert) -> DesiredRevert:
    return DesiredRevert(
        to=SnapshotName(revert.to),
        request=revert.request,
        power=RevertPower(revert.power),
        config=RevertConfig(revert.config),
        discards=revert.present == "discard",
    )


def _snapshot(snapshot: Snapshot, classes: Classes) -> DesiredSnapshot:
    capture = _capture(snapshot, classes)
    return DesiredSnapshot(
        name=SnapshotName(snapshot.name),
        description=snapshot.description,
        type=CaptureType(capture.type),
        memory=capture.memory,
        quiesce=Quiesce(capture.quiesce),
        skip=_targets(capture, "skip", "no"),
        take=_targets(capture, "external", "internal"),
        power=Power(snapshot.power),
        overlay=snapshot.overlay,
        after=SnapshotName(snapshot.after) if snapshot.after is not None else None,
        # an explicit `false` ends a hold; a key that is left out says nothing of it
        protect=snapshot.protect if "protect" in snapshot.model_fields_set else None,
        is_retaken=snapshot.if_lost == "retake",
    )


def _targets(capture: _Capture, *choices: str) -> frozenset[DiskTarget]:
    return frozenset(
        DiskTarget(target) for target, choice in capture.disks.items() if choice in choices
    )
