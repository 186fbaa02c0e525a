"""Ctrl-C: first to a safe point, then at once."""

import os
import signal
import threading

import pytest

from reconciler.cli.stopping import stopping


def test_the_first_signal_asks_and_the_second_interrupts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def interrupted_twice() -> None:
        with stopping(stop) as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.wait(1)
            assert signals == [signal.SIGINT]
            assert "stopping at the next safe point" in capsys.readouterr().err
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()
    assert signal.getsignal(signal.SIGINT) is before
