"""New files that are empty, and ours until they are filled."""

from types import TracebackType
from typing import Self

from reconciler.errors import HypervisorError, PathTaken
from reconciler.model.names import ImagePath, folder_of, is_below_dev
from tests.fakes.storage import FakeFile
from tests.fakes.world import World


class FakeReservation:
    """The port's noun.  A file that libvirt fills stays the one that was made."""

    def __init__(self, world: World, paths: tuple[ImagePath, ...]) -> None:
        self._world = world
        self._made: dict[ImagePath, FakeFile] = {}
        for path in paths:
            self._make(path)

    def _make(self, path: ImagePath) -> None:
        storage = self._world.storage
        if path in storage.files:
            self.give_back()
            raise PathTaken(f"cannot make {path}: it exists already", path=path)
        if is_below_dev(folder_of(path)) or folder_of(path) not in storage.folders:
            self.give_back()
            raise HypervisorError(f"cannot make {path}: no such file or directory", code=38)
        file = FakeFile(path=path, format="raw", virtual_size=0, is_empty=True)
        self._made[path] = storage.files[path] = file

    def keeps(self, path: ImagePath) -> bool:
        """It is the same file."""
        made = self._made.get(path)
        return made is not None and self._world.storage.files.get(path) is made

    def is_empty(self, path: ImagePath) -> bool:
        """As it was made."""
        return self.keeps(path) and self._made[path].is_empty

    def give_back(self) -> None:
        """The empty ones."""
        for path in self._made:
            if self.is_empty(path):
                del self._world.storage.files[path]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._made.clear()
