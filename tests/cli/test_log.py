"""The log: who reads it decides its form, nobody reads a secret in it."""

import io
import json
import logging
import os
import sys

import pytest
import structlog

from reconciler.cli.log import LogLevel, log_to_stderr
from reconciler.cli.options import Options, Output
from tests.cli.conftest import Command, manifest
from tests.cli.test_options import Declare
from tests.drawing import domain, host

_SECRET = "qemu+tls://u:hunter2@h/system"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, options: Options, level: LogLevel
) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    log_to_stderr(options, level)
    log = structlog.get_logger("virtsnap")
    log.debug("quiet")
    log.info("step", domain="web\n\x1b[2J", source=_SECRET, also=[{"uri": _SECRET}])
    logging.getLogger("apprise.url").warning("cannot reach %s", _SECRET)
    logging.getLogger("watchfiles").info("no concern of ours")
    log.error("bad", at="←")
    return stream.getvalue()


def test_a_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = logged(monkeypatch, Terminal(), Options(no_color=True), LogLevel.INFO).splitlines()

    assert [line.split("[")[1].split()[0] for line in lines] == ["info", "warning", "error"]
    assert lines[0].split()[0].endswith("Z")
    assert r"domain=web\n\x1b[2J" in lines[0].replace("'", "")
    assert not any("hunter" in line or "\x1b" in line for line in lines)


@pytest.mark.parametrize(
    ("stream", "output"), [(io.StringIO, Output.TEXT), (Terminal, Output.JSON)]
)
def test_all_others_get_one_json_object_a_line(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], output: Output
) -> None:
    text = logged(monkeypatch, stream(), Options(output=output), LogLevel.INFO)
    first, library, last = map(json.loads, text.splitlines())

    assert (first["event"], first["domain"]) == ("step", "web\n\x1b[2J")
    assert first["also"] == [{"uri": "qemu+tls://u:***@h/system"}]
    assert (library["level"], library["library"]) == ("warning", "apprise")
    assert last["at"] == "←"
    assert first["timestamp"].endswith("Z")
    assert "hunter" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("options", "level", "said"),
    [
        (Options(), LogLevel.INFO, "info warning error"),
        (Options(), LogLevel.DEBUG, "debug info warning error"),
        (Options(), LogLevel.ERROR, "error"),
        (Options(verbosity=1), LogLevel.ERROR, "debug info warning error"),
        (Options(is_quiet=True), LogLevel.DEBUG, "error"),
    ],
)
def test_the_level(
    monkeypatch: pytest.MonkeyPatch, options: Options, level: LogLevel, said: str
) -> None:
    text = logged(monkeypatch, io.StringIO(), options, level)

    assert " ".join(json.loads(line)["level"] for line in text.splitlines()) == said


def test_the_journal_is_told_the_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    found = os.fstat(into)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    with os.fdopen(into, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        log_to_stderr(Options())
        structlog.get_logger("virtsnap").error("bad")
    with os.fdopen(out) as journal:
        priority, _, rest = journal.read().partition(">")

    assert priority == "<3"
    assert json.loads(rest)["event"] == "bad"


def test_a_reader_that_has_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    os.close(out)
    with pytest.MonkeyPatch.context() as patch:
        stream = os.fdopen(into, "w", buffering=1)
        patch.setattr(sys, "stderr", stream)
        log_to_stderr(Options())
        structlog.get_logger("virtsnap").error("bad")
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize(("level", "code", "said"), [("debug", 0, True), ("loud", 64, False)])
def test_the_environment_says_the_level(
    virtsnap: Command,
    declare: Declare,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    code: int,
    said: bool,
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01"))
    monkeypatch.setenv("VIRTSNAP_LOG", level)
    result = virtsnap("run", "--once")

    assert result.code == code
    assert ('"pass"' in result.err) is said


def test_a_reader_that_reads_no_more_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is full: what does not fit is dropped, and comes again once it is read."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", buffering=0) as reader:
        monkeypatch.setattr(sys, "stderr", stream)
        log_to_stderr(Options())
        log = structlog.get_logger("virtsnap")
        for number in range(200):
            log.info("domain", message="x" * 1000, number=number)
        os.set_blocking(reading, False)
        first = reader.read(1 << 20)
        log.info("again")
        last = reader.read(1 << 20)

    assert b'"number": 0' in first
    assert b'"number": 199' not in first
    assert b'"again"' in last
