"""A charge point that calls a CSMS, in either version, by the `ocpp` package: the real counterpart of the driver.

It lives by the clock that it is given: its profiles end, its car charges and its samples go out by that clock alone.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
import ocpp.messages
from ocpp.exceptions import NotImplementedError
from ocpp.routing import after, on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from openadr_ra.drivers.virtual_clock import VirtualClock, settle
from tests.drivers.ocpp_outlet import LEAST_KW, MAX_KW, VOLTS, Outlet, Period, Profile

# In a thread a schema check would be out of sight of whoever waits until nothing happens any more.
ocpp.messages.ASYNC_VALIDATION = False

Version = Literal["1.6", "2.0.1"]
VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1")

BEST = "Power.Active.Import,Energy.Active.Import.Register,SoC"


class Line:
    """A connection that counts what goes over it, and whose device may fall silent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames = 0
        self.mute = False
        self.deaf_to = ""
        """What it does not hear, of all that it is told."""
        self.heard: list[str] = []

    async def send(self, text: str) -> None:
        self.frames += 1
        if not self.mute:
            await self.socket.send(text)

    async def recv(self) -> str:
        while True:
            text = str(await self.socket.recv())
            self.frames += 1
            self.heard.append(text)
            if not self.deaf_to or self.deaf_to not in text:
                return text


