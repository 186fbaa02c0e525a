"""Whether a hold lies on a snapshot: planner, tree and status say the same, in each state."""

from dataclasses import replace

import pytest

from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import EntryState
from reconciler.model.ownership import is_held, is_hold_whole
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from reconciler.report.tree_documents import domain_tree
from tests.drawing import domain, host
from tests.fakes.controller import Controller


def held_in(state: EntryState, *, record: bool, entry: bool) -> ObservedHost:
    """``s1``, in that state for the ledger, with the hold in its record, its entry, or both."""
    fake = host(domain("web01", vda="base ← s1"))
    Controller(fake).hold("web01", "s1")
    seen = fake.observe()
    (drawn,) = seen.domains
    assert drawn.ledger is not None
    entries = tuple(replace(e, state=state, is_held=entry) for e in drawn.ledger.entries)
    records = tuple(replace(r, is_held=record) for r in drawn.records)
    changed = replace(drawn, ledger=replace(drawn.ledger, entries=entries), records=records)
    return replace(seen, domains=(changed,))


@pytest.mark.parametrize("state", EntryState)
@pytest.mark.parametrize(
    ("record", "entry"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_all_say_the_same(state: EntryState, *, record: bool, entry: bool) -> None:
    seen = held_in(state, record=record, entry=entry)
    (drawn,) = seen.domains
    (snapshot,) = drawn.records
    expected = state is not EntryState.DELETING and (record or entry)

    assert world_of(index_of(seen), drawn).is_held(snapshot) is expected
    assert is_held(drawn, snapshot) is expected
    assert [s.is_held for s in domain_tree(seen, drawn).snapshots] == [expected]
    assert is_hold_whole(drawn, snapshot) is (expected and record and entry)
