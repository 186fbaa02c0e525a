"""Image headers read by us, against files that qemu-img made."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.hypervisor import qcow2, qemu_img
from reconciler.hypervisor.folders import Mounts, scanned
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.paths import PathBook
from reconciler.model.chain import Presence
from reconciler.model.names import ImagePath

Make = Callable[..., ImagePath]


def shelf() -> ImageShelf:
    return ImageShelf(PathBook(is_local=True), is_local=True)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make an image: ``make("a", backing=…, form="qcow2", options="compat=0.10")``."""

    def run(
        name: str,
        *,
        backing: str | None = None,
        below: str | None = "qcow2",
        form: str = "qcow2",
        options: str = "",
        unsafe: bool = False,
    ) -> ImagePath:
        command = ["qemu-img", "create", "-q", "-f", form]
        if backing is not None:
            command += ["-b", backing, "-F", below or "qcow2", *(["-u"] if unsafe else [])]
        if options:
            command += ["-o", options]
        subprocess.run([*command, str(tmp_path / name), "1M"], check=True, cwd=tmp_path)
        return ImagePath(os.path.realpath(tmp_path / name))

    return run


def test_a_chain_is_followed_to_its_raw_base(make: Make) -> None:
    base = make("base.img", form="raw")
    one = make("one", backing=base, below="raw")
    two = make("two", backing=one)

    chain = shelf().chain(two, "qcow2")

    assert chain is not None
    assert chain.images == (base, one, two)


@pytest.mark.parametrize("spelling", ["{}", "file:{}", "{name}", "json:{json}"])
def test_every_spelling_of_a_backing_file_is_understood(make: Make, spelling: str) -> None:
    base = make("base")
    document = {"driver": "qcow2", "file": {"driver": "file", "filename": base}}
    backing = (
        "json:" + json.dumps(document) if "json" in spelling else spelling.format(base, name="base")
    )
    overlay = make("overlay", backing=backing)

    image = shelf().image(overlay, "qcow2")

    assert (image.backing, image.backing_format, image.is_examined) == (base, "qcow2", True)


@pytest.mark.parametrize(
    "backing", ["nbd://host/x", "rbd:pool/x", 'json:{"driver":"nbd"}', "json:["]
)
def test_a_backing_that_is_no_file_breaks_the_chain(make: Make, backing: str) -> None:
    overlay = make("overlay", backing=backing, unsafe=True)
    looked = shelf()

    assert not looked.image(overlay, "qcow2").is_examined
    assert looked.chain(overlay, "qcow2") is None


def test_a_missing_image_breaks_the_chain_and_is_named(make: Make, tmp_path: Path) -> None:
    overlay = make("overlay", backing=make("base"))
    (tmp_path / "base").unlink()
    looked = shelf()

    assert looked.chain(overlay, "qcow2") is None
    assert [(i.path.rpartition("/")[2], i.presence) for i in looked.all()] == [
        ("base", Presence.MISSING),
        ("overlay", Presence.PRESENT),
    ]


def test_a_loop_is_no_chain(make: Make, tmp_path: Path) -> None:
    base = make("a")
    overlay = make("b", backing=base)
    (tmp_path / "a").unlink()
    make("a", backing=overlay, unsafe=True)

    assert shelf().chain(overlay, "qcow2") is None


def test_raw_is_never_probed(make: Make) -> None:
    secret = make("secret", form="raw")
    guest = make("guest", backing=secret, below="raw")  # what a guest could write into its raw disk
    looked = shelf()
    looked.declare(guest, "raw")

    chain = looked.chain(guest, "raw")

    assert chain is not None
    assert chain.images == (guest,)
    scanned(guest.rpartition("/")[0], looked, Mounts(()))
    found = {image.path: image for image in looked.all()}
    assert (found[guest].format, found[guest].backing) == ("raw", None)


def test_a_missing_format_is_forgiven_only_right_above_the_bottom(make: Make) -> None:
    bottom = make("bottom")
    middle = make("middle", backing=bottom)
    top = make("top", backing=middle)
    for image in (middle, top):
        strip_backing_format(image)
    looked = shelf()

    assert looked.chain(middle, "qcow2") is not None
    assert looked.chain(top, "qcow2") is None
    assert looked.image(top, "qcow2").backing_format is None


