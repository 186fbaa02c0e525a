"""Sentences with gaps for facts, any of which may be missing.

``{disk}`` is a fact, ``{disk|a disk}`` has words for when it is missing, ``{domain!q}`` is quoted
for a shell, and ``[ on {disk}]`` goes as a whole when a fact in it is missing.
"""

import re
import shlex
from collections.abc import Mapping

_FACT = re.compile(r"\{(?P<name>[a-z_]+)(?P<quoted>!q)?(?:\|(?P<default>[^}]*))?\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


def filled(template: str, facts: Mapping[str, str]) -> str:
    """*template* with *facts*; a missing one without default words reads ``?``."""

    def optional(match: re.Match[str]) -> str:
        named = [found["name"] for found in _FACT.finditer(match[1]) if found["default"] is None]
        return match[1] if all(facts.get(name) for name in named) else ""

    def fact(match: re.Match[str]) -> str:
        value = facts.get(match["name"])
        if not value:
            return str(match["default"] if match["default"] is not None else "?")
        return shlex.quote(value) if match["quoted"] else value

    return _FACT.sub(fact, _OPTIONAL.sub(optional, template))
