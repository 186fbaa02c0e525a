"""Files as if nobody had touched them for a while: what is written just now is waited for."""

import os
from pathlib import Path

_LONG_AGO = 1_700_000_000


def aged(path: Path) -> Path:
    """*path* and the folder that it is in, written long ago."""
    os.utime(path, (_LONG_AGO, _LONG_AGO))
    os.utime(path.parent, (_LONG_AGO, _LONG_AGO))
    return path
