"""libvirt's event loop: one a process, for events and for noticing a dead daemon (facts §11)."""

import threading
import time

import libvirt

_once = threading.Lock()
_threads: list[threading.Thread] = []
_PAUSE_AFTER_ERROR = 0.1
# Every call on a connection wakes a turning loop twice, which made reading a host a third slower.
# A loop that rests is not woken; an event waits this long at most.
_REST = 0.01


def ensure_event_loop() -> None:
    """Run the event loop in a daemon thread; must come before the first connection.

    Calling it again does nothing.  Where another part of the process registered a loop already,
    libvirt keeps that one, and turning it from here too does no harm.
    """
    with _once:
        if _threads:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        thread = threading.Thread(target=_turn_for_ever, name="libvirt-event-loop", daemon=True)
        _threads.append(thread)
        thread.start()


def _turn_for_ever() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
            time.sleep(_REST)
        except libvirt.libvirtError:
            time.sleep(_PAUSE_AFTER_ERROR)
