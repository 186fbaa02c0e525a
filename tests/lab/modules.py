"""Kernel modules a guest needs, in the order in which it must load them."""

import lzma
import re
import subprocess
from pathlib import Path


def _plain_name(file: Path) -> str:
    return re.sub(r"\.ko(\.\w+)?$", "", file.name).replace("-", "_")


def _content(file: Path) -> bytes:
    match file.suffix:
        case ".xz":
            return lzma.decompress(file.read_bytes())
        case ".zst":
            return subprocess.run(
                ["zstd", "-dc", str(file)], check=True, stdout=subprocess.PIPE
            ).stdout
        case _:
            return file.read_bytes()


def modules_in_load_order(folder: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Name → content of *wanted* and what they depend on; built-in ones are left out.

    Dependencies come from each module's own .modinfo: the guest needs neither depmod nor modprobe.
    """
    files = {_plain_name(file): file for file in folder.rglob("*.ko*")}
    ordered: dict[str, bytes] = {}

    def load(name: str) -> None:
        if name not in files or name in ordered:
            return
        content = _content(files[name])
        for field in re.findall(rb"\0(?:depends=|softdep=pre: )([^\0]*)", b"\0" + content):
            for dependency in filter(None, re.split(r"[ ,]", field.decode())):
                load(dependency.replace("-", "_"))
        ordered[name] = content

    for name in wanted:
        load(name)
    return ordered
