"""What ``virtsnap suspend`` keeps on this machine."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.engine import executor
from reconciler.engine.suspensions import FILE, FileSuspensions
from reconciler.errors import NotPermittedError, VirtsnapError
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainStatus
from reconciler.model.request import PlanRequest
from reconciler.model.suspension import Suspension, SuspensionsUnreadable
from tests.drawing import desired, domain, host, wanted
from tests.engine.passes import tools
from tests.engine.test_dependencies import applied, frozen_by_us
from tests.planning.reading import planned

ALL = Suspension(host=None, domain=None, who="root", since=datetime(2026, 11, 22, tzinfo=UTC))
ONE = replace(ALL, host=HostName("kvm01"), domain="wéb*", reason="a backup")


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    kept = FileSuspensions(tmp_path / "state")
    assert kept.read() == ()

    kept.change(lambda known: (*known, ALL))
    kept.change(lambda known: (*known, ONE))

    assert FileSuspensions(tmp_path / "state").read() == (ALL, ONE)
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o777 == 0o600
    assert kept.clear() == (ALL, ONE)
    assert kept.read() == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "suspended": []}',
        '{"format": 1, "suspended": {}}',
        '{"format": 1, "suspended": ["web01"]}',
        '{"format": 1, "suspended": [{"host": null, "domain": 7, "who": "", "since": ""}]}',
        '{"format": 1, "suspended": [{"host": null, "domain": null, "who": "", "since": "x"}]}',
        '{"format": 1, "suspended": [{"domain": "web01"}]}',
        "\udcff",
    ],
)
def test_a_damaged_file_suspends_everything_until_all_is_resumed(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    kept = FileSuspensions(tmp_path)

    [said] = kept.read()
    assert isinstance(said, SuspensionsUnreadable)
    assert said.covers(HostName("any"), "any", None)
    with pytest.raises(VirtsnapError, match="cannot change what is suspended"):
        kept.change(lambda known: (*known, ONE))

    kept.clear()

    assert kept.read() == ()
    assert (tmp_path / "suspended.damaged").read_bytes() == text.encode("utf-8", "surrogateescape")


def test_who_may_not_write_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VirtsnapError, match="cannot write"):
        FileSuspensions(tmp_path / "file").change(lambda known: known)
    assert issubclass(NotPermittedError, VirtsnapError)


def test_a_guest_that_virtsnap_left_frozen_is_thawed_while_it_is_suspended_by_hand() -> None:
    fake = host(domain("web01", vda="base"))
    frozen_by_us(fake, "web01")
    wish = replace(desired(wanted("web01", "s1")), suspensions=(ALL,))

    outcomes, _ = applied(fake, wish)

    assert not fake.domain("web01").agent.is_frozen
    assert outcomes["web01"].status is DomainStatus.HELD
    assert not fake.domain("web01").records


def test_what_is_suspended_after_it_was_planned_is_not_begun() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1"))
    plan = planned(fake, wish, PlanRequest())
    meanwhile = replace(tools(fake, wish), suspensions=lambda: (ALL,))

    [outcome] = executor.apply(plan, wish, PlanRequest(), meanwhile)

    assert outcome.status is DomainStatus.STALE
    assert outcome.error is not None
    assert "suspended by hand since" in outcome.error.message
    assert not fake.domain("web01").records
