"""A ``<domain>`` as nouns.  Paths are as libvirt spells them: this file touches no disk."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.hypervisor.xml import Element
from reconciler.model.domain import AgentState, DiskKind
from reconciler.model.names import DiskTarget

_UNITS = {"b": 1, "bytes": 1, "KiB": 1 << 10, "k": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_AGENT_PORT = "org.qemu.guest_agent.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One image as a definition spells it: the source of a disk or of a ``<backingStore>``."""

    kind: DiskKind
    path: str | None
    format: str
    #: libvirt's number of the image in a running domain; ``vda[INDEX]`` names it
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Where an active commit or a copy writes to."""

    job: str
    path: str | None
    is_ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReading:
    """One ``<disk>``.  *layers* come from the active one down, as far as they are spelled out."""

    target: DiskTarget
    layers: tuple[Layer, ...]
    #: the spelled chain ends with ``<backingStore/>``
    is_terminated: bool
    device: str = "disk"
    is_readonly: bool = False
    is_shareable: bool = False
    is_transient: bool = False
    is_encrypted: bool = False
    is_optional: bool = False
    is_excluded: bool = False
    #: pool and volume, for ``type='volume'``
    volume: tuple[str, str] | None = None
    mirror: Mirror | None = None

    @property
    def active(self) -> Layer:
        """What the guest writes to."""
        return self.layers[0]

    @property
    def is_spelled(self) -> bool:
        """The definition says what lies below, so libvirt does not look (facts §0.10)."""
        return self.is_terminated or len(self.layers) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What matters of one domain definition."""

    disks: tuple[DiskReading, ...]
    agent: AgentState
    firmware: str
    has_tpm: bool
    has_pflash: bool = False
    memory_bytes: int | None = None
    unsaved_devices: tuple[str, ...] = ()


def definition(domain: Element) -> Definition:
    """Read a ``<domain>``."""
    devices = domain.find("devices")
    return Definition(
        disks=disks(domain),
        agent=_agent(devices),
        firmware=_firmware(domain.find("os")),
        has_tpm=devices is not None and devices.find("tpm") is not None,
        has_pflash=domain.find("os/loader[@type='pflash']") is not None,
        memory_bytes=_memory_bytes(domain.find("memory")),
        unsaved_devices=() if devices is None else tuple(_unsaved(devices)),
    )


def _memory_bytes(element: Element | None) -> int | None:
    """libvirt itself always writes KiB."""
    text = "" if element is None else (element.text or "").strip()
    factor = _UNITS.get("KiB" if element is None else element.get("unit", "KiB"))
    return int(text) * factor if text.isdigit() and factor else None


def _unsaved(devices: Element) -> Iterator[str]:
    """Devices with a state that QEMU cannot save, as far as the definition shows (facts §9)."""
    for tag, what in (("hostdev", "a passed-through device"), ("shmem", "shared memory")):
        if devices.find(tag) is not None:
            yield what
    if devices.find("interface[@type='hostdev']") is not None:
        yield "a passed-through network device"
    if devices.find("filesystem/driver[@type='virtiofs']") is not None:
        yield "a virtiofs share"
    if devices.find("tpm/backend[@type='passthrough']") is not None:
        yield "a passed-through TPM"


def is_live(domain: Element) -> bool:
    """The definition is of a running domain: only those have an id."""
    return domain.get("id") is not None


def disks(domain: Element) -> tuple[DiskReading, ...]:
    """The disks of a ``<domain>``, in its order."""
    return tuple(disk(element) for element in disk_elements(domain))


def disk_elements(domain: Element) -> Iterator[Element]:
    """The ``<disk>`` elements that have a target."""
    devices = domain.find("devices")
    if devices is None:
        return
    for element in devices.iterchildren("disk"):
        if element.find("target") is not None:
            yield element


def target_of(element: Element) -> DiskTarget:
    """``vda`` of a ``<disk>``."""
    target = element.find("target")
    return DiskTarget("" if target is None else target.get("dev", ""))


def disk(element: Element) -> DiskReading:
    """Read one ``<disk>``."""
    marks = {child.tag for child in element}
    layers, is_terminated = _layers(element)
    source = element.find("source")
    is_volume = element.get("type") == "volume" and source is not None
    return DiskReading(
        target=target_of(element),
        layers=layers,
        is_terminated=is_terminated,
        device=element.get("device", "disk"),
        is_readonly="readonly" in marks,
        is_shareable="shareable" in marks,
        is_transient="transient" in marks,
        is_encrypted="encryption" in marks
        or (source is not None and source.find("encryption") is not None),
        is_optional=source is not None and source.get("startupPolicy") == "optional",
        is_excluded=element.get("snapshot") == "no",
        volume=(source.get("pool", ""), source.get("volume", ""))
        if is_volume and source is not None
        else None,
        mirror=_mirror(element.find("mirror")),
    )


def source_of(element: Element) -> tuple[DiskKind, str | None]:
    """Kind and path of the ``<source>`` under a disk, a ``<backingStore>`` or a ``<mirror>``."""
    kind, source = element.get("type", "file"), element.find("source")
    if source is None:
        return DiskKind.EMPTY, None
    if kind == "file":
        path = source.get("file")
        return (DiskKind.FILE, path) if path else (DiskKind.EMPTY, None)
    if kind == "block":
        path = source.get("dev")
        return (DiskKind.BLOCK, path) if path else (DiskKind.EMPTY, None)
    return (DiskKind.NETWORK if kind == "network" else DiskKind.OTHER), None


def _layers(element: Element) -> tuple[tuple[Layer, ...], bool]:
    kind, path = source_of(element)
    driver = element.find("driver")
    image_format = "raw" if driver is None else driver.get("type", "raw")
    layers = [Layer(kind=kind, path=path, format=image_format, index=_index(element))]
    below = element.find("backingStore")
    while below is not None:
        if below.find("source") is None:
            return tuple(layers), True
        kind, path = source_of(below)
        format_element = below.find("format")
        image_format = "raw" if format_element is None else format_element.get("type", "raw")
        layers.append(Layer(kind=kind, path=path, format=image_format, index=_index(below)))
        below = below.find("backingStore")
    return tuple(layers), False


def _index(element: Element) -> str | None:
    """The number stands at the source, and on old versions at the ``<backingStore>``."""
    source = element.find("source")
    index = None if source is None else source.get("index")
    return index or element.get("index")


def _mirror(element: Element | None) -> Mirror | None:
    if element is None:
        return None
    return Mirror(
        job=element.get("job", ""),
        path=source_of(element)[1] or element.get("file"),
        is_ready=element.get("ready") == "yes",
    )


def _agent(devices: Element | None) -> AgentState:
    if devices is None:
        return AgentState.ABSENT
    for channel in devices.iterchildren("channel"):
        target = channel.find("target")
        if target is not None and target.get("name") == _AGENT_PORT:
            is_open = target.get("state") == "connected"
            return AgentState.CONNECTED if is_open else AgentState.DISCONNECTED
    return AgentState.ABSENT


def _firmware(boot: Element | None) -> str:
    if boot is None:
        return "bios"
    loader = boot.find("loader")
    is_flash = loader is not None and loader.get("type") == "pflash"
    return "uefi" if boot.get("firmware") == "efi" or is_flash else "bios"
