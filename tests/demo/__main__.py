"""``python -m tests.demo``: a throw-away libvirt, a real guest, and the main job in eight acts."""

import signal
import sys
import time
from contextlib import ExitStack
from types import FrameType

from tests.demo.stage import DemoError, Stage
from tests.demo.story import Story
from tests.lab.daemon import Daemon
from tests.lab.guest import Lab
from tests.lab.kernel import build_kernel_and_initramfs

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130


def main() -> int:
    """0 when all held; whatever happens, nothing stays behind."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            _show(stack)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is removed", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        # One clear line, whoever raised it.
        reason = " ".join(str(error).split()) or type(error).__name__
        print(f"\nthe demo failed: {reason}", file=sys.stderr)
        return 1
    return 0


def _show(stack: ExitStack) -> None:
    print("virtsnap: snapshots of libvirt guests, kept as a git repository says.\n")
    print("Setting up a libvirt of its own (it sees no other guest) and a small Linux guest ...")
    sys.stdout.flush()
    began = time.monotonic()
    files = build_kernel_and_initramfs()
    lab = Lab(_daemon(stack), files)
    daemon = lab.daemon
    # Booted, not cloned from a saved state: its uptime is what it seems.
    guest = lab.guest("web01", kernel_options="labdelay=100000")
    guest.wait_for_record(3)
    stage = Stage(daemon.directory / "demo" / "snapshots", uri=daemon.uri)
    print(f"web01 runs, and writes to its disk all the time. Took {_since(began)}.")
    print(f"All of this lies in {daemon.directory} and is gone at the end; Ctrl-C ends it earlier.")
    print(f"Look at it from another terminal:  virsh -c '{daemon.uri}' list")
    began = time.monotonic()
    Story(stage, lab, guest).tell()
    print(f"\nAll of it held, in {_since(began)}. Cleaning up.", flush=True)


def _daemon(stack: ExitStack) -> Daemon:
    """A daemon that is gone with *stack*."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # its folder is there: not without a remover
    daemon = Daemon()
    stack.callback(_stop, daemon)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    daemon.start()
    return daemon


def _stop(daemon: Daemon) -> None:
    _ignore_signals()  # the second Ctrl-C of an impatient person must not leave half of it
    daemon.stop()
    if daemon.directory.exists():
        raise DemoError(f"cannot remove {daemon.directory}: something still uses it")


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
