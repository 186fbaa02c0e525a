"""``docs/reference/faults.md``: what becomes of a fault at each boundary, from what the tests recorded."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

_SEEN = Path(__file__).parent.parent / "tests" / "faults" / "seen.json"
#: as ``tests/faults/boundaries.py`` has them
_FAULTS = (
    "fails before",
    "fails inside",
    "fails after",
    "drops before",
    "drops after",
    "dies before",
    "dies inside",
    "dies after",
    "power lost before",
    "power lost after",
)

HEAD = """\
<!-- made by tools/generate.py from tests/faults/seen.json; do not edit -->
# Faults at every boundary

What becomes of a fault at each call with which virtsnap changes or reads a host. The boundaries are the
methods of the ports (`reconciler/engine/ports.py`), found by looking at them: one that no scenario calls fails
the tests. `tests/faults/` injects each fault at each call of {scenarios} scenarios on the fake host, which
together plan every action, and at one call for each boundary on real guests (libvirt 9.0).

| fault | what happens |
| --- | --- |
| fails before, inside, after | the call raises before it did anything, with half of it done, or after all was done |
| drops before, after | the same, and libvirt cannot be reached any more in this pass |
| dies before, inside, after | the process ends there (nothing it does afterwards reaches the host; its fence stays) |
| power lost before, after | the machine ends: guests and jobs with it, and the last write to the ledger is gone if nothing was written to that file after it. The journal is flushed with its folder, and stays. The guests that were on are started, then virtsnap |

After each, passes without a fault are made until one has nothing to do. Then it is demanded: what guests read, and what
every snapshot holds, is what it was (a revert that was asked for, apart); the snapshots are those that a run without
a fault leaves; no image, block job, debt, frozen guest, mark or fence in force is left; the power is what it would have
been. After a loss of power a snapshot whose creation only the lost ledger knew of may be refused as `SnapshotLost`, a
request as `RevertUnproven`; empty overlays that only it knew of stay, and so does what a revert had given up. What
a guest is owed is void in such a ledger too: its power is not looked at then.

Columns: how often it was injected on the fake, and after how many further passes nothing was left to do; *lost*, how
often any of that did not hold (it fails the tests, so nothing else can stand there); how often it was injected on
real guests, where it took at most {most} passes.
"""

END = """
Recorded by `python -m tests.faults` (the scenarios whose calls have changed) and `python -m tests.faults guests`.
`make test` checks the counts, and injects a share of the faults; `make soak` injects all of them, and compares.
"""


def text() -> str:
    """The whole page."""
    seen = json.loads(_SEEN.read_text("utf-8"))
    fake, guests = _summed(seen["fake"]), _summed(seen["guests"])
    most = max(len(counts) for faults in guests.values() for counts in faults.values()) - 1
    rows = [
        "| boundary | fault | injected | 0 | 1 | 2 | lost | on guests |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *_rows(fake, guests),
        _total(fake, guests),
    ]
    head = HEAD.format(scenarios=len(seen["fake"]), most=most)
    return "\n".join([head, *rows, END])


def _summed(
    scenarios: Mapping[str, Mapping[str, Mapping[str, list[int]]]],
) -> dict[str, dict[str, list[int]]]:
    """boundary → fault → counts, over all scenarios."""
    found: dict[str, dict[str, list[int]]] = {}
    for seen in scenarios.values():
        for at, faults in seen.items():
            for fault, counts in faults.items():
                sums = found.setdefault(at, {}).setdefault(fault, [])
                sums += [0] * (len(counts) - len(sums))
                for number, count in enumerate(counts):
                    sums[number] += count
    return found


def _rows(
    fake: Mapping[str, Mapping[str, list[int]]], guests: Mapping[str, Mapping[str, list[int]]]
) -> Iterator[str]:
    for at in sorted(fake):
        for fault in _FAULTS:
            if fault in fake[at]:
                on_guests = sum(guests.get(at, {}).get(fault, []))
                yield _row(f"`{at}`", fault, fake[at][fault], on_guests)


def _row(at: str, fault: str, counts: list[int], on_guests: int) -> str:
    padded = [*counts, 0, 0, 0][:3]
    if sum(padded) != sum(counts):
        raise ValueError(f"{at} {fault} took more than two passes: {counts}")
    cells = [at, fault, sum(counts), *padded, 0, on_guests or "–"]
    return f"| {' | '.join(map(str, cells))} |"


def _total(
    fake: Mapping[str, Mapping[str, list[int]]], guests: Mapping[str, Mapping[str, list[int]]]
) -> str:
    every = [counts for faults in fake.values() for counts in faults.values()]
    sums = [sum((*counts, 0, 0, 0)[number] for counts in every) for number in range(3)]
    on_guests = sum(sum(counts) for faults in guests.values() for counts in faults.values())
    return _row("**all**", "", sums, on_guests)
