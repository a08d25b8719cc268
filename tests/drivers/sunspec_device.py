"""Simulated SunSpec devices behind pymodbus's own server: an older one (103, 120 to 124) and a newer one (701 to 704, 713,
802). They live by the clock that they are given: ramps, reversion timers, the controller's heartbeat, charge, registers.

In here power is as SunSpec has it: what is generated or discharged is positive, in watts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from msgspec import convert
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from openadr_ra.drivers import VirtualClock
from openadr_ra.drivers.sunspec import Sunspec, SunspecSettings
from openadr_ra.drivers.virtual_clock import settle
from openadr_ra.seams import Clock, Measurement
from tests.drivers.makers import DEVICE, after
from tests.drivers.sunspec_maps import Registers, Values

RATED_W, CHARGE_W, DISCHARGE_W = 5000.0, 4000.0, 5000.0
RAMP_W_PER_S = 1000.0
HEARTBEAT_TIMEOUT_S = 5.0

PATIENCE_S = 30.0
"""How long a driver waits where a test is not about that."""


class SunspecDevice:
    """One device. What a test wants of it is set from outside: the sun, a hand at the panel, another controller."""

    def __init__(self, clock: Clock, values: Values, *, base: int = 40000, capacity_wh: float = 10_000.0) -> None:
        self.clock = clock
        self.registers = Registers(values, base)
        self.stores = self.registers.has(124) or self.registers.has(713) or self.registers.has(802)
        self.capacity_wh = capacity_wh
        for model in (713, 802, 120):
            self.registers.set(model, "WHRtg", capacity_wh)
        self.reserve_percent = 20.0 if self.registers.has(802) else 10.0
        self.soc_percent = 50.0
        self.sun_w = 0.0 if self.stores else 3000.0
        self.own_w = 0.0
        """What its battery does by itself."""
        self.local_w: float | None = None
        self.plain_rates = False
        self.refused_writes: dict[int, ExcCodes] = {}
        """What it says to writes that begin at an address."""
        self.silent_meter = False
        """It measures no power."""
        self.strict = False
        """It refuses requests that span two models."""
        self.pulse = True
        """Whether its battery's heart beats."""
        self.deaf = False
        """It takes writes and forgets them."""
        self.requests: list[tuple[int, int, int]] = []
        self.beats: list[int] = []
        self.w = self._target_w()
        self._heard_at = self._at = clock.now()
        self._until: dict[str, datetime] = {}
        self._injected_wh = self._absorbed_wh = 1000.0
        self._whole_s = 0.0

    # --- for tests ------------------------------------------------------------------------------------------------

    def kw(self) -> float:
        """What it gives now."""
        self._advance()
        return self.w / 1000

    def by_hand(self, watts: float) -> None:
        """Somebody turns it to local mode, at that power."""
        self.local_w = watts
        self.registers.put(802, "LocRemCtl", 1)

    def power_cut(self) -> None:
        """It starts again; what it was told is gone."""
        self._advance()
        for what in ("set", "rates", "limit"):
            self._revert(what)
        self._until.clear()

    # --- Modbus ---------------------------------------------------------------------------------------------------

    def asked(self, function: int, address: int, count: int, values: list[int] | None) -> list[int] | ExcCodes:
        """The registers, after whatever `values` change."""
        self.requests.append((function, address, count))
        if values is not None and address in self.refused_writes:
            return self.refused_writes[address]
        if self.strict and self.registers.model_at(address) != self.registers.model_at(address + count - 1):
            return ExcCodes.ILLEGAL_ADDRESS
        self._advance()
        place = address - self.registers.base
        if values is not None and not self.deaf:
            if self.plain_rates and self._touches_rates(address, count) and any(word & 0x8000 for word in values):
                return ExcCodes.ILLEGAL_VALUE
            before = list(self.registers.words)
            self.registers.words[place : place + count] = values
            self._written(before)
        self._show()
        return self.registers.words[place : place + count]

    def _touches_rates(self, address: int, count: int) -> bool:
        first = self.registers.address(124, "OutWRte")
        return address <= first < address + count

    def _written(self, before: list[int]) -> None:
        now, heard = self.clock.now(), self.registers
        for what, model, names in _ORDERS:
            if heard.has(model) and _told(heard, what):
                seconds = heard.get(model, names[1])
                # Whatever is written of an order starts its timer again.
                self._until.pop(what, None)
                if seconds:
                    self._until[what] = now + timedelta(seconds=seconds)
        if heard.has(802):
            place = heard.address(802, "CtrlHb") - heard.base
            if heard.words[place] != before[place]:
                self.beats.append(heard.words[place])
                self._heard_at = now

    # --- the life of the device -----------------------------------------------------------------------------------

    def _advance(self) -> None:
        now = self.clock.now()
        while self._at < now:
            self._at = min(self._at + timedelta(seconds=1), now)
            self._step()

    def _step(self) -> None:
        for what, until in tuple(self._until.items()):
            if until <= self._at:
                self._until.pop(what)
                self._revert(what)
        silent_s = (self._at - self._heard_at).total_seconds()
        if self.registers.has(802, "CtrlHb") and silent_s > HEARTBEAT_TIMEOUT_S:
            for what in ("set", "rates"):
                self._until.pop(what, None)
                self._revert(what)
        before_w, target_w = self.w, self._target_w()
        self.w += min(max(target_w - self.w, -RAMP_W_PER_S), RAMP_W_PER_S)
        mean_wh = (before_w + self.w) / 2 / 3600
        self._injected_wh += max(mean_wh, 0.0)
        self._absorbed_wh += max(-mean_wh, 0.0)
        if self.stores:
            soc_percent = self.soc_percent - (self.w - self.sun_w) / 3600 / self.capacity_wh * 100
            self.soc_percent = min(soc_percent, max(self.soc_percent, 100.0))
        self._whole_s += 1
        if self.pulse and self.registers.has(802):
            self.registers.put(802, "Hb", int(self._whole_s) % 1000)

    def _target_w(self) -> float:
        if self.local_w is not None:
            return self.local_w
        heard = self.registers
        battery_w = self._battery_w()
        if _told(heard, "set"):
            percent = heard.get(704, "WSetMod") == 0
            watts = heard.value(704, "WSetPct") * RATED_W / 100 if percent else heard.value(704, "WSet")
            battery_w = watts - self.sun_w
        battery_w = min(max(battery_w, -CHARGE_W), DISCHARGE_W) if self.stores else 0.0
        if (battery_w > 0 and self.soc_percent <= self.reserve_percent) or (battery_w < 0 and self.soc_percent >= 100):
            battery_w = 0.0
        limit_w = RATED_W
        if _told(heard, "limit"):
            limit_w = heard.value(123 if heard.has(123) else 704, "WMaxLimPct") * RATED_W / 100
        return min(battery_w + self.sun_w, limit_w)

    def _battery_w(self) -> float:
        heard = self.registers
        mode = heard.get(124, "StorCtl_Mod") if _told(heard, "rates") else 0
        if not mode:
            return self.own_w
        charge_w = heard.value(124, "InWRte") * CHARGE_W / 100
        discharge_w = heard.value(124, "OutWRte") * DISCHARGE_W / 100
        if self.plain_rates:
            return {1: -charge_w, 2: discharge_w, 3: 0.0}[mode]
        return min(max(self.own_w, -charge_w), discharge_w)

    def _revert(self, what: str) -> None:
        heard = self.registers
        match what:
            case "set" if heard.has(704):
                heard.put(704, "WSetEna", heard.get(704, "WSetEnaRvrt") or 0)
                heard.put(704, "WSet", heard.get(704, "WSetRvrt"))
            case "rates" if heard.has(124):
                heard.put(124, "StorCtl_Mod", 0)
            case "limit" if heard.has(123):
                heard.put(123, "WMaxLim_Ena", 0)
            case "limit" if heard.has(704):
                heard.put(704, "WMaxLimPctEna", heard.get(704, "WMaxLimPctEnaRvrt") or 0)
                heard.put(704, "WMaxLimPct", heard.get(704, "WMaxLimPctRvrt"))

    def _show(self) -> None:
        shown = self.registers
        for model in (103, 701):
            if not self.silent_meter:
                shown.set(model, "W", self.w)
        shown.set(103, "WH", self._injected_wh)
        if shown.has(701):
            shown.set(701, "TotWhInj", self._injected_wh)
            shown.set(701, "TotWhAbs", self._absorbed_wh)
        battery_w = self.w - self.sun_w
        status = 3 if battery_w > 1 else 4 if battery_w < -1 else 6
        soc = max(self.soc_percent, 0.0)
        shown.set(124, "ChaState", soc)
        shown.set(124, "ChaSt", status)
        shown.set(713, "SoC", soc)
        shown.set(802, "SoC", soc)
        shown.set(802, "ChaSt", status)
        shown.set(802, "W", battery_w)


