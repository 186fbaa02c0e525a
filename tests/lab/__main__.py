"""``python -m tests.lab``: a private daemon with one running guest, until Ctrl-C."""

import argparse
import signal
import sys
import time
from types import FrameType

from tests.lab.guest import Lab


def main() -> int:
    """Start, say how to connect, wait, clean up."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--guests", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--disks", type=int, default=1, help="disks of each guest (default: 1)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    print("building or finding the guest, starting libvirtd ...", flush=True)
    try:
        with Lab.started() as lab:
            for _ in range(arguments.guests):
                guest = lab.guest(disks=arguments.disks)
                images = ", ".join(str(path) for path in guest.disks.values())
                print(f"{guest.name}: running and writing to {images}")
            print(f"\n  virsh -c '{lab.daemon.uri}' list\n\nCtrl-C ends all of it.", flush=True)
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        print("\ngone without a trace")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
