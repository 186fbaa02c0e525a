"""What docs/least-privilege.md promises: which rights are enough, tried without all others."""

import subprocess

import pytest

from tests.lab.domain_xml import DiskSpec
from tests.system import by_hand, storage
from tests.system.site import Said, Site
from tests.system.test_create import new_image

pytestmark = pytest.mark.qemu

#: The same words stand in the unit of docs/least-privilege.md.
CAPABILITIES = ("chown", "dac_override", "dac_read_search", "fowner")
READING = (
    ("plan",),
    ("status",),
    ("tree", "-v"),
    ("doctor",),
    ("observe", "-o", "json"),
    ("import", "web01"),
)


def confined(site: Site, *arguments: str) -> Said:
    """Run virtsnap as root that may only do what the unit lets it do."""
    bounds = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES)])
    confine = ["setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "--no-new-privs"]
    done = subprocess.run(
        [*confine, *site.command(*arguments)],
        cwd=site.folder,
        env=site.surroundings(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_changing_needs_four_capabilities_and_no_more(site: Site) -> None:
    """Taken, reverted, merged with qemu-img and removed: whoever the images belong to."""
    base = new_image(site.folder / "images" / "a.qcow2")
    guest = site.lab.guest_of((DiskSpec(source=base),), "web01")
    by_hand.run("chown", "nobody", str(base))
    revert = {"to": "s1", "request": "r1", "present": "discard"}
    for names, spec in ((("s1", "s2"), {}), (("s1", "s2"), {"revert": revert}), ((), {})):
        site.declare(guest, *names, prune="auto", **spec)
        said = confined(site, "apply", "--auto-approve")
        assert said.code == 0, said.out + said.err

    assert site.is_in_sync()
    assert storage.images(base.parent) == {base}
    assert by_hand.names(guest) == []


@pytest.mark.parametrize("verb", READING, ids=lambda verb: verb[0])
def test_reading_works_through_the_socket_that_lets_nobody_write(
    site: Site, verb: tuple[str, ...]
) -> None:
    site.lab.guest("web01", running=False)
    site.declare("web01", "s1")
    site.environment["LIBVIRT_DEFAULT_URI"] = site.lab.daemon.uri_ro

    said = site.virtsnap(*verb)

    assert said.code in (0, 5), said.out + said.err
    assert not (site.folder / "state").exists()
    assert not (site.folder / "run").exists()
