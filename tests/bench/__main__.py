"""``python -m tests.bench``: prints ratios; both sides of each are measured in this very run."""

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.bench import fleet, idling, observing, removing
from tests.bench.idling import Idling
from tests.bench.observing import Reading
from tests.bench.removing import BenchError, Removal
from tests.lab.guest import Lab
from tests.system.site import Site

_MIB = 1 << 20


def main() -> int:
    """0 when all was measured, whether or not an aim is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--domains", type=int, default=200, help="shut off (default: 200)")
    parser.add_argument("--running", type=int, default=20, help="running, idle (default: 20)")
    parser.add_argument("--runs", type=int, default=7, help="runs of each reading (default: 7)")
    parser.add_argument("--snapshots", type=int, default=8, help="to remove (default: 8)")
    arguments = parser.parse_args()
    if arguments.domains < 1 or arguments.running < 0 or arguments.runs < 1:
        parser.error("at least one shut-off domain and one run")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with Lab.started() as lab:
            _removing(_site(lab, "removing"), arguments.snapshots)
            lab.cleanup()
            _observing(_site(lab, "observing"), arguments)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is removed", file=sys.stderr)
        return 130
    except (AssertionError, BenchError) as error:
        print(f"\ncannot measure: {error}", file=sys.stderr)
        return 1
    return 0


def _observing(site: Site, arguments: argparse.Namespace) -> None:
    began = time.perf_counter()
    fleet.fill(site, shut_off=arguments.domains, running=arguments.running)
    domains = arguments.domains + arguments.running
    print(f"\nObserving and planning {arguments.domains} shut-off and {arguments.running} running")
    print(f"domains with {len(fleet.SNAPSHOTS)} managed snapshots each, all in sync")
    _say(f"(made in {time.perf_counter() - began:.0f} s; medians of {arguments.runs} runs)\n")
    reading = observing.measure(site, domains=domains, runs=arguments.runs)
    _show_reading(reading, domains)
    _say(f"\nA controller over these {domains} domains, with nothing to do\n")
    _show_idling(idling.measure(site, domains=domains, runs=arguments.runs))


def _show_idling(idle: Idling) -> None:
    print(f"  a pass                            {_ms(idle.per_pass)}  CPU ", end="")
    print(f"({_ms(idle.of_libvirtd).strip()} of libvirtd beside it)")
    print(f"  a second between passes           {idle.between * 1000:8.2f} ms  CPU")
    print(f"  from a push to the first call     {_ms(idle.push_to_call)}  to libvirt, ", end="")
    _say(f"{_ms(idle.push_to_pass).strip()} to the end of that pass\n")
    share, mib = idle.share * 100, idle.resident / _MIB
    _ratio("% of a core, 1m interval", share, "under 1 %", is_met=share < 1)
    _ratio("MiB of memory", mib, "under 150", is_met=mib < 150)
    _ratio("seconds after a push", idle.push_to_call, "under 1", is_met=idle.push_to_call < 1)


def _show_reading(reading: Reading, domains: int) -> None:
    ours = reading.observe + reading.plan
    print(
        f"  virtsnap, observe and plan        {_ms(ours)}  ({_ms(reading.observe).strip()} and ",
        end="",
    )
    print(f"{_ms(reading.plan).strip()}; CPU {_ms(reading.cpu).strip()}), start-up not counted")
    print(
        f"  libvirt-python, one thread        {_ms(reading.bare)}  ({reading.documents} XML documents, nothing parsed)"
    )
    print(
        f"  virsh, a call for each fact       {_ms(reading.virsh)}  ({reading.calls} calls, extrapolated from",
        end="",
    )
    print(f" {reading.sampled} domains: {_ms(reading.virsh / reading.calls).strip()} a call)")
    print(
        f"  virsh, XML of domains and records {_ms(reading.virsh_xml)}  ({reading.xml_calls} of these calls)"
    )
    print(
        f"  reading {domains} manifests, for comparison {_ms(reading.manifests).strip()}, not counted\n"
    )
    _ratio(
        "against virsh",
        reading.virsh / ours,
        "80 times faster or more",
        is_met=reading.virsh >= 80 * ours,
    )
    _ratio(
        "against libvirt-python",
        reading.bare / ours,
        "no slower: 1.0 or more",
        is_met=reading.bare >= ours,
    )


def _removing(site: Site, count: int) -> None:
    print(f"Removing {count} neighbouring snapshots of a running guest, {removing.MIB} MiB in each")
    _say("overlay, the same region of the disk in all\n")
    ours, theirs = removing.measure(site, count=count)
    _show_removal("virtsnap apply, one pass", ours)
    _show_removal(f"{count} virsh snapshot-delete, oldest first", theirs)
    share = ours.bytes_written / theirs.bytes_written
    print()
    _ratio("of the bytes", share, "a third or less: 0.33", is_met=share <= 1 / 3)
    _ratio("of the seconds", ours.seconds / theirs.seconds, "", is_met=True)


def _show_removal(what: str, removal: Removal) -> None:
    mib = removal.bytes_written / _MIB
    print(f"  {what:38} {mib:8.0f} MiB written by QEMU {removal.seconds:7.1f} s")


def _ratio(what: str, value: float, aim: str, *, is_met: bool) -> None:
    verdict = f"   aim: {aim}: {'met' if is_met else 'MISSED'}" if aim else ""
    _say(f"  {what:24} {value:8.2f}{verdict}")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:8.0f} ms"


def _say(text: str) -> None:
    print(text, flush=True)


def _site(lab: Lab, name: str) -> Site:
    folder: Path = lab.daemon.directory / name
    folder.mkdir()
    return Site(lab, folder, is_started_anew=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
