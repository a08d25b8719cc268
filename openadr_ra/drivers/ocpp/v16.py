"""OCPP 1.6, JSON over websockets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal

from openadr_ra.drivers.ocpp.dialect import (
    COMPOSITE_S,
    HEARTBEAT_S,
    Answered,
    Ask,
    Authority,
    Composite,
    Empty,
    Heard,
    NotKnown,
    Payload,
    Period,
    Profile,
    instant,
    now_in,
    spelt,
    understood,
)
from openadr_ra.drivers.ocpp.facts import Began, Ended, Metered, Sample, Stands, State

STATES: dict[str, State] = {
    "Available": "free",
    "Preparing": "plugged",
    "Charging": "charging",
    "SuspendedEVSE": "held",
    "SuspendedEV": "full",
    "Finishing": "plugged",
    "Reserved": "free",
    "Unavailable": "out",
    "Faulted": "out",
}

MEASURANDS = (
    "Power.Active.Import,Energy.Active.Import.Register,SoC",
    "Power.Active.Import,Energy.Active.Import.Register",
    "Energy.Active.Import.Register,Current.Import,Voltage",
    "Energy.Active.Import.Register",
)
"""A charger refuses a list with a value that it does not have: best first."""

TOLD = (
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "SecurityEventNotification",
)


class Boot(Payload, frozen=True, kw_only=True, gc=False):
    current_time: str
    interval: int
    status: str


class Time(Payload, frozen=True, kw_only=True, gc=False):
    current_time: str


class IdTagInfo(Payload, frozen=True, kw_only=True, gc=False):
    status: str


class Tag(Payload, frozen=True, kw_only=True, gc=False):
    id_tag: str


class TagAnswer(Payload, frozen=True, kw_only=True, gc=False):
    id_tag_info: IdTagInfo


class StatusNotification(Payload, frozen=True, kw_only=True, gc=False):
    connector_id: int
    status: str


class StartTransaction(Payload, frozen=True, kw_only=True, gc=False):
    connector_id: int
    id_tag: str
    meter_start: float


class Started(Payload, frozen=True, kw_only=True, gc=False):
    transaction_id: int
    id_tag_info: IdTagInfo


class StopTransaction(Payload, frozen=True, kw_only=True, gc=False):
    transaction_id: int


class SampledValue(Payload, frozen=True, kw_only=True, gc=False):
    value: str | float
    """Text by its schema; some write a number."""
    context: str = "Sample.Periodic"
    format: str = "Raw"
    measurand: str = "Energy.Active.Import.Register"
    phase: str = ""
    location: str = "Outlet"
    unit: str = ""


class MeterValue(Payload, frozen=True, kw_only=True, gc=False):
    timestamp: str
    sampled_value: tuple[SampledValue, ...]


class MeterValues(Payload, frozen=True, kw_only=True, gc=False):
    connector_id: int
    transaction_id: int | None = None
    meter_value: tuple[MeterValue, ...]


class Schedule(Payload, frozen=True, kw_only=True, gc=False):
    duration: int | None = None
    start_schedule: str = ""
    charging_rate_unit: str
    charging_schedule_period: tuple[Period, ...]
    min_charging_rate: float | None = None


class ChargingProfile(Payload, frozen=True, kw_only=True, gc=False):
    charging_profile_id: int
    transaction_id: int | None = None
    stack_level: int
    charging_profile_purpose: str
    charging_profile_kind: str
    valid_to: str
    charging_schedule: Schedule


class SetChargingProfile(Payload, frozen=True, kw_only=True, gc=False):
    connector_id: int
    cs_charging_profiles: ChargingProfile


class ClearChargingProfile(Payload, frozen=True, kw_only=True, gc=False):
    id: int


class GetCompositeSchedule(Payload, frozen=True, kw_only=True, gc=False):
    connector_id: int
    duration: int
    charging_rate_unit: str


class CompositeAnswer(Payload, frozen=True, kw_only=True, gc=False):
    status: str
    schedule_start: str = ""
    charging_schedule: Schedule | None = None


class TriggerMessage(Payload, frozen=True, kw_only=True, gc=False):
    requested_message: str
    connector_id: int


class ChangeConfiguration(Payload, frozen=True, kw_only=True, gc=False):
    key: str
    value: str


class V16:
    """The dialect `ocpp1.6`."""

    subprotocol = "ocpp1.6"

    def hear(self, action: str, payload: object, now: datetime, authority: Authority) -> Heard:
        def tag_info(tag: str) -> IdTagInfo:
            return IdTagInfo(status="Accepted" if authority.permits(tag) else "Invalid")

        match action:
            case "BootNotification":
                return Heard(Boot(current_time=spelt(now), interval=HEARTBEAT_S, status="Accepted"))
            case "Heartbeat":
                return Heard(Time(current_time=spelt(now)))
            case "Authorize":
                return Heard(TagAnswer(id_tag_info=tag_info(understood(payload, Tag).id_tag)))
            case "StatusNotification":
                return _status(understood(payload, StatusNotification))
            case "StartTransaction":
                return _started(understood(payload, StartTransaction), authority.number(), tag_info)
            case "StopTransaction":
                number = understood(payload, StopTransaction).transaction_id
                return Heard(Empty(), (Ended(connector=None, transaction=str(number)),))
            case "MeterValues":
                return Heard(Empty(), tuple(_metered(understood(payload, MeterValues), now)))
            case "DataTransfer":
                return Heard(Answered(status="UnknownVendorId"))
            case _ if action in TOLD:
                return Heard(Empty())
        raise NotKnown(action)

    def set_profile(self, profile: Profile) -> Ask:
        schedule = Schedule(
            duration=profile.length_s,
            start_schedule=spelt(profile.start),
            charging_rate_unit=profile.unit,
            charging_schedule_period=profile.periods,
            min_charging_rate=profile.least or None,
        )
        made = ChargingProfile(
            charging_profile_id=profile.number,
            transaction_id=int(profile.transaction) if profile.transaction.isdecimal() else None,
            stack_level=profile.stack_level,
            charging_profile_purpose=profile.purpose,
            charging_profile_kind="Absolute",
            valid_to=spelt(profile.until),
            charging_schedule=schedule,
        )
        return Ask("SetChargingProfile", SetChargingProfile(connector_id=profile.connector, cs_charging_profiles=made))

    def clear_profile(self, number: int) -> Ask:
        return Ask("ClearChargingProfile", ClearChargingProfile(id=number))

    def composite(self, connector: int, unit: Literal["W", "A"]) -> Ask:
        asked = GetCompositeSchedule(connector_id=connector, duration=COMPOSITE_S, charging_rate_unit=unit)
        return Ask("GetCompositeSchedule", asked)

    def read_composite(self, answer: object, now: datetime) -> Composite | None:
        said = understood(answer, CompositeAnswer)
        schedule = said.charging_schedule
        if said.status != "Accepted" or schedule is None:
            return None
        start = said.schedule_start or schedule.start_schedule
        return now_in(schedule.charging_schedule_period, start, schedule.charging_rate_unit, now)

    def send_meter(self, connector: int) -> Ask:
        return _trigger("MeterValues", connector)

    def send_status(self, connector: int) -> tuple[Ask, ...]:
        return (_trigger("StatusNotification", connector),)

    def metering(self, every_s: int) -> tuple[tuple[Ask, ...], ...]:
        def change(key: str, value: str) -> Ask:
            return Ask("ChangeConfiguration", ChangeConfiguration(key=key, value=value))

        lists = tuple(change("MeterValuesSampledData", measurands) for measurands in MEASURANDS)
        return lists, (change("MeterValueSampleInterval", str(every_s)),)

    def taken(self, answer: object) -> bool:
        return understood(answer, Answered).status in ("Accepted", "RebootRequired")


def _trigger(message: str, connector: int) -> Ask:
    return Ask("TriggerMessage", TriggerMessage(requested_message=message, connector_id=connector))


def _status(said: StatusNotification) -> Heard:
    state = STATES.get(said.status)
    return Heard(Empty(), (Stands(connector=said.connector_id, state=state),) if state is not None else ())


def _started(said: StartTransaction, number: int, tag_info: Callable[[str], IdTagInfo]) -> Heard:
    meter_kwh = said.meter_start / 1000 if math.isfinite(said.meter_start) else None
    began = Began(connector=said.connector_id, transaction=str(number), meter_kwh=meter_kwh)
    info = tag_info(said.id_tag)
    facts = (began,) if info.status == "Accepted" else ()
    return Heard(Started(transaction_id=number, id_tag_info=info), facts)


def _metered(said: MeterValues, now: datetime) -> Iterator[Metered]:
    for value in said.meter_value:
        raw = tuple(one for one in value.sampled_value if one.format == "Raw")
        yield Metered(
            connector=said.connector_id,
            at=instant(value.timestamp) or now,
            samples=tuple(one for sampled in raw for one in _sample(sampled)),
            # Some write 0 or -1 where there is none; ours are above.
            transaction=str(said.transaction_id) if (said.transaction_id or 0) > 0 else "",
            asked=any(one.context == "Trigger" for one in raw),
        )


def _sample(sampled: SampledValue) -> Iterator[Sample]:
    """Nothing where the value is no number."""
    try:
        value = float(sampled.value)
    except ValueError:
        return
    yield Sample(
        measurand=sampled.measurand, value=value, unit=sampled.unit, phase=sampled.phase, location=sampled.location
    )
