"""``disruption`` and ``windows``: when steps that stop the guest may run without a person."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from reconciler.manifest import texts
from reconciler.manifest.document import Document
from reconciler.manifest.domain_snapshots import DomainSnapshots, DomainSpec
from reconciler.manifest.problem import Problem
from reconciler.model.desired import Window


def windows(spec: DomainSpec) -> tuple[Window, ...]:
    """The windows of *spec*, in its order."""
    return tuple(
        Window(
            schedule=window.schedule,
            duration=texts.duration(window.duration),
            zone=ZoneInfo(window.time_zone),
        )
        for window in spec.windows
    )


def conflicts(documents: Sequence[Document]) -> Iterator[Problem]:
    """Windows that nothing asks for, and a disruption that waits for none."""
    for document in documents:
        if not isinstance(document.model, DomainSnapshots):
            continue
        spec = document.model.spec
        if spec.windows and spec.disruption != "window":
            message = "has no effect without `disruption: window`"
            yield document.problem(("spec", "windows"), message, at_key=True)
        if spec.disruption == "window" and not spec.windows:
            message = "`window` needs `windows`, or the guest would never be stopped"
            yield document.problem(("spec", "disruption"), message)
