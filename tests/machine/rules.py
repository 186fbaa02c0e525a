"""Every rule of the machine, each as often as it is to be drawn."""

from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import rule

from reconciler.model.request import Consent, PlanRequest
from tests.engine.test_crashes import dying_at, failing_at
from tests.machine.deeds import DEEDS
from tests.machine.machine import HostMachine
from tests.machine.wishes import EDITS

#: a rule is drawn as often as any other: what is to happen more often is there more often
OFTEN = {
    "apply": 12,
    "run": 6,
    "dies": 8,
    "fails": 5,
    "declare": 5,
    "take_out": 4,
    "ask_to_go_back": 4,
    "ask_to_go_back_inside": 4,
    "depend": 3,
    "guest_writes": 4,
    "start": 4,
    "resume": 3,
    "snapshot_create": 2,
    "snapshot_revert": 3,
    "snapshot_delete": 2,
    "chmod_back": 3,
    "agent_well": 3,
    "blockjob_abort": 2,
    "managedsave_remove": 2,
    "snapshot_delete_metadata": 4,
    "snapshot_edit_sources": 2,
}
WHOLE_PASSES = {"apply": PlanRequest(), "run": PlanRequest(consent=Consent.LOOP)}
BROKEN_PASSES = {"dies": dying_at, "fails": failing_at}

#: the names in the tally
RULES = frozenset(
    {
        *DEEDS,
        *(edit.__name__ for edit in EDITS),
        *WHOLE_PASSES,
        *BROKEN_PASSES,
        "settles",
        "restore_revision",
        "remove_manifest",
        "older_ledger",
    }
)

Rule = Callable[[HostMachine, st.DataObject], None]


class RuledMachine(HostMachine):
    """With all of them."""


def _add(name: str, function: Rule) -> None:
    for number in range(OFTEN.get(name, 1)):
        _add_one(f"{name}_{number + 1}", function)


def _add_one(name: str, function: Rule) -> None:
    """Hypothesis knows rules by the names of their functions."""

    def fires(self: HostMachine, data: st.DataObject) -> None:
        function(self, data)

    fires.__name__ = name
    setattr(RuledMachine, name, rule(data=st.data())(fires))


def _deed(verb: str, machine: HostMachine, data: st.DataObject) -> None:
    machine.by_hand(verb, DEEDS[verb], data.draw)


def _edit(number: int, machine: HostMachine, data: st.DataObject) -> None:
    machine.edit(EDITS[number], data.draw)


def _whole(name: str, machine: HostMachine, _data: st.DataObject) -> None:
    machine.whole_pass(name, WHOLE_PASSES[name])


def _broken(name: str, machine: HostMachine, data: st.DataObject) -> None:
    machine.broken_pass(name, BROKEN_PASSES[name], data.draw)


for _verb in DEEDS:
    _add(_verb, partial(_deed, _verb))
for _number, _change in enumerate(EDITS):
    _add(_change.__name__, partial(_edit, _number))
for _name in WHOLE_PASSES:
    _add(_name, partial(_whole, _name))
for _name in BROKEN_PASSES:
    _add(_name, partial(_broken, _name))
