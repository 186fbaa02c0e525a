"""The generated pages."""

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.main import build
from reconciler.cli.reference import pages
from reconciler.model.refusal import RefusalCode


def test_every_verb_code_and_refusal_has_its_entry() -> None:
    made = pages()

    for command in build().registered_commands:
        assert f"\n## {command.name}\n" in made["commands.md"]
    for code in ExitCode:
        assert f"\n| {int(code)} | " in made["exit-codes.md"]
    for refusal in RefusalCode:
        assert f"\n## {refusal}\n" in made["refusals.md"]


def test_verbs_of_later_versions_are_absent() -> None:
    names = {str(command.name) for command in build().registered_commands}

    assert {
        "validate",
        "plan",
        "apply",
        "tree",
        "observe",
        "status",
        "schema",
        "import",
        "doctor",
        "release",
    } <= names
    assert not names & {"explain", "approve", "diff"}
