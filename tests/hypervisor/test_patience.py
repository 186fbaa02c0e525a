"""Calls that do not come back are given up on; those that get on are not."""

import threading

import pytest

from reconciler.errors import VirtsnapError
from reconciler.hypervisor.patience import NoAnswer, alive, answered, bounded

LONG = 600.0
SHORT = 0.05


def test_what_the_call_returns_or_raises_comes_through() -> None:
    def fail() -> None:
        raise VirtsnapError("cannot do it: for a reason")

    assert answered(lambda: 7, "count", patience=LONG) == 7
    with pytest.raises(VirtsnapError, match="for a reason"):
        answered(fail, "fail", patience=LONG)


def test_a_call_that_does_not_come_back_is_given_up_on() -> None:
    never = threading.Event()
    try:
        with pytest.raises(NoAnswer, match=r"^cannot ask: libvirt gave no sign of life for 0.05 s"):
            answered(lambda: never.wait(LONG), "ask", patience=SHORT)
    finally:
        never.set()


def test_a_call_that_gets_on_is_waited_for() -> None:
    # longer than the patience in all, each time well within what it announces
    rounds = 5

    def works() -> int:
        for _ in range(rounds):
            alive(for_seconds=LONG)
            threading.Event().wait(SHORT)
        return rounds

    assert answered(works, "work", patience=SHORT) == rounds


def test_a_sign_of_life_inside_is_not_one_of_the_call_around_it() -> None:
    never = threading.Event()

    def inner() -> None:
        alive(for_seconds=LONG)

    def outer() -> None:
        answered(inner, "do the inner", patience=LONG)
        never.wait(LONG)

    try:
        with pytest.raises(NoAnswer, match="do the outer"):
            answered(outer, "do the outer", patience=SHORT)
    finally:
        never.set()


def test_alive_outside_of_any_call_is_nothing() -> None:
    alive(for_seconds=LONG)


def test_a_method_is_bounded_by_its_object() -> None:
    class Silent:
        patience = SHORT

        def __init__(self) -> None:
            self.never = threading.Event()

        @bounded
        def write_ledger(self, number: int) -> int:
            """Return *number*, or never."""
            return number if number else int(self.never.wait(LONG))

    silent = Silent()
    try:
        assert silent.write_ledger(3) == 3
        with pytest.raises(NoAnswer, match="cannot write ledger"):
            silent.write_ledger(0)
    finally:
        silent.never.set()
