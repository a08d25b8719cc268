"""The devices of a simulated ECHONET node: the physics of the simulated drivers, spoken in properties."""

from __future__ import annotations

from typing import Protocol

import msgspec

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.frame import Eoj
from openadr_ra.drivers.echonet.storage import BATTERY, V2H, Codes
from openadr_ra.drivers.simulated import battery, ev, pv
from openadr_ra.drivers.simulated.physics import Device, Order, State, advance, order
from openadr_ra.seams import Clock

IDLE_KW = 1e-3
"""Less is no power that a device would speak of."""


class SimulatedDevice(Protocol):
    """An object of a `Node`. Its state follows from the clock whenever someone asks."""

    eoj: Eoj
    settable: tuple[int, ...]

    @property
    def kw(self) -> float:
        """Power at its terminals, load convention."""
        ...

    def values(self) -> dict[int, bytes]:
        """All that can be read, but for the property maps."""
        ...

    def set(self, epc: int, edt: bytes) -> bool:
        """Take a value, or refuse it."""
        ...

    def by_hand(self, kw: float | None) -> None:
        """Somebody turns it to `kw` on the spot and bars operation from outside; or (None) lets it go again."""
        ...


class _Physical:
    """A device's physics on the clock, and what every ECHONET device has."""

    def __init__(self, eoj: Eoj, device: Device, clock: Clock) -> None:
        self.eoj = eoj
        self._device = device
        self._clock = clock
        self._origin = clock.now()
        self._state = device.first()
        self.settings = {codes.STATUS: codes.ON, codes.REMOTE: codes.LAST_LOCAL}
        """What was set, by code; changed here without the network it is somebody at the panel."""
        self.readings: dict[int, bytes] = {}
        """Read instead of what is true: a device that lies."""

    @property
    def kw(self) -> float:
        """Power at its terminals, load convention."""
        return self.state().kw

    def state(self) -> State:
        span_s = (self._clock.now() - self._origin).total_seconds() - self._state.t_s
        self._state = advance(self._device, self._state, span_s)
        return self._state

    def by_hand(self, kw: float | None) -> None:
        """Somebody turns it to `kw` on the spot and bars operation from outside; or (None) lets it go again."""
        self._state = msgspec.structs.replace(self.state(), override_kw=kw)
        self.settings[codes.REMOTE] = codes.LAST_LOCAL if kw is None else codes.LOCAL_ONLY

    def go_to(self, kw: float | None) -> None:
        """From now on it wants `kw`; None: what it does by itself."""
        state = self.state()
        self._state = advance(self._device, order(state, Order(from_s=state.t_s, kw=kw)), 0.0)

    def common(self) -> dict[int, bytes]:
        return {
            **self.settings,
            0x81: b"\x00",
            0x82: b"\x00\x00R\x00",
            codes.FAULT: codes.SOUND,
            0x8A: b"\xff\xff\xff",
        }


