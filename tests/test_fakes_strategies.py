"""What the strategies draw: hosts that can exist, and hard ones often enough."""

from collections import Counter

from hypothesis import HealthCheck, given, seed, settings

from tests.fakes.situations import CHECKS, SPECIAL, situations_of
from tests.strategies import Situation, peaceful_situations, situations

DRAWS = 600


def test_every_hard_situation_occurs() -> None:
    """Each at least three times in so many draws."""
    seen: Counter[str] = Counter()

    @seed(2)
    @settings(
        max_examples=DRAWS,
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(situations())
    def count(situation: Situation) -> None:
        seen.update(situations_of(situation.fake))

    count()

    rare = {name: seen[name] for name in {*CHECKS, *SPECIAL} if seen[name] < 3}
    assert not rare, "\n".join(map(str, seen.most_common()))


@given(situations())
def test_what_was_observed_is_whole(situation: Situation) -> None:
    host = situation.fake.observe()

    images = {image.path for image in host.images}
    for domain in host.domains:
        names = [record.name for record in domain.records]
        for position, record in enumerate(domain.records):
            assert record.parent is None or record.parent in names[:position]
            assert record.mentions <= images
        assert sum(record.is_current for record in domain.records) <= 1
        for disks in domain.definitions:
            for disk in disks:
                assert (disk.source is None) is (disk.unresolved is not None)
                assert disk.source is None or disk.source in images
                assert set(disk.chain or ()) <= images
                assert disk.chain is None or disk.chain.active == disk.source
    assert [image.path for image in host.images] == sorted(images)


@given(situations())
def test_a_copied_host_lives_its_own_life(situation: Situation) -> None:
    before = situation.fake.observe()
    other = situation.copied().fake
    assert other.observe() == before
    for domain in list(other.world.domains.values()):
        other.guest_goes_on(domain.name)
        domain.records.clear()
    assert situation.fake.observe() == before


@given(peaceful_situations())
def test_in_peace_every_view_can_be_read(situation: Situation) -> None:
    assert all(view is not None for view in situation.fake.views().values())
