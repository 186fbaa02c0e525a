"""The template of overlay paths in a manifest: checked here, filled in when it is planned.

Only ``{{ variable }}`` is allowed in it, no filter and no statement: what it becomes is to be seen.
"""

import re

from reconciler.manifest.problem import did_you_mean, quoted

VARIABLES = (
    "image.folder",
    "image.name",
    "domain.name",
    "domain.uuid",
    "disk.target",
    "snapshot.name",
    "host.name",
)
#: Without these, two disks or two snapshots would get one path.
NEEDED = ("disk.target", "snapshot.name")

#: What Jinja2 fills in when it is planned; read without Jinja2, which takes a millisecond for each.
_HOLE = re.compile(r"\{\{([^{}]*)\}\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_SYNTAX = re.compile(r"\{[{%#]|[}%#]\}")
_WRONG = {
    "{#": "has a comment; only {{ variable }} is allowed in it",
    "{%": "has a statement; only {{ variable }} is allowed in it",
    "{{": "is not a template: a {{ without its }}",
    "}}": "is not a template: a }} without its {{",
    "%}": "is not a template: a %} without its {%",
    "#}": "is not a template: a #} without its {#",
}


def check_overlay(text: str) -> str:
    """*text*, or ``ValueError`` with what is wrong with it as a template of absolute paths."""
    parts = _parts(text)
    used = [part.variable for part in parts if isinstance(part, _Variable)]
    for name in used:
        if name not in VARIABLES:
            raise ValueError(f"there is no variable {quoted(name)}{did_you_mean(name, VARIABLES)}")
    for name in NEEDED:
        if name not in used:
            raise ValueError(f"has no {{{{ {name} }}}}: two overlays would get one path")
    drawn = "".join("/" if _is_folder(part) else _drawn(part) for part in parts)
    if not drawn.startswith("/"):
        raise ValueError("must start with {{ image.folder }} or '/'")
    if drawn.endswith("/"):
        raise ValueError("is a folder: the name of a file is missing after the last '/'")
    if {".", ".."} & set(drawn.split("/")):
        raise ValueError("has a '.' or '..' between two '/'")
    if any(ord(character) < 32 or ord(character) == 127 for character in drawn):
        raise ValueError("has a control character")
    return text


class _Variable:
    """The part between ``{{`` and ``}}``."""

    def __init__(self, variable: str) -> None:
        self.variable = variable


def _is_folder(part: str | _Variable) -> bool:
    return isinstance(part, _Variable) and part.variable == "image.folder"


def _drawn(part: str | _Variable) -> str:
    return "x" if isinstance(part, _Variable) else part


def _parts(text: str) -> list[str | _Variable]:
    """Texts and variables in turn."""
    parts: list[str | _Variable] = []
    for position, piece in enumerate(_HOLE.split(text)):
        if position % 2:
            parts.append(_variable(piece))
        elif found := _SYNTAX.search(piece):
            raise ValueError(_WRONG[found[0]])
        else:
            parts.append(piece)
    return parts


def _variable(inside: str) -> _Variable:
    name = inside.strip(" ")
    if not _NAME.fullmatch(name):
        raise ValueError("has an expression; only {{ variable }} is allowed in it")
    return _Variable(name)
