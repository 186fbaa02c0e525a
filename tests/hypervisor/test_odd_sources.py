"""What definitions and image headers say of sources that are not all of a plain file."""

import json
import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.hypervisor import backing_names, domain_xml
from reconciler.hypervisor.disks import DiskReader
from reconciler.hypervisor.domain_xml import Place
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.paths import PathBook
from reconciler.hypervisor.xml import parse
from reconciler.model.chain import Image, Presence, Unread
from reconciler.model.domain import Disk, DiskKind
from reconciler.model.names import ImagePath

Make = Callable[..., ImagePath]


def shelf() -> ImageShelf:
    return ImageShelf(PathBook(is_local=True), is_local=True)


def run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(os.path.realpath(tmp_path))


def make(path: Path, backing: str | None = None, *options: str) -> ImagePath:
    """An image of 1 MiB, named relative to its own folder."""
    below = ["-u", "-b", backing, "-F", "qcow2"] if backing is not None else []
    path.parent.mkdir(exist_ok=True)
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        *below,
        *options,
        path.name,
        "1M",
        cwd=path.parent,
    )
    return ImagePath(str(path))


# --- definitions


def read(inner: str, looked: ImageShelf, place: domain_xml.PlaceOf = lambda _: None) -> Disk:
    """The disk that *inner* is, of a domain that is off."""
    root = parse(f"<domain><devices>{inner}</devices></domain>")
    reader = DiskReader(looked, is_local=True)
    readings = domain_xml.disks(root, place)
    reader.declare(readings)
    (disk,) = reader.persistent(readings, None)
    return disk


def xml(source: str, *, kind: str = "file", form: str = "qcow2", below: str = "") -> str:
    return (
        f"<disk type='{kind}' device='disk'><driver name='qemu' type='{form}'/>"
        f"{source}{below}<target dev='vda' bus='virtio'/></disk>"
    )


VOLUME = xml("<source pool='p' volume='v.qcow2'/>", kind="volume")


def test_a_volume_that_libvirt_can_find_has_its_chain(folder: Path) -> None:
    base = make(folder / "base.qcow2")
    top = make(folder / "v.qcow2", base)

    disk = read(VOLUME, shelf(), lambda _: Place(kind=DiskKind.FILE, path=top))

    assert disk.chain is not None
    assert disk.chain.images == (base, top)
    assert (disk.unresolved, disk.kind) == (None, DiskKind.OTHER)


def test_one_that_it_cannot_find_is_told_by_name() -> None:
    disk = read(VOLUME, shelf())

    assert (disk.source, disk.unresolved) == (None, "volume v.qcow2 of pool p")


def test_so_is_a_stated_one_below(folder: Path) -> None:
    top = make(folder / "top.qcow2")
    below = (
        "<backingStore type='volume'><format type='qcow2'/><source pool='p' volume='v.qcow2'/>"
        "</backingStore>"
    )

    disk = read(xml(f"<source file='{top}'/>", below=below), shelf())

    assert disk.unresolved == "volume v.qcow2 of pool p"
    assert disk.is_stated_elsewhere


def test_one_of_a_network_pool_is_no_file() -> None:
    disk = read(VOLUME, shelf(), lambda _: Place(kind=DiskKind.NETWORK, path=None))

    assert (disk.source, disk.unresolved) == (None, None)


@pytest.mark.parametrize("kind", ["dir", "nvme", "vhostuser", "vhostvdpa", "network"])
def test_what_is_elsewhere_by_its_kind_is_resolved(kind: str) -> None:
    assert read(xml("<source/>", kind=kind), shelf()).unresolved is None


def test_a_kind_that_nobody_knows_is_not() -> None:
    assert read(xml("<source x='y'/>", kind="holographic"), shelf()).unresolved is not None


