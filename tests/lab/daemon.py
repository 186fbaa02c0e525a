"""A throw-away libvirtd that can neither see nor touch the host's own domains.

Root gets a full system daemon in a private mount namespace; anyone else a session daemon whose
home is a temporary folder. Either is up in a tenth of a second and leaves nothing behind.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import libvirt

from tests.lab.daemon_settings import BINDS, write_settings, write_user_lists

_REAPER = Path(__file__).parent / "reaper.py"
_SECONDS_TO_START = 30.0
_SECONDS_TO_STOP = 30.0


class DaemonError(RuntimeError):
    """The daemon does not come up; the text says what would help."""


class Daemon:
    """One private libvirtd in one folder. Several run side by side without meeting."""

    def __init__(self, directory: Path | None = None, usr: Path | None = None) -> None:
        """*usr* is laid over /usr for the daemon only (another libvirt's files); root only.

        A *directory* given by the caller stays after ``stop``; keep it short, for a socket's path
        ends at 107 characters.
        """
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="lv", dir="/tmp"))
        self._usr = usr
        self._host_uuid = str(uuid.uuid4())
        self._privileged = os.geteuid() == 0
        # One a start: guests that outlive a killed daemon stay below the reaper they began under.
        self._reapers: list[subprocess.Popen[bytes]] = []
        if usr is not None and not self._privileged:
            raise DaemonError("cannot lay files over /usr: only root may; run the tests as root")

    @property
    def uri(self) -> str:
        """For reading and writing."""
        return self._uri("libvirt-sock")

    @property
    def uri_ro(self) -> str:
        """Through the socket that refuses every change, whatever the client asks for.

        A session daemon has no such socket; there it is ``uri``.
        """
        return self._uri("libvirt-sock-ro" if self._privileged else "libvirt-sock")

    @property
    def log(self) -> Path:
        """libvirtd's own log file."""
        return self.directory / "log" / "libvirtd.log"

    @property
    def pid(self) -> int:
        """libvirtd's process id, as it wrote it itself."""
        return int((self._sockets / "libvirtd.pid").read_text())

    def start(self) -> None:
        """Start libvirtd and wait until it answers."""
        # Errors come as exceptions; libvirt's own printing of each is noise in a test's output.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        if not Path("/usr/sbin/libvirtd").exists():
            raise DaemonError("cannot start libvirtd: it is not installed")
        self._prepare()
        with open(self.directory / "out.log", "ab") as output:
            reaper = subprocess.Popen(
                [sys.executable, "-I", str(_REAPER), "-k", *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.directory,
                env=self._environment(),
            )
        self._reapers.append(reaper)
        try:
            self._wait_until_it_answers(reaper)
        except DaemonError:
            self.stop()
            raise

    def stop(self) -> None:
        """End the daemon and every guest; remove the folder if it was made here."""
        self._continue_if_stopped()
        for reaper in self._reapers:
            reaper.send_signal(signal.SIGTERM)  # it kills what its command leaves behind
        for reaper in self._reapers:
            try:
                reaper.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._kill_if_alive()
                reaper.send_signal(signal.SIGTERM)
                reaper.wait(_SECONDS_TO_STOP)
        self._reapers.clear()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """End libvirtd as a crash would; its guests live on."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _SECONDS_TO_STOP
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                raise DaemonError(f"cannot kill libvirtd: process {pid} is still there")
            time.sleep(0.005)

    def restart(self) -> None:
        """Start again after ``kill``: the new daemon finds the guests of the old one."""
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _sockets(self) -> Path:
        return self.directory / "run" if self._privileged else self.directory / "run" / "libvirt"

    @property
    def _settings(self) -> Path:
        return self.directory / "etc" if self._privileged else self.directory / "etc" / "libvirt"

    def _uri(self, name: str) -> str:
        mode = "system" if self._privileged else "session"
        return f"qemu+unix:///{mode}?socket={self._sockets / name}"

    def _prepare(self) -> None:
        for name in BINDS:
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self._sockets.mkdir(exist_ok=True)
        # Others may connect (root's daemon), and find the images of the guests below.
        self.directory.chmod(0o755)
        if self._privileged:
            inside, log = Path("/run/libvirt"), Path("/var/log/libvirt/libvirtd.log")
        else:
            (self.directory / "run").chmod(0o700)
            inside, log = self._sockets, self.log
        write_settings(
            self._settings,
            sockets=inside,
            log=log,
            host_uuid=self._host_uuid,
            privileged=self._privileged,
        )

    def _command(self) -> list[str]:
        daemon = "/usr/sbin/libvirtd"
        if not self._privileged:
            settings = str(self._settings / "libvirtd.conf")
            return [daemon, "--config", settings, "--pid-file", str(self._sockets / "libvirtd.pid")]
        script = ["set -e"]
        for name, seen_as in BINDS.items():
            script.append(f'mkdir -p {seen_as}; mount --bind "$1/{name}" {seen_as}')
        for name in write_user_lists(self.directory):
            script.append(f'mount --bind "$1/{name}" /etc/{name}')
        if self._usr is not None:
            script.append('mount -t overlay overlay -o "lowerdir=$2:/usr" /usr')
            # The installed version's drivers must not shine through: the other libvirtd loads them.
            script.append('cd "$2"; for own in lib/*/libvirt lib/*/qemu; do')
            script.append(
                'if [ -d "$own" ]; then mount --bind "$own" "/usr/$own"; fi; done; cd "$1"'
            )
        script.append(
            f"exec {daemon} --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid"
        )
        arguments = [str(self.directory), str(self._usr or "")]
        namespace = ["unshare", "--mount", "--propagation", "private"]
        return [*namespace, "sh", "-c", "\n".join(script), "sh", *arguments]

    def _environment(self) -> dict[str, str]:
        if self._privileged:
            return dict(os.environ)
        own = self.directory
        return {
            "HOME": str(own),
            "XDG_RUNTIME_DIR": str(own / "run"),
            "XDG_CONFIG_HOME": str(own / "etc"),
            "XDG_CACHE_HOME": str(own / "cache"),
            "XDG_DATA_HOME": str(own / "lib"),
            "XDG_STATE_HOME": str(own / "log"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
        }

    def _wait_until_it_answers(self, reaper: subprocess.Popen[bytes]) -> None:
        # The socket is there before the drivers are: only a connection proves that they came up.
        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                libvirt.open(self.uri).close()
            except libvirt.libvirtError as error:
                if reaper.poll() is not None:
                    raise DaemonError(f"cannot start libvirtd: {self._last_words()}") from error
                if time.monotonic() > deadline:
                    raise DaemonError(f"cannot start libvirtd: {error}") from error
                time.sleep(0.01)
            else:
                return

    def _last_words(self) -> str:
        said = [(self.directory / "out.log").read_text(errors="replace")]
        if self.log.exists():
            said.append(self.log.read_text(errors="replace"))
        return "".join(said)[-2000:]

    def _continue_if_stopped(self) -> None:
        """A libvirtd that a test stopped with SIGSTOP would not hear SIGTERM."""
        self._signal_if_alive(signal.SIGCONT)

    def _kill_if_alive(self) -> None:
        self._signal_if_alive(signal.SIGKILL)

    def _signal_if_alive(self, number: signal.Signals) -> None:
        try:
            pid = self.pid
            # The pid file may be a dead daemon's, and the number another process's by now.
            is_libvirtd = Path(f"/proc/{pid}/comm").read_text().strip() == "libvirtd"
            if is_libvirtd and any(_is_below(pid, reaper.pid) for reaper in self._reapers):
                os.kill(pid, number)
        except (OSError, ValueError):
            return


def _is_below(process: int, ancestor: int) -> bool:
    while process > 1 and process != ancestor:
        stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
        process = int(stat.rpartition(")")[2].split()[1])
    return process == ancestor
