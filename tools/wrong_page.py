"""``docs/when-something-went-wrong.md``: an entry for every exit code, error and refusal there is."""

import inspect

from reconciler import errors
from reconciler.cli.exit_code import MEANINGS, ExitCode
from reconciler.model.refusal import RefusalCode
from reconciler.report.refusals import words_of

HEAD = """\
<!-- made by tools/wrong_page.py from the code; do not edit -->
# When something went wrong

Nothing has to be done in a hurry. What virtsnap began it finishes: run the same command again. It says what it
will do before it does it, and it never guesses about data.

1. `virtsnap status`: which domains are concerned.
2. `virtsnap plan`: what the next apply would do about it, and what it refuses and why.
3. `virtsnap tree DOMAIN -v`: snapshots and images as they are now. `virtsnap doctor`: what else is wrong with the host.

Until you know more, these are safe: reading, taking copies of images of a domain that is shut off, starting and
stopping the guest. These are not: deleting or moving images, `qemu-img commit` or `rebase`, deleting snapshots by hand.

## Support data

```sh
virtsnap observe -o json > host.json
virtsnap plan -v > plan.txt 2>&1
virtsnap --version > version.txt
```

`host.json` holds all that a plan depends on: names, paths, chains, ledgers. `virtsnap plan --observed host.json -f
manifests` gives the same plan elsewhere. No passwords are in any of it: libvirt is asked without them, and those in URIs
are replaced by `***`. Names and descriptions are in it as they are; look through it if they are confidential.
"""

_BY_HAND_OF_CODE = {
    ExitCode.DONE: "Nothing.",
    ExitCode.ERROR: "Read the error (below). Run the same again once its cause is gone: it does no harm.",
    ExitCode.CHANGES: "Read the plan, then `virtsnap apply`.",
    ExitCode.LOCKED: "Wait, and run it again. A lock ends with its process, a fence of another machine by itself within "
    "15 minutes of the last sign of life: nothing has to be removed.",
    ExitCode.STALE: "Plan again.",
    ExitCode.REFUSED: "Read the refusals (below) and what is held in `virtsnap plan`.",
    ExitCode.PARTLY: "Read the errors of those that failed; then apply again, which goes on where it ended.",
    ExitCode.USAGE: "`virtsnap VERB --help`.",
    ExitCode.INTERRUPTED: "Apply again, which goes on where it ended.",
}

_BY_HAND_OF_ERROR: dict[type[errors.VirtsnapError], str] = {
    errors.VirtsnapError: "Follow the hint. `internal error` is a fault of virtsnap: nothing else is done on that "
    "domain; send the support data.",
    errors.UsageError: "Correct the command; nothing was looked at or changed.",
    errors.ManifestError: "Correct the lines it names; nothing is planned from a source with one bad document, and all "
    "that is there stays as it is.",
    errors.SourceError: "Bring the source back. A source that cannot be read is never taken for an empty one.",
    errors.HypervisorError: "Look at what libvirt or qemu-img says, and at their log. A step that failed has changed nothing, or "
    "is finished by the next apply.",
    errors.CommitNotBegun: "Its snapshots are whole, and counted as taken. Find who has the images open (`fuser -v FILE`), or "
    "put right what libvirt or qemu-img says; then plan again.",
    errors.AgentError: "Look after qemu-guest-agent in the guest. The guest was thawed again, or the error says that it may be "
    "frozen; then `virsh domfsthaw DOMAIN` is safe if no backup is at work.",
    errors.AgentUnableError: "Read what the agent says: a command is blocked in the guest, or a hook failed there. The guest was "
    "thawed; `quiesce: preferred` goes on without.",
    errors.MemoryNotLoadedError: "Nothing: the domain is back where it was before the revert, on its disks of then and, where its "
    "present was kept with memory, with that. The request is not tried again; `power: off` with a new `request` goes back "
    "without the memory.",
    errors.PostconditionError: "Compare both sides that the error shows: somebody else worked on the domain, or libvirt did something "
    "else than it says. Plan again; the plan starts from what is there.",
    errors.StepRefused: "Plan again: the world changed between plan and step, and nothing was done.",
    errors.PathTaken: "Plan again: another name is found for the new file.",
    errors.PlanStaleError: "Plan again: somebody changed the domain since.",
    errors.LockedError: "Wait for the other one to end.",
    errors.NotPermittedError: "Run it with sudo, or as the user who may write there.",
    errors.NoControllerError: "Start it: `systemctl start virtsnap`. Without it nothing changes by itself; `virtsnap "
    "apply` works all the same.",
    errors.Interrupted: "Apply again.",
}


def _title(found: type[errors.VirtsnapError]) -> str:
    if found is errors.VirtsnapError:
        return "Any other error."
    return " ".join((inspect.getdoc(found) or "").split())


def error_classes() -> tuple[type[errors.VirtsnapError], ...]:
    """Every error that a user can meet, in the order of the file."""
    found = [each for each in vars(errors).values() if inspect.isclass(each)]
    return tuple(each for each in found if issubclass(each, errors.VirtsnapError))


def text() -> str:
    """The page; ``KeyError`` for a code or error without its entry."""
    parts = [HEAD, "## Exit codes\n", "| code | means | what is safe to do |\n| --- | --- | --- |"]
    parts += [
        f"| {code.value} | {MEANINGS[code]} | {_BY_HAND_OF_CODE[code]} |" for code in ExitCode
    ]
    parts += [
        "\n## Errors\n",
        "| error | is | exit code | what is safe to do |\n| --- | --- | --- | --- |",
    ]
    parts += [
        f"| {each.__name__} | {_title(each)} | {each.exit_code} | {_BY_HAND_OF_ERROR[each]} |"
        for each in error_classes()
    ]
    parts += [
        "\n## Refusals\n",
        "What virtsnap will not do, whichever verb says so. Behind each code: its words and the next command.\n",
        "| code | means | what is safe to do |\n| --- | --- | --- |",
    ]
    parts += [
        f"| [{code}](reference/refusals.md#{code.lower()}) | {words_of(code).meaning} | "
        f"{words_of(code).by_hand} |".replace("\n", " ")
        for code in sorted(RefusalCode)
    ]
    return "\n".join(parts) + "\n"
