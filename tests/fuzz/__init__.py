"""Hostile manifests by the million: ``python -m tests.fuzz --count N --seed S``."""
