"""What the XML of a domain says is read again when it, or what its paths lead to, has changed."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.hypervisor import describing
from reconciler.hypervisor.describing import Describer
from reconciler.hypervisor.fetch import Fetched
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.paths import PathBook
from reconciler.hypervisor.volumes import VolumeBook
from reconciler.model.names import DomainName, DomainUuid

UUID = DomainUuid("6f1f5f9e-0000-4000-8000-000000000001")


def domain(image: Path) -> str:
    return f"""<domain type='kvm'><name>web01</name><uuid>{UUID}</uuid><devices>
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='{image}'/><target dev='vda'/></disk></devices></domain>"""


def snapshot(image: Path) -> str:
    return f"""<domainsnapshot><name>s1</name><state>shutoff</state><creationTime>1</creationTime>
      <disks><disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>
      <source file='{image}.s1'/></disk></disks>{domain(image)}</domainsnapshot>"""


def fetched(image: Path) -> Fetched:
    return Fetched(
        name=DomainName("web01"),
        uuid=UUID,
        state=(5, 0),
        live=None,
        persistent=domain(image),
        snapshots=(snapshot(image),),
        current="s1",
        checkpoints=(),
        jobs={},
        domain_job=None,
        has_managed_save=False,
    )


def shelf() -> ImageShelf:
    return ImageShelf(PathBook(is_local=True), is_local=True)


def test_the_same_text_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describer, image = Describer(), tmp_path / "base.qcow2"
    image.touch()
    first = describer.described(fetched(image), shelf(), VolumeBook(None))
    monkeypatch.setattr(describing, "parse", None)

    second = describer.described(replace(fetched(image), state=(1, 1)), shelf(), VolumeBook(None))

    assert second == replace(first, fetched=second.fetched)
    assert second.fetched.state == (1, 1)
    describer.forget_all_but([])
    with pytest.raises(TypeError):
        describer.described(fetched(image), shelf(), VolumeBook(None))


def test_other_text_and_another_current_snapshot_are_seen(tmp_path: Path) -> None:
    describer = Describer()
    describer.described(fetched(tmp_path / "a"), shelf(), VolumeBook(None))

    (record,) = describer.described(fetched(tmp_path / "b"), shelf(), VolumeBook(None)).records
    assert record.disks[0].source == str(tmp_path / "b")
    assert record.is_current
    (record,) = describer.described(
        replace(fetched(tmp_path / "b"), current=None), shelf(), VolumeBook(None)
    ).records
    assert not record.is_current


def test_a_link_that_leads_elsewhere_now_is_followed(tmp_path: Path) -> None:
    describer, link = Describer(), tmp_path / "base.qcow2"
    for name in ("one", "two"):
        (tmp_path / name).touch()
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / name)

        (record,) = describer.described(fetched(link), shelf(), VolumeBook(None)).records

        assert record.disks[0].source == str(tmp_path / name)
