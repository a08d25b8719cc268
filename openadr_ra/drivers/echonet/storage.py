"""What stores energy: the storage battery (0x027D) and the EV charger/discharger (0x027E).

Charging is positive in ECHONET Lite, as here. The mode that was set (0xDA) says who rules; what runs is another property
(0xCF, 0xE1 of the EV charger). A power is set as the method "designated power" and that power, and then the mode, so that
a device that refuses the power never runs at another.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.codes import Values
from openadr_ra.drivers.echonet.frame import Property
from openadr_ra.drivers.echonet.kind import EchonetSettings, Facts, Look, Phase, Writable, narrowed
from openadr_ra.drivers.orders import SAME_KW
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, UNCERTAIN, Quality
from openadr_ra.seams import Descriptor, Energy

STEP_W = 100
"""A device may round the power that it is set to; a setting further off is somebody else's."""

WRONG_WAY_KW = 0.05
"""So much power against the mode that runs is no rounding: the sign or the meter is wrong."""

BUSY = {
    codes.TEST: "it tests itself",
    codes.RESTART: "it starts anew",
    codes.RECOUNT: "it measures its capacity",
}
REST = {"auto": codes.AUTO, "standby": codes.STANDBY}
ORDERED = (codes.RAPID, codes.CHARGING, codes.DISCHARGING)
LEFT = (codes.STANDBY, codes.AUTO, codes.IDLE)
"""Modes to which a device goes when it is empty or full, or its vehicle leaves."""

CONNECTION_UNKNOWN, CONNECTION_NEITHER, CHARGE_ONLY, DISCHARGE_ONLY = b"\xff", b"\x40", b"\x41", b"\x42"
NO_VEHICLE = {b"\x30": "no vehicle is connected", CONNECTION_NEITHER: "its vehicle neither charges nor discharges"}
LOOK_FOR_VEHICLE = b"\x10"


class Codes(NamedTuple):
    """Where the two classes differ: codes of properties, None for what a class does not have. Energies in Wh."""

    kind: int
    subtype: str
    runs: int
    charge_method: int
    discharge_method: int
    imported: tuple[int, ...]
    exported: tuple[int, ...]
    capacity_wh: int
    chargeable_wh: int
    dischargeable_wh: int
    full_charge_wh: int | None = None
    full_discharge_wh: int | None = None
    highest_percent: int | None = None
    lowest_percent: int | None = None
    rated_charge_w: int | None = None
    rated_discharge_w: int | None = None
    connection: int | None = None
    look_for_vehicle: int | None = None


BATTERY = Codes(
    kind=0x027D,
    subtype="",
    runs=0xCF,
    charge_method=0xC1,
    discharge_method=0xC2,
    imported=(0xA8, 0xD8),
    exported=(0xA9, 0xD6),
    capacity_wh=0xD0,
    chargeable_wh=0xA4,
    dischargeable_wh=0xA5,
    full_charge_wh=0xA0,
    full_discharge_wh=0xA1,
    highest_percent=0xA6,
    lowest_percent=0xA7,
)
V2H = Codes(
    kind=0x027E,
    subtype="ev",
    runs=0xE1,
    charge_method=0xDC,
    discharge_method=0xDD,
    imported=(0xD8,),
    exported=(0xD6,),
    capacity_wh=0xD0,
    chargeable_wh=0xCF,
    dischargeable_wh=0xC2,
    rated_charge_w=0xC5,
    rated_discharge_w=0xC6,
    connection=0xC7,
    look_for_vehicle=0xCD,
)


