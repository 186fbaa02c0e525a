"""A host on which others work while it is looked at: what two looks tell alike is so."""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import pytest

from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.observe import Observer
from reconciler.model.chain import Presence
from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import Remembered
from reconciler.model.names import HostName
from tests.drawing import domain, host, image

WHOLE = host(domain("web01", vda="base ← s1"), domain("web02", vda="other ← t1")).observe()


def without(*names: str, unread: str = "", unlisted: bool = False) -> ObservedHost:
    """As if these images had gone since a definition named them, or could not be read."""
    missing = {image(name) for name in names}
    images = [
        replace(
            each,
            presence=Presence.MISSING if each.path in missing else each.presence,
            is_examined=each.path not in missing and each.path != unread,
        )
        for each in WHOLE.images
    ]
    folders = tuple(replace(each, is_listed=not unlisted) for each in WHOLE.folders)
    return replace(WHOLE, images=tuple(images), folders=folders)


def observing(monkeypatch: pytest.MonkeyPatch, looks: Iterable[ObservedHost]) -> Observer:
    observer = Observer(
        HostName("here"),
        cast(Connection, None),
        extra_folders=(),
        remembered=lambda _uuid: Remembered(),
    )
    coming = iter(looks)
    monkeypatch.setattr(observer, "_once", lambda: next(coming))
    return observer


@pytest.mark.parametrize(
    "doubtful", [without("other"), without(unread=image("other")), without(unlisted=True)]
)
def test_what_came_or_went_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, doubtful: ObservedHost
) -> None:
    assert observing(monkeypatch, [doubtful, WHOLE]).host() is WHOLE


def test_it_is_looked_at_until_two_looks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [without("other"), without("base"), without("base")]

    assert observing(monkeypatch, looks).host() is looks[2]


def test_what_is_known_to_be_gone_costs_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = without("other")
    looks = [gone, gone, gone, without("other", "base"), gone]
    observer = observing(monkeypatch, looks)

    assert observer.host() is gone
    assert observer.host() is gone
    # something more has gone, and is there again
    assert observer.host() is gone
    with pytest.raises(StopIteration):
        observer.host()


def test_one_look_is_enough_where_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert observing(monkeypatch, [WHOLE]).host() is WHOLE


def test_where_it_never_ends_the_last_look_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [without("other") if number % 2 else without("base") for number in range(50)]

    seen = observing(monkeypatch, looks).host()

    assert any(each.presence is Presence.MISSING for each in seen.images)
