"""The domains that the arguments of a verb name."""

import difflib
from collections.abc import Iterable, Sequence
from shlex import quote

from reconciler.errors import VirtsnapError
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.model.names import is_meant

Pair = tuple[ObservedHost, ObservedDomain]


def chosen(pairs: Sequence[Pair], wanted: Sequence[str], *, doing: str, verb: str) -> list[Pair]:
    """Those that are *wanted*, in the host's order; a name that matches none is an error.

    *doing* is the word of that error, *verb* the command of its hint.
    """
    for pattern in wanted:
        if not any(_matches(domain, pattern) for _, domain in pairs):
            names = (domain.name for _, domain in pairs)
            raise _unknown(pattern, names, doing=doing, verb=verb)
    return [
        pair
        for pair in pairs
        if not wanted or any(_matches(pair[1], pattern) for pattern in wanted)
    ]


def _matches(domain: ObservedDomain, pattern: str) -> bool:
    return is_meant(pattern, domain.name, domain.uuid)


def _unknown(pattern: str, names: Iterable[str], *, doing: str, verb: str) -> VirtsnapError:
    near = difflib.get_close_matches(pattern, list(names), n=1, cutoff=0.5)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return VirtsnapError(
        f"cannot {doing} {pattern}: there is no such domain{meant}",
        hint=f"virtsnap {verb} {quote(near[0])}" if near else "virsh list --all",
    )
