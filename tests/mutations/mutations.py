"""The bugs: an edit of one file, and the quick tests of which one at least must fail then."""

from dataclasses import dataclass

_STEPS = "reconciler/engine/steps.py"
_WORK = "reconciler/engine/domain_work.py"
_BEFORE = "reconciler/planning/before_step.py"
_PRECONDITIONS = "tests/engine/test_preconditions.py"
_DEATHS = "tests/engine/test_after_a_death.py"
_ON_THE_FAKE = "tests/faults/test_on_the_fake.py"
_SOURCES = "tests/planning/test_sources.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """*old*, which is in *file* once, becomes *new*; *tests* are pytest's words."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    def applied(self, text: str) -> str:
        """The text of the file with the bug in it."""
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: {self.file} has it {text.count(self.old)} times, not once"
            )
        return text.replace(self.old, self.new)


MUTATIONS = (
    Mutation(
        name="an image is removed without a last look at who reads it",
        file=_BEFORE,
        old="return safety.why_not_remove(world, action)",
        new="return None",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="images are merged without a last look at who reads them",
        file=_BEFORE,
        old="return safety.why_not_commit(world, action, frozenset(action.snapshots))",
        new="return None",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="a volume that nobody can find is read by nobody",
        file="reconciler/planning/unseen.py",
        old="        return disk.unresolved\n",
        new="        return None\n",
        tests=(_SOURCES,),
    ),
    Mutation(
        name="a domain whose image is out of sight reads nothing",
        file="reconciler/planning/unseen.py",
        old="        if image is not None and image.presence is Presence.MISSING and image.format != _RAW:",
        new="        if image is not None and not image.path:",
        tests=(_SOURCES,),
    ),
    Mutation(
        name="what QEMU marked as corrupt is written to",
        file="reconciler/planning/oddities.py",
        old="        if image.is_corrupt:\n",
        new="        if image.is_corrupt and not path:\n",
        tests=(_SOURCES,),
    ),
    Mutation(
        name="a relative backing name counts from where a link leads",
        file="reconciler/hypervisor/images.py",
        old="        return [*self._spellings.get(path, ()), path]\n",
        new="        return [path]\n",
        tests=("tests/hypervisor/test_odd_sources.py",),
    ),
    Mutation(
        name="the current pointer is trusted",
        file="reconciler/planning/storage.py",
        old="    return next((r for r in reversed(world.domain.records) if _is_stood_on(world, r)), None)\n",
        new="    return world.domain.current\n",
        tests=("tests/planning/test_repair.py",),
    ),
    Mutation(
        name="a file of somebody else is taken for the one that was made",
        file="reconciler/hypervisor/reserving.py",
        old="        return os.path.samestat(there, os.fstat(held))",
        new="        return bool(there)",
        tests=("tests/hypervisor/test_reserving.py",),
    ),
    Mutation(
        name="two domains of a plan may make one file",
        file="reconciler/planning/planner.py",
        old="    while files := contested(plans):",
        new="    while files := {}:",
        tests=("tests/planning/test_new_names.py",),
    ),
    Mutation(
        name="a number is taken for the name of an internal snapshot",
        file="reconciler/model/chain.py",
        old="if id_ == name != other), None)",
        new="if False), None)",
        tests=("tests/planning/test_numbers.py",),
    ),
    Mutation(
        name="a snapshot follows the name of its disk",
        file="reconciler/planning/renamed.py",
        old="    for found in (above, beside):",
        new="    return world.disk(target)\n    for found in (above, beside):",
        tests=("tests/planning/test_renamed.py",),
    ),
    Mutation(
        name="a fence that was taken over is not noticed",
        file="reconciler/engine/fence.py",
        old="    if fence is None or fence.holder != holder:\n        raise",
        new="    if fence is None:\n        raise",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="the fence of another machine is no obstacle",
        file="reconciler/engine/fence.py",
        old="    return theirs is not None and theirs.until > clock.now()",
        new="    return theirs is not None and theirs.until < clock.now()",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="a guest left frozen is not thawed",
        file="reconciler/planning/finishing.py",
        old="    if is_freezing and world.domain.is_active:",
        new="    if False and is_freezing:",
        tests=("tests/planning/test_repair.py", _ON_THE_FAKE),
    ),
    Mutation(
        name="a stated backing chain is kept over merged images",
        file=_STEPS,
        old="        _drop_stated_chain(work, action, world)\n",
        new="",
        tests=("tests/engine/test_properties.py", _ON_THE_FAKE),
    ),
    Mutation(
        name="a stale <backingStore> is kept in a definition",
        file="reconciler/hypervisor/disk_sources.py",
        old='for stale in (*disk.findall("backingStore"), *disk.findall("mirror")):',
        new='for stale in disk.findall("mirror"):',
        tests=("tests/hypervisor/test_snapshot_xml.py",),
    ),
    Mutation(
        name="a merge begins before the ledger says so",
        file=_STEPS,
        old="    intend(work, step, world)\n    try:\n        _merge(",
        new="    try:\n        _merge(",
        tests=(_ON_THE_FAKE, "tests/engine/test_crashes.py"),
    ),
    Mutation(
        name="what a snapshot froze is not looked up in the ledger",
        file="reconciler/model/ledger.py",
        old="return next((disk for disk in self.frozen if disk.disk == target), None)",
        new="return None",
        tests=("tests/engine/test_held_snapshot.py", "tests/planning/test_frozen.py"),
    ),
    Mutation(
        name="the record is believed, whatever the ledger says",
        file="reconciler/planning/frozen.py",
        old="    if ledger == said:\n",
        new="    if ledger:\n",
        tests=("tests/engine/test_held_snapshot.py", "tests/planning/test_frozen.py"),
    ),
    Mutation(
        name="a frozen image that was written to counts as it was",
        file="reconciler/planning/identity.py",
        old="    return known.file.modified == image.file.modified and same_size\n",
        new="    return same_size\n",
        tests=("tests/planning/test_frozen.py",),
    ),
    Mutation(
        name="nobody looks who has an image open before a merge",
        file=_STEPS,
        old="    why = _in_use(work, step, action)",
        new="    why = None",
        tests=("tests/engine/test_not_begun.py",),
    ),
    Mutation(
        name="a merge that could not begin counts as begun",
        file=_STEPS,
        old="    except CommitNotBegun as error:",
        new="    except ZeroDivisionError as error:",
        tests=("tests/engine/test_not_begun.py",),
    ),
    Mutation(
        name="a merge that failed counts as not begun",
        file="reconciler/hypervisor/commit_proof.py",
        old="            if not self.is_proven():\n                raise\n",
        new="",
        tests=("tests/hypervisor/test_commit_proof.py",),
    ),
    Mutation(
        name="images that nobody could look into block no merge",
        file="reconciler/planning/safety.py",
        old="    return hidden(world, action.base, disk=action.disk)\n",
        new="    return None\n",
        tests=(_DEATHS,),
    ),
    Mutation(
        name="a guest is shut down before the ledger owes it its power",
        file="reconciler/engine/power_steps.py",
        old="    work.write(_late(owing, work, 2 * patience), world, step=step)\n",
        new="",
        tests=("tests/engine/test_power.py", _ON_THE_FAKE),
    ),
    Mutation(
        name="a revert is done once more",
        file="reconciler/planning/reverting.py",
        old="    if known is not None and known.state is not RequestState.BEGUN:",
        new="    if known is not None and known.state is RequestState.UNPROVEN:",
        tests=("tests/planning/test_revert.py",),
    ),
    Mutation(
        name="what the journal knows of requests is not asked when the ledger is lost",
        file="reconciler/planning/finishing.py",
        old="for r in (*known, *world.domain.journal_requests)}",
        new="for r in known}",
        tests=(_DEATHS,),
    ),
    Mutation(
        name="a half-taken snapshot is not undone",
        file="reconciler/engine/new_files.py",
        old="            _undo(work, action, reserved, after)\n",
        new="",
        tests=("tests/engine",),
    ),
    Mutation(
        name="what a step did is not looked at",
        file=_WORK,
        old="        if difference is not None:\n",
        new="        if difference is not None and not difference:\n",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="a plan from before the domain changed is carried out",
        file=_WORK,
        old="        if fingerprint.of(world) != self.plan.fingerprint or is_other:",
        new="        if is_other:",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="a rebuild writes down what it does not do",
        file=_WORK,
        old="        if fingerprint.of(world) != self.plan.fingerprint or is_other:",
        new="        if fingerprint.of(world) != self.plan.fingerprint:",
        tests=(_PRECONDITIONS,),
    ),
    Mutation(
        name="a definition that went back is put right without a second look",
        file="reconciler/planning/switching.py",
        old="if (disk, image, action.observed) not in found or went_back.is_ambiguous(world):",
        new="if not found and went_back.is_ambiguous(world):",
        tests=("tests/planning/test_went_back.py",),
    ),
    Mutation(
        name="a guest that is owed a start writes into what was frozen",
        file="reconciler/planning/powering.py",
        old="unfit = (*differ.unsound_disks(world), *went_back.found(world))",
        new="unfit = (*differ.unsound_disks(world),)",
        tests=("tests/planning/test_went_back.py",),
    ),
    Mutation(
        name="a ledger that went back stays so",
        file="reconciler/planning/finishing.py",
        old="        builder.add(renewal, Reason.LEDGER_STALE)",
        new="        pass",
        tests=("tests/planning/test_repair.py",),
    ),
    Mutation(
        name="a new image counts as merged, as the removed one of its name was",
        file="reconciler/planning/bookkeeping.py",
        old="_without_identities(_without_merged(ledger, paths), tuple(paths))",
        new="_without_identities(ledger, tuple(paths))",
        tests=(_DEATHS,),
    ),
    Mutation(
        name="a branch beside a merged image is forgotten",
        file="reconciler/planning/finishing.py",
        old="        if image in world.own_layers\n",
        new="        if image in ()\n",
        tests=(_DEATHS,),
    ),
    Mutation(
        name="a present that was given up stays",
        file="reconciler/planning/bookkeeping.py",
        old="return done if action.back else way_back.giving_up(done, action.gives_up)",
        new="return done",
        tests=("tests/planning/test_revert.py", _ON_THE_FAKE),
    ),
    Mutation(
        name="a memory that did not load is tried again",
        file="reconciler/planning/way_back.py",
        old="failed = replace(known, state=RequestState.FAILED)",
        new="failed = known",
        tests=("tests/planning/test_saved_memory.py",),
    ),
    Mutation(
        name="a way back is removed before the guest has gone on",
        file="reconciler/planning/safety.py",
        old="path in world.in_own_chain or path in behind",
        new="path in world.in_own_chain",
        tests=("tests/planning/test_saved_memory.py",),
    ),
)
