"""``deploy/virtsnap.yaml`` from the options themselves: every key, each commented out."""

import textwrap
from collections.abc import Iterator

from reconciler.cli.main import build
from reconciler.cli.options import Kind
from reconciler.cli.setting_keys import (
    EXTRA_KEYS,
    SOURCE,
    SettingKey,
    by_name,
    common_keys,
    parts_of_source,
)
from reconciler.cli.verbs import own_keys

HEAD = """\
# /etc/virtsnap/virtsnap.yaml: what `virtsnap` does where nobody says otherwise.
#
# Made by tools/generate.py from the options; every key is here, and a key is an option without its dashes.
# What is commented out shows the default, or what the key takes. The command line wins over the environment
# (VIRTSNAP_INTERVAL for `interval`), the environment over ~/.config/virtsnap/virtsnap.yaml, that over this file.
# Look at the outcome, and where each value comes from: virtsnap config show
#
# Everybody who runs virtsnap here reads this file: secrets belong into files of their own.

# ---- The controller: `virtsnap run`, which virtsnap.service starts ----

"""
OTHERS = """\
# ---- Every verb ----

"""
VERBS = """\
# ---- Options of single verbs; better given by hand ----

"""


def text() -> str:
    """The whole file."""
    own = list(own_keys(build()))
    run = [key for key in own if key.verb == "run"]
    extra = {key.name: key for key in EXTRA_KEYS}
    parts = {key: part for part, key in parts_of_source([key.name for key in run]).items()}
    source = [key for key in run if key.name in parts and key.name != SOURCE]
    rest = [key for key in run if key.name not in parts]
    known = by_name([*run, *common_keys(), *EXTRA_KEYS])
    others = by_name(key for key in own if key.name not in known).values()
    address = next(key for key in run if key.name == SOURCE)
    return "\n".join(
        [
            HEAD.rstrip("\n"),
            "",
            *_entry(address, instead="source:"),
            "#  url: /srv/snapshots",
            *(line for key in source for line in _entry(key, indent="  ", named=parts[key.name])),
            *_entry(extra.pop("source_id"), indent="  ", named="id"),
            "",
            *(line for key in rest for line in (*_entry(key), "")),
            OTHERS.rstrip("\n"),
            "",
            *(line for key in (*common_keys(), *extra.values()) for line in (*_entry(key), "")),
            VERBS.rstrip("\n"),
            *(line for key in others for line in ("", *_entry(key, says=f"`{key.verb}`: "))),
            "",
        ]
    )


def _entry(
    key: SettingKey, *, indent: str = "", named: str = "", instead: str = "", says: str = ""
) -> Iterator[str]:
    for line in textwrap.wrap(says + key.help, 96 - len(indent)):
        yield f"#{indent}# {line}" if indent else f"# {line}"
    name = (named or key.name).replace("_", "-")
    yield f"#{indent}{instead or f'{name}: {_value(key)}'}"


def _value(key: SettingKey) -> str:
    """The default; where there is none, what it takes."""
    if key.kind is Kind.MANY:
        return f"[]  # {key.takes}"
    if key.kind is Kind.FLAG:
        return str(bool(key.default)).lower()
    if key.default not in (None, ""):
        return str(key.default)
    if key.kind is Kind.COUNT:
        return "10"
    if key.choices:
        return f"{key.choices[0]}  # {key.takes}"
    return "5m" if key.is_duration else key.takes
