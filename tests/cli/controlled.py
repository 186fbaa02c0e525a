"""A controller of this machine for the verbs that ask one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import VirtsnapError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.service.control import ControlSocket
from reconciler.service.sole import sole_controller
from reconciler.service.state_file import StateFile


class Scripted:
    """Knows *state*; every pass that is asked for ends with *outcomes* of the domains."""

    def __init__(self, state: ControllerState) -> None:
        self.state = state
        self.calls: list[tuple[tuple[str, ...], str | None]] = []
        self.fails: VirtsnapError | None = None
        #: None for ever: a pass that does not end
        self.is_slow = False

    def reconcile(self, domains: tuple[str, ...], host: str | None) -> Iterator[DomainState | None]:
        self.calls.append((domains, host))
        if self.fails is not None:
            raise self.fails
        return self._outcomes(domains)

    def _outcomes(self, domains: tuple[str, ...]) -> Iterator[DomainState | None]:
        while self.is_slow:
            yield None
        for domain in self.state.domains:
            if not domains or domain.domain in domains:
                yield domain

    def snapshot(self) -> ControllerState:
        return self.state


def leave_state(folder: Path, state: ControllerState) -> None:
    """As a controller leaves it that has ended."""
    file = StateFile(folder / "run", folder / "state")
    file.write(state)
    file.close()


@contextmanager
def controller(folder: Path, state: ControllerState) -> Iterator[Scripted]:
    """A controller at work with the folders ``run`` and ``state`` in *folder*."""
    commands = Scripted(state)
    with sole_controller(folder / "run", state.holder):
        leave_state(folder, state)
        control = ControlSocket(folder / "run", commands)
        try:
            yield commands
        finally:
            control.close()
