"""However much is wrong with a manifest, it is told in a moment, and not without end.

No clock decides here: what is demanded is that the work stays in proportion (each of these took
minutes, or never ended, when a check asked every item about every other one).
"""

import pytest

from reconciler.manifest.positions import MAX_NODES
from reconciler.manifest.problem import MOST_TOLD
from tests.manifest.loading import HEAD, desired, problems

SNAPSHOTS = f"{HEAD}spec:\n  snapshots:\n"
MORE = f"there is more of this; the first {MOST_TOLD} are told"


def listed(number: int, text: str) -> str:
    """A manifest of as many snapshots; in *text*, ``@`` is the number of each."""
    return SNAPSHOTS + "".join(f"  - {text}\n".replace("@", str(n)) for n in range(number))


def test_a_file_has_no_endless_number_of_values() -> None:
    told = problems("- a\n" * (MAX_NODES + 1))

    assert told == (f"m1.yaml:{MAX_NODES}:3: there are more than {MAX_NODES} keys and values",)


@pytest.mark.parametrize(
    "text",
    [
        "{name: }",
        "{name: s@, after: absent@}",
        "{name: same}",
        "{name: s@, class: c@}",
        "{name: s@, nmae: x}",
        "a text",
    ],
)
def test_a_thousand_of_the_same_are_not_told_one_by_one(text: str) -> None:
    told = problems(listed(1000, text))

    assert len(told) == MOST_TOLD + 1
    assert sum(MORE in problem for problem in told) == 1


def test_a_long_list_in_order_is_read() -> None:
    found = desired(listed(5000, "{name: s@}") + "  - {name: last, after: s4999}\n")

    assert len(found.domains[0].snapshots) == 5001


def test_a_long_way_of_snapshots_is_followed_to_its_end() -> None:
    chain = "".join(f"  - {{name: s{n}, after: s{n + 1}}}\n" for n in range(3000))
    found = desired(f"{SNAPSHOTS}{chain}  - {{name: s3000}}\n")

    assert found.domains[0].snapshots[0].name == "s3000"


def test_a_long_circle_is_told_by_its_beginning() -> None:
    chain = "".join(f"  - {{name: s{n}, after: s{(n + 1) % 3000}}}\n" for n in range(3000))
    told = problems(SNAPSHOTS + chain)

    assert "goes round in a circle: s0 after s1 after" in told[0]
    assert told[0].endswith("after …")
    assert len(told) == MOST_TOLD + 1


def test_what_leads_into_a_circle_is_not_in_it() -> None:
    told = problems(
        f"{SNAPSHOTS}  - {{name: a, after: b}}\n  - {{name: b, after: c}}\n"
        "  - {name: c, after: b}\n"
    )

    assert [problem.partition("circle: ")[2] for problem in told] == [
        "b after c after b",
        "c after b after c",
    ]


def test_a_large_net_of_domains_without_a_circle_is_read() -> None:
    def document(number: int) -> str:
        below = ", ".join(f"d{n}" for n in range(number + 1, min(number + 60, 300)))
        return (
            f"---\napiVersion: virtsnap/v1\nkind: DomainSnapshots\nmetadata: {{name: d{number}}}\n"
            f"spec: {{snapshots: [], dependsOn: [{below}]}}\n"
        )

    assert len(desired("".join(document(n) for n in range(300))).domains) == 300


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% x %}", "has a statement; only {{ variable }} is allowed in it"),
        ("{# x #}", "has a comment; only {{ variable }} is allowed in it"),
        ("{{ disk['target'] }}", "has an expression; only {{ variable }} is allowed in it"),
        ("{{ disk.target.upper() }}", "has an expression; only {{ variable }} is allowed in it"),
        ("{{- disk.target }}", "has an expression; only {{ variable }} is allowed in it"),
        ("{{ '{{' }}", "is not a template: a {{ without its }}"),
        ("x }}", "is not a template: a }} without its {{"),
    ],
)
def test_an_overlay_is_text_and_variables_and_nothing_else(text: str, why: str) -> None:
    overlay = f"/srv/{{{{ disk.target }}}}{{{{ snapshot.name }}}}{text}".replace("'", "''")
    told = problems(f"{SNAPSHOTS}  - {{name: s1, overlay: '{overlay}'}}\n")

    assert [problem.partition("overlay: ")[2] for problem in told] == [why]
