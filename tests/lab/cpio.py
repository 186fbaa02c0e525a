"""A writer of newc archives, the form of an initramfs; device nodes need no root here."""

import posixpath
import stat


class CpioArchive:
    """Files in the order they were added; parent folders appear by themselves."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._entries = 0
        self._folders: set[str] = set()

    def add_folder(self, name: str) -> None:
        """Add *name* and the folders above it, each once."""
        parts = name.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder and folder not in self._folders:
                self._folders.add(folder)
                self._add(folder, stat.S_IFDIR | 0o755)

    def add_file(self, name: str, content: bytes, *, mode: int = 0o755) -> None:
        """Add a plain file; executable unless told otherwise."""
        self.add_folder(posixpath.dirname(name))
        self._add(name, stat.S_IFREG | mode, content)

    def add_link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self.add_folder(posixpath.dirname(name))
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def add_character_device(self, name: str, major: int, minor: int) -> None:
        """Add a device node."""
        self.add_folder(posixpath.dirname(name))
        self._add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def finished(self) -> bytes:
        """The whole archive, trailer included."""
        self._add("TRAILER!!!", 0)
        return bytes(self._content)

    def _add(
        self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._entries += 1
        encoded = name.encode() + b"\0"
        fields = (
            self._entries,  # inode
            mode,
            0,  # owner
            0,  # group
            1,  # links
            0,  # changed at
            len(content),
            0,  # device of the file itself
            0,
            *device,
            len(encoded),
            0,  # check sum, unused in this form
        )
        self._content += b"070701" + "".join(f"{field:08X}" for field in fields).encode() + encoded
        self._pad()
        self._content += content
        self._pad()

    def _pad(self) -> None:
        self._content += b"\0" * (-len(self._content) % 4)
