"""Templates: deterministic, strict, bounded, and closed to the world."""

from pathlib import Path

import pytest

from reconciler.errors import ManifestError, SourceError, UsageError
from reconciler.manifest.load import load
from reconciler.manifest.positions import Unreadable
from reconciler.manifest.render import render
from reconciler.model.desired import Desired, Origin
from reconciler.model.manifest_file import ManifestFile
from tests.manifest.loading import HEAD, problems

TEMPLATE = HEAD + "spec: {domain: '{{ app }}-{{ site.name }}', snapshots: []}\n"


def rendered(
    *files: tuple[str, str], values: tuple[Path, ...] = (), settings: tuple[str, ...] = ()
) -> Desired:
    return load(
        [ManifestFile(name, text.encode()) for name, text in files],
        source="/desired",
        revision=None,
        is_complete=True,
        values=values,
        settings=settings,
    )


def test_the_nearest_values_win_key_by_key() -> None:
    found = rendered(
        ("m/values.yaml", "app: web\nsite: {name: far, zone: a}"),
        ("m/kvm01/values.yaml", "site: {name: mad}"),
        ("m/kvm02/values.yaml", "site: {name: elsewhere}"),
        ("m/kvm01/deep/web.yaml.j2", TEMPLATE),
    )

    assert found.domains[0].domain == "web-mad"
    assert found.domains[0].origin == Origin(manifest="m/kvm01/deep/web.yaml.j2", line=1)


def test_the_command_line_wins_over_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("app: from-file\nsite: {name: from-file}")
    files = (("m/values.yaml", "app: web\nsite: {name: mad}"), ("m/web.yaml.j2", TEMPLATE))

    found = rendered(*files, values=(tmp_path / "a.yaml",), settings=("site.name=bcn",))

    assert found.domains[0].domain == "from-file-bcn"


def test_a_setting_is_read_as_a_plain_scalar() -> None:
    text = HEAD + "spec: {snapshots: [], chain: {maxDepth: {{ depth + 1 }}}}"

    assert rendered(("w.yaml.j2", text), settings=("depth=7",)).domains[0].max_depth == 8


def test_a_yaml_file_is_not_rendered() -> None:
    overlay = "/srv/{{ disk.target }}{{ snapshot.name }}"
    text = HEAD + f"spec: {{snapshots: [{{name: s1, overlay: '{overlay}'}}]}}"

    assert rendered(("w.yaml", text)).domains[0].snapshots[0].overlay == overlay


def test_loops_and_filters_work() -> None:
    text = (
        "{% for n in range(1, 4) %}---\n" + HEAD + "spec: {domain: {{ '%02d' | format(n) | tojson"
        " }}, snapshots: []}\n{% endfor %}"
    )

    assert [each.domain for each in rendered(("w.yaml.j2", text)).domains] == ["01", "02", "03"]


def test_a_problem_in_rendered_text_says_so() -> None:
    told = problems(HEAD + "{% if true %}\nspec: {}\n{% endif %}", name="m{}.yaml.j2")

    assert told == (
        "m1.yaml.j2 (rendered):5:7: spec.snapshots: is required ([] declares that there are none)",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ nme }}", "2:1: 'nme' is undefined (did you mean 'name'?)"),
        ("\n{{ site.zone }}", "2:1: 'dict object' has no attribute 'zone'"),
        (
            "\n\n{% if %}",
            "3:1: is not a template: Expected an expression, got 'end of statement block'",
        ),
        ("{% include '/etc/passwd' %}", "1:1: a template reads no other file (include)"),
        ("{% import 'x' as y %}", "1:1: a template reads no other file (import)"),
        ("{% extends 'x' %}", "1:1: a template reads no other file (extends)"),
        (
            "{{ disk.target }}",
            "1:1: 'disk' is undefined (write overlay templates between {% raw %} and {% endraw %})",
        ),
        ("{{ lipsum() }}", "1:1: 'lipsum' is undefined"),
        ("{{ [1, 2] | random }}", "1:1: is not a template: No filter named 'random'"),
        (
            "{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}",
            "1:1: cannot be rendered: its ranges count more than 100000 numbers",
        ),
        ("{{ 'a' * 99999 }}", "1:1: cannot be rendered: repeats more than 10000 times"),
        ("{{ 9 ** 99999 }}", "1:1: cannot be rendered: an exponent is larger than 64"),
        ("{{ '%99999d' % 1 }}", "1:1: cannot be rendered: a format is wider than 99"),
        (
            "{% for i in range(200) %}{{ 'a' * 9999 }}{% endfor %}",
            "1:1: cannot be rendered: it grows beyond 1 MiB",
        ),
        (
            "{{ name.upper ~ '' }}",
            "1:1: cannot be rendered: it prints a function or an object; are brackets missing?",
        ),
        (
            "{{ site }}",
            "1:1: cannot be rendered: it prints a dict (use | tojson)",
        ),
        (
            "{{ name.__class__ }}",
            "1:1: cannot be rendered: access to attribute '__class__' of 'str' object is unsafe",
        ),
    ],
)
def test_what_a_template_may_not_do_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        render("w.yaml.j2", text, {"name": "web", "site": {"name": "mad"}})

    assert str(caught.value.problem) == f"w.yaml.j2:{message}"


def test_a_values_file_is_one_mapping() -> None:
    with pytest.raises(ManifestError) as caught:
        rendered(("m/values.yaml", "[a]"), ("m/web.yaml", HEAD + "spec: {snapshots: []}"))

    assert caught.value.problems == (
        "m/values.yaml:1:1: expected one mapping of values and nothing else",
    )


def test_a_missing_values_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or directory"):
        rendered(("w.yaml", HEAD), values=(tmp_path / "absent.yaml",))


@pytest.mark.parametrize("setting", ["", "a", "=1", "a..b=1"])
def test_a_setting_without_key_or_value_is_bad_usage(setting: str) -> None:
    with pytest.raises(UsageError):
        rendered(("w.yaml", HEAD), settings=(setting,))