class Device:
    """One charge point with its outlets; switches for whatever else one may do."""

    def __init__(self, clock: VirtualClock, version: Version = "1.6", *, name: str = "CP_1", outlets: int = 1) -> None:
        self.clock = clock
        self.version = version
        self.name = name
        self.password = ""
        self.outlets = {number: Outlet(clock.now()) for number in range(1, outlets + 1)}
        self.refuses: set[str] = set()
        """Actions that it does not know."""
        self.rejects: set[str] = set()
        """Actions that it knows and does not do."""
        self.measurands = BEST
        self.wanted = ""
        """The measurands that it was told to send."""
        self.per_phase = False
        self.every_s = 0
        self.line: Line | None = None
        self.booted: list[Booted] = []
        self._point: Point16 | Point201 | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._life: asyncio.Task[None] | None = None

    @property
    def outlet(self) -> Outlet:
        return self.outlets[1]

    @property
    def point(self) -> Point16 | Point201:
        assert self._point is not None
        return self._point

    def stamp(self) -> str:
        """The time by its own clock."""
        return f"{self.clock.now() + self.outlet.ahead:%Y-%m-%dT%H:%M:%S.%fZ}"

    # --- its connection ---------------------------------------------------------------------------------------------

    async def connect(
        self, port: int, *, boots: bool = True, path: str = "/ocpp/", tls: ssl.SSLContext | None = None
    ) -> None:
        """Call the CSMS; with `boots` as after a start, which forgets nothing that is stored."""
        headers = {}
        if self.password:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        socket = await connect(
            f"{'wss' if tls else 'ws'}://127.0.0.1:{port}{path}{self.name}",
            subprotocols=[Subprotocol(f"ocpp{self.version}")],
            additional_headers=headers,
            ping_interval=None,
            ssl=tls,
        )
        self.line = Line(socket)
        self._point = Point16(self) if self.version == "1.6" else Point201(self)
        self._tasks.append(asyncio.create_task(self._serve(self.point)))
        if boots:
            await self.point.boot()
        for number in self.outlets:
            await self.point.status(number)
        self.replan()

    async def _serve(self, point: Point16 | Point201) -> None:
        with contextlib.suppress(ConnectionClosed):
            await point.start()

    async def cut(self) -> None:
        """Its power, or the network, goes: no goodbye."""
        if self.line is not None:
            self.line.socket.transport.abort()
            await self.line.socket.wait_closed()
            self.line = None
        await self._end()

    async def close(self) -> None:
        await self.quiet()
        if self.line is not None:
            await self.line.socket.close()
            self.line = None
        await self._end()

    async def _end(self) -> None:
        tasks = [*self._tasks, *([self._life] if self._life is not None else [])]
        self._tasks, self._life = [], None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def quiet(self) -> None:
        """Until nothing is under way between it and its CSMS."""
        still = 0
        while still < 2:
            await settle()
            line = self.line
            if line is None:
                still += 1
                continue
            before = line.frames
            with contextlib.suppress(ConnectionClosed):
                await (await line.socket.ping())
            await settle()
            still = still + 1 if line.frames == before else 0

    async def say(self, text: str) -> None:
        """Anything at all."""
        assert self.line is not None
        await self.line.send(text)
        await self.quiet()

    # --- its car ----------------------------------------------------------------------------------------------------

    async def plug(self, number: int = 1, *, kw: float = MAX_KW, tag: str = "TAG-1") -> None:
        """A car comes and charges, if its tag is accepted."""
        self.look()
        self.outlets[number].car_kw = kw
        await self.point.status(number)
        await self.point.begin(number, tag)
        await self.moved()

    async def unplug(self, number: int = 1) -> None:
        self.look()
        outlet = self.outlets[number]
        if outlet.transaction:
            await self.point.end(number)
        outlet.transaction, outlet.car_kw = "", None
        await self.moved()

    def look(self) -> None:
        for outlet in self.outlets.values():
            outlet.look(self.clock.now())

    async def moved(self) -> None:
        """Whatever changed: say how the outlets stand, and look ahead anew."""
        for number in self.outlets:
            await self.point.status(number)
        self.replan()

    def replan(self) -> None:
        if self._life is not None and self._life is not asyncio.current_task():
            self._life.cancel()
        self._life = asyncio.create_task(self._live(self.clock.now()))

    async def _live(self, sampled_at: datetime) -> None:
        while True:
            now = self.clock.now()
            edges = [edge for outlet in self.outlets.values() for edge in outlet.edges(now)]
            due = sampled_at + timedelta(seconds=self.every_s) if self.every_s else None
            soonest = min([*edges, *([due] if due is not None else [])], default=None)
            if soonest is None:
                return
            await self.clock.sleep_until(soonest)
            self.look()
            with contextlib.suppress(ConnectionClosed):
                await self._tell(sampled=due is not None and soonest >= due)
            if due is not None and soonest >= due:
                sampled_at = soonest

    async def _tell(self, *, sampled: bool) -> None:
        for number, outlet in self.outlets.items():
            await self.point.status(number)
            if sampled and outlet.transaction:
                await self.point.meter(number, trigger=False)

    # --- what its meter says ----------------------------------------------------------------------------------------

    def samples(self, number: int) -> Iterator[tuple[str, float, str, str]]:
        """Measurand, value, unit, phase."""
        outlet, now = self.outlets[number], self.clock.now()
        kw, kwh = outlet.kw(now), outlet.look(now)
        for measurand in (self.wanted or self.measurands).split(","):
            match measurand:
                case "Power.Active.Import":
                    yield measurand, kw * 1000, "W", ""
                case "Energy.Active.Import.Register":
                    yield measurand, kwh * 1000, "Wh", ""
                case "SoC" if outlet.soc_percent is not None:
                    yield measurand, outlet.soc_percent, "Percent", ""
                case "Current.Import":
                    yield measurand, kw * 1000 / VOLTS, "A", "L1"
                case "Voltage":
                    yield measurand, VOLTS, "V", "L1-N"

    def takes(self, action: str) -> bool:
        """Whether it does what it is asked; raises where it knows no such action."""
        if action in self.refuses:
            raise NotImplementedError
        return action not in self.rejects

    def configured(self, measurands: str) -> bool:
        """Whether it can send these."""
        if not set(measurands.split(",")) <= set(self.measurands.split(",")):
            return False
        self.wanted = measurands
        return True

    def every(self, seconds: int) -> None:
        self.every_s = seconds
        self.replan()


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    charging_rate_unit: str
    charging_schedule_period: tuple[Period, ...]
    duration: int
    start_schedule: datetime


class Profile16(msgspec.Struct, frozen=True, kw_only=True):
    charging_profile_id: int
    stack_level: int
    charging_profile_purpose: str
    valid_to: datetime
    charging_schedule: Schedule


