"""libvirt's domain states and reasons in our words."""

import libvirt

from reconciler.model.power import PowerState

_POWER = {
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUT_OFF,
}
_STATE_WORDS = {
    libvirt.VIR_DOMAIN_NOSTATE: "no state",
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "shutting down",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut off",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "suspended by the guest",
}
_REASONS = {
    libvirt.VIR_DOMAIN_PAUSED: (
        "",
        "by a user",
        "migrating",
        "being saved",
        "being dumped",
        "I/O error",
        "watchdog",
        "from a snapshot",
        "shutting down",
        "being snapshotted",
        "crashed",
        "starting up",
        "post-copy migration",
        "post-copy migration failed",
        "API error",
    ),
    libvirt.VIR_DOMAIN_SHUTOFF: (
        "",
        "shut down",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from a snapshot",
        "the daemon says so",
    ),
}


def power_of(state: int, *, is_active: bool) -> PowerState:
    """What the domain does; a crashed one without a process is shut off."""
    if state == libvirt.VIR_DOMAIN_CRASHED and not is_active:
        return PowerState.SHUT_OFF
    return _POWER.get(state, PowerState.OTHER)


def detail_of(state: int, reason: int) -> str:
    """``paused: I/O error``."""
    word = _STATE_WORDS.get(state, "")
    reasons = _REASONS.get(state, ())
    why = reasons[reason] if 0 <= reason < len(reasons) else ""
    return f"{word}: {why}" if why else word


def is_paused_on_error(state: int, reason: int) -> bool:
    """The guest met an I/O error (or a full disk) and waits."""
    return (state, reason) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
