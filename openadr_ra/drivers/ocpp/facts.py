"""What a charge point tells of its connectors, in words that both versions of OCPP share.

Where no connector is told (None) it is the one that has the transaction, or the one that was asked for (`asked`).
Connector 0 is the charge point as a whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from openadr_ra.protocol.shape import Value

State = Literal["free", "plugged", "charging", "held", "full", "out"]
"""free: no car. plugged: a car without a transaction. held: the charger pauses. full: the car pauses. out: of service."""


class Sample(Value, frozen=True, kw_only=True, gc=False):
    """One sampled value, its unit as the charger wrote it."""

    measurand: str
    value: float
    unit: str
    phase: str = ""
    location: str = ""


class Stands(Value, frozen=True, kw_only=True, gc=False):
    """A connector's state. `plug`: of one plug of an EVSE it is told whether there is a car, and no more."""

    connector: int | None
    state: State
    plug: int = 0
    transaction: str = ""
    asked: bool = False


class Began(Value, frozen=True, kw_only=True, gc=False):
    """A transaction. `meter_kwh`: where the register stood, where that is told. `charges`: no other state is told."""

    connector: int
    transaction: str
    meter_kwh: float | None = None
    charges: bool = True


class Ended(Value, frozen=True, kw_only=True, gc=False):
    """A transaction is over."""

    connector: int | None
    transaction: str


class Metered(Value, frozen=True, kw_only=True, gc=False):
    """Samples of one instant by the charger's clock. `asked`: we asked for them, so they are of now."""

    connector: int | None
    at: datetime
    samples: tuple[Sample, ...]
    transaction: str = ""
    asked: bool = False


class Wants(Value, frozen=True, kw_only=True, gc=False):
    """What the car itself says that it needs (2.0.1, ISO 15118)."""

    connector: int
    need_kwh: float
    departs_at: datetime


Fact = Stands | Began | Ended | Metered | Wants
