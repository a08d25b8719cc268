"""OCPP 2.0.1. An EVSE is what 1.6 calls a connector: one car at a time; its plugs are not told apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

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
    NotUnderstood,
    Payload,
    Period,
    Profile,
    instant,
    now_in,
    spelt,
    understood,
)
from openadr_ra.drivers.ocpp.facts import Began, Ended, Fact, Metered, Sample, Stands, State, Wants

STATES: dict[str, State] = {
    "Available": "free",
    "Occupied": "plugged",
    "Reserved": "free",
    "Unavailable": "out",
    "Faulted": "out",
}

CHARGING_STATES: dict[str, State] = {
    "Charging": "charging",
    "EVConnected": "plugged",
    "SuspendedEV": "full",
    "SuspendedEVSE": "held",
    "Idle": "free",
}

MEASURANDS = (
    "Power.Active.Import,Energy.Active.Import.Register,SoC",
    "Power.Active.Import,Energy.Active.Import.Register",
    "Energy.Active.Import.Register,Current.Import,Voltage",
    "Energy.Active.Import.Register",
)
"""A charger refuses a list with a value that it does not have: best first."""

TOLD = (
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
)


class Boot(Payload, frozen=True, kw_only=True, gc=False):
    current_time: str
    interval: int
    status: str


class Time(Payload, frozen=True, kw_only=True, gc=False):
    current_time: str


class IdToken(Payload, frozen=True, kw_only=True, gc=False):
    id_token: str
    type: str = ""


class IdTokenInfo(Payload, frozen=True, kw_only=True, gc=False):
    status: str


class Authorize(Payload, frozen=True, kw_only=True, gc=False):
    id_token: IdToken


class TokenAnswer(Payload, frozen=True, kw_only=True, gc=False):
    id_token_info: IdTokenInfo | None = None


class StatusNotification(Payload, frozen=True, kw_only=True, gc=False):
    evse_id: int
    connector_id: int
    connector_status: str


class Unit(Payload, frozen=True, kw_only=True, gc=False):
    unit: str = "Wh"
    multiplier: int = 0


class SampledValue(Payload, frozen=True, kw_only=True, gc=False):
    value: float
    context: str = "Sample.Periodic"
    measurand: str = "Energy.Active.Import.Register"
    phase: str = ""
    location: str = "Outlet"
    unit_of_measure: Unit | None = None


class MeterValue(Payload, frozen=True, kw_only=True, gc=False):
    timestamp: str
    sampled_value: tuple[SampledValue, ...]


class MeterValues(Payload, frozen=True, kw_only=True, gc=False):
    evse_id: int
    meter_value: tuple[MeterValue, ...]


class Evse(Payload, frozen=True, kw_only=True, gc=False):
    id: int
    connector_id: int | None = None


class TransactionInfo(Payload, frozen=True, kw_only=True, gc=False):
    transaction_id: str
    charging_state: str = ""


class TransactionEvent(Payload, frozen=True, kw_only=True, gc=False):
    event_type: Literal["Started", "Updated", "Ended"]
    timestamp: str
    trigger_reason: str = ""
    transaction_info: TransactionInfo
    evse: Evse | None = None
    id_token: IdToken | None = None
    meter_value: tuple[MeterValue, ...] = ()


class Ac(Payload, frozen=True, kw_only=True, gc=False):
    energy_amount: float


class Needs(Payload, frozen=True, kw_only=True, gc=False):
    departure_time: str = ""
    ac_charging_parameters: Ac | None = None


class NotifyEVChargingNeeds(Payload, frozen=True, kw_only=True, gc=False):
    evse_id: int
    charging_needs: Needs


class Schedule(Payload, frozen=True, kw_only=True, gc=False):
    id: int
    start_schedule: str
    duration: int
    charging_rate_unit: str
    charging_schedule_period: tuple[Period, ...]
    min_charging_rate: float | None = None


class ChargingProfile(Payload, frozen=True, kw_only=True, gc=False):
    id: int
    stack_level: int
    charging_profile_purpose: str
    charging_profile_kind: str
    valid_to: str
    charging_schedule: tuple[Schedule, ...]
    transaction_id: str | None = None


class SetChargingProfile(Payload, frozen=True, kw_only=True, gc=False):
    evse_id: int
    charging_profile: ChargingProfile


class ClearChargingProfile(Payload, frozen=True, kw_only=True, gc=False):
    charging_profile_id: int


class GetCompositeSchedule(Payload, frozen=True, kw_only=True, gc=False):
    evse_id: int
    duration: int
    charging_rate_unit: str


class CompositeSchedule(Payload, frozen=True, kw_only=True, gc=False):
    schedule_start: str
    charging_rate_unit: str
    charging_schedule_period: tuple[Period, ...]


class CompositeAnswer(Payload, frozen=True, kw_only=True, gc=False):
    status: str
    schedule: CompositeSchedule | None = None


class TriggerMessage(Payload, frozen=True, kw_only=True, gc=False):
    requested_message: str
    evse: Evse


class Named(Payload, frozen=True, kw_only=True, gc=False):
    name: str


class SetVariable(Payload, frozen=True, kw_only=True, gc=False):
    attribute_value: str
    component: Named
    variable: Named


class SetVariables(Payload, frozen=True, kw_only=True, gc=False):
    set_variable_data: tuple[SetVariable, ...]


class SetVariableResult(Payload, frozen=True, kw_only=True, gc=False):
    attribute_status: str


class Result(Payload, frozen=True, kw_only=True, gc=False):
    """An answer of one word, or of one word for each variable."""

    status: str = ""
    set_variable_result: tuple[SetVariableResult, ...] = ()


class V201:
    """The dialect `ocpp2.0.1`."""

    subprotocol = "ocpp2.0.1"

    def hear(self, action: str, payload: object, now: datetime, authority: Authority) -> Heard:
        match action:
            case "BootNotification":
                return Heard(Boot(current_time=spelt(now), interval=HEARTBEAT_S, status="Accepted"))
            case "Heartbeat":
                return Heard(Time(current_time=spelt(now)))
            case "Authorize":
                return Heard(TokenAnswer(id_token_info=_info(understood(payload, Authorize).id_token, authority)))
            case "StatusNotification":
                return _status(understood(payload, StatusNotification))
            case "TransactionEvent":
                event = understood(payload, TransactionEvent)
                info = None if event.id_token is None else _info(event.id_token, authority)
                return Heard(TokenAnswer(id_token_info=info), tuple(_told(event, now)))
            case "MeterValues":
                said = understood(payload, MeterValues)
                return Heard(Empty(), tuple(_metered(said.evse_id, said.meter_value, now)))
            case "NotifyEVChargingNeeds":
                return Heard(Answered(status="Processing"), _wants(understood(payload, NotifyEVChargingNeeds)))
            case "DataTransfer":
                return Heard(Answered(status="UnknownVendorId"))
            case _ if action in TOLD:
                return Heard(Empty())
        raise NotKnown(action)

    def set_profile(self, profile: Profile) -> Ask:
        schedule = Schedule(
            id=profile.number,
            start_schedule=spelt(profile.start),
            duration=profile.length_s,
            charging_rate_unit=profile.unit,
            charging_schedule_period=profile.periods,
            min_charging_rate=profile.least or None,
        )
        made = ChargingProfile(
            id=profile.number,
            stack_level=profile.stack_level,
            charging_profile_purpose=profile.purpose,
            charging_profile_kind="Absolute",
            valid_to=spelt(profile.until),
            charging_schedule=(schedule,),
            transaction_id=profile.transaction or None,
        )
        return Ask("SetChargingProfile", SetChargingProfile(evse_id=profile.connector, charging_profile=made))

    def clear_profile(self, number: int) -> Ask:
        return Ask("ClearChargingProfile", ClearChargingProfile(charging_profile_id=number))

    def composite(self, connector: int, unit: Literal["W", "A"]) -> Ask:
        asked = GetCompositeSchedule(evse_id=connector, duration=COMPOSITE_S, charging_rate_unit=unit)
        return Ask("GetCompositeSchedule", asked)

    def read_composite(self, answer: object, now: datetime) -> Composite | None:
        said = understood(answer, CompositeAnswer)
        schedule = said.schedule
        if said.status != "Accepted" or schedule is None:
            return None
        return now_in(schedule.charging_schedule_period, schedule.schedule_start, schedule.charging_rate_unit, now)

    def send_meter(self, connector: int) -> Ask:
        return _trigger("MeterValues", connector)

    def send_status(self, connector: int) -> tuple[Ask, ...]:
        # The first plug stands for all: of an EVSE as a whole there is no StatusNotification.
        return _trigger("StatusNotification", connector, plug=1), _trigger("TransactionEvent", connector)

    def metering(self, every_s: int) -> tuple[tuple[Ask, ...], ...]:
        def change(variable: str, value: str) -> Ask:
            component, named = Named(name="SampledDataCtrlr"), Named(name=variable)
            one = SetVariable(attribute_value=value, component=component, variable=named)
            return Ask("SetVariables", SetVariables(set_variable_data=(one,)))

        lists = tuple(change("TxUpdatedMeasurands", measurands) for measurands in MEASURANDS)
        return lists, (change("TxUpdatedInterval", str(every_s)),)

    def taken(self, answer: object) -> bool:
        result = understood(answer, Result)
        words = [result.status] if result.status else [one.attribute_status for one in result.set_variable_result]
        if not words:
            raise NotUnderstood("an answer without a status")
        return all(word in ("Accepted", "RebootRequired") for word in words)


def _trigger(message: str, connector: int, plug: int | None = None) -> Ask:
    evse = Evse(id=connector, connector_id=plug)
    return Ask("TriggerMessage", TriggerMessage(requested_message=message, evse=evse))


def _info(token: IdToken, authority: Authority) -> IdTokenInfo:
    """Who needs no token, because the charger asks for none, may charge."""
    free = token.type == "NoAuthorization"
    return IdTokenInfo(status="Accepted" if free or authority.permits(token.id_token) else "Invalid")


def _status(said: StatusNotification) -> Heard:
    state = STATES.get(said.connector_status)
    if state is None:
        return Heard(Empty())
    return Heard(Empty(), (Stands(connector=said.evse_id, state=state, plug=said.connector_id),))


def _told(event: TransactionEvent, now: datetime) -> Iterator[Fact]:
    """What follows from it. Only the first event of a transaction has to name the EVSE."""
    info = event.transaction_info
    transaction, asked = info.transaction_id, event.trigger_reason == "Trigger"
    connector = event.evse.id if event.evse is not None else None
    state = CHARGING_STATES.get(info.charging_state)
    if connector is not None and event.event_type != "Ended":
        yield Began(connector=connector, transaction=transaction, charges=state is None)
    if state is not None:
        yield Stands(connector=connector, state=state, transaction=transaction, asked=asked)
    for one in _metered(connector, event.meter_value, now):
        yield replace(one, transaction=transaction, asked=one.asked or asked)
    if event.event_type == "Ended":
        yield Ended(connector=connector, transaction=transaction)


def _metered(connector: int | None, values: tuple[MeterValue, ...], now: datetime) -> Iterator[Metered]:
    for value in values:
        yield Metered(
            connector=connector,
            at=instant(value.timestamp) or now,
            samples=tuple(_sample(one) for one in value.sampled_value),
            asked=any(one.context == "Trigger" for one in value.sampled_value),
        )


def _sample(sampled: SampledValue) -> Sample:
    """In the unit itself. Where none is told it is Wh, which is that of a register; of other values it is their own."""
    unit = sampled.unit_of_measure or Unit(unit="Wh" if sampled.measurand.startswith("Energy.") else "")
    return Sample(
        measurand=sampled.measurand,
        value=sampled.value * 10.0**unit.multiplier if abs(unit.multiplier) <= 12 else float("nan"),
        unit=unit.unit,
        phase=sampled.phase,
        location=sampled.location,
    )


def _wants(said: NotifyEVChargingNeeds) -> tuple[Fact, ...]:
    """What a car on AC says that it needs; nothing without a departure."""
    needs = said.charging_needs
    departs_at = instant(needs.departure_time)
    if departs_at is None or needs.ac_charging_parameters is None:
        return ()
    need_kwh = needs.ac_charging_parameters.energy_amount / 1000
    if not 0 <= need_kwh < math.inf:
        return ()
    return (Wants(connector=said.evse_id, need_kwh=need_kwh, departs_at=departs_at),)
