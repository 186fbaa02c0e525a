"""The config files: one key an option, later files win; what is wrong is said with its place."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from reconciler.cli.options import Kind, seconds
from reconciler.cli.setting_keys import SOURCE, SettingKey, parts_of_source
from reconciler.errors import UsageError, VirtsnapError

SYSTEM_FILE = Path("/etc/virtsnap/virtsnap.yaml")

Known = Mapping[str, SettingKey]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a file says of an option, and its place there: ``file:line:column``."""

    value: Any
    place: str


def config_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where config files may be, the system's first."""
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '~'}/.config"
    return (SYSTEM_FILE, Path(home).expanduser() / "virtsnap" / "virtsnap.yaml")


def read_settings(files: Collection[Path], *, known: Known) -> dict[str, Setting]:
    """All settings, keys with ``_``; a file that does not exist is nothing."""
    settings: dict[str, Setting] = {}
    for file in files:
        settings |= _read(file, known)
    return settings


def _read(file: Path, known: Known) -> dict[str, Setting]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is not UTF-8"
        raise VirtsnapError(
            f"cannot read {file}: {cause}", hint=f"ls -l {quote(str(file))}"
        ) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        cause = getattr(error, "problem", None) or "it is not YAML"
        raise UsageError(f"cannot read {file}{where}: {cause}") from error
    return _File(file, known).settings(root) if root is not None else {}


class _File:
    """One file, as nodes that know where they stand."""

    def __init__(self, file: Path, known: Known) -> None:
        self._file = file
        self._known = known
        self._parts = parts_of_source(known)

    def settings(self, root: yaml.Node) -> dict[str, Setting]:
        found: dict[str, Setting] = {}
        for name, node, key in self._entries(root):
            if name in found:
                first = found[name].place.removeprefix(f"{self._file}:")
                raise self._wrong(key, f"{key.value!r} is said already in {first}")
            found[name] = Setting(self._value(self._known[name], node), self._place(node))
        return found

    def _entries(self, root: yaml.Node) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Name of the setting, what it is set to, and the key as it is written."""
        for key, node in self._pairs(root, "it must be a mapping of option names"):
            name = self._name(key, {each: each for each in self._known})
            if name == SOURCE and not isinstance(node, yaml.ScalarNode):
                for part, inner in self._pairs(node, "`source` must be an address or a mapping"):
                    yield self._name(part, self._parts, below=f"{SOURCE}: "), inner, part
            else:
                yield name, node, key

    def _pairs(self, node: yaml.Node, else_: str) -> list[tuple[yaml.Node, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, else_)
        return list(node.value)

    def _name(self, key: yaml.Node, names: Mapping[str, str], *, below: str = "") -> str:
        written = str(key.value)
        if written.replace("-", "_") in names:
            return names[written.replace("-", "_")]
        near = difflib.get_close_matches(written.replace("-", "_"), names, n=1)
        meant = f" (did you mean {near[0].replace('_', '-')!r}?)" if near else ""
        raise self._wrong(key, f"unknown key {below + written!r}{meant}")

    def _value(self, key: SettingKey, node: yaml.Node) -> Any:
        match key.kind:
            case Kind.MANY:
                if isinstance(node, yaml.SequenceNode):
                    return [self._text(key, each) for each in node.value]
                return [self._text(key, node)]
            case Kind.FLAG | Kind.COUNT:
                return self._plain(key, node)
            case Kind.TEXT:
                return self._text(key, node)

    def _plain(self, key: SettingKey, node: yaml.Node) -> Any:
        tag, wanted = (
            ("bool", "true or false") if key.kind is Kind.FLAG else ("int", "a whole number")
        )
        if node.tag != f"tag:yaml.org,2002:{tag}":
            raise self._wrong(node, f"{key.written} must be {wanted}")
        return yaml.SafeLoader("").construct_object(node)

    def _text(self, key: SettingKey, node: yaml.Node) -> str:
        """As it is written: a branch named 1.10 or on is no number and no truth."""
        if not isinstance(node, yaml.ScalarNode):
            what = "list" if isinstance(node, yaml.SequenceNode) else "mapping"
            raise self._wrong(node, f"{key.written} must be a text, not a {what}")
        text = str(node.value)
        if not text:
            raise self._wrong(node, f"{key.written} has no value")
        if key.choices and text not in key.choices:
            raise self._wrong(node, f"{key.written} must be one of {', '.join(key.choices)}")
        if key.is_duration:
            self._check_duration(key, node, text)
        return text

    def _check_duration(self, key: SettingKey, node: yaml.Node, text: str) -> None:
        try:
            seconds(key.written, text, least=0, example="")
        except UsageError as error:
            cause = error.message.removeprefix("cannot use ")
            raise self._wrong(node, cause) from error

    def _place(self, node: yaml.Node) -> str:
        mark = node.start_mark
        return f"{self._file}:{mark.line + 1}:{mark.column + 1}"

    def _wrong(self, node: yaml.Node, cause: str) -> UsageError:
        return UsageError(
            f"cannot use {self._place(node)}: {cause}",
            hint="keys are the names of options: virtsnap --help, virtsnap run --help",
        )
