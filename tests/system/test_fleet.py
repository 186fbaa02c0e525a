"""One repository for two hosts, each with a controller of its own."""

import json

import pytest

from tests.lab.guest import Lab
from tests.system import by_hand
from tests.system.controlling import Repository, controlling
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def declare(site: Site, host: str, *snapshots: str) -> None:
    """web01 of *host*, in the folder of that host."""
    folder = site.manifests / host
    folder.mkdir(exist_ok=True)
    documents = {
        "host.yaml": {"kind": "Host", "metadata": {"name": host}, "spec": {}},
        "web01.yaml": {
            "kind": "DomainSnapshots",
            "metadata": {"name": "web01"},
            "spec": {"host": host, "prune": "auto", "snapshots": [{"name": s} for s in snapshots]},
        },
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps({"apiVersion": "virtsnap/v1", **document}))


def test_two_controllers_follow_one_repository_and_each_works_on_its_own_host(site: Site) -> None:
    with Lab.started() as second:
        sites = {"kvm01": site, "kvm02": Site(second, site.folder / "kvm02")}
        sites["kvm02"].folder.mkdir()
        # the same name on both, which is no conflict
        guests = {host: each.lab.guest("web01", running=False) for host, each in sites.items()}
        repository = Repository(site)
        for host in sites:
            declare(site, host)
        repository.push("none yet")
        options = ("--source", str(repository.bare), "--interval", "1h", "--listen", "none")
        with (
            controlling(sites["kvm01"], *options, "--host", "kvm01") as one,
            controlling(sites["kvm02"], *options, "--host", "kvm02") as two,
        ):
            declare(site, "kvm01", "s1")
            revision = repository.push("kvm01 takes s1")
            one.in_force(revision)
            two.in_force(revision)
            assert by_hand.names(guests["kvm01"]) == ["s1"]
            assert by_hand.names(guests["kvm02"]) == []

            declare(site, "kvm01")
            declare(site, "kvm02", "s2")
            revision = repository.push("kvm01 drops s1, kvm02 takes s2")
            one.in_force(revision)
            two.in_force(revision)
            assert by_hand.names(guests["kvm01"]) == []
            assert by_hand.names(guests["kvm02"]) == ["s2"]
            for controller, host in ((one, "kvm01"), (two, "kvm02")):
                (domain,) = controller.state.domains
                assert (domain.host, domain.uuid) == (host, guests[host].uuid)
                assert [known.name for known in controller.state.hosts] == [host]
                assert controller.stop().code == 0
