"""A unit of systemd with its drop-ins, as far as the tests need it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICE = UNITS / "virtsnap.service"
ONCE = UNITS / "virtsnap-once.service"
ELSEWHERE = UNITS / "virtsnap.service.d" / "images-elsewhere.conf.example"


@dataclass(frozen=True)
class Unit:
    """The settings of all its files, in order."""

    entries: tuple[tuple[str, str, str], ...]

    @classmethod
    def read(cls, *files: Path) -> "Unit":
        """The unit, then its drop-ins."""
        return cls(tuple(entry for file in files for entry in _entries(file.read_text())))

    def all(self, section: str, key: str) -> tuple[str, ...]:
        """The words of a list; one that is set to nothing begins anew."""
        words: list[str] = []
        for found, name, value in self.entries:
            if (found, name) == (section, key):
                words = [*words, *value.split()] if value else []
        return tuple(words)

    def of_service(self, key: str) -> str:
        """The last word on *key*, which must be there."""
        return [v for section, name, v in self.entries if (section, name) == ("Service", key)][-1]


def _entries(text: str) -> Iterable[tuple[str, str, str]]:
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield section, key, value
