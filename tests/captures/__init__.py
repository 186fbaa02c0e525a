"""What a real libvirt said, word for word.  Never edited by hand: ``python -m tests.captures.record``."""

from pathlib import Path

FOLDER = Path(__file__).parent


def capture(name: str) -> str:
    """The XML of ``<scenario>/<NN-phase>``."""
    return (FOLDER / f"{name}.xml").read_text()
