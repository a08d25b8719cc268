"""Which signals there are: name, type, unit and values (reference 2.9, X-EV-9). One table for both ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from msgspec.structs import replace

from openadr_ra.errors import InvalidData, SignalNotSupported
from openadr_ra.protocol.model import (
    CHARGE_STATE,
    DELTA,
    ELECTRICITY_PRICE,
    LEVEL,
    LOAD_CONTROL,
    LOAD_DISPATCH,
    PRICE,
    SETPOINT,
    SIMPLE,
    Currency,
    CurrencyPerKw,
    CurrencyPerKwh,
    CurrencyPerTherm,
    Current,
    CustomUnit,
    EnergyApparent,
    EnergyReactive,
    EnergyReal,
    Frequency,
    GreenButtonUnit,
    ItemBase,
    PowerApparent,
    PowerAttributes,
    PowerReactive,
    PowerReal,
    PulseCount,
    SignalName,
    SignalType,
    Temperature,
    Therm,
    Voltage,
)
from openadr_ra.protocol.shape import Token

ENERGY_PRICE, DEMAND_CHARGE, BID_PRICE, BID_LOAD, BID_ENERGY = (
    SignalName(Token(word)) for word in ("ENERGY_PRICE", "DEMAND_CHARGE", "BID_PRICE", "BID_LOAD", "BID_ENERGY")
)
MULTIPLIER, PRICE_RELATIVE, PRICE_MULTIPLIER, CAPACITY, LEVEL_OFFSET, CONTROL_SETPOINT, PERCENT_OFFSET = (
    SignalType(Token(word))
    for word in (
        "multiplier",
        "priceRelative",
        "priceMultiplier",
        "x-loadControlCapacity",
        "x-loadControlLevelOffset",
        "x-loadControlSetpoint",
        "x-loadControlPercentOffset",
    )
)

Units = tuple[type[ItemBase] | None, ...]
"""The units that a signal may have; None stands for no unit."""

_NONE: Units = (None,)
_POWER: Units = (PowerReal, PowerApparent, PowerReactive)
_ENERGY: Units = (EnergyReal, EnergyApparent, EnergyReactive)
_PER_KWH: Units = (CurrencyPerKwh,)
_PER_KW: Units = (CurrencyPerKw,)
_ANY: Units = tuple(unit for unit in get_args(ItemBase) if unit is not GreenButtonUnit)

Pair = tuple[SignalName, SignalType]

TABLE: dict[Pair, Units] = {
    (SIMPLE, LEVEL): _NONE,
    (ELECTRICITY_PRICE, PRICE): _PER_KWH,
    (ELECTRICITY_PRICE, PRICE_RELATIVE): _PER_KWH,
    (ELECTRICITY_PRICE, PRICE_MULTIPLIER): _NONE,
    (ENERGY_PRICE, PRICE): _PER_KWH,
    (ENERGY_PRICE, PRICE_RELATIVE): _PER_KWH,
    (ENERGY_PRICE, PRICE_MULTIPLIER): _NONE,
    (DEMAND_CHARGE, PRICE): _PER_KW,
    (DEMAND_CHARGE, PRICE_RELATIVE): _PER_KW,
    (DEMAND_CHARGE, PRICE_MULTIPLIER): _NONE,
    (BID_PRICE, PRICE): (CurrencyPerKwh, CurrencyPerTherm),
    (BID_LOAD, SETPOINT): _POWER,
    (BID_ENERGY, SETPOINT): _ENERGY,
    (CHARGE_STATE, SETPOINT): _ENERGY,
    (CHARGE_STATE, DELTA): _ENERGY,
    (CHARGE_STATE, MULTIPLIER): _NONE,
    (LOAD_DISPATCH, SETPOINT): _POWER,
    (LOAD_DISPATCH, DELTA): _POWER,
    (LOAD_DISPATCH, MULTIPLIER): _NONE,
    (LOAD_DISPATCH, LEVEL): _NONE,
    (LOAD_CONTROL, CAPACITY): _NONE,
    (LOAD_CONTROL, LEVEL_OFFSET): _NONE,
    (LOAD_CONTROL, CONTROL_SETPOINT): _ANY,
    (LOAD_CONTROL, PERCENT_OFFSET): _NONE,
}
"""What may stand together. Beside it every `x-` name may stand with any of these types and any unit, or none."""

TYPES = frozenset(kind for _, kind in TABLE)
"""The schema's signalTypes, all of them."""

MAX_LEVEL = 3
"""SIMPLE: 0 normal, 1 moderate, 2 high, 3 special (rule 9)."""

USUAL = ("SIMPLE/level", "ELECTRICITY_PRICE/price", "LOAD_DISPATCH/setpoint", "LOAD_DISPATCH/delta")
"""What a VEN takes if nobody says otherwise: the mandatory three (rule 510) and a change of power."""

TELLING = frozenset((ELECTRICITY_PRICE, ENERGY_PRICE, DEMAND_CHARGE, BID_PRICE, BID_LOAD, BID_ENERGY))
"""Signals that tell something and move nothing by themselves: to know them is to follow them."""

DEVICE_CLASSES = (
    "Thermostat", "Strip_Heater", "Baseboard_Heater", "Water_Heater", "Pool_Pump", "Sauna", "Hot_tub", "Smart_Appliance",
    "Irrigation_Pump", "Managed_Commercial_and_Industrial_Loads", "Simple_Residential_On_Off_Loads", "Exterior_Lighting",
    "Interior_Lighting", "Electric_Vehicle", "Generation_Systems", "Load_Control_Switch", "Smart_Inverter", "EVSE", "RESU",
    "Energy_Management_System", "Smart_Energy_Module", "Storage",
)  # fmt: skip
"""What a signal may be aimed at (reference 2.8, X-EV-10)."""

