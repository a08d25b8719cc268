"""What a SunSpec device's driver can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from openadr_ra.drivers.orders import DeviceSettings, Percent, Positive

SunspecKind = Literal["battery", "hybrid", "pv"]


class SunspecSettings(DeviceSettings, frozen=True, kw_only=True):
    """`kind`: None: as the device says. `reserve_percent` and `capacity_kwh` are for what the device leaves open: its own
    reserve stays where it is higher. `storage_rates`: how model 124 is driven, see `StorageRates`.
    """

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 502
    unit: Annotated[int, Meta(ge=0, le=255)] = 1
    kind: SunspecKind | None = None
    capacity_kwh: Positive | None = None
    reserve_percent: Percent = 0.0
    storage_rates: Literal["signed", "plain"] = "signed"
