"""Manifests written in a test, and what becomes of them."""

import pytest

from reconciler.errors import ManifestError
from reconciler.manifest.load import load
from reconciler.model.desired import Desired, DesiredDomain
from reconciler.model.manifest_file import ManifestFile

HEAD = "apiVersion: virtsnap/v1\nkind: DomainSnapshots\nmetadata: {name: web01}\n"


def desired(*texts: str | bytes, name: str = "m{}.yaml") -> Desired:
    """The texts as files ``m1.yaml``, ``m2.yaml`` …"""
    files = [
        ManifestFile(name.format(number), text if isinstance(text, bytes) else text.encode())
        for number, text in enumerate(texts, 1)
    ]
    return load(files, source="/desired", revision=None, is_complete=True)


def domain(spec: str) -> DesiredDomain:
    """The domain ``web01`` with this ``spec``, in flow style."""
    return desired(f"{HEAD}spec: {spec}\n").domains[0]


def problems(*texts: str | bytes, name: str = "m{}.yaml") -> tuple[str, ...]:
    """What is wrong with them."""
    with pytest.raises(ManifestError) as caught:
        desired(*texts, name=name)
    return caught.value.problems
