"""How often each rule of the machine fired with effect, and each law was checked."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of one process."""

    runs: int = 0
    steps: int = 0
    #: rule → how often it changed the host, or what is declared of it
    fired: Counter[str] = field(default_factory=Counter)
    #: law → how often it was checked on something
    checked: Counter[str] = field(default_factory=Counter)

    def told(self) -> list[str]:
        """A line for each."""
        return [
            f"{self.runs} runs, {self.steps} steps",
            *(f"  rule {name}: {number}" for name, number in self.fired.most_common()),
            *(f"  law {name}: {number}" for name, number in self.checked.most_common()),
        ]

    def never(self, names: frozenset[str]) -> list[str]:
        """Those of *names* that never fired and were never checked."""
        return sorted(name for name in names if not self.fired[name] and not self.checked[name])


TALLY = Tally()
