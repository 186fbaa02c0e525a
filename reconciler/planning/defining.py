"""The definition that a revert owes: defined again first of all, from the record that holds it.

libvirt's own revert takes the whole definition of the snapshot's moment.  With ``config: disks`` the
present one is kept in a record without disks, the ledger that the revert installs names that record,
and the define that puts it back clears the name.  So whoever dies between leaves nothing that could
be lost with a machine, and no definition that nobody knows to be wrong.
"""

from reconciler.model.action import DefineDomain
from reconciler.model.names import SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning.builder import Builder
from reconciler.planning.world import World


def put_back(builder: Builder) -> None:
    """Define what is owed; where its record has gone a person is told, and agrees to that."""
    world, name = builder.world, builder.world.ledger.definition
    if name is None or world.domain.persistent is None:
        return
    if world.domain.record(name) is None:
        builder.warnings.append(
            f"{world.domain.name}: the definition of before the revert is lost with {name};"
            " look at the present one"
        )
        lost = DefineDomain(snapshot=name, is_there=False)
        builder.add(lost, Reason.DEFINITION_OWED, needs_approval=True)
        return
    why = why_not_define(world, name)
    if why is None:
        builder.add(DefineDomain(snapshot=name), Reason.DEFINITION_OWED)
    else:
        builder.refuse(why)


def why_not_define(world: World, name: SnapshotName) -> Refusal | None:
    """Defined as it was, a disk would be on an image that it has left since."""
    record = world.domain.record(name)
    for disk in world.domain.persistent or ():
        then = record.disk(disk.target) if record else None
        moved = then is not None and then.is_writable and disk.is_writable
        if then is not None and moved and then.source != disk.source:
            return refusal(
                RefusalCode.DEFINITION_OWED,
                disk=disk.target,
                image=disk.source,
                then=then.source,
                name=name,
            )
    return None
