"""New files that are ours before anybody is asked to fill them."""

from types import TracebackType
from typing import Protocol, Self

from reconciler.model.names import ImagePath


class Reservation(Protocol):
    """Paths that were free, and at each of them an empty file of ours; none on another machine.

    To be left as a context, whatever became of the files.
    """

    def keeps(self, path: ImagePath) -> bool:
        """What lies at *path* is the file that was made, whatever is in it by now."""

    def is_empty(self, path: ImagePath) -> bool:
        """It is there as it was made."""

    def give_back(self) -> None:
        """Unlink those that are there still as they were made."""

    def __enter__(self) -> Self:
        """To be left when the files are in use, or given back."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """From now on nobody can tell them from other files."""
