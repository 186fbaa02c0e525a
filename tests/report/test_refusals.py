"""The words for refusals."""

import re

import pytest

from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.phrase import filled
from reconciler.report.refusals import explained, words_of
from tests.drawing import domain, host, shut_off, wanted
from tests.planning.reading import plan_of
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


def test_a_refused_create_is_not_told_as_a_removal() -> None:
    fake = host(domain("web01", shut_off, vda="base"), domain("web02", shut_off, vda="base"))
    plan = plan_of(fake, wanted("web01", "s1"))
    said = [explained(why, domain="web01").message for why in plan.refusals]

    assert said == ["cannot take s1 of web01: /images/base.qcow2 is written to by domain web02"]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"act": "take", "disk": "sda", "cause": "a lun"},
            "cannot take s1 of web01 with sda: a lun",
        ),
        ({"act": "take", "cause": "no disk is left"}, "cannot take s1 of web01: no disk is left"),
        (
            {"act": "remove", "disk": "vda", "cause": "encryption"},
            "cannot remove s1 of web01 with vda: encryption",
        ),
        ({"disk": "vda", "cause": "odd"}, "cannot work on vda of web01: odd"),
    ],
)
def test_a_disk_of_another_kind_is_told_with_the_act(facts: dict[str, str], said: str) -> None:
    why = refusal(RefusalCode.DISK_NOT_SUPPORTED, snapshot=s1, **facts)

    assert explained(why, domain="web01").message == said


def test_a_name_that_is_too_long_is_not_outside_anything() -> None:
    cause = "its name has 256 bytes, and 240 are allowed"
    why = refusal(RefusalCode.OUTSIDE_FOLDERS, snapshot=s1, path="/i/x.qcow2", cause=cause)

    assert explained(why, domain="web01").message == (
        f"cannot take s1 of web01: the image /i/x.qcow2 {cause}"
    )


def test_of_one_name_for_two_domains_each_hears_of_the_other() -> None:
    why = refusal(
        RefusalCode.IMAGE_NAME_TAKEN,
        snapshot=s1,
        path="/i/x",
        other="web02",
        cause="is to be made for web02 too",
    )
    told = explained(why, domain="web01")

    assert told.message == "cannot take s1 of web01: the image /i/x is to be made for web02 too"
    assert "web01 and web02" in told.hint
    assert "{{ domain.name }}" in told.hint


def test_the_words_say_what_cannot_be_done() -> None:
    """The same check stands before several acts: what is asked for is a revert, no removal."""
    why = refusal(RefusalCode.INTERNAL_SNAPSHOTS, snapshot=s1, image="/a.qcow2")

    def said(act: str) -> str:
        met = why.doing(act) if act else why
        return explained(met, domain="web01").message

    assert said("").startswith("cannot remove s1 of web01: /a.qcow2 holds internal snapshots")
    assert said("revert to").startswith("cannot revert to s1 of web01: /a.qcow2 holds")
    assert why.doing("adopt").doing("revert to") == why.doing("adopt")


@pytest.mark.parametrize("code", RefusalCode)
def test_no_sentence_is_of_one_act_alone_where_several_meet_it(code: RefusalCode) -> None:
    """Those that creating, reverting or removing share take the act from who met them."""
    sentence = words_of(code).sentence

    if "{thing}" in sentence and re.match(r"cannot (take|remove|change) ", sentence):
        raise AssertionError(sentence)
