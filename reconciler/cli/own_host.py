"""Which of the declared hosts a controller takes: one repository serves a whole fleet."""

import socket
from shlex import quote

from reconciler.cli import wiring
from reconciler.cli.options import Options
from reconciler.errors import UsageError
from reconciler.model.desired import Desired, DesiredHost


def of_this_machine(desired: Desired, options: Options) -> tuple[DesiredHost, ...]:
    """The Host that ``--host`` names, else the one named like this machine.

    Where none is named so: all of them if there is only ``local``, or if each has a URI that leads
    to another machine (then this is the one place that works on them).  ``UsageError`` else.
    """
    if options.host is not None or options.connect is not None:
        return wiring.hosts_of(desired, options)
    names = this_machine()
    own = tuple(host for host in desired.hosts if host.name in names)
    if own:
        return wiring.hosts_of(wiring.narrowed(desired, own), options)
    if all(host.name == wiring.LOCAL or _is_elsewhere(host) for host in desired.hosts):
        return wiring.hosts_of(desired, options)
    declared = ", ".join(host.name for host in desired.hosts)
    raise UsageError(
        f"cannot choose a host: the manifests declare {declared}, and this machine is {names[0]}",
        hint=f"virtsnap run --host {quote(desired.hosts[0].name)}",
    )


def this_machine() -> tuple[str, ...]:
    """What a Host may be called to be this machine: the whole name, and its first part."""
    whole = socket.gethostname()
    return tuple(dict.fromkeys((whole, whole.partition(".")[0])))


def _is_elsewhere(host: DesiredHost) -> bool:
    from urllib.parse import urlsplit

    return host.uri is not None and bool(urlsplit(host.uri).hostname)
