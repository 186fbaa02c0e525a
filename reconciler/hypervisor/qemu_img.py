"""qemu-img as a process: an argument list, no shell, C locale, its error text in ours."""

import json
import os
import subprocess
import time
from typing import Any

from reconciler.errors import HypervisorError

#: Looking at an image; a hostile one must not hold us.
LOOK_SECONDS = 20.0
COMPARE_SECONDS = 60.0
#: A merge or a delete may take hours, but not so long without doing anything.
STILL_SECONDS = 600.0
LOOKS_EVERY = 2.0
DIES_WITHIN = 5.0


class QemuImgSays(HypervisorError):
    """qemu-img ran, and ended with an error; *said* are its own words."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


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
    """What it printed; without *seconds* it may take as long as it gets on with it."""
    try:
        done = _process(arguments, seconds)
    except FileNotFoundError as error:
        raise HypervisorError(
            f"cannot {verb} {path}: qemu-img is not installed", hint="apt-get install qemu-utils"
        ) from error
    except subprocess.TimeoutExpired as error:
        did = "took longer than" if seconds is not None else "has done nothing for"
        raise HypervisorError(
            f"cannot {verb} {path}: qemu-img {did} {error.timeout:.0f} s",
            hint="look at the storage (mount, dmesg), then: virtsnap apply",
        ) from error
    if done.returncode:
        said = "; ".join(line for line in done.stderr.splitlines() if line.strip())
        cause = said.removeprefix("qemu-img: ") or f"qemu-img ended with {done.returncode}"
        raise QemuImgSays(f"cannot {verb} {path}: {cause}", cause)
    return done.stdout


def _process(arguments: list[str], seconds: float | None) -> subprocess.CompletedProcess[str]:
    # A session of its own: Ctrl-C is answered at a safe point, not in the middle of a commit.
    process = subprocess.Popen(
        ["qemu-img", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    limit = STILL_SECONDS if seconds is None else seconds
    seen, since = _done_so_far(process.pid), time.monotonic()
    while True:
        try:
            printed, said = process.communicate(timeout=min(limit, LOOKS_EVERY))
            return subprocess.CompletedProcess(arguments, process.returncode, printed, said)
        except subprocess.TimeoutExpired:
            now = _done_so_far(process.pid)
            if seconds is None and (now is None or now != seen):
                seen, since = now, time.monotonic()
        if time.monotonic() - since >= limit:
            _give_up(process)
            raise subprocess.TimeoutExpired(arguments, limit)


def _done_so_far(pid: int) -> str | None:
    """What the process has read, written and computed; asked of the kernel, as storage that hangs
    would hang whoever looks at the files.  None where that is not to be had."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as io:
            moved = io.read()
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return moved + " ".join(stat.read().rpartition(")")[2].split()[11:13])
    except OSError:
        return None


def _give_up(process: subprocess.Popen[str]) -> None:
    """One that hangs in the kernel does not die of SIGKILL either: it is left behind."""
    process.kill()
    try:
        process.communicate(timeout=DIES_WITHIN)
    except subprocess.TimeoutExpired:
        return
