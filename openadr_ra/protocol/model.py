"""What the payloads are made of: ids, enumerations, targets, units, events, intervals.

Names are OpenADR's without `oadr` and `ei`. Power in our own values is in load convention: import, charging +.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, NewType

from openadr_ra.protocol.shape import Decimal, Opaque, Token, Value, at
from openadr_ra.protocol.times import Duration

VenId = NewType("VenId", str)
VtnId = NewType("VtnId", str)
EventId = NewType("EventId", str)
RequestId = NewType("RequestId", str)
RegistrationId = NewType("RegistrationId", str)
OptId = NewType("OptId", str)
ResourceId = NewType("ResourceId", str)
Rid = NewType("Rid", str)
ReportRequestId = NewType("ReportRequestId", str)
SpecifierId = NewType("SpecifierId", str)
MarketContext = NewType("MarketContext", Token)
"""Ids are text and case-sensitive, always: a peer that flips the case names another party (rule 21)."""

EventStatus = NewType("EventStatus", Token)
FAR, NEAR, ACTIVE, COMPLETED, CANCELLED = (
    EventStatus(Token(word)) for word in ("far", "near", "active", "completed", "cancelled")
)

OptType = NewType("OptType", Token)
OPT_IN, OPT_OUT = OptType(Token("optIn")), OptType(Token("optOut"))

ResponseRequired = NewType("ResponseRequired", Token)
ALWAYS, NEVER = ResponseRequired(Token("always")), ResponseRequired(Token("never"))

SignalName = NewType("SignalName", Token)
SIMPLE, LOAD_DISPATCH, ELECTRICITY_PRICE, CHARGE_STATE, LOAD_CONTROL = (
    SignalName(Token(word)) for word in ("SIMPLE", "LOAD_DISPATCH", "ELECTRICITY_PRICE", "CHARGE_STATE", "LOAD_CONTROL")
)

SignalType = NewType("SignalType", Token)
LEVEL, DELTA, SETPOINT, PRICE = (SignalType(Token(word)) for word in ("level", "delta", "setpoint", "price"))

OptReason = NewType("OptReason", Token)
ScaleCode = NewType("ScaleCode", Token)
NO_SCALE, KILO = ScaleCode(Token("none")), ScaleCode(Token("k"))

SCALES = {
    "p": 1e-12, "n": 1e-9, "micro": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1,
    "none": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip


class QualifiedEventId(Value, frozen=True, kw_only=True, gc=False):
    """An event in one of its versions."""

    event_id: Annotated[EventId, at("ei:eventID")]
    modification: Annotated[int, at("ei:modificationNumber")]


class TransportInterface(Value, frozen=True, kw_only=True, gc=False):
    """Two nodes between which power flows."""

    receipt: Annotated[str, at("power:pointOfReceipt")]
    delivery: Annotated[str, at("power:pointOfDelivery")]


class Target(Value, frozen=True, kw_only=True, gc=False):
    """Whom an event, an opt or a report concerns. Empty means the receiver; several criteria are OR-ed (rule 22)."""

    aggregated_pnodes: Annotated[tuple[str, ...], at("power:aggregatedPnode*/power:node")] = ()
    device_classes: Annotated[tuple[str, ...], at("power:endDeviceAsset*/power:mrid")] = ()
    meters: Annotated[tuple[str, ...], at("power:meterAsset*/power:mrid")] = ()
    pnodes: Annotated[tuple[str, ...], at("power:pnode*/power:node")] = ()
    service_areas: Annotated[tuple[Opaque, ...], at("emix:serviceArea*/gml:FeatureCollection")] = ()
    delivery_points: Annotated[tuple[str, ...], at("power:serviceDeliveryPoint*/power:node")] = ()
    service_locations: Annotated[tuple[Opaque, ...], at("power:serviceLocation*/gml:FeatureCollection")] = ()
    transport_interfaces: Annotated[tuple[TransportInterface, ...], at("power:transportInterface")] = ()
    groups: Annotated[tuple[str, ...], at("ei:groupID")] = ()
    group_names: Annotated[tuple[str, ...], at("ei:groupName")] = ()
    resources: Annotated[tuple[ResourceId, ...], at("ei:resourceID")] = ()
    vens: Annotated[tuple[VenId, ...], at("ei:venID")] = ()
    parties: Annotated[tuple[str, ...], at("ei:partyID")] = ()


class Unit(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """A member of emix:itemBase."""


class Voltage(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:voltage"
    description: Annotated[str, at("power:itemDescription")] = "Voltage"
    units: Annotated[str, at("power:itemUnits")] = "V"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class EnergyReal(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:energyReal"
    description: Annotated[str, at("power:itemDescription")] = "RealEnergy"
    units: Annotated[str, at("power:itemUnits")] = "Wh"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = KILO


class EnergyApparent(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:energyApparent"
    description: Annotated[str, at("power:itemDescription")] = "ApparentEnergy"
    units: Annotated[str, at("power:itemUnits")] = "VAh"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = KILO


class EnergyReactive(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:energyReactive"
    description: Annotated[str, at("power:itemDescription")] = "ReactiveEnergy"
    units: Annotated[str, at("power:itemUnits")] = "VARh"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = KILO


class PowerAttributes(Value, frozen=True, kw_only=True, gc=False):
    """The supply a power is measured at; Japan has areas of 50 and of 60 Hz."""

    hertz: Annotated[Decimal, at("power:hertz")] = Decimal(50.0)
    voltage: Annotated[Decimal, at("power:voltage")] = Decimal(200.0)
    ac: Annotated[bool, at("power:ac")] = True


class PowerReal(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:powerReal"
    description: Annotated[str, at("power:itemDescription")] = "RealPower"
    units: Annotated[Token, at("power:itemUnits")] = Token("W")
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = KILO
    attributes: Annotated[PowerAttributes, at("power:powerAttributes")] = PowerAttributes()


class PowerApparent(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:powerApparent"
    description: Annotated[str, at("power:itemDescription")] = "ApparentPower"
    units: Annotated[str, at("power:itemUnits")] = "VA"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = KILO
    attributes: Annotated[PowerAttributes, at("power:powerAttributes")] = PowerAttributes()


class PowerReactive(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "power:powerReactive"
    description: Annotated[str, at("power:itemDescription")] = "ReactivePower"
    units: Annotated[str, at("power:itemUnits")] = "VAR"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = KILO
    attributes: Annotated[PowerAttributes, at("power:powerAttributes")] = PowerAttributes()


class Current(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:current"
    description: Annotated[str, at("oadr:itemDescription")] = "Current"
    units: Annotated[str, at("oadr:itemUnits")] = "A"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class Frequency(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:frequency"
    description: Annotated[str, at("oadr:itemDescription")] = "Frequency"
    units: Annotated[str, at("oadr:itemUnits")] = "Hz"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class Therm(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:Therm"
    description: Annotated[str, at("oadr:itemDescription")] = "Therm"
    units: Annotated[str, at("oadr:itemUnits")] = "thm"
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class Temperature(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:temperature"
    description: Annotated[str, at("oadr:itemDescription")] = "temperature"
    units: Annotated[Token, at("oadr:itemUnits")] = Token("celsius")
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class PulseCount(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:pulseCount"
    description: Annotated[str, at("oadr:itemDescription")] = "pulse count"
    units: Annotated[str, at("oadr:itemUnits")] = "count"
    factor: Annotated[float, at("oadr:pulseFactor")] = 1.0


class Currency(Unit, frozen=True, kw_only=True, gc=False):
    """An amount of money; `units` is the ISO 4217 code."""

    xml: ClassVar[str] = "oadr:currency"
    description: Annotated[Token, at("oadr:itemDescription")] = Token("currency")
    units: Annotated[Token, at("oadr:itemUnits")] = Token("JPY")
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class CurrencyPerKw(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:currencyPerKW"
    description: Annotated[Token, at("oadr:itemDescription")] = Token("currencyPerKW")
    units: Annotated[Token, at("oadr:itemUnits")] = Token("JPY")
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class CurrencyPerKwh(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:currencyPerKWh"
    description: Annotated[Token, at("oadr:itemDescription")] = Token("currencyPerKWh")
    units: Annotated[Token, at("oadr:itemUnits")] = Token("JPY")
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class CurrencyPerTherm(Unit, frozen=True, kw_only=True, gc=False):
    """The schema names the element but has no description for it; `currency` is the nearest it allows."""

    xml: ClassVar[str] = "oadr:currencyPerThm"
    description: Annotated[Token, at("oadr:itemDescription")] = Token("currency")
    units: Annotated[Token, at("oadr:itemUnits")] = Token("JPY")
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class CustomUnit(Unit, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:customUnit"
    description: Annotated[str, at("oadr:itemDescription")]
    units: Annotated[str, at("oadr:itemUnits")]
    scale: Annotated[ScaleCode, at("scale:siScaleCode")] = NO_SCALE


class GreenButtonUnit(Unit, frozen=True, kw_only=True, gc=False):
    """A description by an ESPI feed (oadrGBDataDescription)."""

    xml: ClassVar[str] = "oadr:oadrGBDataDescription"
    feed: Annotated[Opaque, at("atom:feed")]


ItemBase = (
    PowerReal | EnergyReal | PowerApparent | PowerReactive | EnergyApparent | EnergyReactive | Voltage
    | Current | Frequency | Therm | Temperature | PulseCount
    | Currency | CurrencyPerKw | CurrencyPerKwh | CurrencyPerTherm | CustomUnit | GreenButtonUnit
)  # fmt: skip
"""Every unit of emix:itemBase."""


class Period(Value, frozen=True, kw_only=True, gc=False):
    """xcal:properties: when something runs. A zero duration is open-ended (rule 47)."""

    start: Annotated[datetime, at("xcal:dtstart/xcal:date-time")]
    duration: Annotated[Duration, at("xcal:duration/xcal:duration")] = Duration()
    startafter: Annotated[Duration | None, at("xcal:tolerance?/xcal:tolerate/xcal:startafter?")] = None
    notification: Annotated[Duration | None, at("ei:x-eiNotification?/xcal:duration")] = None
    ramp_up: Annotated[Duration | None, at("ei:x-eiRampUp?/xcal:duration")] = None
    recovery: Annotated[Duration | None, at("ei:x-eiRecovery?/xcal:duration")] = None
