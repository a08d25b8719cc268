"""Who tells the VTN under test what to do: a person, an adapter of its interface, or a Python class."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from conformance.case import NotSupported
from conformance.clock import now


class SignalWish(msgspec.Struct, frozen=True, kw_only=True):
    """A signal: a value per interval of the event. `unit` is an element's local name such as powerReal; "" for none."""

    name: str = "LOAD_DISPATCH"
    type: str = "setpoint"
    unit: str = "powerReal"
    values: tuple[float, ...] = (1.0,)
    device_class: str = ""


SIMPLE = SignalWish(name="SIMPLE", type="level", unit="", values=(1.0,))
PRICE = SignalWish(name="ELECTRICITY_PRICE", type="price", unit="currencyPerKWh", values=(20.0,))
DISPATCH = SignalWish(name="LOAD_DISPATCH", type="setpoint", unit="powerReal", values=(1000.0,))


class EventWish(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the VTN shall have for one VEN. Times in seconds; powers in W. `every_s` 0: open-ended."""

    ven_id: str
    start: datetime
    every_s: int = 300
    signals: tuple[SignalWish, ...] = (SIMPLE,)
    market_context: str = ""
    priority: int | None = None
    response_required: bool = True
    startafter_s: int = 0
    notification_s: int = 0
    ramp_up_s: int = 0
    test: bool = False
    comment: str = ""
    resources: tuple[str, ...] = ()
    baseline_w: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        return len(self.signals[0].values)


class ReportWish(msgspec.Struct, frozen=True, kw_only=True):
    """A report that the VTN shall ask a VEN for. No `points`: all of the specifier. `back_s` 0: once."""

    ven_id: str
    name: str
    specifier: str
    points: tuple[str, ...] = ()
    granularity_s: int = 0
    back_s: int = 0
    start: datetime | None = None
    duration_s: int = 0


class Refused(ValueError):
    """The VTN understood what its operator wants, and will not do it: an overlap, a level that there is none of."""


class Operator(Protocol):
    """Ids are those that the VTN gives. Each raises NotSupported for what its VTN cannot be told, NeedsOperator where
    only a person could, Refused where the VTN will not, and OSError or ValueError when its own interface fails."""

    async def create_event(self, wish: EventWish) -> str:
        """The eventID."""
        ...

    async def change_event(self, event_id: str, wish: EventWish) -> None: ...

    async def cancel_event(self, event_id: str) -> None: ...

    async def opt_of(self, event_id: str, ven_id: str) -> str:
        """What the VTN shows as that VEN's answer: optIn, optOut or "" for none yet."""
        ...

    async def request_report(self, wish: ReportWish) -> str:
        """The reportRequestID, or "" where the VTN does not tell."""
        ...

    async def cancel_report(self, ven_id: str, request_id: str, *, to_follow: bool) -> None: ...

    async def request_reregistration(self, ven_id: str) -> None: ...

    async def cancel_registration(self, ven_id: str) -> None: ...

    async def close(self) -> None: ...


class Mute:
    """An operator who can do nothing: every wish is not supported."""

    async def create_event(self, wish: EventWish) -> str:
        raise NotSupported("no operator creates events")

    async def change_event(self, event_id: str, wish: EventWish) -> None:
        raise NotSupported("no operator changes events")

    async def cancel_event(self, event_id: str) -> None:
        raise NotSupported("no operator cancels events")

    async def opt_of(self, event_id: str, ven_id: str) -> str:
        raise NotSupported("nobody can tell which opt the VTN holds")

    async def request_report(self, wish: ReportWish) -> str:
        raise NotSupported("no operator asks for reports")

    async def cancel_report(self, ven_id: str, request_id: str, *, to_follow: bool) -> None:
        raise NotSupported("no operator cancels reports")

    async def request_reregistration(self, ven_id: str) -> None:
        raise NotSupported("no operator asks for a registration")

    async def cancel_registration(self, ven_id: str) -> None:
        raise NotSupported("no operator cancels a registration")

    async def close(self) -> None:
        return


def in_(seconds: float) -> datetime:
    """So many seconds from now, on a whole second."""
    return (now() + timedelta(seconds=seconds)).replace(microsecond=0)
