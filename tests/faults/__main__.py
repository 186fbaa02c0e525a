"""Records what faults lead to: ``python -m tests.faults [guests] [--all]``.

Without *--all* only what has changed: on the fake, scenarios with other calls; on guests, new cases.
"""

import sys
from concurrent.futures import ProcessPoolExecutor

from tests.faults import recorded
from tests.faults.campaign import drive, expected
from tests.faults.recorded import FAKE, Seen
from tests.faults.scenarios import SCENARIOS


def _recorded(name: str) -> tuple[str, Seen]:
    scenario = next(s for s in SCENARIOS if s.name == name)
    return name, recorded.counted(drive(scenario))


def _on_the_fake(*, is_all: bool) -> None:
    known = recorded.read()
    wanted = [
        s.name
        for s in SCENARIOS
        if is_all
        or s.name not in known[FAKE]
        or recorded.totals(known[FAKE][s.name]) != expected(s)
    ]
    with ProcessPoolExecutor(max_workers=2) as pool:
        for name, seen in pool.map(_recorded, wanted):
            print(name, sum(sum(n) for faults in seen.values() for n in faults.values()))
            known[FAKE][name] = seen
    names = {s.name for s in SCENARIOS}
    known[FAKE] = {name: seen for name, seen in known[FAKE].items() if name in names}
    recorded.write(known)


if __name__ == "__main__":
    everything = "--all" in sys.argv[1:]
    if "guests" in sys.argv[1:]:
        from tests.faults.guests import record

        record(is_all=everything)
    else:
        _on_the_fake(is_all=everything)
