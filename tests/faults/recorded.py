"""What the campaigns saw, in ``seen.json``: read by the tests and by the page made from it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.faults.boundaries import Boundary, Fault

SEEN = Path(__file__).with_name("seen.json")
REMEDY = "record it anew: python -m tests.faults, then make docs"

#: boundary → fault → how often it took so many passes afterwards: none, one, two …
Seen = dict[str, dict[str, list[int]]]
#: where it was done → scenario → what was seen
Recording = dict[str, dict[str, Seen]]
FAKE, GUESTS = "fake", "guests"


def read() -> Recording:
    """All that was recorded."""
    found: Recording = json.loads(SEEN.read_text("utf-8")) if SEEN.exists() else {}
    return {FAKE: found.get(FAKE, {}), GUESTS: found.get(GUESTS, {})}


def write(recording: Recording) -> None:
    """One line for each boundary of a scenario."""
    lines = ["{"]
    for number, (where, scenarios) in enumerate(sorted(recording.items()), 1):
        lines.append(f" {json.dumps(where)}: {{")
        for count, (name, seen) in enumerate(sorted(scenarios.items()), 1):
            rows = [f"   {json.dumps(at)}: {json.dumps(seen[at])}" for at in sorted(seen)]
            end = "" if count == len(scenarios) else ","
            lines += [f"  {json.dumps(name)}: {{", ",\n".join(rows), f"  }}{end}"]
        lines.append(" }" if number == len(recording) else " },")
    SEEN.write_text("\n".join([*lines, "}"]) + "\n", encoding="utf-8")


def counted(found: Iterable[tuple[Boundary, Fault, int]]) -> Seen:
    """Outcomes (where, what, passes) as they are recorded, faults in their own order."""
    numbers: dict[str, dict[Fault, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    for at, fault, passes in found:
        numbers[str(at)][fault][passes] += 1
    return {
        at: {
            fault.value: [by_fault[fault][n] for n in range(max(by_fault[fault]) + 1)]
            for fault in Fault
            if fault in by_fault
        }
        for at, by_fault in numbers.items()
    }


def totals(seen: Mapping[str, Mapping[str, list[int]]]) -> dict[str, dict[str, int]]:
    """How often each was injected."""
    return {at: {f: sum(n) for f, n in faults.items()} for at, faults in seen.items()}
