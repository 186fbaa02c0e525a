"""What ``run`` starts beside its loop."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reconciler.cli.run_http import DEFAULT_LISTEN, HttpOptions, served
from reconciler.engine.watcher import Watcher, Watchers
from reconciler.errors import VirtsnapError
from reconciler.report.lines import safe
from reconciler.service.listening import address
from tests.service.controllers import outcome, passed, state, web

QUIET = HttpOptions(listen="none")


def serving(options: HttpOptions) -> AbstractContextManager[tuple[Watcher, ...]]:
    wake: Callable[[str], None] = [].append
    return served(options, snapshot=lambda: state(web()), wake=wake, is_alive=lambda: True)


def test_those_who_watch_are_yielded_and_hear_everything(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    with serving(replace(QUIET, textfile=path)) as watchers:
        all_of_them = Watchers(list(watchers))
        all_of_them.pass_ended(passed())
        all_of_them.domain_ended(outcome(), 1.0)
        all_of_them.domain_changed(None, web())

    assert 'status="applied"} 1.0' in path.read_text()


def test_nothing_is_written_or_listened_on_unless_asked_for() -> None:
    with serving(QUIET) as watchers:
        assert len(watchers) == 1


def test_it_listens_where_it_is_told_to() -> None:
    with serving(HttpOptions(listen="127.0.0.1:0")) as watchers:
        assert len(watchers) == 1


def test_one_pass_listens_nowhere_and_is_written(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    options = HttpOptions(listen="127.0.0.1:0", textfile=path)
    with (
        capture_logs() as logs,
        served(
            options,
            snapshot=lambda: state(web()),
            wake=lambda cause: None,
            is_alive=lambda: True,
            is_once=True,
        ),
    ):
        pass

    assert path.exists()
    assert logs == []


def test_by_default_only_this_machine_may_ask() -> None:
    where = address(DEFAULT_LISTEN)

    assert where is not None
    assert where.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (HttpOptions(listen="10777"), "cannot listen on 10777"),
        (replace(QUIET, textfile=Path("x.txt")), "the node_exporter reads"),
        (HttpOptions(listen="127.0.0.1:0", hook_secret_file=Path("/none/x")), "hook's secret"),
    ],
)
def test_what_cannot_be_meant_is_an_error_at_once(options: HttpOptions, said: str) -> None:
    with pytest.raises(VirtsnapError) as caught, serving(options):
        pass

    assert said in str(caught.value)
    assert safe(caught.value.hint or "") == caught.value.hint


def test_a_hook_needs_somebody_who_listens(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"0" * 32)
    secret.chmod(0o600)

    with (
        pytest.raises(VirtsnapError, match="nothing is listened on"),
        serving(replace(QUIET, hook_secret_file=secret)),
    ):
        pass
