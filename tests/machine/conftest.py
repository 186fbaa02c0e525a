"""The real hosts, and how hypothesis draws what is long."""

from hypothesis.internal.conjecture import providers

from tests.system.conftest import place

__all__ = ["place"]

# hypothesis' own generator without the shortest examples and variations of earlier ones, which it
# tries in between: of a long story they leave a step or two.
providers.AVAILABLE_PROVIDERS["plain"] = providers.HypothesisProvider
