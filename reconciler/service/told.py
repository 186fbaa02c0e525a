"""What people were told already, so that a restart or a timer does not tell it again."""

import json
from collections.abc import Mapping
from pathlib import Path

from reconciler.machine import files

FILE_NAME = "told.json"


class ToldFile:
    """Subject → keys, in a file; one that cannot be read is empty.  Losing it repeats messages."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def read(self) -> dict[str, frozenset[str]]:
        """All of it."""
        try:
            found = json.loads(self._path.read_text("utf-8"))
            return {str(name): frozenset(map(str, keys)) for name, keys in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def write(self, told: Mapping[str, frozenset[str]]) -> None:
        """All of it anew; ``OSError`` when that cannot be done."""
        text = json.dumps({name: sorted(keys) for name, keys in sorted(told.items()) if keys})
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.replace(self._path, text)
