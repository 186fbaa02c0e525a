"""Where the demo happens: a folder with a git repository, and commands typed in it."""

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_WIDTH = 92
_SECONDS_TO_END = 30.0


class DemoError(Exception):
    """Something that the demo promises does not hold; the text is one line."""


class Stage:
    """Says what comes, types commands and shows what they print."""

    def __init__(self, folder: Path, *, uri: str) -> None:
        """*folder* is made here; whatever a command keeps stays beside it."""
        self.folder = folder
        self._environment = _environment(folder.parent, uri)
        self._acts = 0
        folder.mkdir(parents=True)

    def act(self, title: str) -> None:
        """Begin the next part."""
        self._acts += 1
        print(f"\n\n=== {self._acts}. {title}", flush=True)

    def say(self, text: str) -> None:
        """A line or two of explanation."""
        print(f"\n{textwrap.fill(text, _WIDTH)}", flush=True)

    def holds(self, text: str) -> None:
        """Something that has just been checked."""
        print(f"[ok] {text}", flush=True)

    def write(self, name: str, text: str) -> None:
        """Put a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def type(self, command: str, *, exit_code: int = 0) -> None:
        """Run *command* as typed here, its output going where ours goes."""
        print(f"\n$ {command}", flush=True)
        words = shlex.split(command)
        program = shutil.which(words[0], path=self._environment["PATH"])
        if program is None:
            raise DemoError(f"cannot run {words[0]}: it is not installed")
        with subprocess.Popen(
            [program, *words[1:]],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                code = process.wait()
            except BaseException:
                _end(process)
                raise
        if code != exit_code:
            raise DemoError(f"`{command}` ended with {code}, not with {exit_code}")

    @contextmanager
    def meanwhile(self, command: str) -> Iterator[None]:
        """*command* goes on in the background, its output into a log, and ends with SIGTERM."""
        print(f"\n$ {command} &", flush=True)
        words = shlex.split(command)
        program = shutil.which(words[0], path=self._environment["PATH"])
        if program is None:
            raise DemoError(f"cannot run {words[0]}: it is not installed")
        log = self.folder.parent / "controller.log"
        with (
            log.open("wb") as stream,
            subprocess.Popen(
                [program, *words[1:]],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            ) as process,
        ):
            try:
                self._wait_until_it_answers(process)
                yield
            finally:
                _end(process)
        if process.returncode:
            last = (log.read_text().splitlines() or [""])[-1]
            raise DemoError(f"`{command}` ended with {process.returncode}: {last}")

    def _wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        socket = Path(self._environment["VIRTSNAP_RUNTIME_DIR"], "control.sock")
        deadline = time.monotonic() + _SECONDS_TO_END
        while not socket.exists() and process.poll() is None:
            if time.monotonic() > deadline:
                raise DemoError("the controller does not begin to run")
            time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let a command that Ctrl-C or SIGTERM has caught come to its safe point."""
    process.terminate()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()


def _environment(scratch: Path, uri: str) -> Mapping[str, str]:
    """Ours without any setting of virtsnap or git that the user may have."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VIRTSNAP_", "GIT_"))}
    programs = Path(sys.executable).parent
    people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _YOU}
    return {
        **kept,
        **people,
        "PATH": f"{programs}:{kept.get('PATH', os.defpath)}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
        "XDG_CONFIG_HOME": str(scratch / "config"),
        "LIBVIRT_DEFAULT_URI": uri,
        "VIRTSNAP_STATE_DIR": str(scratch / "state"),
        "VIRTSNAP_RUNTIME_DIR": str(scratch / "locks"),
    }


_YOU = (("NAME", "You"), ("EMAIL", "you@example.org"))