def strip_backing_format(image: ImagePath) -> None:
    """As old qemu-img left it: the format extension is turned into an unknown one."""
    with open(image, "r+b") as file:
        data = file.read(4096)
        at = data.index(b"\xe2\x79\x2a\xca")
        file.seek(at)
        file.write(b"\x12\x34\x56\x78")


def test_snapshots_data_files_and_encryption_are_seen(make: Make, tmp_path: Path) -> None:
    plain = make("plain")
    subprocess.run(["qemu-img", "snapshot", "-c", "one", plain], check=True)
    split = make("split", options=f"data_file={tmp_path}/data")
    old = make("old", options="compat=0.10")
    looked = shelf()

    assert looked.image(plain, "qcow2").internal_snapshots == ("one",)
    assert looked.image(split, "qcow2").has_data_file
    assert looked.image(old, "qcow2").virtual_size == 1 << 20


def test_an_unreadable_or_odd_file_is_unknown_not_missing(make: Make, tmp_path: Path) -> None:
    torn = tmp_path / "torn"
    torn.write_bytes(b"QFI\xfb\0\0\0\3")
    looked = shelf()

    image = looked.image(ImagePath(str(torn)), "qcow2")
    folder = looked.image(ImagePath(str(tmp_path)), "raw")

    assert (image.presence, image.is_examined) == (Presence.PRESENT, False)
    assert folder.presence is Presence.UNKNOWN
    assert looked.chain(ImagePath(str(torn)), "qcow2") is None


def test_other_formats_are_asked_of_qemu_img(make: Make) -> None:
    base = make("base", form="raw")
    overlay = make("overlay", form="qed", backing=base, below="raw")
    disk = make("disk", form="vmdk")
    looked = shelf()

    chain = looked.chain(overlay, "qed")

    assert chain is not None
    assert chain.images == (base, overlay)
    assert looked.image(disk, None).format == "vmdk"


def test_two_names_of_one_file_are_one_image(make: Make, tmp_path: Path) -> None:
    base = make("base")
    (tmp_path / "soft").symlink_to("base")
    (tmp_path / "hard").hardlink_to(tmp_path / "base")
    book = PathBook(is_local=True)

    assert {book.canonical(str(tmp_path / name)) for name in ("base", "soft", "hard")} == {base}


def test_a_file_with_the_number_of_one_that_has_gone_is_another_one(
    make: Make, tmp_path: Path
) -> None:
    base = make("base")
    book = PathBook(is_local=True)
    book.canonical(base)
    (tmp_path / "new").hardlink_to(base)
    Path(base).unlink()

    assert book.canonical(str(tmp_path / "new")) == os.path.realpath(tmp_path / "new")


def test_a_folder_shows_every_image_and_no_other_file(make: Make, tmp_path: Path) -> None:
    named = make("named.img", form="raw")
    orphan = make("orphan", backing=named, below="raw")
    (tmp_path / "notes.txt").write_text("no image")
    looked = shelf()
    looked.declare(named, "raw")

    folder = scanned(os.path.realpath(tmp_path), looked, Mounts.read())

    assert (folder.is_listed, folder.is_writable, folder.is_shared) == (True, True, False)
    assert (folder.free or 0) > 0
    assert [image.path for image in looked.all()] == [named, orphan]


def test_a_folder_that_is_not_there_is_not_listed(tmp_path: Path) -> None:
    folder = scanned(str(tmp_path / "gone"), shelf(), Mounts(()))

    assert (folder.is_listed, folder.is_writable, folder.free) == (False, False, None)


@pytest.mark.parametrize(
    ("kind", "is_shared"),
    [("ext4", False), ("xfs", False), ("nfs4", True), ("ceph", True), ("fuse.glusterfs", True)],
)
def test_file_systems_of_several_hosts_are_known(
    tmp_path: Path, kind: str, is_shared: bool
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 8:1 / / rw shared:1 - btrfs /dev/a rw\n"
        f"36 22 0:9 / /srv/my\\040images rw - {kind} server:/x rw\n"
    )
    mounts = Mounts.read(str(table))

    assert mounts.is_shared("/srv/my images/web") is is_shared
    assert mounts.file_system("/srv/my imagesque") == "btrfs"


def test_whether_two_images_hold_the_same_is_found_by_comparing(make: Make) -> None:
    base = make("base")
    overlay = make("overlay", backing=base)

    assert qemu_img.holds_the_same(overlay, "qcow2", base, "qcow2")
    subprocess.run(["qemu-io", "-c", "write -P 7 0 64k", overlay], check=True, capture_output=True)
    assert not qemu_img.holds_the_same(overlay, "qcow2", base, "qcow2")


