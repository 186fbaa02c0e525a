"""How a part that is not the work itself says that something is wrong with it."""

from typing import Any, Protocol


class Log(Protocol):
    """A structured log, as structlog has it; messages hold no secrets."""

    def info(self, event: str, **facts: Any) -> Any:
        """It is so."""

    def warning(self, event: str, **facts: Any) -> Any:
        """Somebody should look at it some time."""
