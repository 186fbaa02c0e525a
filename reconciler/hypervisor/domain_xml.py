"""A ``<domain>`` as nouns.  Paths are as libvirt spells them: this file touches no disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from reconciler.hypervisor.xml import Element
from reconciler.model.domain import AgentState, DiskKind
from reconciler.model.names import DiskTarget

_UNITS = {"b": 1, "bytes": 1, "KiB": 1 << 10, "k": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
_AGENT_PORT = "org.qemu.guest_agent.0"


#: a pool, and the name of a volume in it
Volume = tuple[str, str]
#: types of a source that is no file and no device that files lie on
_ELSEWHERE = frozenset({"network", "dir", "nvme", "vhostuser", "vhostvdpa"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a volume lies."""

    kind: DiskKind
    path: str | None


PlaceOf = Callable[[Volume], Place | None]


def _nowhere(_volume: Volume) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One image as a definition spells it: the source of a disk or of a ``<backingStore>``."""

    kind: DiskKind
    path: str | None
    format: str
    #: what is said instead of a path, for ``type='volume'``
    volume: Volume | None = None
    #: the source, where nobody can tell where it lies
    unresolved: str | None = None
    #: what makes it more, or less, than all of a plain image
    oddity: str | None = None
    is_encrypted: bool = False
    #: files beside *path* that its bytes come from
    also: tuple[str, ...] = ()
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
    is_optional: bool = False
    is_excluded: bool = False
    is_manual: bool = False
    mirror: Mirror | None = None

    @property
    def active(self) -> Layer:
        """What the guest writes to."""
        return self.layers[0]

    @property
    def volume(self) -> Volume | None:
        """Pool and volume, for ``type='volume'``."""
        return self.active.volume

    @property
    def is_encrypted(self) -> bool:
        """QEMU deciphers what an image of it holds."""
        return any(layer.is_encrypted for layer in self.layers)

    @property
    def oddity(self) -> str | None:
        """What makes an image of it more, or less, than all of a plain one."""
        return next((layer.oddity for layer in self.layers if layer.oddity), None)

    @property
    def unresolved(self) -> str | None:
        """The first source that nobody can tell the place of."""
        return next((layer.unresolved for layer in self.layers if layer.unresolved), None)

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
    doubtful_devices: tuple[str, ...] = ()
    nvram_format: str = "raw"
    on_poweroff: str = "destroy"


def definition(domain: Element, place: PlaceOf = _nowhere) -> Definition:
    """Read a ``<domain>``; *place* says where volumes lie."""
    devices = domain.find("devices")
    return Definition(
        disks=disks(domain, place),
        agent=_agent(devices),
        firmware=_firmware(domain.find("os")),
        has_tpm=devices is not None and devices.find("tpm") is not None,
        has_pflash=domain.find("os/loader[@type='pflash']") is not None,
        memory_bytes=_memory_bytes(domain.find("memory")),
        unsaved_devices=() if devices is None else tuple(_unsaved(devices)),
        doubtful_devices=tuple(_doubtful(domain)),
        nvram_format=_nvram_format(domain),
        on_poweroff=domain.findtext("on_poweroff") or "destroy",
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
    if devices.find("interface[@type='vdpa']") is not None:
        yield "a vDPA network device"


def _doubtful(domain: Element) -> Iterator[str]:
    """A 9p share that the guest has mounted, say: the definition does not show that."""
    arguments = {each.get("value") for each in domain.iterfind(f"{_QEMU}commandline/{_QEMU}arg")}
    if arguments & {"-device", "--device"}:
        yield "a device given to QEMU itself (qemu:commandline)"
    for share in domain.iterfind("devices/filesystem"):
        driver = share.find("driver")
        if driver is None or driver.get("type") != "virtiofs":
            yield "a shared folder"
            break
    cpu = domain.find("cpu")
    features = {f.get("name") for f in domain.iterfind("cpu/feature[@policy='require']")}
    if cpu is not None and (cpu.get("migratable") == "off" or "invtsc" in features):
        yield "a processor that stays on its host"
    if domain.find("launchSecurity") is not None:
        yield "an encrypted memory"


def _nvram_format(domain: Element) -> str:
    nvram = domain.find("os/nvram")
    return "raw" if nvram is None else nvram.get("format", "raw")


def is_live(domain: Element) -> bool:
    """The definition is of a running domain: only those have an id."""
    return domain.get("id") is not None


def disks(domain: Element, place: PlaceOf = _nowhere) -> tuple[DiskReading, ...]:
    """The disks of a ``<domain>``, in its order."""
    return tuple(disk(element, place) for element in disk_elements(domain))


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


def disk(element: Element, place: PlaceOf = _nowhere) -> DiskReading:
    """Read one ``<disk>``."""
    marks = {child.tag for child in element}
    layers, is_terminated = _layers(element, place)
    source = element.find("source")
    return DiskReading(
        target=target_of(element),
        layers=layers,
        is_terminated=is_terminated,
        device=element.get("device", "disk"),
        is_readonly="readonly" in marks,
        is_shareable="shareable" in marks,
        is_transient="transient" in marks,
        is_optional=source is not None and source.get("startupPolicy") == "optional",
        is_excluded=element.get("snapshot") in ("no", "manual"),
        is_manual=element.get("snapshot") == "manual",
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


def _layers(element: Element, place: PlaceOf) -> tuple[tuple[Layer, ...], bool]:
    layers = [_layer(element, _format(element.find("driver")), place)]
    below = element.find("backingStore")
    while below is not None:
        if below.find("source") is None:
            return tuple(layers), True
        layers.append(_layer(below, _format(below.find("format")), place))
        below = below.find("backingStore")
    return tuple(layers), False


def _format(element: Element | None) -> str:
    return "raw" if element is None else element.get("type", "raw")


def _layer(element: Element, image_format: str, place: PlaceOf) -> Layer:
    kind, path = source_of(element)
    source, said = element.find("source"), element.get("type", "file")
    layer = Layer(kind=kind, path=path, format=image_format, index=_index(element))
    if source is None:
        return layer
    if said == "volume":
        layer = _placed(layer, (source.get("pool", ""), source.get("volume", "")), place)
    elif kind is DiskKind.OTHER and said not in _ELSEWHERE:
        layer = replace(layer, unresolved=f"a source of type {said}")
    encryption = element.find("encryption") is not None or source.find("encryption") is not None
    data = source.find("dataStore")
    oddity = None
    if source.find("slices") is not None:
        oddity = "on a part of a file (slices)"
    elif data is not None:
        oddity = "on an image whose data lies in another file (dataStore)"
    beside = None if data is None else source_of(data)[1]
    return replace(layer, oddity=oddity, is_encrypted=encryption, also=(beside,) if beside else ())


def _placed(layer: Layer, volume: Volume, place: PlaceOf) -> Layer:
    found = place(volume)
    if found is None:
        unresolved = f"volume {volume[1]} of pool {volume[0]}"
        return replace(layer, volume=volume, unresolved=unresolved)
    return replace(layer, volume=volume, kind=found.kind, path=found.path)


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
