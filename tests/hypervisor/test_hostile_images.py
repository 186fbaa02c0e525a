"""Image files that somebody made to hurt: they are read as images or as unreadable, nothing else."""

import json
import os
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.hypervisor import backing_names
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.paths import PathBook
from reconciler.model.chain import Image
from reconciler.model.names import ImagePath


def shelf() -> ImageShelf:
    return ImageShelf(PathBook(is_local=True), is_local=True)


@cache
def real(folder: str) -> tuple[bytes, ...]:
    """Images as qemu-img makes them: backed, with snapshots, old, with an external data file."""
    for name, command in {
        "base": ["-o", "compat=0.10"],
        "backed": ["-b", f"{folder}/base", "-F", "qcow2"],
        "split": ["-o", f"data_file={folder}/data"],
    }.items():
        size = [] if name == "backed" else ["1M"]
        path = f"{folder}/{name}"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", *command, path, *size], check=True
        )
    for name in ("one", "two"):
        subprocess.run(["qemu-img", "snapshot", "-c", name, f"{folder}/base"], check=True)
    return tuple(Path(folder, name).read_bytes() for name in ("base", "backed", "split"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    return real(str(tmp_path_factory.mktemp("real")))


def looked_at(path: Path, data: bytes) -> Image:
    """*data* as an image file, and the whole chain with what it names."""
    path.write_bytes(data)
    looked = shelf()
    looked.chain(ImagePath(str(path)), "qcow2")
    looked.all()
    return looked.image(ImagePath(str(path)), "qcow2")


#: where the numbers of a header lie, and what hurts most in them
_FIELDS = st.sampled_from(
    [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 60, 64, 68, 72, 80, 96, 100, 104]
)
_NUMBERS = st.sampled_from(
    [0, 1, 2, 4, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF8, 65536, 1023, 1024]
)
_BYTES = st.tuples(st.integers(0, 4095), st.integers(0, 255).map(lambda b: bytes([b])))
_WORDS = st.tuples(_FIELDS, _NUMBERS.map(lambda n: struct.pack(">I", n)))
_GIANTS = st.tuples(_FIELDS, st.just(b"\xff" * 8) | st.just(b"\x7f" + b"\xff" * 7))


@given(
    which=st.integers(0, 2),
    changes=st.lists(_BYTES | _WORDS | _GIANTS, max_size=4),
    cut=st.none() | st.integers(0, 5000),
)
def test_a_header_with_bytes_changed_is_an_image_or_unreadable(
    images: tuple[bytes, ...],
    tmp_path_factory: pytest.TempPathFactory,
    which: int,
    changes: list[tuple[int, bytes]],
    cut: int | None,
) -> None:
    data = bytearray(images[which])
    for at, new in changes:
        data[at : at + len(new)] = new
    # the two tables that are read lie behind the first page
    path = tmp_path_factory.getbasetemp() / "mutated"

    image = looked_at(path, bytes(data[:cut]))

    assert image.path == str(path)


@pytest.mark.parametrize("number", [(1 << 64) - 1, 1 << 63, (1 << 63) - 1])
@pytest.mark.parametrize("at", [8, 40, 64])
def test_an_offset_beyond_all_files_is_unreadable(
    images: tuple[bytes, ...], tmp_path: Path, at: int, number: int
) -> None:
    data = bytearray(images[1])
    data[60:64] = struct.pack(">I", int(at == 64))
    data[at : at + 8] = struct.pack(">Q", number)

    assert not looked_at(tmp_path / "far", bytes(data)).is_examined


def with_backing(data: bytes, name: bytes) -> bytes:
    """The header with *name* as its backing file, no format said."""
    assert len(name) < 2000
    changed = bytearray(data)
    changed[8:20] = struct.pack(">QI", 2048, len(name))
    at = int.from_bytes(changed[100:104])
    changed[at : at + 8] = bytes(8)
    changed[2048 : 2048 + len(name)] = name
    return bytes(changed)


@pytest.mark.parametrize(
    "name",
    [
        b"nbd://h/x",
        b"ssh://h/etc/shadow",
        b"http://h/x",
        b"rbd:pool/x",
        b"fd:1",
        b"json:",
        b"json:{",
        b"json:[1]",
        b"json:null",
        b'json:{"driver":"nbd","host":"h"}',
        b'json:{"driver":"qcow2","file":{"driver":"nbd"}}',
        b'json:{"driver":"qcow2","file":{"driver":["file"],"filename":"/x"}}',
        b'json:{"driver":"qcow2","file":{"filename":{"a":1}}}',
        b'json:{"file.driver":"file","file.filename":"/a\\u0000b/c"}',
        b'json:{"file.filename":"/\\ud800/x"}',
        b"json:" + b'{"file":' * 100,
        b"json:" + b"[" * 1000,
        b"/a\0b/c",
        b"/a\nb",
        b"/\xff\xfe/x",
        b"/\x1b[31m/x",
        b"a" * 1023,
        b"/" + b"a" * 1022,
        b"a" * 1024,
        b"../" * 300 + b"etc/passwd",
        b".",
        b"..",
        b"/",
        b"/dev/zero",
        b"/dev/tty",
        b"/proc/self/mem",
        b"file:",
        b"file:/etc/passwd",
        b"mutated",
        b"-o",
    ],
)
def test_a_backing_name_made_to_hurt_is_read_or_breaks_the_chain(
    images: tuple[bytes, ...], tmp_path: Path, name: bytes
) -> None:
    image = looked_at(tmp_path / "mutated", with_backing(images[1], name))

    assert image.backing is None or image.backing.startswith("/")
    assert image.backing is not None or not image.is_examined


def test_the_names_that_lead_elsewhere_are_known_for_what_they_are(tmp_path: Path) -> None:
    below = {"driver": "qcow2", "file": {"driver": "file", "filename": "/x"}}

    assert backing_names.parsed_name("json:" + json.dumps(below)).path == "/x"
    assert backing_names.parsed_name("nbd://h/x").path is None
    assert backing_names.parsed_name("../../x").path == "../../x"


def test_a_fifo_a_device_and_a_folder_are_never_waited_for(
    images: tuple[bytes, ...], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for below in (tmp_path / "fifo", Path("/dev/zero"), Path("/dev/ptmx"), tmp_path / "folder"):
        looked = shelf()
        path = tmp_path / "overlay"
        path.write_bytes(with_backing(images[1], str(below).encode()))
        assert looked.chain(ImagePath(str(path)), "qcow2") is None
        assert not looked.image(ImagePath(str(below)), "qcow2").is_examined


def test_a_chain_of_three_hundred_images_is_followed(
    tmp_path: Path, images: tuple[bytes, ...]
) -> None:
    path = tmp_path / "0"
    path.write_bytes(images[0])
    for number in range(1, 301):
        path = tmp_path / str(number)
        header = with_backing(images[1], str(tmp_path / str(number - 1)).encode())
        path.write_bytes(with_format(header))

    chain = shelf().chain(ImagePath(str(path)), "qcow2")

    assert chain is not None
    assert len(chain.images) == 301


def with_format(data: bytes) -> bytes:
    """A header that says qcow2 of its backing file."""
    changed = bytearray(data)
    at = int.from_bytes(changed[100:104])
    changed[at : at + 24] = struct.pack(">II", 0xE2792ACA, 5) + b"qcow2\0\0\0" + bytes(8)
    return bytes(changed)


def test_a_snapshot_table_without_measure_is_not_read(
    tmp_path: Path, images: tuple[bytes, ...]
) -> None:
    """Names of 64 KiB each, more in all than QEMU itself reads."""
    data = bytearray(images[1])
    data[60:72] = struct.pack(">IQ", 1100, 1 << 20)
    path = tmp_path / "names"
    path.write_bytes(bytes(data))
    entry = struct.pack(">QIHHIIQII", 0, 0, 0, 65535, 0, 0, 0, 0, 0).ljust(65576, b"a")
    with path.open("r+b") as file:
        file.seek(1 << 20)
        for _ in range(1100):
            file.write(entry)

    assert not shelf().image(ImagePath(str(path)), "qcow2").is_examined


def test_extensions_are_looked_for_in_the_first_cluster_only(
    tmp_path: Path, images: tuple[bytes, ...]
) -> None:
    data = bytearray(images[1])
    data[8:20] = struct.pack(">QI", 1 << 22, 4)
    data += bytes(8 << 20)

    assert not looked_at(tmp_path / "far", bytes(data)).is_examined