_ORDERS = (
    ("set", 704, ("WSetEna", "WSetRvrtTms")),
    ("rates", 124, ("StorCtl_Mod", "InOutWRte_RvrtTms")),
    ("limit", 704, ("WMaxLimPctEna", "WMaxLimPctRvrtTms")),
    ("limit", 123, ("WMaxLim_Ena", "WMaxLimPct_RvrtTms")),
)
"""What a device can be told, by which model, and there the points with the enabling and the reversion time."""


def _told(heard: Registers, wanted: str) -> bool:
    return any(
        bool(heard.get(model, names[0])) for what, model, names in _ORDERS if what == wanted and heard.has(model)
    )


class Plant:
    """A device on the network: pymodbus's server, which can be unplugged and plugged in again at the same port."""

    def __init__(self, device: SunspecDevice) -> None:
        self.device = device
        self.port = 0
        self.answers = asyncio.Event()
        """Cleared, it keeps silent."""
        self.answers.set()
        self.asked = asyncio.Event()
        """Set when it was asked something."""
        self.budget: int | None = None
        """It answers only so many requests more; None: all."""
        self._server: ModbusTcpServer | None = None

    async def plug(self) -> None:
        base = self.device.registers.base
        words = SimData(base, values=list(self.device.registers.words), datatype=DataType.REGISTERS)
        device = SimDevice(id=1, simdata=[words], action=self._action)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)
        listening = self._server.transport
        assert isinstance(listening, asyncio.Server)
        self.port = listening.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        assert self._server is not None
        await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus has not said

    async def _action(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.asked.set()
        if self.budget is not None:
            self.budget -= 1
            if self.budget < 0:
                return ExcCodes.GATEWAY_NO_RESPONSE
        await self.answers.wait()
        written = [int(value) for value in values] if values else None
        answer = self.device.asked(function, address, count, written)
        if isinstance(answer, ExcCodes):
            return answer
        registers[address - start : address - start + count] = answer
        return None


class Site:
    """A device, its driver, and the clock they share: it goes on only when no answer is awaited."""

    def __init__(self, values: Values, *, base: int = 40000, capacity_wh: float = 10_000.0) -> None:
        self._values, self._base, self._capacity_wh = values, base, capacity_wh
        self.clock = VirtualClock(settle=self.settle)
        self.plant = Plant(self._new(self.clock))
        self.driver: Sunspec | None = None
        self._time: Clock = self.clock

    @property
    def device(self) -> SunspecDevice:
        return self.plant.device

    def renew(self, clock: Clock) -> None:
        """Another device in its place, which lives by `clock`."""
        self._time = clock
        self.plant.device = self._new(clock)

    def make(self, **settings: object) -> Sunspec:
        """A driver of the device, told `settings`; another one than before."""
        told = {"host": "127.0.0.1", "port": self.plant.port, "timeout_s": PATIENCE_S, **settings}
        self.driver = Sunspec(DEVICE, convert(told, SunspecSettings), self._time)
        return self.driver

    @asynccontextmanager
    async def plugged(self) -> AsyncIterator[Plant]:
        await self.plant.plug()
        try:
            yield self.plant
        finally:
            self.plant.answers.set()
            await self.plant.unplug()

    async def settle(self) -> None:
        await settle()
        if self.driver is not None:
            await self.driver.quiet()
        await settle()

    async def pass_to(self, seconds: float) -> None:
        """So long after the start, whoever is there."""
        await self.clock.advance(after(seconds))

    async def reach(self, seconds: float) -> Measurement:
        """The device `seconds` after the start, as its driver has it."""
        await self.pass_to(seconds)
        assert self.driver is not None
        return await self.driver.read()

    def _new(self, clock: Clock) -> SunspecDevice:
        return SunspecDevice(clock, self._values, base=self._base, capacity_wh=self._capacity_wh)


@asynccontextmanager
async def site(
    values: Values, *, base: int = 40000, capacity_wh: float = 10_000.0, **settings: object
) -> AsyncIterator[tuple[Site, Sunspec]]:
    """A plugged device with its driver running."""
    made = Site(values, base=base, capacity_wh=capacity_wh)
    async with made.plugged(), made.make(**settings) as driver:
        yield made, driver


def another_controller(site: Site, watts: float) -> None:
    """A standing order, which no timer ends."""
    heard = site.device.registers
    if heard.has(704) and site.device.stores:
        heard.put(704, "WSet", round(watts))
        heard.put(704, "WSetEna", 1)
    elif heard.has(124):
        heard.put(124, "OutWRte", round(watts / 5000 * 10_000))
        heard.put(124, "InWRte", round(-watts / 4000 * 10_000))
        heard.put(124, "StorCtl_Mod", 3)
    else:
        model, enabled = (123, "WMaxLim_Ena") if heard.has(123) else (704, "WMaxLimPctEna")
        heard.put(model, "WMaxLimPct", round(watts / 5000 * 1000))
        heard.put(model, enabled, 1)
