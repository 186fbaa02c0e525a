"""Does an image hold one moment of the writer's history? Checked on the host, with no mount.

The writer (in_guest/labwriter) appends record n = ``n slot_sha previous_hash hash`` after slot
``n % 32`` is on the disk. Chained hashes make any lost, doubled or reordered record visible.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SLOTS = 32
_FIRST_PREVIOUS = "0" * 64
_MEBIBYTE = 1 << 20
_BLOCK = 1 << 16
_SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCheck:
    """*head* is the last whole record; None on a disk the writer has never touched."""

    head: int | None
    problems: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Nothing lost, doubled, reordered or damaged."""
        return not self.problems


def check_image(path: Path, *, image_format: str = "qcow2", replay: bool = False) -> JournalCheck:
    """Check all an image and its backing chain hold, as the guest would see it.

    *replay* is for an image taken without quiescing or after a crash: ext4's journal is replayed
    first, as a mount would, and the record being written may be torn.
    """
    with tempfile.TemporaryDirectory(prefix="labcheck-") as temporary:
        raw = Path(temporary) / "disk.raw"
        _flatten(path, image_format, raw)
        if replay:
            _run("e2fsck", "-E", "journal_only", "-p", str(raw))
        problems = [*_file_system_problems(raw)]
        content = Path(temporary) / "content"
        content.mkdir()
        _run("debugfs", "-R", f"rdump / {content}", str(raw))
        head, sums, chain_problems = _check_chain(content / "journal", torn_allowed=replay)
        problems += chain_problems
        problems += _slot_problems(content / "slots", head, sums)
        problems += _fill_problems(content)
    return JournalCheck(head=head, problems=tuple(problems))


def sha256_of_guest_view(path: Path, image_format: str = "qcow2") -> str:
    """sha256 over all the bytes a guest with this image as its disk could read: of each block that
    is not zero the place and the bytes, since most of a disk is zeros."""
    with tempfile.TemporaryDirectory(prefix="labcheck-") as temporary:
        raw = Path(temporary) / "disk.raw"
        _flatten(path, image_format, raw)
        with open(raw, "rb") as content:
            digest = hashlib.sha256(str(os.fstat(content.fileno()).st_size).encode())
            for start, end in _data(content.fileno()):
                for place in range(start, end, _BLOCK):
                    block = os.pread(content.fileno(), min(_BLOCK, end - place), place)
                    if block.strip(b"\0"):
                        digest.update(b"%d:" % place + block)
            return digest.hexdigest()


def _data(descriptor: int) -> Iterator[tuple[int, int]]:
    """Where a sparse file has anything, on the borders of blocks."""
    size, at = os.fstat(descriptor).st_size, 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA) // _BLOCK * _BLOCK
        except OSError:
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        if end <= start:  # the block that the data begins in begins in a hole
            end = start + _BLOCK
        yield start, min(size, -(-end // _BLOCK) * _BLOCK)
        at = -(-end // _BLOCK) * _BLOCK


def slot_content(number: int, size: int) -> bytes:
    """What record *number*'s slot holds."""
    return _repeated(f"lab {number}\n".encode(), size)


def _repeated(line: bytes, size: int) -> bytes:
    return (line * (size // len(line) + 1))[:size]


def _flatten(path: Path, image_format: str, raw: Path) -> None:
    command = ["qemu-img", "convert", "-U", "-f", image_format, "-O", "raw", str(path), str(raw)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": _SEARCH_PATH, "LC_ALL": "C"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _file_system_problems(raw: Path) -> Iterator[str]:
    checked = _run("e2fsck", "-f", "-n", str(raw))
    if checked.returncode:
        said = " | ".join((checked.stdout + checked.stderr).splitlines()[-6:])
        yield f"e2fsck ends with {checked.returncode}: {said}"


def _check_chain(
    journal: Path, *, torn_allowed: bool
) -> tuple[int | None, dict[int, str], list[str]]:
    """(last whole record, record → slot sha of the records the slots must hold, problems)."""
    if not journal.exists():
        return None, {}, ["no journal"] if (journal.parent / "slots").exists() else []
    *lines, torn = journal.read_bytes().split(b"\n")
    problems = []
    if torn and not torn_allowed:
        problems.append(f"the journal ends in a torn line of {len(torn)} bytes")
    previous = _FIRST_PREVIOUS
    sums: dict[int, str] = {}
    for expected, line in enumerate(lines, start=1):
        fields = line.decode(errors="replace").split(" ")
        body = " ".join(fields[:3])
        if len(fields) != 4 or hashlib.sha256(body.encode()).hexdigest() != fields[3]:
            problems.append(f"record {expected}: its hash does not fit: {line[:40]!r}")
            break
        if fields[0] != str(expected) or fields[2] != previous:
            problems.append(f"record {expected}: in its place stands record {fields[0]}")
            break
        sums[expected] = fields[1]
        previous = fields[3]
    head = max(sums, default=0)
    # The slot of record head + 1 may be half written; record head - 31 lay in it before.
    return head, {n: sha for n, sha in sums.items() if n > head - SLOTS + 1}, problems


def _slot_problems(slots: Path, head: int | None, sums: dict[int, str]) -> Iterator[str]:
    if head is None:
        return
    for number, sha in sorted(sums.items()):
        slot = slots / str(number % SLOTS)
        if not slot.exists():
            yield f"slot {slot.name}: missing, record {number} says it is there"
            continue
        content = slot.read_bytes()
        if content != slot_content(number, len(content)):
            yield f"slot {slot.name}: not the content of record {number}"
        elif hashlib.sha256(content).hexdigest() != sha:
            yield f"slot {slot.name}: {len(content)} bytes, not what record {number} says"


def _fill_problems(content: Path) -> Iterator[str]:
    for fill in sorted(content.glob("fill-*")):
        written = fill.read_bytes()
        mebibyte = _repeated(f"{fill.name.replace('-', ' ', 1)}\n".encode(), _MEBIBYTE)
        times = len(written) // _MEBIBYTE
        if not times or written != mebibyte * times:
            yield f"{fill.name}: {len(written)} bytes, not what was written"