class Storage:
    """A `Kind`."""

    patient = False

    def __init__(self, settings: EchonetSettings, where: Codes) -> None:
        self._settings = settings
        self._where = where
        self.code = where.kind
        self.fixed = _known(
            codes.CHARGE_RANGE_W,
            codes.DISCHARGE_RANGE_W,
            where.rated_charge_w,
            where.rated_discharge_w,
            where.capacity_wh,
            where.full_charge_wh,
            where.full_discharge_wh,
            where.lowest_percent,
        )
        self.live = _known(
            *(codes.STATUS, codes.FAULT, codes.REMOTE, codes.MODE, where.runs, codes.NOW_W, codes.REMAINING_PERCENT),
            *(where.charge_method, where.discharge_method, codes.CHARGE_W, codes.DISCHARGE_W),
            *(where.chargeable_wh, where.dischargeable_wh, where.highest_percent, where.lowest_percent),
            *(*where.imported, *where.exported, where.connection),
        )

    def facts(self, values: Values, writable: Writable) -> Facts:
        charge = codes.span(values, codes.CHARGE_RANGE_W) or _rated(values, self._where.rated_charge_w)
        discharge = codes.span(values, codes.DISCHARGE_RANGE_W) or _rated(values, self._where.rated_discharge_w)
        low_kw, high_kw = narrowed(discharge and -discharge[1], charge and charge[1], self._settings)
        levels_kw: tuple[float, ...] = ()
        if not (writable(codes.CHARGE_W) and writable(codes.DISCHARGE_W)):
            full = {-discharge[1] if discharge else low_kw, charge[1] if charge else high_kw}
            levels_kw = tuple(sorted({0.0, *(kw for kw in full if low_kw <= kw <= high_kw)}))
            low_kw, high_kw = levels_kw[0], levels_kw[-1]
        return Facts(
            low_kw=low_kw,
            high_kw=high_kw,
            least_charge_kw=charge[0] if charge else 0.0,
            least_discharge_kw=discharge[0] if discharge else 0.0,
            levels_kw=levels_kw,
            energy=self._energy(values),
        )

    def descriptor(self, resource: ResourceId, facts: Facts) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="battery" if facts.low_kw < 0 else "consumer",
            subtype=self._where.subtype,
            metering_point=self._settings.metering_point,
            min_kw=facts.low_kw,
            max_kw=facts.high_kw,
            levels_kw=facts.levels_kw,
            energy=facts.energy,
        )

    def look(self, values: Values, facts: Facts) -> Look:
        where = self._where
        soc = codes.percent(values, codes.REMAINING_PERCENT)
        chargeable, dischargeable = (
            codes.kilo(codes.unsigned(values, epc, 4)) for epc in (where.chargeable_wh, where.dischargeable_wh)
        )
        connection = values.get(where.connection or 0, b"")
        full = chargeable == 0 or (soc is not None and soc >= self._highest(values)) or connection == DISCHARGE_ONLY
        empty = dischargeable == 0 or (soc is not None and soc <= self._lowest(values)) or connection == CHARGE_ONLY
        kw = codes.kilo(codes.signed(values, codes.NOW_W, 4))
        return Look(
            kw=kw,
            low_kw=0.0 if empty else facts.low_kw,
            high_kw=0.0 if full else facts.high_kw,
            import_kwh=_register(values, where.imported),
            export_kwh=_register(values, where.exported),
            soc_percent=soc,
            can_reduce_kwh=self._reducible(values, soc, dischargeable, facts),
            can_raise_kwh=chargeable,
            local=_local(values),
            stuck=NO_VEHICLE.get(connection)
            or BUSY.get(values.get(where.runs, b""))
            or _fault(values)
            or _unknown(facts),
            quality=self._quality(values, kw),
        )

    def reach(self, kw: float, facts: Facts) -> float:
        if facts.levels_kw:
            return min(facts.levels_kw, key=lambda level: (abs(level - kw), abs(level)))
        least_kw = facts.least_charge_kw if kw > 0 else facts.least_discharge_kw
        if abs(kw) >= least_kw - SAME_KW:
            return round(kw, 3)
        signed_kw = math.copysign(least_kw, kw)
        possible = facts.low_kw <= signed_kw <= facts.high_kw
        return signed_kw if possible and abs(kw) > least_kw / 2 else 0.0

    def order(self, kw: float, values: Values, facts: Facts) -> tuple[Phase, ...]:
        remote = Property(epc=codes.REMOTE, edt=codes.LAST_REMOTE)
        if not kw:
            return ((remote, Property(epc=codes.MODE, edt=codes.STANDBY)),)
        where, charges = self._where, kw > 0
        phase = [remote]
        if where.look_for_vehicle is not None and values.get(where.connection or 0) == CONNECTION_UNKNOWN:
            phase.append(Property(epc=where.look_for_vehicle, edt=LOOK_FOR_VEHICLE))
        method = where.charge_method if charges else where.discharge_method
        phase.append(Property(epc=method, edt=_method(facts)))
        if not facts.levels_kw:
            phase.append(Property(epc=codes.CHARGE_W if charges else codes.DISCHARGE_W, edt=codes.watts(kw, 4)))
        mode = codes.CHARGING if charges else codes.DISCHARGING
        return tuple(phase), (Property(epc=codes.MODE, edt=mode),)

    def may_lack(self, epc: int, values: Values, facts: Facts) -> bool:
        """A method that cannot be set may be the right one already, or the only one."""
        if epc in (self._where.charge_method, self._where.discharge_method):
            right = _method(facts)
            return values.get(epc, right) == right
        return epc in (codes.REMOTE, self._where.look_for_vehicle)

    def asked_kw(self, values: Values, facts: Facts) -> float | None:
        match values.get(codes.MODE):
            case codes.STANDBY:
                return 0.0
            case codes.CHARGING:
                return facts.high_kw if facts.levels_kw else codes.kilo(codes.unsigned(values, codes.CHARGE_W, 4))
            case codes.DISCHARGING if facts.levels_kw:
                return facts.low_kw
            case codes.DISCHARGING:
                asked_kw = codes.kilo(codes.unsigned(values, codes.DISCHARGE_W, 4))
                return None if asked_kw is None else -asked_kw
            case _:
                return None

    def same(self, epc: int, written: bytes, found: bytes) -> bool:
        if epc in (codes.CHARGE_W, codes.DISCHARGE_W):
            return abs(int.from_bytes(written) - int.from_bytes(found)) <= STEP_W
        if epc == codes.REMOTE:
            return found != codes.LAST_LOCAL
        return written == found

    def excused(self, kw: float, values: Values, look: Look) -> bool:
        spent = bool(look.stuck) or not look.low_kw - SAME_KW <= kw <= look.high_kw + SAME_KW
        return spent and values.get(codes.MODE) in LEFT

    def own(self, values: Values) -> Phase:
        methods = (self._where.charge_method, self._where.discharge_method)
        ours = (codes.DESIGNATED, None)
        return tuple(Property(epc=epc, edt=values[epc]) for epc in methods if values.get(epc) not in ours)

    def rest(self, own: Phase, facts: Facts) -> tuple[Phase, ...]:
        modes = dict.fromkeys((REST[self._settings.rest], codes.STANDBY))
        return tuple((*own, Property(epc=codes.MODE, edt=mode)) for mode in modes)

    def resting(self, values: Values, facts: Facts) -> bool:
        return values.get(codes.MODE) not in ORDERED

    def _highest(self, values: Values) -> float:
        highest = codes.percent(values, self._where.highest_percent or 0)
        return 100.0 if highest is None else highest

    def _lowest(self, values: Values) -> float:
        """The device's own reserve, or ours if that is higher."""
        return max(codes.percent(values, self._where.lowest_percent or 0) or 0.0, self._settings.reserve_percent or 0.0)

    def _reducible(self, values: Values, soc: float | None, left_kwh: float | None, facts: Facts) -> float | None:
        """What can be discharged above the reserve, of which the device may know less than we do."""
        if soc is None or facts.energy is None:
            return left_kwh
        spare_percent = max(soc - self._lowest(values), 0.0)
        spare_kwh = spare_percent / 100 * facts.energy.capacity_kwh * facts.energy.discharge_efficiency
        return spare_kwh if left_kwh is None else min(spare_kwh, left_kwh)

    def _energy(self, values: Values) -> Energy | None:
        """Of the energies that fill and empty it at its terminals, that which is stored lies between the two."""
        where = self._where
        stored, fills, empties = (
            codes.kilo(codes.unsigned(values, epc or 0, 4))
            for epc in (where.capacity_wh, where.full_charge_wh, where.full_discharge_wh)
        )
        between = math.sqrt(fills * empties) if fills and empties else empties
        capacity_kwh = self._settings.capacity_kwh or stored or between
        if not capacity_kwh:
            return None
        return Energy(
            capacity_kwh=capacity_kwh,
            reserve_kwh=capacity_kwh * self._lowest(values) / 100,
            charge_efficiency=min(capacity_kwh / fills, 1.0) if fills else 1.0,
            discharge_efficiency=min(empties / capacity_kwh, 1.0) if empties else 1.0,
        )

    def _quality(self, values: Values, kw: float | None) -> Quality:
        """A device with a fault, or that discharges while its power says that it charges, is not quite believed."""
        runs = values.get(self._where.runs)
        wrong = kw is not None and (
            (runs == codes.CHARGING and kw < -WRONG_WAY_KW) or (runs == codes.DISCHARGING and kw > WRONG_WAY_KW)
        )
        return UNCERTAIN if wrong or _fault(values) else GOOD


def _known(*found: int | None) -> tuple[int, ...]:
    return tuple(dict.fromkeys(epc for epc in found if epc is not None))


def _rated(values: Values, epc: int | None) -> tuple[float, float] | None:
    rated_kw = codes.kilo(codes.unsigned(values, epc or 0, 4))
    return None if rated_kw is None else (0.0, rated_kw)


def _method(facts: Facts) -> bytes:
    return codes.MAXIMUM if facts.levels_kw else codes.DESIGNATED


def _register(values: Values, where: tuple[int, ...]) -> float | None:
    """The first that there is, kWh."""
    found = (codes.kilo(codes.unsigned(values, epc, 4)) for epc in where)
    return next((kwh for kwh in found if kwh is not None), None)


def _local(values: Values) -> str:
    if values.get(codes.STATUS) == codes.OFF:
        return "it is switched off"
    return "operation from outside is barred" if values.get(codes.REMOTE) == codes.LOCAL_ONLY else ""


def _unknown(facts: Facts) -> str:
    return "" if facts.low_kw or facts.high_kw else "its range is not known: give min_kw and max_kw"


def _fault(values: Values) -> str:
    return "it reports a fault" if values.get(codes.FAULT) == codes.FAULTY else ""
