"""Commands of the administrator's, run before and after each step."""

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from reconciler.engine.hooks import StepTold
from reconciler.errors import VirtsnapError
from reconciler.model.secrets import without_secrets
from reconciler.report.document import as_json
from reconciler.report.hook_document import hook_document
from reconciler.report.lines import safe
from reconciler.report.units import duration
from reconciler.service.guarded_files import executable_of_ours
from reconciler.service.log import Log

#: what of a hook's output goes to the log, in bytes; the rest is read and forgotten
_OUTPUT = 4096
_CHUNK = 65536
_LAST_CHUNKS = 16
#: from SIGTERM to SIGKILL
_GRACE_SECONDS = 2.0
_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "TZ")


@dataclass(frozen=True, slots=True)
class _End:
    """How a command ended; *fault* in words, None when it ended well."""

    fault: str | None
    output: str


class CommandHooks:
    """Runs *before* and *after* in order; the first that fails before a step refuses it.

    No shell.  Each is looked at again right before it is run: as root only what root alone can
    change is run.
    """

    def __init__(
        self, *, before: tuple[Path, ...], after: tuple[Path, ...], timeout: float, log: Log
    ) -> None:
        for path in (*before, *after):
            executable_of_ours(path)
        self._before, self._after, self._timeout, self._log = before, after, timeout, log

    def before(self, told: StepTold) -> str | None:
        """Why one of them says no, in words; those behind it are not asked."""
        for path in self._before:
            fault = self._run(path, told, is_done=None)
            if fault is not None:
                return fault
        return None

    def after(self, told: StepTold, *, is_done: bool) -> None:
        """Every one is told; what fails is logged."""
        for path in self._after:
            self._run(path, told, is_done=is_done)

    def _run(self, path: Path, told: StepTold, *, is_done: bool | None) -> str | None:
        facts = {
            "hook": path.name,
            "domain": told.plan.domain,
            "host": told.plan.host,
            "step": told.step.action.name,
        }
        try:
            end = _run(path, _environment(told, is_done), _document(told, is_done), self._timeout)
        except (OSError, ValueError, VirtsnapError) as error:
            end = _End(getattr(error, "message", None) or f"cannot run {path}: {error}", "")
        when = "before" if is_done is None else "after"
        output = {"output": without_secrets(end.output)} if end.output else {}
        if end.fault is not None:
            self._log.warning(f"hook {when} failed", fault=end.fault, **facts, **output)
        elif output:
            self._log.info(f"hook {when}", **facts, **output)
        return end.fault


def _document(told: StepTold, is_done: bool | None) -> bytes:  # noqa: FBT001  # private, three values
    document = hook_document(
        told.plan,
        told.step,
        uri=told.uri,
        source=told.source,
        revision=told.revision,
        is_done=is_done,
    )
    return as_json(document).encode("utf-8", "surrogateescape")


def _environment(told: StepTold, is_done: bool | None) -> Mapping[str, str]:  # noqa: FBT001  # private, three values
    """Little of our own, so that nothing that was meant for us leaks, and what people expect."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    facts = {
        "HOOK": "before" if is_done is None else "after",
        "HOST": told.plan.host,
        "URI": without_secrets(told.uri),
        "DOMAIN": told.plan.domain,
        "UUID": told.plan.uuid or "",
        "ACTION": told.step.action.name,
        "SNAPSHOT": " ".join(told.step.action.card.snapshots),
        "STEP": told.step.id,
        "PLAN_ID": told.plan.plan_id,
        "REVISION": told.revision or "",
        "RISK": told.step.risk.value,
    }
    if is_done is not None:
        facts["RESULT"] = "done" if is_done else "failed"
    return {
        "PATH": os.defpath,
        **kept,
        **{f"VIRTSNAP_{name}": text for name, text in facts.items()},
    }


def _run(path: Path, environment: Mapping[str, str], text: bytes, patience: float) -> _End:
    """Run it to its end, or to the end of its time, and all that it started with it."""
    real = executable_of_ours(path)
    with tempfile.TemporaryFile() as given:
        given.write(text)  # a file: a hook that reads nothing keeps nobody waiting
        given.seek(0)
        command = [str(path)]
        with subprocess.Popen(
            command,
            executable=real,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        ) as process:
            output, has_ended = _Output(process), False
            try:
                has_ended = output.until_end(time.monotonic() + patience)
            finally:
                if not has_ended:
                    _end(process, output)
    said = safe(output.text.strip().replace("\n", " | "))
    if not has_ended:
        return _End(f"{path.name} did not end within {duration(round(patience))}", said)
    if process.returncode:
        last = output.text.strip().rpartition("\n")[2].strip()
        how = _how(process.returncode)
        return _End(f"{path.name} {how}" + (f": {safe(last)[:200]}" if last else ""), said)
    return _End(None, said)


def _how(code: int) -> str:
    if code > 0:
        return f"ended with {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _end(process: "subprocess.Popen[bytes]", output: "_Output") -> None:
    """SIGTERM, and soon SIGKILL, to the whole group, which is a session of its own.

    Nobody has waited for its leader yet, so that the number of the group is still its own.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    output.until_end(time.monotonic() + _GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _Output:
    """Reads along until the process has ended, whoever else holds its output open."""

    def __init__(self, process: "subprocess.Popen[Any]") -> None:
        assert process.stdout is not None
        self._process = process
        self._stream: IO[bytes] = process.stdout
        self._read = b""
        os.set_blocking(self._stream.fileno(), False)

    @property
    def text(self) -> str:
        """The first of it."""
        return self._read.decode("utf-8", "replace")

    def until_end(self, deadline: float) -> bool:
        """Wait; whether the process has ended before *deadline* (monotonic seconds)."""
        descriptor = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(descriptor, selectors.EVENT_READ)
                selector.register(self._stream, selectors.EVENT_READ)
                while (left := deadline - time.monotonic()) > 0:
                    ready = {key.fd for key, _ in selector.select(left)}
                    if self._stream.fileno() in ready and not self._take():
                        selector.unregister(self._stream)
                    if descriptor in ready:
                        # what it left running may write for ever
                        any(not self._take() for _ in range(_LAST_CHUNKS))
                        return True
        finally:
            os.close(descriptor)
        return False

    def _take(self) -> bool:
        """Read what is there; False when nothing is, or nothing more comes."""
        try:
            found = os.read(self._stream.fileno(), _CHUNK)
        except BlockingIOError:
            return False
        self._read = (self._read + found)[:_OUTPUT]
        return bool(found)
