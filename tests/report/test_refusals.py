"""The words for refusals."""

import pytest

from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.phrase import filled
from reconciler.report.refusals import explained, words_of
from tests.report.drawn_plans import s1


@pytest.mark.parametrize("code", RefusalCode)
def test_every_code_has_words_even_without_any_fact(code: RefusalCode) -> None:
    words = explained(refusal(code), domain="web01")

    assert words.message.startswith("cannot ")
    assert ": " in words.message
    assert not words.message.endswith(".")
    assert words.hint
    for text in (words.message, words.hint):
        assert not set("[]?") & set(text), text
        assert "{" not in text.replace("{TARGET: skip}", "").replace('{"execute"', "")
    assert words_of(code).meaning.endswith(".")
    assert words_of(code).by_hand.endswith(".")


@pytest.mark.parametrize("code", RefusalCode)
def test_every_code_takes_every_fact(code: RefusalCode) -> None:
    names = (
        "disk image reader readers state path folder job domain name limit depth snapshots cause"
    )
    facts = {name: f"<{name}>" for name in (names + " near manifest after holder").split()}
    words = explained(refusal(code, snapshot=s1, need=1024**3, free=512, **facts), domain="web01")

    assert "?" not in words.message
    assert "{" not in words.message


def test_sizes_are_readable() -> None:
    words = explained(
        refusal(RefusalCode.NO_SPACE, folder="/srv", need=3 * 1024**3, free=0), domain="web01"
    )

    assert words.message == "cannot change web01: not enough space in /srv, 3 GiB needed, 0 B free"


def test_a_reader_is_named() -> None:
    why = refusal(
        RefusalCode.UNMANAGED_READER, snapshot=s1, image="/i/base", kind="domain", readers="web02"
    )

    assert explained(why, domain="web01").message == (
        "cannot remove s1 of web01: /i/base is read by domain web02"
    )


def test_commands_in_hints_can_be_pasted() -> None:
    why = refusal(RefusalCode.MANAGED_SAVE, domain="my web; rm")

    assert "virsh start 'my web; rm'" in explained(why, domain="my web; rm").hint


@pytest.mark.parametrize(
    ("template", "facts", "text"),
    [
        ("a {x|none} b", {}, "a none b"),
        ("a {x|none} b", {"x": "1"}, "a 1 b"),
        ("a[ at {x}]", {}, "a"),
        ("a[ at {x}]", {"x": "1"}, "a at 1"),
        ("a {x!q}", {"x": "b c"}, "a 'b c'"),
        ("a {x}", {}, "a ?"),
        ("{x}", {"x": "{y} [z]"}, "{y} [z]"),
    ],
)
def test_gaps_are_filled(template: str, facts: dict[str, str], text: str) -> None:
    assert filled(template, facts) == text
