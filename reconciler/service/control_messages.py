"""What is said over the control socket: one JSON document a line, one request a connection."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from reconciler.report.controller_document import ControllerDocument, DomainStateDocument
from reconciler.report.document import Document

SOCKET = "control.sock"
PROTOCOL = 1
#: bytes: of a request, and of a reply (a controller of some ten thousand domains)
MAX_REQUEST = 256 * 1024
MAX_REPLY = 64 * 1024 * 1024


class Request(Document):
    """What a client asks for.  *domains*: names, UUIDs or globs; none of them means all."""

    protocol: int
    verb: Literal["ping", "status", "reconcile"]
    domains: tuple[str, ...] = ()
    host: str | None = None


class Pong(Document):
    """The controller is there."""

    event: Literal["pong"] = "pong"
    version: str


class Status(Document):
    """All it knows."""

    event: Literal["status"] = "status"
    controller: ControllerDocument


class Waiting(Document):
    """A sign of life while a pass goes on."""

    event: Literal["waiting"] = "waiting"


class Ended(Document):
    """The pass of one domain that was asked for has ended."""

    event: Literal["ended"] = "ended"
    domain: DomainStateDocument


class Finished(Document):
    """Nothing more comes of a ``reconcile``: the controller as it is then."""

    event: Literal["finished"] = "finished"
    controller: ControllerDocument


class Failed(Document):
    """The request was not done."""

    event: Literal["failed"] = "failed"
    message: str
    hint: str | None
    exit_code: int


Reply = Annotated[Pong | Status | Waiting | Ended | Finished | Failed, Field(discriminator="event")]
_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


def as_line(message: Document) -> bytes:
    """*message* as it goes over the socket."""
    return message.model_dump_json(by_alias=True).encode() + b"\n"


def read_request(line: bytes) -> Request:
    """``ValueError`` for what is none."""
    try:
        return Request.model_validate(json.loads(line))
    except RecursionError as error:
        raise ValueError("too deep") from error


def read_reply(line: bytes) -> Reply:
    """``ValueError`` for what is none."""
    try:
        return _REPLY.validate_python(json.loads(line))
    except RecursionError as error:
        raise ValueError("too deep") from error


@contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """A path of *name* in *folder* that fits into a socket address, which ends at 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
