"""A log that remembers."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Said:
    """What was logged: level, event, facts."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **facts: Any) -> None:
        """Remember it."""
        self.lines.append(("info", event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        """Remember it."""
        self.lines.append(("warning", event, facts))

    @property
    def warnings(self) -> list[str]:
        """The events that were warned of."""
        return [event for level, event, _ in self.lines if level == "warning"]
