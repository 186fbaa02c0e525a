"""A server on loopback that remembers what it was posted, and answers as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One request."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Listening:
    """What came, and what is answered: the next of *answers*, else 201."""

    url: str
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, number: int) -> list[Posted]:
        """The requests, when there are so many."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.posted) >= number, 60), self.posted
            return list(self.posted)


@contextmanager
def listening() -> Iterator[Listening]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            code, body = found.answers.pop(0) if found.answers else (201, b"{}")
            with found.came:
                found.posted.append(Posted(self.path, dict(self.headers), json.loads(text)))
                found.came.notify_all()
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", f"{found.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Listening(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
