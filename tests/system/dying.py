"""A virtsnap that SIGKILL meets at one certain place: ``python -m tests.system.dying …``."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.site import Site

_CHECKOUT = Path(__file__).parents[2]


def dying_at(site: Site, when: str, module: str, function: str, *, call: int = 1) -> int:
    """Run ``apply`` up to right *before* or *after* the *call*-th call; its return code (-9)."""
    words = [sys.executable, "-m", "tests.system.dying", when, module, function, str(call)]
    done = subprocess.run(
        [*words, "apply", "--auto-approve"],
        cwd=site.folder,
        env={**site.surroundings(), "PYTHONPATH": str(_CHECKOUT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    return done.returncode


def _deadly(function: Callable[..., Any], when: str, call: int) -> Callable[..., Any]:
    calls = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def _main() -> int:
    when, module, path, call, *arguments = sys.argv[1:]
    holder: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    setattr(holder, name, _deadly(getattr(holder, name), when, int(call)))
    from reconciler.cli.main import main

    return main(arguments)


if __name__ == "__main__":
    sys.exit(_main())
