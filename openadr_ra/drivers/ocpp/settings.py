"""What a charger and the CSMS that it calls can be told."""

from __future__ import annotations

import math
from datetime import time
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Meta

from openadr_ra.drivers.orders import DeviceSettings, NotNegative, Positive

W_PER_KW = 1000.0
MAX_PORT = 65535


class Address(NamedTuple):
    host: str
    port: int


class OcppSettings(DeviceSettings, frozen=True, kw_only=True):
    """One connector of a charge point, which calls `listen` under the path /`charge_point`.

    Devices with the same `listen` share one server and have the same `tls_cert` and `tls_key` (security profile 2);
    connectors of one charge point have the same `password_file` (profile 1). Powers follow from `voltage_v` (a phase to
    neutral), `phases`, `min_a` and `max_a`, all of the charger; `min_kw` and `max_kw` narrow that. No `id_tags` means that
    everybody may charge. A car leaves at the next `departs`, a time of day in `timezone`, and needs `need_kwh` by then,
    counted from when it was plugged in, at the charger's meter.
    """

    listen: str = "0.0.0.0:9000"
    charge_point: Annotated[str, Meta(min_length=1, max_length=48)]
    connector: Annotated[int, Meta(ge=1)] = 1
    password_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    id_tags: tuple[str, ...] = ()
    unit: Literal["W", "A"] = "A"
    voltage_v: Positive = 200.0
    phases: Literal[1, 2, 3] = 1
    min_a: NotNegative = 6.0
    max_a: Positive = 30.0
    purpose: Literal["TxDefaultProfile", "TxProfile"] = "TxDefaultProfile"
    stack_level: Annotated[int, Meta(ge=0)] = 0
    meter_every_s: Annotated[int, Meta(gt=0)] = 10
    departs: str = ""
    timezone: str = "UTC"
    need_kwh: NotNegative = 0.0
    plan_kw: NotNegative | None = None

    def __post_init__(self) -> None:
        _ = self.address
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together")
        if self.highest_kw <= self.lowest_kw:
            raise ValueError(f"its range is {self.lowest_kw:g} to {self.highest_kw:g} kW; raise max_a or max_kw")
        if (self.plan_kw or 0.0) > self.highest_kw:
            raise ValueError(f"plan_kw {self.plan_kw:g} is more than its highest {self.highest_kw:g} kW")
        if self.need_kwh and not self.departs:
            raise ValueError("need_kwh needs `departs`, the time of day by which")
        try:
            self.departs_at_time()
        except ValueError as error:
            raise ValueError(f"departs is a time of day like 07:30, not {self.departs!r}") from error
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, LookupError) as error:
            raise ValueError(f"timezone is a name like Asia/Tokyo, not {self.timezone!r}") from error

    def departs_at_time(self) -> time | None:
        """When cars leave, as a local time of day."""
        return time.fromisoformat(self.departs) if self.departs else None

    @property
    def address(self) -> Address:
        """Where to listen. Raises ValueError where `listen` does not say."""
        host, colon, port = self.listen.rpartition(":")
        if not (colon and host and port.isdecimal() and int(port) <= MAX_PORT):
            raise ValueError(f"listen is host:port, not {self.listen!r}")
        return Address(host.removeprefix("[").removesuffix("]"), int(port))

    @property
    def kw_per_a(self) -> float:
        return self.voltage_v * self.phases / W_PER_KW

    @property
    def lowest_kw(self) -> float:
        """What it cannot be reduced below, even to nothing: 0 unless told otherwise."""
        return max(self.min_kw or 0.0, 0.0)

    @property
    def least_charging_kw(self) -> float:
        """A car charges with this or more, or not at all: IEC 61851 knows no current between 0 and 6 A."""
        return max(self.min_a * self.kw_per_a, self.lowest_kw)

    @property
    def highest_kw(self) -> float:
        return min(self.max_a * self.kw_per_a, math.inf if self.max_kw is None else self.max_kw)
