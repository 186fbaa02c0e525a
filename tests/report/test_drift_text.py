"""The words for drift."""

from typing import get_args

import pytest

from reconciler.model.drift import Difference
from reconciler.report.drift_text import remedy, sentence
from tests.report.every import DIFFERENCES


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda d: d.kind)
def test_every_difference_has_a_sentence_and_a_remedy(difference: Difference) -> None:
    said, remedied = sentence(difference), remedy(difference, domain="my web")

    assert said
    assert not said.endswith(".")
    assert "DOMAIN" not in remedied
    assert remedied


def test_all_kinds_are_among_them() -> None:
    assert {type(difference) for difference in DIFFERENCES} == set(get_args(Difference))
