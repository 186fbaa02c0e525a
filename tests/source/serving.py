"""Servers of git repositories on this machine: https by git's own CGI, ssh by a stand-in for ssh."""

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_STAND_IN = """\
#!/bin/sh
# Writes down how it was called; says what it was told to say, or runs what the other side would.
printf '%s\\n' "$@" >'{folder}/arguments'
if [ -e '{folder}/says' ]; then cat '{folder}/says' >&2; exit 255; fi
for last; do :; done
exec sh -c "$last"
"""


@dataclass(kw_only=True)
class Manners:
    """How the server treats who comes."""

    #: ``user:token``; None: everybody may read
    login: str | None = None
    #: where everybody is sent
    elsewhere: str | None = None
    #: it takes a request and never answers, until this is set
    silence: threading.Event | None = None
    #: what came, in the headers ``Authorization``
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class GitServer:
    """The repositories below *root*, at *url*."""

    root: Path
    url: str
    certificate: Path
    manners: Manners


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Certificate and key of this machine, signed by itself."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@contextmanager
def git_server(root: Path, certificate: Path, key: Path) -> Iterator[GitServer]:
    """Serve the repositories below *root* by https."""
    manners = Manners()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(root, manners))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield GitServer(
            root=root,
            url=f"https://localhost:{server.server_port}",
            certificate=certificate,
            manners=manners,
        )
    finally:
        if manners.silence is not None:
            manners.silence.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(root: Path, manners: Manners) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # A connection that stays is not cut off in the middle of TLS.
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if manners.silence is not None:
                manners.silence.wait()
                self.close_connection = True
                return
            sent = self.headers.get("Authorization")
            if sent is not None:
                manners.told.append(sent)
            if manners.elsewhere is not None:
                self._send(301, {"Location": manners.elsewhere + self.path})
                return
            if manners.login is not None and sent != _basic(manners.login):
                self._send(401, {"WWW-Authenticate": 'Basic realm="git"'})
                return
            self._answer()

        do_POST = do_GET  # noqa: N815 - http.server's names

        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            length = self.headers.get("Content-Length", "0")
            done = subprocess.run(
                ["git", "http-backend"],
                input=self.rfile.read(int(length)),
                capture_output=True,
                check=False,
                env={
                    "PATH": os.environ["PATH"],
                    "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": length,
                    "REMOTE_ADDR": "127.0.0.1",
                },
            )
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            headers.pop("Content-Length", None)
            self._send(int(headers.pop("Status", "200").split()[0]), headers, body)

        def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


@dataclass(frozen=True)
class SshStandIn:
    """A program by the name of ssh that reaches this machine only."""

    folder: Path

    def put_first(self) -> str:
        """The ``PATH`` that finds it."""
        program = self.folder / "ssh"
        program.write_text(_STAND_IN.format(folder=self.folder))
        program.chmod(0o755)
        return f"{self.folder}:{os.environ['PATH']}"

    def says(self, text: str) -> None:
        """From now on it fails with these words."""
        (self.folder / "says").write_text(text)

    @property
    def arguments(self) -> list[str]:
        """Of its last call."""
        return (self.folder / "arguments").read_text().splitlines()