def test_a_stated_backing_that_is_no_file_is_seen_with_the_files_above_it(folder: Path) -> None:
    middle = make(folder / "middle.qcow2")
    top = make(folder / "top.qcow2")
    nbd = "<source protocol='nbd' name='x'><host name='h' port='10809'/></source>"
    network = f"<backingStore type='network'><format type='raw'/>{nbd}</backingStore>"
    file = (
        f"<backingStore type='file'><format type='qcow2'/><source file='{middle}'/>"
        f"{network}</backingStore>"
    )

    directly = read(xml(f"<source file='{top}'/>", below=network), shelf())
    deeper = read(xml(f"<source file='{top}'/>", below=file), shelf())
    plain = read(xml(f"<source file='{top}'/>", below="<backingStore/>"), shelf())

    assert directly.is_stated_elsewhere
    assert deeper.is_stated_elsewhere
    assert deeper.stated is not None
    assert deeper.stated.images == (middle, top)
    assert not plain.is_stated_elsewhere


SLICES = "<slices><slice type='storage' offset='1048576' size='1048576'/></slices>"
DATA = "<dataStore type='file'><format type='raw'/><source file='/data.raw'/></dataStore>"


@pytest.mark.parametrize("inside", [SLICES, DATA])
def test_a_source_that_is_not_all_of_a_file_is_odd_at_the_top_and_below(
    folder: Path, inside: str
) -> None:
    image = make(folder / "a.qcow2")
    odd = f"<source file='{image}'>{inside}</source>"
    below = f"<backingStore type='file'><format type='raw'/>{odd}</backingStore>"

    at_the_top = read(xml(odd), shelf())
    underneath = read(xml(f"<source file='{folder}/b.qcow2'/>", below=below), shelf())

    assert at_the_top.oddity is not None
    assert underneath.oddity == at_the_top.oddity
    assert (at_the_top.also_reads == (ImagePath("/data.raw"),)) is (inside is DATA)


def test_encryption_is_seen_below_too(folder: Path) -> None:
    image = make(folder / "a.qcow2")
    odd = f"<source file='{image}'><encryption format='luks'/></source>"
    below = f"<backingStore type='file'><format type='raw'/>{odd}</backingStore>"

    assert read(xml(f"<source file='{image}'/>", below=below), shelf()).is_encrypted


# --- relative names through links


def two_folders(folder: Path) -> tuple[ImagePath, ImagePath, ImagePath]:
    """old/base, new/base, and new/b that says ``base``; old/b is a link to that."""
    old, new = make(folder / "old" / "base"), make(folder / "new" / "base")
    overlay = make(folder / "new" / "b", "base")
    (folder / "old" / "b").symlink_to("../new/b")
    return old, new, overlay


def test_a_relative_name_counts_from_the_name_that_the_definition_has(folder: Path) -> None:
    old, new, overlay = two_folders(folder)

    by_link = read(xml(f"<source file='{folder}/old/b'/>"), shelf())
    itself = read(xml(f"<source file='{folder}/new/b'/>"), shelf())

    assert by_link.chain is not None
    assert by_link.chain.images == (old, overlay)
    assert itself.chain is not None
    assert itself.chain.images == (new, overlay)


def test_that_is_where_qemu_looks(folder: Path) -> None:
    two_folders(folder)
    command = ["qemu-img", "info", "--output=json", str(folder / "old" / "b")]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    assert said["full-backing-filename"] == str(folder / "old" / "base")


def test_a_file_reached_by_two_names_with_two_results_names_both(folder: Path) -> None:
    old, new, overlay = two_folders(folder)
    looked = shelf()
    read(xml(f"<source file='{folder}/old/b'/>"), looked)

    image = next(image for image in looked.all() if image.path == overlay)

    assert (image.backing, image.also_reads) == (old, (new,))
    assert image.oddity is not None
    assert {old, new} <= {image.path for image in looked.all()}


def test_a_hard_link_is_a_second_name_as_well(folder: Path) -> None:
    old, new = make(folder / "old" / "base"), make(folder / "new" / "base")
    overlay = make(folder / "new" / "b", "base")
    (folder / "old" / "b").hardlink_to(overlay)
    looked = shelf()
    for name in ("old", "new"):
        read(xml(f"<source file='{folder}/{name}/b'/>"), looked)

    image = next(image for image in looked.all() if image.path.endswith("/b"))

    assert {image.backing, *image.also_reads} == {old, new}


def test_a_header_that_names_a_link_is_such_a_name(folder: Path) -> None:
    old, _, overlay = two_folders(folder)
    top = make(folder / "top", f"{folder}/old/b")

    disk = read(xml(f"<source file='{top}'/>"), shelf())

    assert disk.chain is not None
    assert disk.chain.images == (old, overlay, top)


