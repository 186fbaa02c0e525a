"""What is made up: uids of snapshots, and who we are."""

import getpass
import os
import socket
import uuid


class MachineIdentity:
    """This process on this machine."""

    def uid(self) -> str:
        """A new random name."""
        return uuid.uuid4().hex

    def holder(self) -> str:
        """``user@machine pid``."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
        return f"{user}@{socket.gethostname()} {os.getpid()}"
