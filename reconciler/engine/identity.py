"""What is made up: uids of snapshots, and who we are."""

import getpass
import os
import socket
import uuid
from pathlib import Path

#: machine-id(5): survives reboots; cut, as the whole is not to be published
_MACHINE_ID = Path("/etc/machine-id")
_ID_DIGITS = 8


class MachineIdentity:
    """This process on this machine."""

    def uid(self) -> str:
        """A new random name."""
        return uuid.uuid4().hex

    def holder(self) -> str:
        """``user@name#id pid``: many machines are named ``localhost``, and a fence must tell them."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
        return f"{user}@{socket.gethostname()}{_machine_id()} {os.getpid()}"


def _machine_id() -> str:
    try:
        return f"#{_MACHINE_ID.read_text('utf-8')[:_ID_DIGITS]}"
    except (OSError, ValueError):
        return ""
