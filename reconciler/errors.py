"""Every error a user can meet.  What a plan cannot do is a refusal (``model.refusal``), not an error."""


class VirtsnapError(Exception):
    """Reads ``cannot <verb> <subject>: <cause>``; *hint* is the next command or thing to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(VirtsnapError):
    """The command line asks for something that makes no sense."""

    exit_code = 64


class ManifestError(VirtsnapError):
    """Manifests that cannot be used; *problems* are all of them, one line each."""

    def __init__(self, problems: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class SourceError(VirtsnapError):
    """The place where manifests come from cannot be read, or holds none."""


class HypervisorError(VirtsnapError):
    """libvirt or qemu-img refused or failed; *code* is libvirt's error number, where there is one."""

    def __init__(self, message: str, *, hint: str | None = None, code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class CommitNotBegun(HypervisorError):
    """A commit failed, and it is proven that no byte of an image was written for it."""


class AgentError(HypervisorError):
    """The guest agent did not freeze or thaw the guest file systems."""


class AgentUnableError(AgentError):
    """The guest agent answers, and does not freeze or thaw: it may not, or it failed in the guest."""


class MemoryNotLoadedError(HypervisorError):
    """QEMU, or libvirt before it, did not take a memory image: the domain is off."""


class PostconditionError(VirtsnapError):
    """A step was carried out and the host does not look as the plan said it would."""


class StepRefused(VirtsnapError):
    """A precondition, looked at again right before the step, does not hold; nothing was changed."""


class PathTaken(StepRefused):
    """Something bears the name *path* already that a new file was to get."""

    def __init__(self, message: str, *, path: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class PlanStaleError(VirtsnapError):
    """The domain has changed since it was planned."""

    exit_code = 4


class LockedError(VirtsnapError):
    """Somebody else is changing this domain."""

    exit_code = 3


class NotPermittedError(VirtsnapError):
    """This user may not write what virtsnap has to write (locks, journal)."""


class NoControllerError(VirtsnapError):
    """No controller runs on this machine, or it does not answer."""


class Interrupted(VirtsnapError):
    """Ctrl-C or SIGTERM, answered at a safe point."""

    exit_code = 130
