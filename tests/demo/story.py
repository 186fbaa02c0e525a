"""What the demo shows, act by act."""

from tests.demo import evidence
from tests.demo.stage import DemoError, Stage
from tests.lab.guest import Guest, Lab

_MANIFEST = """\
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata:
  name: web01                  # the libvirt domain
spec:
  prune: auto                  # a snapshot that leaves this list is merged away
  snapshots:{snapshots}
"""
_SNAPSHOT = """
    - name: {name}
      description: {description}
      quiesce: required        # the guest's file systems stand still for that moment"""
_FIRST = _SNAPSHOT.format(name="before-upgrade", description="Before apt full-upgrade")
_SECOND = _SNAPSHOT.format(name="after-upgrade", description="Upgraded, not yet tested")
_WITH_MEMORY = """
    - name: before-change
      description: Before the change
      memory: true             # RAM and devices too: the guest goes on, it does not boot"""
_REVERT = """\
  revert:
    to: before-change
    request: INC-1             # done once for each request
"""
_PATH = "manifests/web01.yaml"
_FILL_MIB = 24


class Story:
    """The main job, from a manifest to a consolidated disk."""

    def __init__(self, stage: Stage, lab: Lab, guest: Guest) -> None:
        self._stage = stage
        self._lab = lab
        self._guest = guest
        self._run = evidence.run_of(lab, guest)

    def tell(self) -> None:
        """All of it; ``DemoError`` when something does not hold."""
        self._declare()
        self._plan_and_take()
        self._change()
        self._take_another()
        self._remove()
        self._go_back()
        self._follow()
        self._look_into_the_image()

    def _declare(self) -> None:
        stage = self._stage
        stage.act("Say in a git repository which snapshots there shall be")
        stage.say("One short file a domain. Nothing happens by writing it.")
        stage.type("git init -q -b main .")
        stage.write(_PATH, _MANIFEST.format(snapshots=_FIRST))
        stage.type(f"cat {_PATH}")
        stage.type("git add .")
        stage.type("git commit -q -m 'Snapshot web01 before its upgrade'")

    def _plan_and_take(self) -> None:
        stage, guest = self._stage, self._guest
        stage.act("See what would be done, then let it be done")
        stage.say(
            "plan compares the manifest with libvirt and the image files; it changes nothing."
        )
        stage.type("virtsnap plan")
        before = guest.head()
        stage.say(f"The guest is writing all the while: record {before} of its journal just now.")
        stage.type("virtsnap apply --auto-approve")
        stage.type("virtsnap tree web01")
        after = guest.wait_for_record(before + 3)
        frozen = evidence.prove_image_whole(guest.disks["vda"])
        evidence.prove_images(guest, 2)
        stage.holds(f"the snapshot holds the guest's data up to record {frozen}, nothing torn")
        stage.holds(f"the guest wrote on meanwhile, and is at record {after} now")

    def _change(self) -> None:
        stage, guest = self._stage, self._guest
        stage.act("Life goes on: the guest changes")
        stage.say(
            f"It writes {_FILL_MIB} MiB more, into the new overlay. The image below, which is the "
            "snapshot, stays as it was."
        )
        guest.fill("vda", _FILL_MIB, seed=1)
        stage.type("virtsnap tree web01")

    def _take_another(self) -> None:
        stage = self._stage
        stage.act("A second snapshot")
        stage.write(_PATH, _MANIFEST.format(snapshots=_FIRST + _SECOND))
        stage.type("git commit -q -a -m 'Snapshot web01 after its upgrade too'")
        stage.type("virtsnap apply --auto-approve")
        self._guest.fill("vda", _FILL_MIB // 2, seed=2)
        stage.type("virtsnap tree web01")
        evidence.prove_images(self._guest, 3)

    def _remove(self) -> None:
        stage, guest = self._stage, self._guest
        stage.act("The upgrade went well: take both out of the manifest")
        stage.say(
            "Their data stays: what the guest wrote since is merged down into its disk, both "
            "snapshots in one pass, while the guest runs."
        )
        stage.write(_PATH, _MANIFEST.format(snapshots=" []"))
        stage.type("git diff")
        stage.type("git commit -q -a -m 'The upgrade of web01 went well'")
        stage.type("virtsnap plan")
        before = guest.head()
        stage.type("virtsnap apply --auto-approve")
        stage.type("virtsnap tree web01")
        after = guest.wait_for_record(before + 1)
        self._prove_consolidated(before, after)
        stage.say("And there is nothing left to do; a script sees it by the exit code, 0:")
        stage.type("virtsnap plan --detailed-exitcode")

    def _prove_consolidated(self, before: int, after: int) -> None:
        stage, guest = self._stage, self._guest
        evidence.prove_same_run(self._lab, guest, self._run)
        evidence.prove_images(guest, 1)
        if guest.active_images() != guest.disks:
            raise DemoError(f"{guest.name} is not back on its own image: {guest.active_images()}")
        seconds = evidence.uptime(guest)
        stage.holds(
            f"the guest was never stopped: the same QEMU process {self._run.pid}, up {seconds:.0f} s"
        )
        stage.holds(f"it wrote all the while: records {before} to {after}")
        stage.holds("its disk is one image again, the overlays are gone")
        heads = guest.verify()
        stage.holds(f"the guest reads back all it wrote, up to record {heads['vda']}")

    def _go_back(self) -> None:
        stage, guest = self._stage, self._guest
        stage.act("The next change goes wrong: go back")
        stage.say("This time the snapshot keeps the memory too.")
        stage.write(_PATH, _MANIFEST.format(snapshots=_WITH_MEMORY))
        stage.type("git commit -q -a -m 'Snapshot web01 before the change'")
        then = guest.head()
        stage.type("virtsnap apply --auto-approve")
        guest.fill("vda", _FILL_MIB // 2, seed=3)
        wrong = guest.wait_for_record(guest.head() + 20)
        stage.say(f"The change is made, and was a mistake; the guest is at record {wrong} now.")
        stage.write(_PATH, _MANIFEST.format(snapshots=_WITH_MEMORY) + _REVERT)
        stage.type("git diff")
        stage.type("git commit -q -a -m 'Take the change of web01 back'")
        stage.type("virtsnap plan")
        stage.type("virtsnap apply --auto-approve")
        guest.wait_for_agent()
        now = guest.head()
        if not then <= now < wrong:
            raise DemoError(f"the guest is at record {now}, not between {then} and {wrong}")
        heads = guest.verify()
        stage.holds(f"the guest goes on where it was: at record {heads['vda']}, all of it whole")
        stage.type("virtsnap tree web01")
        stage.say("A request is fulfilled once. The same manifest again does nothing:")
        stage.type("virtsnap apply --auto-approve")
        stage.say("What was given up is still there; nobody needs it, so it may go.")
        stage.type("virtsnap release web01/before-revert-INC-1")
        stage.write(_PATH, _MANIFEST.format(snapshots=" []"))
        stage.type("git commit -q -a -m 'Web01 is as it was'")
        stage.type("virtsnap apply --auto-approve")
        evidence.prove_images(guest, 1)

    def _follow(self) -> None:
        stage = self._stage
        stage.act("From now on, committing is all: a controller follows the repository")
        with stage.meanwhile("virtsnap run --source . --interval 1h --listen none"):
            stage.write(_PATH, _MANIFEST.format(snapshots=_FIRST))
            stage.type("git commit -q -a -m 'Snapshot web01 before its next upgrade'")
            seconds = evidence.wait_for_snapshots(self._guest, {"before-upgrade"})
            stage.holds(f"libvirt has the snapshot {seconds:.1f} s after the commit")
            stage.write(_PATH, _MANIFEST.format(snapshots=" []"))
            stage.type("git commit -q -a -m 'That upgrade went well too'")
            evidence.wait_for_snapshots(self._guest, set())
            stage.say("It is asked, from another terminal, and says what it did:")
            stage.type("virtsnap reconcile")
            stage.type("virtsnap status")
            stage.type("virtsnap history --limit 2")
        evidence.prove_images(self._guest, 1)

    def _look_into_the_image(self) -> None:
        stage, guest = self._stage, self._guest
        stage.act("The last proof is the image itself")
        stage.say("The guest is shut down, and its image checked from outside.")
        head = guest.head()
        guest.shut_down()
        last = evidence.prove_image_whole(guest.disks["vda"])
        if last < head:
            raise DemoError(f"the image ends at record {last}, the guest had written {head}")
        stage.holds(
            f"no record of {last} is missing, torn or out of order; qemu-img finds no error"
        )
        stage.type("virtsnap plan --detailed-exitcode")