_EXTENSION = re.compile(r"x-[!-.0-~]{1,98}")
"""Printable, without the slash that parts name and type, and within the 100 characters that all peers take."""


def canonical(name: str) -> SignalName:
    """The name as the table has it: `simple` is the older profile's SIMPLE."""
    return SIMPLE if name == "simple" else SignalName(Token(name))


def full(name: str, kind: str) -> str:
    """`LOAD_DISPATCH/delta`."""
    return f"{canonical(name)}/{kind}"


def is_extension(name: str) -> bool:
    """Is it a name of somebody's own?"""
    return name.startswith("x-")


def pair(text: str) -> Pair:
    """Name and type of `NAME/TYPE`. Raises InvalidData for what may not stand together."""
    name, _, kind = text.partition("/")
    if (canonical(name), kind) in TABLE or (_EXTENSION.fullmatch(name) and kind in TYPES):
        return canonical(name), SignalType(Token(kind))
    known = ", ".join(str(one) for each, one in TABLE if each == canonical(name))
    if known:
        raise InvalidData(f"signal {text!r}: {name} goes with {known} (X-EV-9)")
    raise InvalidData(
        f"signal {text!r} is none of OpenADR's; write NAME/TYPE like SIMPLE/level, or x-NAME/TYPE (X-EV-9)"
    )


def check(name: str, kind: str, unit: ItemBase | None) -> None:
    """Raise SignalNotSupported for what may not stand together (X-EV-9, rule 109)."""
    if is_extension(name):
        return
    units = TABLE.get((canonical(name), SignalType(Token(kind))))
    if units is None:
        raise SignalNotSupported(f"there is no signal {name}/{kind} (rule 109, 2.9)")
    if (type(unit) if unit is not None else None) not in units:
        wanted = " or ".join(_called(each) for each in units)
        raise SignalNotSupported(
            f"{name}/{kind} needs {wanted}, got {_called(type(unit) if unit is not None else None)} (2.9)"
        )


def check_values(name: str, kind: str, values: Iterable[float]) -> None:
    """Raise InvalidData for a value that the signal does not have (rule 9)."""
    for value in values:
        if canonical(name) == SIMPLE and value not in range(MAX_LEVEL + 1):
            raise InvalidData(f"SIMPLE level {value:g} is none of 0..{MAX_LEVEL} (rule 9)")
        if kind == CAPACITY and not 0 <= value <= 1:
            raise InvalidData(f"{kind} {value:g} is no part of the whole; it is 0 to 1")
        if kind == LEVEL_OFFSET and value % 1 != 0:
            raise InvalidData(f"{kind} {value:g} is no whole number of levels")


def unit(text: str) -> ItemBase:
    """The unit of `powerReal`, `temperature:fahrenheit`, `currencyPerKW:EUR` or `customUnit:NAME`; powers and energies in
    thousands. Raises InvalidData for one that is not known."""
    word, _, of = text.partition(":")
    if word == "customUnit" and of:
        return CustomUnit(description=of, units=of)
    plain = UNITS.get(word)
    if plain is None:
        raise InvalidData(f"unit {text!r} is none of {', '.join(UNITS)}, customUnit:NAME")
    match plain:
        case _ if not of:
            return plain
        case Temperature() if of in ("celsius", "fahrenheit"):
            return replace(plain, units=Token(of))
        case Currency() | CurrencyPerKw() | CurrencyPerKwh() | CurrencyPerTherm() if re.fullmatch("[A-Z]{3}", of):
            return replace(plain, units=Token(of))
    raise InvalidData(f"unit {text!r}: {word} is in nothing called {of!r}")


def usual_unit(name: str, kind: str, *, currency: str, attributes: PowerAttributes) -> ItemBase | None:
    """The unit of a signal for which nobody chose one: the first that it may have, in kW, kWh or `currency`.

    Raises InvalidData where there is no telling.
    """
    if is_extension(name):
        return None
    units = TABLE.get((canonical(name), SignalType(Token(kind))))
    if units is None:
        raise InvalidData(f"signal {name}/{kind} cannot be published: it is none of OpenADR's (X-EV-9)")
    if units == _ANY:
        raise InvalidData(f"signal {name}/{kind} needs the unit of what it controls, like temperature")
    match UNITS.get(_called(units[0])):
        case PowerReal() as power:
            return replace(power, attributes=attributes)
        case (CurrencyPerKw() | CurrencyPerKwh()) as money:
            return replace(money, units=Token(currency))
        case other:
            return other


def spelled(item: ItemBase | None) -> str:
    """A unit as `unit` takes it; empty for none."""
    match item:
        case None:
            return ""
        case CustomUnit() | Temperature() | Currency() | CurrencyPerKw() | CurrencyPerKwh() | CurrencyPerTherm():
            return f"{_called(type(item))}:{item.units}"
    return _called(type(item))


def _called(kind: type[ItemBase] | None) -> str:
    return kind.xml.partition(":")[2] if kind is not None else "no unit"


UNITS: dict[str, ItemBase] = {
    _called(type(each)): each
    for each in (
        PowerReal(), EnergyReal(), PowerApparent(), PowerReactive(), EnergyApparent(), EnergyReactive(), Voltage(),
        Current(), Frequency(), Therm(), Temperature(), PulseCount(), Currency(), CurrencyPerKw(), CurrencyPerKwh(),
        CurrencyPerTherm(),
    )
}  # fmt: skip
"""Every unit that needs no more than its name, by that name; kilo for powers and energies."""
