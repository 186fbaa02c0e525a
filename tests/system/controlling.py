"""A controller that runs as a process of its own, and the repository that it follows."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import NoControllerError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.service import control_client
from tests.system.site import Said, Site

PATIENCE = 60.0
_IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")


@dataclass
class Repository:
    """A bare repository, and a site's folder as the work tree from which people push."""

    site: Site
    bare: Path = field(init=False)

    def __post_init__(self) -> None:
        self.bare = self.site.folder / "origin.git"
        self._git("init", "-q", "--bare", "-b", "main", str(self.bare))
        self._git("init", "-q", "-b", "main")
        self._git("remote", "add", "origin", str(self.bare))

    def push(self, message: str, *, key: Path | None = None, over: bool = False) -> str:
        """Whatever the manifests are now, signed with *key*, *over* the last one; the revision."""
        signed = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}") if key else ()
        how = (*(("-S",) if key else ()), *(("--amend",) if over else ()))
        self._git("add", "-A", "manifests")
        self._git(*signed, "commit", "-q", "--allow-empty", "-m", message, *how)
        self._git("push", "-q", "--force", "origin", "main")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *words: str) -> str:
        command = ["git", *_IDENTITY, *words]
        done = subprocess.run(
            command, cwd=self.site.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Controlling:
    """``virtsnap run`` with *arguments*, seen through its socket."""

    site: Site
    arguments: tuple[str, ...]
    process: "subprocess.Popen[str]" = field(init=False)

    def start(self) -> None:
        """Begin; returns when it has looked at everything."""
        # Not to a pipe: nobody reads it, and a full one would keep the controller waiting.
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.site.command("run", *self.arguments),
                cwd=self.site.folder,
                env=self.site.surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        self.until(lambda state: state.passes > 0 or state.source.trouble is not None, "a pass")

    @property
    def log(self) -> Path:
        """What it says."""
        return self.site.folder / "controller.log"

    @property
    def runtime(self) -> Path:
        """Where its socket is."""
        return self.site.folder / "run"

    @property
    def state(self) -> ControllerState:
        """All that it knows now."""
        return control_client.status(self.runtime)

    def domain(self, name: str = "web01") -> DomainState:
        """One domain."""
        return next(domain for domain in self.state.domains if domain.domain == name)

    def until(self, holds: Callable[[ControllerState], bool], what: str) -> ControllerState:
        """Watch its state; give up long after it must have come.  The state in which it came."""
        deadline = time.monotonic() + PATIENCE
        last: Any = None
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended: {self.log.read_text()}")
            try:
                last = self.state
            except NoControllerError:
                pass
            else:
                if holds(last):
                    return last  # type: ignore[no-any-return]
            assert time.monotonic() < deadline, f"never came: {what}; {last}"
            time.sleep(0.05)

    def until_domain(
        self, holds: Callable[[DomainState], bool], what: str, name: str = "web01"
    ) -> DomainState:
        """The same of one domain."""

        def found(state: ControllerState) -> DomainState | None:
            return next((d for d in state.domains if d.domain == name), None)

        def is_so(state: ControllerState) -> bool:
            domain = found(state)
            return domain is not None and holds(domain)

        domain = found(self.until(is_so, what))
        assert domain is not None
        return domain

    def in_force(self, revision: str, name: str = "web01") -> DomainState:
        """All that *revision* asks for is there."""
        return self.until_domain(lambda d: d.applied_revision == revision, revision, name)

    def two_passes(self) -> ControllerState:
        """The state after two more whole passes: the second began after the call."""
        passes = self.state.passes
        return self.until(lambda state: state.passes >= passes + 2, "two passes")

    def another_pass(self) -> int:
        """One now, whatever the interval; how many there were."""
        passes = self.state.passes
        self.process.send_signal(signal.SIGHUP)
        return self.until(lambda state: state.passes > passes, "a pass").passes

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Said:
        """End it."""
        self.process.send_signal(number)
        code, said = self.process.wait(PATIENCE), self.log.read_text()
        assert "Traceback" not in said, said
        return Said(code, "", said)

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and start another."""
        self.stop(number)
        self.start()


@contextmanager
def controlling(site: Site, *arguments: str) -> Iterator[Controlling]:
    """A controller that does not outlive the test."""
    controller = Controlling(site, arguments)
    try:
        controller.start()
        yield controller
    finally:
        if controller.process.poll() is None:
            controller.process.kill()
        controller.process.wait()