class Profile201(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    stack_level: int
    charging_profile_purpose: str
    valid_to: datetime
    charging_schedule: tuple[Schedule]


def profile(number: int, arrived: Profile16 | Profile201, schedule: Schedule) -> Profile:
    return Profile(
        number=number,
        purpose=arrived.charging_profile_purpose,
        stack_level=arrived.stack_level,
        start=schedule.start_schedule.astimezone(UTC),
        duration_s=schedule.duration,
        valid_to=arrived.valid_to.astimezone(UTC),
        unit=schedule.charging_rate_unit,
        periods=schedule.charging_schedule_period,
    )


class Booted(NamedTuple):
    current_time: str
    interval: int
    status: str


def booted(answer: result16.BootNotification | result201.BootNotification) -> Booted:
    return Booted(answer.current_time, answer.interval, answer.status)


def word(done: bool) -> str:
    return "Accepted" if done else "Rejected"


class Point16(ChargePoint16):
    """It speaks 1.6."""

    def __init__(self, device: Device) -> None:
        super().__init__(device.name, device.line)
        self.device = device

    async def boot(self) -> None:
        self.device.booted.append(
            booted(await self.call(call16.BootNotification(charge_point_model="Wallbox", charge_point_vendor="Tests")))
        )

    async def status(self, number: int) -> None:
        outlet, now = self.device.outlets[number], self.device.clock.now()
        state = "Available" if outlet.car_kw is None else "Preparing"
        if outlet.transaction:
            state = "Charging" if outlet.kw(now) else "SuspendedEVSE"
            if outlet.limit_kw(now) >= LEAST_KW and not outlet.car_kw:
                state = "SuspendedEV"
        await self.call(call16.StatusNotification(connector_id=number, error_code="NoError", status=state))

    async def begin(self, number: int, tag: str) -> None:
        answer = await self.call(call16.Authorize(id_tag=tag))
        if answer.id_tag_info["status"] != "Accepted":
            return
        outlet = self.device.outlets[number]
        meter = round(outlet.look(self.device.clock.now()) * 1000)
        start = call16.StartTransaction(
            connector_id=number, id_tag=tag, meter_start=meter, timestamp=self.device.stamp()
        )
        outlet.transaction = str((await self.call(start)).transaction_id)

    async def end(self, number: int) -> None:
        outlet = self.device.outlets[number]
        await self.call(
            call16.StopTransaction(
                meter_stop=round(outlet.kwh * 1000),
                timestamp=self.device.stamp(),
                transaction_id=int(outlet.transaction),
            )
        )

    async def meter(self, number: int, *, trigger: bool, stamp: str = "") -> None:
        outlet = self.device.outlets[number]
        values = [
            {
                "value": f"{value:.3f}",
                "measurand": measurand,
                "unit": unit,
                "context": "Trigger" if trigger else "Sample.Periodic",
            }
            | ({"phase": phase} if phase else {})
            for measurand, value, unit, phase in self.device.samples(number)
        ]
        message = call16.MeterValues(
            connector_id=number,
            meter_value=[{"timestamp": stamp or self.device.stamp(), "sampled_value": values}],
            transaction_id=int(outlet.transaction) if outlet.transaction else None,
        )
        await self.call(message)

    @on("SetChargingProfile")
    def on_set(self, connector_id: int, cs_charging_profiles: dict[str, object]) -> object:
        done = self.device.takes("SetChargingProfile")
        arrived = msgspec.convert(cs_charging_profiles, Profile16)
        if done:
            self.device.look()
            made = profile(arrived.charging_profile_id, arrived, arrived.charging_schedule)
            self.device.outlets[connector_id].take(made)
        return result16.SetChargingProfile(status=word(done))

    @after("SetChargingProfile")
    async def after_set(self, **_: object) -> None:
        await self.device.moved()

    @on("ClearChargingProfile")
    def on_clear(self, id: int) -> object:
        self.device.takes("ClearChargingProfile")
        self.device.look()
        found = [outlet.profiles.pop(id, None) for outlet in self.device.outlets.values()]
        return result16.ClearChargingProfile(status="Accepted" if any(found) else "Unknown")

    @after("ClearChargingProfile")
    async def after_clear(self, **_: object) -> None:
        await self.device.moved()

    @on("GetCompositeSchedule")
    def on_composite(self, connector_id: int, duration: int, charging_rate_unit: str) -> object:
        if not self.device.takes("GetCompositeSchedule"):
            return result16.GetCompositeSchedule(status="Rejected")
        kw = self.device.outlets[connector_id].limit_kw(self.device.clock.now())
        limit = round(kw * 1000 if charging_rate_unit == "W" else kw * 1000 / VOLTS, 1)
        return result16.GetCompositeSchedule(
            status="Accepted",
            connector_id=connector_id,
            schedule_start=self.device.stamp(),
            charging_schedule={
                "duration": duration,
                "charging_rate_unit": charging_rate_unit,
                "charging_schedule_period": [{"start_period": 0, "limit": limit}],
            },
        )

    @on("TriggerMessage")
    def on_trigger(self, requested_message: str, connector_id: int) -> object:
        return result16.TriggerMessage(status=word(self.device.takes("TriggerMessage")))

    @after("TriggerMessage")
    async def after_trigger(self, requested_message: str, connector_id: int) -> None:
        if "TriggerMessage" in self.device.rejects:
            return
        if requested_message == "MeterValues":
            await self.meter(connector_id, trigger=True)
        else:
            await self.status(connector_id)

    @on("ChangeConfiguration")
    def on_change(self, key: str, value: str) -> object:
        done = self.device.takes("ChangeConfiguration")
        if key == "MeterValuesSampledData":
            done = done and self.device.configured(value)
        elif done:
            self.device.every(int(value))
        return result16.ChangeConfiguration(status=word(done))


class Point201(ChargePoint201):
    """It speaks 2.0.1."""

    def __init__(self, device: Device) -> None:
        super().__init__(device.name, device.line)
        self.device = device
        self.number = 0

    async def boot(self) -> None:
        station = {"model": "Wallbox", "vendor_name": "Tests"}
        self.device.booted.append(
            booted(await self.call(call201.BootNotification(charging_station=station, reason="PowerUp")))
        )

    async def status(self, number: int) -> None:
        outlet = self.device.outlets[number]
        state = "Available" if outlet.car_kw is None else "Occupied"
        await self.call(
            call201.StatusNotification(
                timestamp=self.device.stamp(), connector_status=state, evse_id=number, connector_id=1
            )
        )
        if outlet.transaction:
            await self.event(number, "Updated", "ChargingStateChanged")

    async def begin(self, number: int, tag: str) -> None:
        token = {"id_token": tag, "type": "ISO14443"}
        answer = await self.call(call201.Authorize(id_token=token))
        if answer.id_token_info["status"] != "Accepted":
            return
        self.number += 1
        self.device.outlets[number].transaction = f"tx-{number}-{self.number}"
        await self.event(number, "Started", "Authorized", token=token)

    async def end(self, number: int) -> None:
        await self.event(number, "Ended", "EVCommunicationLost")

    async def event(
        self,
        number: int,
        kind: str,
        reason: str,
        *,
        token: dict[str, str] | None = None,
        values: bool = False,
        stamp: str = "",
    ) -> None:
        outlet, now = self.device.outlets[number], self.device.clock.now()
        state = "Charging" if outlet.kw(now) else "SuspendedEVSE"
        if outlet.car_kw is None:
            state = "Idle"
        elif outlet.limit_kw(now) >= LEAST_KW and not outlet.car_kw:
            state = "SuspendedEV"
        first = kind == "Started"
        message = call201.TransactionEvent(
            event_type=kind,
            timestamp=stamp or self.device.stamp(),
            trigger_reason=reason,
            seq_no=0 if first else 1,
            transaction_info={"transaction_id": outlet.transaction, "charging_state": state},
            evse={"id": number} if first else None,
            id_token=token,
            offline=True if stamp else None,
            meter_value=[self.values(number, "Sample.Periodic", stamp)] if values or first else None,
        )
        await self.call(message)

    async def meter(self, number: int, *, trigger: bool, stamp: str = "") -> None:
        """In a transaction samples are part of its events."""
        if trigger:
            await self.call(call201.MeterValues(evse_id=number, meter_value=[self.values(number, "Trigger", stamp)]))
        else:
            await self.event(number, "Updated", "MeterValuePeriodic", values=True, stamp=stamp)

    async def wants(self, number: int, need_kwh: float, departs_at: datetime) -> None:
        """The car says what it needs (ISO 15118)."""
        ac = {"energy_amount": round(need_kwh * 1000), "ev_min_current": 6, "ev_max_current": 30, "ev_max_voltage": 200}
        needs = {
            "requested_energy_transfer": "AC_single_phase",
            "departure_time": f"{departs_at:%Y-%m-%dT%H:%M:%SZ}",
            "ac_charging_parameters": ac,
        }
        await self.call(call201.NotifyEVChargingNeeds(evse_id=number, charging_needs=needs))

    def values(self, number: int, context: str, stamp: str) -> dict[str, object]:
        sampled = [
            {
                "value": round(value, 3),
                "measurand": measurand,
                "context": context,
                "unit_of_measure": {"unit": unit},
            }
            | ({"phase": phase} if phase else {})
            for measurand, value, unit, phase in self.device.samples(number)
        ]
        return {"timestamp": stamp or self.device.stamp(), "sampled_value": sampled}

    @on("SetChargingProfile")
    def on_set(self, evse_id: int, charging_profile: dict[str, object]) -> object:
        done = self.device.takes("SetChargingProfile")
        arrived = msgspec.convert(charging_profile, Profile201)
        if done:
            self.device.look()
            self.device.outlets[evse_id].take(profile(arrived.id, arrived, arrived.charging_schedule[0]))
        return result201.SetChargingProfile(status=word(done))

    @after("SetChargingProfile")
    async def after_set(self, **_: object) -> None:
        await self.device.moved()

    @on("ClearChargingProfile")
    def on_clear(self, charging_profile_id: int) -> object:
        self.device.takes("ClearChargingProfile")
        self.device.look()
        found = [outlet.profiles.pop(charging_profile_id, None) for outlet in self.device.outlets.values()]
        return result201.ClearChargingProfile(status="Accepted" if any(found) else "Unknown")

    @after("ClearChargingProfile")
    async def after_clear(self, **_: object) -> None:
        await self.device.moved()

    @on("GetCompositeSchedule")
    def on_composite(self, evse_id: int, duration: int, charging_rate_unit: str) -> object:
        if not self.device.takes("GetCompositeSchedule"):
            return result201.GetCompositeSchedule(status="Rejected")
        kw = self.device.outlets[evse_id].limit_kw(self.device.clock.now())
        limit = round(kw * 1000 if charging_rate_unit == "W" else kw * 1000 / VOLTS, 1)
        return result201.GetCompositeSchedule(
            status="Accepted",
            schedule={
                "evse_id": evse_id,
                "duration": duration,
                "schedule_start": self.device.stamp(),
                "charging_rate_unit": charging_rate_unit,
                "charging_schedule_period": [{"start_period": 0, "limit": limit}],
            },
        )

    @on("TriggerMessage")
    def on_trigger(self, requested_message: str, evse: dict[str, int]) -> object:
        done = self.device.takes("TriggerMessage")
        if requested_message == "TransactionEvent" and not self.device.outlets[evse["id"]].transaction:
            done = False
        if requested_message == "StatusNotification" and "connector_id" not in evse:
            done = False
        return result201.TriggerMessage(status=word(done))

    @after("TriggerMessage")
    async def after_trigger(self, requested_message: str, evse: dict[str, int]) -> None:
        if "TriggerMessage" in self.device.rejects:
            return
        number = evse["id"]
        match requested_message:
            case "MeterValues":
                await self.meter(number, trigger=True)
            case "StatusNotification":
                await self.status(number)
            case "TransactionEvent" if self.device.outlets[number].transaction:
                await self.event(number, "Updated", "Trigger")

    @on("SetVariables")
    def on_variables(self, set_variable_data: list[dict[str, object]]) -> object:
        one = set_variable_data[0]
        value, variable = str(one["attribute_value"]), one["variable"]
        done = self.device.takes("SetVariables")
        if variable == {"name": "TxUpdatedMeasurands"}:
            done = done and self.device.configured(value)
        elif done:
            self.device.every(int(value))
        result = {"attribute_status": word(done), "component": one["component"], "variable": variable}
        return result201.SetVariables(set_variable_result=[result])
