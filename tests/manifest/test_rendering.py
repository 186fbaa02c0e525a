"""A template that is too much for a machine ends as a problem, and the next one is rendered."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.manifest.positions import Unreadable
from reconciler.manifest.rendering import MAX_MEMORY, MAX_SECONDS, Renderer

TIME = f"it takes longer than {MAX_SECONDS:.0f} s"
MEMORY = f"it needs more than {MAX_MEMORY >> 20} MiB of memory"


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    """One process for all, as for the files of a folder."""
    with Renderer() as found:
        yield found


_X = "{% set ns = namespace(x="


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
            TIME,
        ),
        (
            _X + "9**64) %}{% for i in range(40) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
            TIME,
        ),
        (
            "{% set l = range(90000) | list %}{% for a in l %}{% for b in l %}{% endfor %}{% endfor %}",
            TIME,
        ),
        ("{% for i in [1] | slice(1000000000) %}{% endfor %}", TIME),
        ("{{ 1 | round(1000000000, 'ceil') }}", TIME),
        (
            _X + "'a' * 9999) %}{% for i in range(30) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            MEMORY,
        ),
        (
            _X + "[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            MEMORY,
        ),
        ("{{ [1] | tojson(indent=1000000000) }}", MEMORY),
        ("{{ (1).to_bytes(1000000000, 'big') | length }}", MEMORY),
        ("{% for i in [1] | batch(1000000000, 'x') %}{% endfor %}", MEMORY),
    ],
)
def test_a_bomb_goes_off_in_a_process_of_its_own(text: str, why: str, renderer: Renderer) -> None:
    with pytest.raises(Unreadable) as caught:
        renderer.render("w.yaml.j2", text, {})

    assert caught.value.problem.message == f"cannot be rendered: {why}"
    assert renderer.render("w.yaml.j2", "{{ name }}", {"name": "web"}) == "web"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ range.__self__ }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ '%s' | format(self._TemplateReference__context) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{a.__class__}'.format_map({'a': 1}) }}",
        "{% set x = joiner() %}",
        "{{ config }}",
        "{{ caller.__globals__ }}",
        "{{ dict.mro() }}",
        "{{ [].__reduce_ex__(2) }}",
    ],
)
def test_the_sandbox_is_not_left(text: str, renderer: Renderer) -> None:
    with pytest.raises(Unreadable):
        renderer.render("w.yaml.j2", text, {"name": "web"})


def test_the_process_that_renders_opens_no_file() -> None:
    code = (
        "from reconciler.manifest import rendering; rendering._confine();\n"
        "try: open('/etc/passwd')\nexcept OSError as error: print(error.strerror)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "Too many open files\n"


def test_a_module_beside_the_manifests_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jinja2", "json", "resource"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)

    with Renderer() as renderer:
        assert renderer.render("w.yaml.j2", "{{ 1 + 1 }}", {}) == "2"


def test_what_is_rendered_may_be_any_text() -> None:
    with Renderer() as renderer:
        text = renderer.render("ü.yaml.j2", "{{ x }}\n\ud800ü\x00", {"x": "a\nb"})

    assert text == "a\nb\n\ud800ü\x00"
