"""Talking to the guest agent of a domain."""

import base64
import json
import time
from typing import Any

import libvirt
import libvirt_qemu


class AgentTimeoutError(TimeoutError):
    """The agent, or what it was asked to run, did not come to an end in time."""


def ask(domain: libvirt.virDomain, command: str, *, seconds: int = 10, **arguments: object) -> Any:
    """What the agent returns for one command."""
    request: dict[str, object] = {"execute": command}
    if arguments:
        request["arguments"] = arguments
    answer = libvirt_qemu.qemuAgentCommand(domain, json.dumps(request), seconds, 0)
    return json.loads(answer)["return"]


def wait_until_it_answers(domain: libvirt.virDomain, *, seconds: float = 120) -> None:
    """Return at the first answer to a ping."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            ask(domain, "guest-ping", seconds=1)
        except libvirt.libvirtError as error:
            if time.monotonic() > deadline:
                raise AgentTimeoutError(
                    f"cannot reach the agent of {domain.name()}: {error}"
                ) from error
            time.sleep(0.02)
        else:
            return


def start(domain: libvirt.virDomain, *argv: str) -> int:
    """Start a command in the guest; its process number there."""
    answer = ask(domain, "guest-exec", path=argv[0], arg=list(argv[1:]), **{"capture-output": True})
    return int(answer["pid"])


def execute(domain: libvirt.virDomain, *argv: str, seconds: float = 120) -> tuple[int, str]:
    """Run a command in the guest: (exit status or minus the signal, what it printed)."""
    process = start(domain, *argv)
    deadline = time.monotonic() + seconds
    pause = 0.01
    while time.monotonic() < deadline:
        state = ask(domain, "guest-exec-status", pid=process)
        if state["exited"]:
            printed = "".join(
                base64.b64decode(state.get(stream, "")).decode(errors="replace")
                for stream in ("out-data", "err-data")
            )
            return state.get("exitcode", -state.get("signal", 0)), printed
        time.sleep(pause)
        # to be asked costs an emulated guest more than much of what it is to do
        pause = min(2 * pause, 0.3)
    raise AgentTimeoutError(f"cannot run {argv} in {domain.name()}: not done in {seconds:.0f} s")
