"""qemu-img as a process: an argument list, no shell, C locale, its error text in ours."""

import json
import os
import subprocess
from typing import Any

from reconciler.errors import HypervisorError

#: Looking at an image; a hostile one must not hold us.
LOOK_SECONDS = 20.0
COMPARE_SECONDS = 60.0


def info(path: str, image_format: str | None) -> dict[str, Any]:
    """``qemu-img info`` of one image that may be in use."""
    chosen = ["-f", image_format] if image_format else []
    printed = _run("look at", path, ["info", "-U", "--output=json", *chosen, path], LOOK_SECONDS)
    document = json.loads(printed)
    if not isinstance(document, dict):
        raise HypervisorError(f"cannot look at {path}: qemu-img printed no object")
    return document


def holds_the_same(one: str, one_format: str, other: str, other_format: str) -> bool:
    """Whether a guest would read the same from both; False when that cannot be told in time."""
    arguments = ["compare", "-U", "-q", "-f", one_format, "-F", other_format, one, other]
    try:
        done = _process(arguments, COMPARE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def commit(top: str, top_format: str, base: str) -> None:
    """Merge *top* and all between into *base*; *top* keeps its data."""
    arguments = ["commit", "-d", "-q", "-f", top_format, "-b", base, top]
    _run("merge into its base", top, arguments, None)


def rebase(child: str, base: str, base_format: str) -> None:
    """Point the header of *child* at *base*; no data is touched."""
    arguments = ["rebase", "-u", "-f", "qcow2", "-F", base_format, "-b", base, child]
    _run("rebase", child, arguments, LOOK_SECONDS)


def delete_snapshot(image: str, name: str) -> None:
    """Delete the internal snapshot *name* of a qcow2 image that no QEMU has open."""
    arguments = ["snapshot", "-q", "-d", name, image]
    _run(f"delete snapshot {name} in", image, arguments, None)


def create(path: str, *, backing: str, backing_format: str) -> None:
    """Make a qcow2 overlay; an existing file keeps its owner and mode."""
    arguments = ["create", "-q", "-f", "qcow2", "-F", backing_format, "-b", backing, path]
    _run("make", path, arguments, LOOK_SECONDS)


def _run(verb: str, path: str, arguments: list[str], seconds: float | None) -> str:
    try:
        done = _process(arguments, seconds)
    except FileNotFoundError as error:
        raise HypervisorError(
            f"cannot {verb} {path}: qemu-img is not installed", hint="apt-get install qemu-utils"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise HypervisorError(
            f"cannot {verb} {path}: qemu-img took longer than {seconds:.0f} s"
        ) from error
    if done.returncode:
        said = "; ".join(line for line in done.stderr.splitlines() if line.strip())
        cause = said.removeprefix("qemu-img: ") or f"qemu-img ended with {done.returncode}"
        raise HypervisorError(f"cannot {verb} {path}: {cause}")
    return done.stdout


def _process(arguments: list[str], seconds: float | None) -> subprocess.CompletedProcess[str]:
    # A session of its own: Ctrl-C is answered at a safe point, not in the middle of a commit.
    return subprocess.run(
        ["qemu-img", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C"},
    )