class _Store(_Physical):
    """What the battery and the EV charger/discharger have in common."""

    def __init__(self, where: Codes, instance: int, device: Device, clock: Clock, *, step_w: int) -> None:
        super().__init__(Eoj(kind=where.kind, instance=instance), device, clock)
        self._where = where
        self._step_w = step_w
        self.settings |= {
            codes.MODE: codes.AUTO,
            where.charge_method: codes.SURPLUS,
            where.discharge_method: codes.SURPLUS,
            codes.CHARGE_W: bytes(4),
            codes.DISCHARGE_W: bytes(4),
        }
        self.modes = {codes.CHARGING, codes.DISCHARGING, codes.STANDBY, codes.AUTO}
        """To which it can be set."""
        powers = (codes.CHARGE_W, codes.DISCHARGE_W)
        self.settable: tuple[int, ...] = (
            *(codes.STATUS, codes.REMOTE, codes.MODE, where.charge_method, where.discharge_method),
            *powers,
        )

    def set(self, epc: int, edt: bytes) -> bool:
        if epc not in self.settable or len(edt) != len(self.settings.get(epc, b"?")):
            return False
        if epc == codes.MODE and edt not in self.modes:
            return False
        if epc == codes.REMOTE and (edt != codes.LAST_REMOTE or self.settings[epc] == codes.LOCAL_ONLY):
            return False
        if epc in (codes.CHARGE_W, codes.DISCHARGE_W):
            edt = (int.from_bytes(edt) // self._step_w * self._step_w).to_bytes(4)
        self.settings[epc] = edt
        self._steer()
        return True

    def _steer(self) -> None:
        where, settings = self._where, self.settings
        match settings[codes.MODE]:
            case codes.CHARGING:
                self.go_to(self._power(where.charge_method, codes.CHARGE_W, self._device.max_kw))
            case codes.DISCHARGING:
                self.go_to(-self._power(where.discharge_method, codes.DISCHARGE_W, -self._device.min_kw))
            case codes.STANDBY:
                self.go_to(0.0)
            case _:
                self.go_to(None)

    def _power(self, method: int, epc: int, most_kw: float) -> float:
        if self.settings[method] != codes.DESIGNATED:
            return most_kw
        return int.from_bytes(self.settings[epc]) / 1000

    def measured(self) -> dict[int, bytes]:
        """What both have under the same codes."""
        where, state, device = self._where, self.state(), self._device
        runs = codes.CHARGING if state.kw > IDLE_KW else codes.DISCHARGING if state.kw < -IDLE_KW else codes.STANDBY
        soc = device.soc_percent(state)
        left = device.left(state)
        return {
            where.runs: runs,
            codes.NOW_W: round(state.kw * 1000).to_bytes(4, signed=True),
            codes.REMAINING_PERCENT: b"" if soc is None else bytes((round(soc),)),
            codes.CHARGE_RANGE_W: bytes(4) + codes.watts(device.max_kw, 4),
            codes.DISCHARGE_RANGE_W: bytes(4) + codes.watts(device.min_kw, 4),
            where.chargeable_wh: codes.watts(max(left.raise_kwh, 0.0), 4),
            where.dischargeable_wh: codes.watts(max(left.reduce_kwh, 0.0), 4),
            where.imported[0]: codes.watts(state.import_kwh, 4),
            where.exported[0]: codes.watts(state.export_kwh, 4),
            0xDB: b"\x00",
        }


class SimulatedBattery(_Store):
    """A storage battery, 0x027D. `step_w`: it takes powers in steps of so much."""

    def __init__(
        self,
        clock: Clock,
        settings: battery.BatterySettings | None = None,
        *,
        instance: int = 1,
        step_w: int = 1,
    ) -> None:
        self._known = settings or battery.BatterySettings()
        super().__init__(BATTERY, instance, battery.physics(self._known), clock, step_w=step_w)

    def values(self) -> dict[int, bytes]:
        known, state = self._known, self.state()
        fills_kwh, empties_kwh = (
            known.capacity_kwh / known.charge_efficiency,
            known.capacity_kwh * known.discharge_efficiency,
        )
        return {
            **self.common(),
            **self.measured(),
            0xA0: codes.watts(fills_kwh, 4),
            0xA1: codes.watts(empties_kwh, 4),
            0xA2: codes.watts(fills_kwh, 4),
            0xA3: codes.watts(empties_kwh * (1 - known.reserve_percent / 100), 4),
            0xA6: b"\x64",
            0xA7: bytes((round(known.reserve_percent),)),
            0xAA: bytes(4),
            0xAB: bytes(4),
            0xD0: codes.watts(known.capacity_kwh, 4),
            0xE2: codes.watts(state.stored_kwh, 4),
            0xE5: b"\x64",
            0xE6: b"\x04",
            **self.readings,
        }


class SimulatedV2h(_Store):
    """An EV charger/discharger, 0x027E, and the vehicle's stay. Its automatic mode cannot be set, as of most."""

    def __init__(
        self, clock: Clock, settings: ev.EvSettings | None = None, *, instance: int = 1, step_w: int = 1
    ) -> None:
        self._known = settings or ev.EvSettings(discharge_kw=6.0, plan_kw=0.0, need_kwh=0.0)
        super().__init__(V2H, instance, ev.physics(self._known), clock, step_w=step_w)
        self.settings[codes.MODE] = codes.STANDBY
        self.modes.discard(codes.AUTO)
        self.vehicle_found = True
        """False: it does not know whether there is a vehicle until it is told to look (0xCD)."""
        self.settable = (*self.settable, 0xCD)

    def set(self, epc: int, edt: bytes) -> bool:
        if epc == 0xCD:
            self.vehicle_found = True
            return edt == b"\x10"
        return super().set(epc, edt)

    def values(self) -> dict[int, bytes]:
        known = self._known
        stored = self._device.soc_percent(self.state())
        here = b"\x30" if stored is None else b"\x43"
        return {
            **self.common(),
            **self.measured(),
            0xC5: codes.watts(known.power_kw, 4),
            0xC6: codes.watts(known.discharge_kw, 4),
            0xC7: here if self.vehicle_found else b"\xff",
            0xD0: codes.watts(known.battery_kwh, 4),
            0xE2: b"" if stored is None else codes.watts(known.battery_kwh * stored / 100, 4),
            **self.readings,
        }


class SimulatedPv(_Physical):
    """Home PV, 0x0279."""

    def __init__(self, clock: Clock, settings: pv.PvSettings | None = None, *, instance: int = 1) -> None:
        self._known = settings or pv.PvSettings()
        super().__init__(Eoj(kind=0x0279, instance=instance), pv.physics(self._known), clock)
        self.settings |= {codes.LIMIT_PERCENT: b"\x64", codes.LIMIT_W: codes.watts(self._known.rated_kw, 2)}
        self.settable: tuple[int, ...] = (codes.STATUS, codes.REMOTE, codes.LIMIT_PERCENT, codes.LIMIT_W)

    def set(self, epc: int, edt: bytes) -> bool:
        if epc not in self.settable or len(edt) != len(self.settings[epc]):
            return False
        if epc == codes.LIMIT_PERCENT and edt[0] > 100:
            return False
        self.settings[epc] = edt
        self.go_to(0.0 - self._limit_kw())
        return True

    def values(self) -> dict[int, bytes]:
        state = self.state()
        held = -state.kw >= self._limit_kw() - IDLE_KW and self._limit_kw() < self._known.rated_kw
        return {
            **self.common(),
            0xD0: b"\x00",
            codes.RESTRAINT: codes.RESTRAINED if held else codes.UNRESTRAINED,
            codes.OUTPUT_W: codes.watts(state.kw, 2),
            codes.OUTPUT_WH: codes.watts(state.export_kwh, 4),
            codes.RATED_W: codes.watts(self._known.rated_kw, 2),
            **self.readings,
        }

    def _limit_kw(self) -> float:
        percent_kw = self.settings[codes.LIMIT_PERCENT][0] / 100 * self._known.rated_kw
        return min(percent_kw, int.from_bytes(self.settings[codes.LIMIT_W]) / 1000)
