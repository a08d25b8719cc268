"""What a class of devices has to say for the driver to move it: one look from its bytes, bytes from one power."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Literal, NamedTuple, Protocol

from msgspec import Meta

from openadr_ra.drivers.echonet.codes import Values
from openadr_ra.drivers.echonet.frame import Property
from openadr_ra.drivers.orders import DeviceSettings, NotNegative, Percent, Positive
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, Quality
from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Descriptor, Energy

Phase = tuple[Property, ...]
"""What is written in one frame."""


class EchonetSettings(DeviceSettings, frozen=True, kw_only=True):
    """One device of an ECHONET Lite node.

    `kind` and `instance` name the object: 0x027D, 0x027E or 0x0279, and its number. `local_address`: the interface on
    which this program has port 3610. `rest`: how the device is let go. `settle_s`: for so long after a set-point the
    device may still show older settings.
    """

    host: str
    kind: Literal["battery", "v2h", "pv"] = "battery"
    instance: Annotated[int, Meta(ge=1, le=127)] = 1
    local_address: str = "0.0.0.0"  # noqa: S104 - a gateway hears its devices on whatever interface they are
    rest: Literal["auto", "standby"] = "auto"
    reserve_percent: Percent | None = None
    capacity_kwh: Positive | None = None
    settle_s: NotNegative = 5.0

    def __post_init__(self) -> None:
        for key, value in (("host", self.host), ("local_address", self.local_address)):
            try:
                IPv4Address(value)
            except ValueError:
                raise ValueError(f"{key} {value!r} is no IPv4 address like 192.168.1.20") from None
        if (self.min_kw or 0.0) > 0 or (self.max_kw or 0.0) < 0:
            raise ValueError("0 is not within min_kw and max_kw; a full, empty or dark device can do nothing else")


class Facts(NamedTuple):
    """What a device says of itself that does not change while it is there. Powers in kW in load convention."""

    low_kw: float
    high_kw: float
    least_charge_kw: float = 0.0
    least_discharge_kw: float = 0.0
    levels_kw: tuple[float, ...] = ()
    """The only powers of a device that knows but full power and none."""
    in_percent: bool = False
    """Its limit is one in percent."""
    energy: Energy | None = None


class Look(Value, frozen=True, kw_only=True, gc=False):
    """What a device does and could do now. `kw` None: it does not say."""

    kw: float | None
    low_kw: float
    high_kw: float
    import_kwh: float | None = None
    export_kwh: float | None = None
    soc_percent: float | None = None
    can_reduce_kwh: float | None = None
    can_raise_kwh: float | None = None
    plan_kw: float | None = None
    """What it would do by itself, if that is known."""
    local: str = ""
    """Why only those on the spot may move it."""
    stuck: str = ""
    """Why nobody can move it."""
    quality: Quality = GOOD


class Writable(Protocol):
    """Whether a property can be written."""

    def __call__(self, epc: int) -> bool: ...


class Kind(Protocol):
    """One device of a class. Its values are those of the codes in `fixed` or `live`, of what it gives of them."""

    code: int
    """Of the class, like 0x027D."""
    fixed: tuple[int, ...]
    """Read once in a connection, for `facts`."""
    live: tuple[int, ...]
    """Read each time."""
    patient: bool
    """An order beyond what it can do now is set all the same: it follows as far as it can, and later further."""

    def facts(self, values: Values, writable: Writable) -> Facts: ...

    def descriptor(self, resource: ResourceId, facts: Facts) -> Descriptor: ...

    def look(self, values: Values, facts: Facts) -> Look: ...

    def reach(self, kw: float, facts: Facts) -> float:
        """The power nearest to `kw`, which is within its limits, that it can be set to."""
        ...

    def order(self, kw: float, values: Values, facts: Facts) -> tuple[Phase, ...]:
        """What is written for `kw`, a power that `reach` gave; a phase only if the one before was taken."""
        ...

    def may_lack(self, epc: int, values: Values, facts: Facts) -> bool:
        """Does it not matter that this part of an order is refused?"""
        ...

    def asked_kw(self, values: Values, facts: Facts) -> float | None:
        """The power that the settings in `values` ask for; None: whatever the device wants."""
        ...

    def same(self, epc: int, written: bytes, found: bytes) -> bool:
        """Is that what was written, as exactly as such devices keep it?"""
        ...

    def excused(self, kw: float, values: Values, look: Look) -> bool:
        """Would the device itself have left the order for `kw`, because it can do no more?"""
        ...

    def own(self, values: Values) -> Phase:
        """Settings of its owner that an order writes over."""
        ...

    def rest(self, own: Phase, facts: Facts) -> tuple[Phase, ...]:
        """Ways to give the device back to itself, the best first. In each the last property decides."""
        ...

    def resting(self, values: Values, facts: Facts) -> bool:
        """Is it its own master?"""
        ...


def narrowed(low_kw: float | None, high_kw: float | None, settings: DeviceSettings) -> tuple[float, float]:
    """The range of a device, not above 0 and not below, within that of the settings; what neither says is 0."""
    lows = [kw for kw in (low_kw, settings.min_kw) if kw is not None]
    highs = [kw for kw in (high_kw, settings.max_kw) if kw is not None]
    return 0.0 + max(lows, default=0.0), 0.0 + min(highs, default=0.0)
