"""libvirt's errors in our words: ``cannot <verb> <subject>: <cause>`` and the next thing to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

import libvirt

from reconciler.errors import AgentError, AgentUnableError, HypervisorError
from reconciler.hypervisor.uri import has_known_driver, host_of, transport_of
from reconciler.model.secrets import without_secrets

#: Codes that older bindings have no name for (facts §10).
_AGENT_CODES = frozenset(
    {
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
        getattr(libvirt, "VIR_ERR_AGENT_COMMAND_TIMEOUT", 112),
        getattr(libvirt, "VIR_ERR_AGENT_COMMAND_FAILED", 113),
    }
)
#: it was an answer of the agent, if not the one that was hoped for (9.0, and 11.2 and newer)
_ANSWERS = frozenset(
    {
        libvirt.VIR_ERR_INTERNAL_ERROR,
        getattr(libvirt, "VIR_ERR_AGENT_COMMAND_FAILED", 113),
    }
)
_GONE = frozenset({libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT})
_DENIED = frozenset({libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_ACCESS_DENIED})
_NOT_LET_IN = frozenset({libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, 85})
_WRONG_URI = frozenset(
    {libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_CONFIG_UNSUPPORTED}
)
_SSH = ("ssh", "libssh", "libssh2")


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """``libvirtError`` → ``HypervisorError``; *what* is ``<verb> <subject>``."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise explained(error, what) from error


def explained(error: libvirt.libvirtError, what: str) -> HypervisorError:
    """*error* as ours."""
    code = error.get_error_code()
    return HypervisorError(f"cannot {what}: {cause(error)}", hint=_hint(code), code=code)


def agent_error(error: libvirt.libvirtError, what: str) -> AgentError:
    """*error* as one of the guest agent."""
    code = error.get_error_code()
    kind = AgentUnableError if code in _ANSWERS else AgentError
    return kind(
        f"cannot {what}: {cause(error)}",
        hint="systemctl status qemu-guest-agent (in the guest)",
        code=code,
    )


def cause(error: libvirt.libvirtError) -> str:
    """libvirt's own words in one line, without secrets."""
    said = error.get_error_message() or str(error)
    return without_secrets("; ".join(part.strip() for part in said.splitlines() if part.strip()))


def is_of_agent(error: libvirt.libvirtError) -> bool:
    """The guest agent is what failed, in a call that needed it."""
    code = error.get_error_code()
    if code in _AGENT_CODES:
        return True
    # 9.0 reports a freeze that the agent refused as INTERNAL_ERROR (facts §8): only the text tells.
    return code == libvirt.VIR_ERR_INTERNAL_ERROR and "agent" in cause(error).lower()


def is_gone(error: libvirt.libvirtError | HypervisorError) -> bool:
    """The domain or snapshot is not there any more."""
    code = error.code if isinstance(error, HypervisorError) else error.get_error_code()
    return code in _GONE


def opening_failed(error: libvirt.libvirtError, uri: str) -> HypervisorError:
    """Why no connection to *uri* came about, with what to do."""
    code = error.get_error_code()
    return HypervisorError(
        f"cannot connect to {without_secrets(uri) or 'libvirt'}: {cause(error)}",
        hint=_hint_for_opening(code, error.get_int1(), uri),
        code=code,
    )


def _hint_for_opening(code: int, number: int, uri: str) -> str:
    if transport_of(uri) in _SSH:
        return f"ssh {quote(host_of(uri))} virsh list"
    if code in _WRONG_URI or (uri and not has_known_driver(uri)):
        return "a libvirt URI looks like qemu:///system or qemu+ssh://root@host/system"
    if code in _NOT_LET_IN or (code == libvirt.VIR_ERR_SYSTEM_ERROR and number == errno.EACCES):
        return "sudo usermod -aG libvirt $USER (then log in again), or use sudo"
    if code == libvirt.VIR_ERR_SYSTEM_ERROR and number in (errno.ENOENT, errno.ECONNREFUSED):
        return "systemctl start libvirtd (virtqemud on newer systems)"
    return f"virsh -c {quote(without_secrets(uri))} version"


def _hint(code: int) -> str | None:
    if code in _DENIED:
        return "connect read-write, as root or as a member of the group libvirt"
    if code == libvirt.VIR_ERR_OPERATION_TIMEOUT:
        return "another client is changing this domain: try again later"
    if code == libvirt.VIR_ERR_RPC:
        return "systemctl status libvirtd"
    return None
