"""libvirt's event loop: one a process, for events and for noticing a dead daemon."""

import threading

import libvirt

_once = threading.Lock()
_threads: list[threading.Thread] = []


def ensure_event_loop() -> None:
    """Run libvirt's event loop in a daemon thread; calling it again does nothing.

    Must come before the first connection that wants events or keep-alive. If another part of the
    process registered a loop already, libvirt keeps that one and ours turns it too.
    """
    with _once:
        if _threads:
            return
        libvirt.virEventRegisterDefaultImpl()
        thread = threading.Thread(target=_turn_for_ever, name="lab-event-loop", daemon=True)
        _threads.append(thread)
        thread.start()


def _turn_for_ever() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
