"""What is in force, and from where: ``config show`` for people and as a document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.model.secrets import without_secrets
from reconciler.model.setting import Origin, SettingInForce, SettingValue
from reconciler.report.document import Document, WholeDocument
from reconciler.report.lines import Line, Tone, padded

#: Words of a key whose value is, or holds, a secret; a file of secrets may be named.
_SECRET_WORDS = frozenset({"secret", "token", "password", "passphrase", "notify", "webhook"})
_NAMES_A_PLACE = ("_file", "_folder", "_for", "_on")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A place where a config file may be."""

    path: str
    is_there: bool


class ConfigFileDocument(Document):
    """A place where a config file may be; a later one wins."""

    path: str
    is_there: bool


class SettingDocument(Document):
    """One option.  *place*: ``file:line:column``, or the name of the variable."""

    key: str
    value: str | int | bool | tuple[str, ...] | None
    origin: Origin
    place: str | None


class ConfigDocument(WholeDocument):
    """Every option in force."""

    files: tuple[ConfigFileDocument, ...]
    settings: tuple[SettingDocument, ...]


def config_document(
    settings: Sequence[SettingInForce], files: Sequence[ConfigFile]
) -> ConfigDocument:
    """The document of *settings*, without secrets."""
    return ConfigDocument(
        files=tuple(ConfigFileDocument(path=f.path, is_there=f.is_there) for f in files),
        settings=tuple(
            SettingDocument(
                key=setting.key.replace("_", "-"),
                value=shown(setting),
                origin=setting.origin,
                place=setting.place or None,
            )
            for setting in settings
        ),
    )


def config_lines(settings: Sequence[SettingInForce], files: Sequence[ConfigFile]) -> Iterator[Line]:
    """A line an option; those that somebody set stand out."""
    for file in files:
        yield Line(f"# {file.path}{'' if file.is_there else ': not there'}", Tone.QUIET)
    values = [_text(shown(setting)) for setting in settings]
    names = max(len(setting.key) for setting in settings) + 1
    width = min(max(map(len, values)), 40)
    for setting, value in zip(settings, values, strict=True):
        key = setting.key.replace("_", "-")
        origin = " ".join(word for word in (setting.origin, setting.place) if word)
        tone = Tone.PLAIN if setting.origin is Origin.DEFAULT else Tone.STRONG
        yield Line(f"{padded(f'{key}:', names)} {padded(value, width)}  # {origin}", tone)


def shown(setting: SettingInForce) -> SettingValue:
    """Its value, without what nobody is to read."""
    value = setting.value
    if isinstance(value, tuple):
        return tuple(_without_secret(setting.key, each) for each in value)
    return _without_secret(setting.key, value) if isinstance(value, str) else value


def _without_secret(key: str, text: str) -> str:
    if _SECRET_WORDS & set(key.split("_")) and not key.endswith(_NAMES_A_PLACE):
        # whom a message goes to is in such an address, and so is the key to their door
        scheme, separator, _ = text.partition("://")
        return f"{scheme}://***" if separator else "***"
    return without_secrets(text)


def _text(value: SettingValue) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(value)}]"
        case _:
            return str(value)
