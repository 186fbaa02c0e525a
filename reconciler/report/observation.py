"""Recordings of hosts: what ``observe -o json`` writes and ``--observed`` reads."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC

import yaml
from pydantic import ValidationError

from reconciler.errors import VirtsnapError
from reconciler.model.domain import ObservedHost
from reconciler.report.document import FORMAT_VERSION, WholeDocument

#: How many faults of a recording are told; one is enough to see that it is none.
_TOLD = 3


class ObservationDocument(WholeDocument):
    """Everything of one or several hosts that a plan depends on; UTC and bytes."""

    hosts: tuple[ObservedHost, ...]


def observation_document(hosts: Iterable[ObservedHost]) -> ObservationDocument:
    """The recording of *hosts*."""
    return ObservationDocument(
        hosts=tuple(replace(host, observed_at=host.observed_at.astimezone(UTC)) for host in hosts)
    )


def read_observation(text: str, *, name: str) -> tuple[ObservedHost, ...]:
    """The hosts of a recording (JSON, or YAML of the same shape); *name* is for errors."""
    hint = "record the host anew: virtsnap observe -o json"
    try:
        data = json.loads(text) if text.lstrip()[:1] in ("{", "[") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        cause = str(error).splitlines()[0] if str(error) else "it does not parse"
        raise VirtsnapError(
            f"cannot read recording {name}: neither JSON nor YAML ({cause})", hint=hint
        ) from error
    if not isinstance(data, dict) or "formatVersion" not in data or "hosts" not in data:
        raise VirtsnapError(f"cannot read recording {name}: it is no recording", hint=hint)
    if data["formatVersion"] != FORMAT_VERSION:
        raise VirtsnapError(
            f"cannot read recording {name}: its format is {data['formatVersion']!r}, "
            f"this version reads {FORMAT_VERSION!r}",
            hint=hint,
        )
    try:
        return ObservationDocument.model_validate(data).hosts
    except ValidationError as error:
        raise VirtsnapError(f"cannot read recording {name}: {_faults(error)}", hint=hint) from error


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].lower()}"
        for fault in faults[:_TOLD]
    ]
    more = f" and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
    return "; ".join(told) + more
