"""The files made from the code are as they would be made now."""

from pathlib import Path

from tools import generate


def test_no_generated_file_is_stale() -> None:
    assert generate.stale(generate.ROOT) == ()


def test_what_is_stale_is_written_and_what_nothing_makes_is_removed(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/old.v1.schema.json").write_text("{}")

    assert Path("schemas/old.v1.schema.json") in generate.write(tmp_path)
    assert generate.stale(tmp_path) == ()

    (tmp_path / "schemas/host.v1.schema.json").write_text("{}")
    assert generate.stale(tmp_path) == (Path("schemas/host.v1.schema.json"),)