def test_a_link_to_a_folder_changes_nothing(folder: Path) -> None:
    base = make(folder / "real" / "base")
    overlay = make(folder / "real" / "b", "base")
    (folder / "link").symlink_to("real")
    looked = shelf()

    disk = read(xml(f"<source file='{folder}/link/b'/>"), looked)

    assert disk.chain is not None
    assert disk.chain.images == (base, overlay)
    assert all(not image.oddity and not image.also_reads for image in looked.all())


@pytest.mark.parametrize("said", ["file:base", 'json:{"driver":"qcow2","file.filename":"base"}'])
def test_a_relative_name_with_a_protocol_counts_from_where_qemu_stands(
    folder: Path, said: str
) -> None:
    beside = make(folder / "base")
    overlay = make(folder / "overlay", said)

    image = shelf().image(overlay, "qcow2")

    assert (image.backing, image.also_reads) == (ImagePath("/base"), (beside,))
    assert image.oddity is not None


# --- names in headers


def named(**options: object) -> backing_names.BackingName:
    return backing_names.parsed_name("json:" + json.dumps(options))


FILE = {"driver": "file", "filename": "/x"}


@pytest.mark.parametrize(
    "options",
    [
        {"driver": "raw", "offset": 512, "file": FILE},
        {"driver": "raw", "size": 512, "file": FILE},
        {"driver": "raw", "offset": "512", "file.driver": "file", "file.filename": "/x"},
        {"driver": "raw", "offset": 0, "size": 10, "file": {**FILE, "locking": "off"}},
    ],
)
def test_a_part_of_a_file_is_that_file_and_odd(options: dict[str, object]) -> None:
    name = named(**options)

    assert (name.path, name.format) == ("/x", "raw")
    assert name.oddity is not None


@pytest.mark.parametrize(
    "options",
    [
        {"driver": "qcow2", "file": {"driver": "raw", "offset": 512, "file": FILE}},
        {"driver": "qcow2", "file": FILE, "backing": None},
        {"driver": "qcow2", "file": FILE, "backing": {"driver": "file", "filename": "/x"}},
        {"driver": "luks", "key-secret": "s", "file": FILE},
        {"driver": "throttle", "throttle-group": "g", "file": FILE},
        {"driver": "quorum", "children": [FILE], "vote-threshold": 1},
        {"driver": "qcow2", "file": FILE, "data-file": {"driver": "file", "filename": "/x"}},
        {"driver": "qcow2", "encrypt.key-secret": "s", "file": FILE},
    ],
)
def test_what_is_more_than_a_file_names_every_file_and_tells_nothing_below(
    options: dict[str, object],
) -> None:
    name = named(**options)

    assert name.path is None
    assert name.also == ("/x",)
    assert name.oddity is not None


@pytest.mark.parametrize(
    "options",
    [
        {"driver": "qcow2", "file": FILE},
        {"driver": "qcow2", "file": {**FILE, "aio": "native", "cache": {"direct": True}}},
        {"driver": "qcow2", "file.driver": "host_device", "file.filename": "/x"},
        {"driver": "qcow2", "file.filename": "/x", "cache.direct": "on"},
    ],
)
def test_how_a_file_is_read_does_not_matter(options: dict[str, object]) -> None:
    name = named(**options)

    assert (name.path, name.format, name.oddity) == ("/x", "qcow2", None)


def test_a_name_that_is_odd_keeps_the_whole_file(folder: Path) -> None:
    whole = make(folder / "whole")
    options = {"driver": "raw", "offset": 512, "file": {"driver": "file", "filename": whole}}
    part = make(folder / "part", "json:" + json.dumps(options))
    nested = {"driver": "qcow2", "file": options}
    inner = make(folder / "inner", "json:" + json.dumps(nested))
    looked = shelf()

    assert (looked.image(part, "qcow2").backing, looked.image(part, "qcow2").is_examined) == (
        whole,
        True,
    )
    assert looked.image(inner, "qcow2").also_reads == (whole,)
    assert looked.image(inner, "qcow2").unread is Unread.UNTOLD
    assert all(looked.image(path, "qcow2").oddity for path in (part, inner))


