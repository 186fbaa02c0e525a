"""What a guest prints on its serial port."""

import time
from pathlib import Path


def wait_until_up(log: Path, *, boots: int = 1, seconds: float = 120) -> None:
    """Return once the guest has come up *boots* times since its log was new."""
    deadline = time.monotonic() + seconds
    while not log.exists() or log.read_text(errors="replace").count("LAB up") < boots:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the guest does not come up; its console is in {log}")
        time.sleep(0.02)