@settings(max_examples=12)
@given(
    folders=st.lists(st.sampled_from(["a", "ü", "x y", "l" * 200]), max_size=4),
    cluster=st.sampled_from([512, 65536, 2097152]),
    old=st.booleans(),
)
def test_our_reading_is_qemu_imgs(
    tmp_path_factory: pytest.TempPathFactory, folders: list[str], cluster: int, *, old: bool
) -> None:
    folder = tmp_path_factory.mktemp("q").joinpath(*folders)
    folder.mkdir(parents=True, exist_ok=True)
    base, overlay = folder / "base", folder / "overlay"
    compat = "0.10" if old else "1.1"
    for command in (
        ["-f", "raw", str(base), "3M"],
        [
            "-f",
            "qcow2",
            "-o",
            f"cluster_size={cluster},compat={compat}",
            "-b",
            str(base),
            "-F",
            "raw",
            str(overlay),
        ],
    ):
        done = subprocess.run(
            ["qemu-img", "create", "-q", *command], check=False, capture_output=True
        )
        if done.returncode:  # a long name does not fit into a small cluster
            return
    said = qemu_img.info(str(overlay), "qcow2")

    image = shelf().image(ImagePath(os.path.realpath(overlay)), "qcow2")

    assert image.backing == os.path.realpath(said["full-backing-filename"])
    assert (image.backing_format, image.virtual_size) == ("raw", said["virtual-size"])
    assert image.internal_snapshots == ()


@given(data=st.binary(max_size=600), with_magic=st.booleans())
def test_no_bytes_make_the_reader_stumble(data: bytes, *, with_magic: bool) -> None:
    start = (b"QFI\xfb\0\0\0\3" if with_magic else b"") + data
    descriptor = os.memfd_create("image")
    try:
        os.write(descriptor, start)
        qcow2.format_by_magic(start)
        try:
            qcow2.read_header(descriptor, qcow2.read_start(descriptor))
        except qcow2.NotQcow2Error:
            return
    finally:
        os.close(descriptor)


def test_an_empty_file_that_we_made_is_an_overlay_that_holds_nothing(tmp_path: Path) -> None:
    """We died before anybody filled it.  Of one that no ledger names nothing is known."""
    ours, theirs, filled = (ImagePath(str(tmp_path / name)) for name in ("a", "b", "c"))
    for path in (ours, theirs):
        Path(path).touch()
    Path(filled).write_bytes(b"x")
    found = shelf()
    for path in (ours, filled):
        found.expect(path)
    scanned(str(tmp_path), found, Mounts(()))

    (image,) = found.all()
    assert (image.path, image.is_blank, image.is_examined) == (ours, True, True)
    assert image.virtual_size == 0


class _Busy(ImageShelf):
    """While it looks at a file, somebody removes *going*, one a look, and makes *coming*."""

    going: list[Path]
    coming: list[Path]

    def probe(self, path: ImagePath) -> bool:
        """Too late."""
        if self.going:
            self.going.pop(0).unlink(missing_ok=True)
        if self.coming:
            subprocess.run(
                ["qemu-img", "create", "-q", "-f", "qcow2", str(self.coming.pop(0)), "1M"],
                check=True,
            )
        return super().probe(path)


def test_what_comes_and_goes_while_a_folder_is_read_is_looked_at_again(
    make: Make, tmp_path: Path
) -> None:
    named = [make(f"{number}") for number in range(6)]
    looked = _Busy(PathBook(is_local=True), is_local=True)
    looked.going = [Path(path) for path in named[:3]]
    looked.coming = [tmp_path / "0-new", tmp_path / "9-new"]

    folder = scanned(os.path.realpath(tmp_path), looked, Mounts(()))

    there = sorted(os.path.realpath(path) for path in tmp_path.iterdir() if path.is_file())
    assert folder.is_listed
    found = [i.path for i in looked.all() if i.presence is Presence.PRESENT]
    assert found == there


def test_what_nobody_may_look_at_is_no_coming_and_going(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").write_text("x")
    monkeypatch.setattr(ImageShelf, "probe", lambda _shelf, _path: False)

    assert not scanned(os.path.realpath(tmp_path), shelf(), Mounts(())).is_listed