def test_an_external_data_file_is_read_by_its_image(folder: Path) -> None:
    image = make(folder / "split", None, "-o", f"data_file={folder}/data")

    assert shelf().image(image, "qcow2").also_reads == (ImagePath(f"{folder}/data"),)


# --- files that are odd


def written(path: Path, data: bytes) -> ImagePath:
    path.write_bytes(data)
    return ImagePath(str(path))


def odd_files(folder: Path) -> dict[str, tuple[ImagePath, str]]:
    """By what they are, with the format that somebody says they have."""
    whole = Path(make(folder / "whole")).read_bytes()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    return {
        "raw": (written(folder / "raw.img", b"\0" * 4096), "qcow2"),
        "empty": (written(folder / "empty", b""), "qcow2"),
        "a folder": (ImagePath(f"{folder}/folder"), "qcow2"),
        "a fifo": (ImagePath(f"{folder}/fifo"), "qcow2"),
        "an ISO": (written(folder / "a.iso", b"\0" * 32769 + b"CD001" + b"\0" * 2048), "qcow2"),
        "an ISO by name": (written(folder / "b.iso", b"\0" * 32769 + b"CD001"), "iso"),
        "a broken vmdk": (written(folder / "broken.vmdk", b"KDMV" + b"\xff" * 600), "vmdk"),
        "a torn vmdk": (written(folder / "torn.vmdk", b"# Disk DescriptorFile\nx"), "vmdk"),
        "60 bytes": (written(folder / "60.part", whole[:60]), "qcow2"),
        "version 4": (written(folder / "4", whole[:4] + struct.pack(">I", 4) + whole[8:]), "qcow2"),
        "another format": (written(folder / "vdi", b"\xff" * 600), "vdi"),
    }


@pytest.mark.parametrize(
    "which",
    [
        "raw",
        "empty",
        "a folder",
        "a fifo",
        "an ISO",
        "an ISO by name",
        "a broken vmdk",
        "a torn vmdk",
        "60 bytes",
        "version 4",
        "another format",
    ],
)
def test_what_no_qemu_can_open_stands_on_nothing(folder: Path, which: str) -> None:
    path, image_format = odd_files(folder)[which]

    image = shelf().image(path, image_format)

    assert (image.is_examined, image.unread) == (False, Unread.NO_IMAGE)
    assert image.cause


def test_a_raw_disk_that_somebody_else_calls_qcow2_is_still_one(folder: Path) -> None:
    path = written(folder / "raw.img", b"\0" * 4096)
    looked = shelf()
    looked.declare(path, "qcow2")
    looked.declare(path, "raw")

    (image,) = looked.all()

    assert (image.format, image.is_examined) == ("raw", True)


def test_a_snapshot_table_that_is_cut_off_hides_no_backing(folder: Path) -> None:
    base = make(folder / "base")
    overlay = Path(make(folder / "overlay", base))
    data = bytearray(overlay.read_bytes())
    data[60:72] = struct.pack(">IQ", 1, len(data))
    overlay.write_bytes(data)

    image = shelf().image(ImagePath(str(overlay)), "qcow2")

    assert (image.is_examined, image.backing, image.unread) == (False, base, Unread.NO_IMAGE)


def marked(path: ImagePath, bit: int) -> ImagePath:
    with open(path, "r+b") as file:
        file.seek(72)
        features = int.from_bytes(file.read(8)) | 1 << bit
        file.seek(72)
        file.write(features.to_bytes(8))
    return path


def test_the_mark_of_corruption_is_seen_and_a_dirty_one_is_none(folder: Path) -> None:
    def look(name: str, bit: int) -> Image:
        return shelf().image(marked(make(folder / name), bit), "qcow2")

    assert look("corrupt", 1).is_corrupt
    assert look("corrupt", 1).is_examined
    assert not look("dirty", 0).is_corrupt
    assert look("newer", 20).unread is Unread.NO_IMAGE


def test_what_is_not_there_is_of_no_format_that_nobody_said(folder: Path) -> None:
    image = shelf().image(ImagePath(f"{folder}/gone"), None)

    assert (image.presence, image.format) == (Presence.MISSING, "")
