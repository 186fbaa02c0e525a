"""Templates are rendered in a process of their own, which has little time and memory, and no files.

A template is a program.  Jinja2's sandbox keeps it from Python's insides, not from counting to 10**9 or
from doubling a text thirty times, and there are more ways to do so than anybody can forbid.
"""

import json
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from reconciler.errors import SourceError
from reconciler.manifest.positions import Unreadable
from reconciler.manifest.problem import Place, Problem
from reconciler.manifest.render import render
from reconciler.manifest.values import Values

#: Of the processor, for one template.
MAX_SECONDS = 1.0
#: Of addresses, Python itself included.
MAX_MEMORY = 256 << 20


class Renderer:
    """The process, started with the first template and after each that was too much for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, file: str, text: str, values: Values) -> str:
        """*text* filled in; ``Unreadable`` with the line at fault."""
        request = json.dumps({"file": file, "text": text, "values": values})
        answer = self._answer(request.encode("ascii") + b"\n")
        if not answer:
            raise Unreadable(_problem(file, 1, f"cannot be rendered: {self._how_it_ended()}"))
        found: dict[str, Any] = json.loads(answer)
        if "text" in found:
            return str(found["text"])
        raise Unreadable(_problem(file, found["line"], found["message"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._end(self._process)

    def _answer(self, request: bytes) -> bytes:
        """One line for one line; empty when the process has ended over it."""
        process = self._process or _started()
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            return b""
        return process.stdout.readline()

    def _how_it_ended(self) -> str:
        assert self._process is not None
        ended = self._end(self._process)
        self._process = None
        if ended == -signal.SIGPROF:
            return f"it takes longer than {MAX_SECONDS:.0f} s"
        return _TOO_LARGE

    def _end(self, process: "subprocess.Popen[bytes]") -> int:
        process.kill()
        process.communicate()
        return process.returncode


_TOO_LARGE = f"it needs more than {MAX_MEMORY >> 20} MiB of memory"


def _started() -> "subprocess.Popen[bytes]":
    # -P: a jinja2.py among the manifests is not ours to run.  A session of its own: Ctrl-C is for us.
    command = [sys.executable, "-P", "-m", "reconciler.manifest.rendering"]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise SourceError(
            f"cannot start {sys.executable} for templates: {error.strerror}"
        ) from error


def _problem(file: str, line: int, message: str) -> Problem:
    return Problem(file=file, place=Place(line, 1), message=message)


#: Rendered beforehand: what Python and Jinja2 load when it is first needed would come too late.
_SAMPLES = ("{{ 'ü\\n' | tojson ~ '%s' | format(1) | upper }}", "{{ absent }}", "{% if %}")


def _confine() -> None:
    """From here on this process opens nothing, writes no file, and ends when it grows."""
    for sample in _SAMPLES:
        with suppress(Unreadable):
            render("", sample, {})
    for limit, most in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def _answered(request: dict[str, Any]) -> dict[str, Any]:
    # Its default action ends the process, whatever Python is in the middle of.
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        return {"text": render(request["file"], request["text"], request["values"])}
    except Unreadable as error:
        return {"line": error.problem.place.line, "message": error.problem.message}
    except MemoryError:
        return {"line": 1, "message": f"cannot be rendered: {_TOO_LARGE}"}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """A line of JSON for each line of JSON, until there is no more."""
    _confine()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answered(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
