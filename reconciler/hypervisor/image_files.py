"""Changing image files that no QEMU has open: merged with qemu-img, unlinked."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

from reconciler.errors import HypervisorError, StepRefused
from reconciler.hypervisor import domain_xml, qemu_img, reserving
from reconciler.hypervisor.commit_proof import Unwritten, is_open
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.live_disk import is_layer
from reconciler.hypervisor.xml import parse
from reconciler.model.action import CommitOverlays, NewOverlay
from reconciler.model.names import ImagePath
from reconciler.model.reservation import Reservation

_TRIES = 3


def commit(domain: Any, action: CommitOverlays) -> None:
    """Merge, and again when somebody wrote meanwhile; then point *rebased* at the base."""
    what = f"commit {action.top} into {action.base} on {domain.name()}/{action.disk}"
    touched = (action.base, *action.merged, *action.rebased)
    unwritten = Unwritten(action.base)
    for _ in range(_TRIES):
        with unwritten.told():
            _demand_not_live(domain, touched, what)
            before = _marks(action, what)
            qemu_img.commit(action.top, "qcow2", action.base)
        _demand_not_live(domain, touched, what)
        if _marks(action, what) == before:
            break
    else:
        raise HypervisorError(
            f"cannot {what}: somebody writes to the images",
            hint=f"fuser -v {quote(action.top)}",
        )
    _flush(Path(action.base))
    _rebase(action.rebased, action.base, action.base_format)


def rebase(
    domain: Any, images: tuple[ImagePath, ...], *, base: ImagePath, base_format: str
) -> None:
    """Point the headers of *images* at *base*; content unchanged."""
    what = f"rebase {', '.join(images)} onto {base} for {domain.name()}"
    _demand_not_live(domain, images, what)
    _rebase(images, base, base_format)


def _rebase(images: tuple[ImagePath, ...], base: ImagePath, base_format: str) -> None:
    for image in images:
        qemu_img.rebase(image, base, base_format)
        _flush(Path(image))


def make(
    domain: Any, overlays: tuple[NewOverlay, ...], *, reserved: Reservation | None = None
) -> None:
    """Make empty overlays, with the owner of what they stand on and readable for nobody else."""
    what = f"make the overlays of {domain.name()}"
    if reserved is None:
        with reserving.reserve((new.overlay for new in overlays), what) as own:
            try:
                make(domain, overlays, reserved=own)
            finally:
                own.give_back()
        return
    for new in overlays:
        what = f"make {new.overlay} for {domain.name()}/{new.target}"
        if not reserved.is_empty(new.overlay):
            raise StepRefused(
                f"cannot {what}: it is not the file that was made for it",
                hint=f"ls -l {quote(new.overlay)}",
            )
        _own_like(new, what)
        qemu_img.create(new.overlay, backing=new.frozen, backing_format=new.frozen_format)
        _flush(Path(new.overlay))
        _flush(Path(new.overlay).parent)


def _own_like(new: NewOverlay, what: str) -> None:
    """qemu-img keeps owner and mode of a file that is there."""
    try:
        below = os.stat(new.frozen)  # noqa: PTH116
        with suppress(PermissionError):
            os.chown(new.overlay, below.st_uid, below.st_gid)
    except OSError as error:
        raise HypervisorError(
            f"cannot {what}: {error.filename}: {error.strerror}",
            hint=f"ls -ld {quote(str(Path(new.overlay).parent))}",
        ) from error


def remove(path: ImagePath) -> None:
    """Unlink one regular file that no process holds a QEMU lock on; what is gone is gone."""
    what = f"remove image {path}"
    file = Path(path)
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise StepRefused(f"cannot {what}: it is no regular file")
        if is_open(file):
            raise StepRefused(f"cannot {what}: QEMU has it open", hint=f"fuser -v {quote(path)}")
        file.unlink()
        _flush(file.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HypervisorError(
            f"cannot {what}: {error.strerror}", hint=f"ls -ld {quote(str(file.parent))}"
        ) from error


def _demand_not_live(domain: Any, images: tuple[ImagePath, ...], what: str) -> None:
    """Nothing of it in the live chain; images off that chain may be merged while the guest runs."""
    with explaining(what):
        root = parse(domain.XMLDesc(0))
    if not domain_xml.is_live(root):
        return
    for disk in domain_xml.disks(root):
        for layer in disk.layers:
            if any(is_layer(layer, image) for image in images):
                raise StepRefused(f"cannot {what}: the running domain uses {layer.path}")


def _marks(action: CommitOverlays, what: str) -> tuple[tuple[int, int, int], ...]:
    try:
        statuses = [os.stat(image) for image in action.merged]  # noqa: PTH116
    except OSError as error:
        raise HypervisorError(
            f"cannot {what}: {error.filename}: {error.strerror}",
            hint=f"ls -l {quote(error.filename)}",
        ) from error
    return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in statuses)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
