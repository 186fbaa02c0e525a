"""What a controller knows, as a document and back."""

import json
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given

from reconciler.cli.schema import document_schema
from reconciler.model.controller import ControllerState, Trouble
from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.controller_document import write_controller
from reconciler.report.controller_reading import read_controller
from tests.service.states import controller_state, domain_state, states


@given(states)
def test_what_is_written_is_read_back(state: ControllerState) -> None:
    text = write_controller(state)

    assert read_controller(text) == state
    assert text.encode().decode() == text


@given(states)
def test_it_fits_its_schema(state: ControllerState) -> None:
    jsonschema.validate(json.loads(write_controller(state)), document_schema("controller"))


def test_passwords_are_not_written() -> None:
    trouble = Trouble(message="cannot fetch https://me:s3cret@git/x: 401", hint="token=s3cret")
    state = controller_state()
    state = replace(
        state, source=replace(state.source, id="https://me:s3cret@git", trouble=trouble)
    )

    assert "s3cret" not in write_controller(state)


def test_names_that_are_no_utf_8_are_shown() -> None:
    met = refusal(RefusalCode.NAME_TAKEN, image="/images/\udcff.qcow2")

    text = write_controller(controller_state(domain_state(message="\udcff", refusals=(met,))))

    assert json.loads(text)["domains"][0]["message"] == "\\udcff"
    text.encode("utf-8")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[" * 100_000, '{"formatVersion": "9"}'])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        read_controller(text)
