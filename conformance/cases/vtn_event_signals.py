"""EiEvent at a VTN: signals with their types and units, several in one event, baselines, device classes."""

from __future__ import annotations

from msgspec.structs import replace

from conformance import event_laws as laws
from conformance.case import case, expect
from conformance.events_seen import EventSeen
from conformance.message import Message
from conformance.operator import DISPATCH, SIMPLE, SignalWish
from conformance.tested import Vtn
from conformance.vtn_steps import created, given, says_no

POWERS, ENERGIES = ("powerReal", "powerApparent", "powerReactive"), ("energyReal", "energyApparent", "energyReactive")

TABLE: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], float], ...] = (
    # name, type, its units, certification, a value
    ("SIMPLE", "level", ("",), ("E1_1020",), 1.0),
    ("ELECTRICITY_PRICE", "price", ("currencyPerKWh",), ("E1_1040",), 20.0),
    ("LOAD_DISPATCH", "setpoint", POWERS, ("E1_1025",), 1000.0),
    ("ELECTRICITY_PRICE", "priceRelative", ("currencyPerKWh",), (), 2.0),
    ("ELECTRICITY_PRICE", "priceMultiplier", ("",), (), 1.5),
    ("ENERGY_PRICE", "price", ("currencyPerKWh",), (), 20.0),
    ("ENERGY_PRICE", "priceRelative", ("currencyPerKWh",), (), 2.0),
    ("ENERGY_PRICE", "priceMultiplier", ("",), (), 1.5),
    ("DEMAND_CHARGE", "price", ("currencyPerKW",), (), 20.0),
    ("DEMAND_CHARGE", "priceRelative", ("currencyPerKW",), (), 2.0),
    ("DEMAND_CHARGE", "priceMultiplier", ("",), (), 1.5),
    ("BID_PRICE", "price", ("currencyPerKWh", "currencyPerThm"), (), 20.0),
    ("BID_LOAD", "setpoint", POWERS, (), 1000.0),
    ("BID_ENERGY", "setpoint", ENERGIES, (), 1000.0),
    ("CHARGE_STATE", "setpoint", ENERGIES, (), 1000.0),
    ("CHARGE_STATE", "delta", ENERGIES, (), 1000.0),
    ("CHARGE_STATE", "multiplier", ("",), (), 0.5),
    ("LOAD_DISPATCH", "delta", POWERS, (), -1000.0),
    ("LOAD_DISPATCH", "multiplier", ("",), (), 0.5),
    ("LOAD_DISPATCH", "level", ("",), (), 1.0),
    ("LOAD_CONTROL", "x-loadControlCapacity", ("",), (), 0.5),
    ("LOAD_CONTROL", "x-loadControlLevelOffset", ("",), (), 1.0),
    ("LOAD_CONTROL", "x-loadControlPercentOffset", ("",), (), 10.0),
    ("LOAD_CONTROL", "x-loadControlSetpoint", ("temperature",), (), 21.0),
)
"""The signals of 2.0b; the first three are mandatory. x-loadControlSetpoint has the unit of what it controls."""

MANDATORY = 3

SCALES = {"p": 1e-12, "n": 1e-9, "micro": 1e-6, "m": 1e-3, "c": 1e-2, "d": 0.1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def _declare(number: int, name: str, kind: str, units: tuple[str, ...], tests: tuple[str, ...], value: float) -> None:
    mandatory = number < MANDATORY
    said = " or ".join(units) or "no unit"

    @case(
        f"vtn.event.signal-{name.lower()}-{kind.lower()}",
        rules=("X-EV-9", "510") if mandatory else ("X-EV-9",),
        certification=tests,
        says=f"A {name} signal of type {kind} is told as such, in its unit and with its value.",
        sends=f"an event with {name}/{kind} is created",
        expects=f"signalName {name}, signalType {kind}, {said}, and the value",
        signed=mandatory,
    )
    async def told(vtn: Vtn) -> None:
        wish = SignalWish(name=name, type=kind, unit=units[0], values=(value,))
        message, event = await created(vtn, wish)
        _expect_signal(message, event, wish, units)


for _number, _row in enumerate(TABLE):
    _declare(_number, *_row)


def _expect_signal(message: Message, event: EventSeen, wish: SignalWish, units: tuple[str, ...]) -> None:
    """The event has that signal, in one of these units, with the wished value in the unit's scale."""
    found = next((one for one in event.signals if (one.name, one.type) == (wish.name, wish.type)), None)
    names = ", ".join(f"{one.name}/{one.type}" for one in event.signals)
    if found is None:
        expect(False, f"signal {wish.name}/{wish.type}", names, message, f"{event.path}/ei:eiEventSignals")
        return
    expect(found.unit in units, " or ".join(units) or "no unit", found.unit or "none", message, found.path)
    scale = SCALES.get(message.text(f"{found.path}/*/scale:siScaleCode") or "none", 1.0)
    actual = tuple(round(one * scale, 6) for one in found.values)
    expect(actual == wish.values, f"values {wish.values}", str(actual), message, f"{found.path}/strm:intervals")


@case(
    "vtn.event.simple-has-no-unit",
    rules=("X-EV-9",),
    certification=("E1_1020",),
    says="SIMPLE goes with level, and with no unit.",
    sends="a SIMPLE event is created",
    expects="signalType level and no itemBase",
)
async def simple_unitless(vtn: Vtn) -> None:
    message, event = await created(vtn, SIMPLE)
    signal = event.signals[0]
    expect(signal.type == "level", "level", signal.type, message, signal.path)
    expect(not signal.unit, "no itemBase", signal.unit, message, signal.path)


@case(
    "vtn.event.simple-out-of-range",
    rules=("9",),
    says="There is no SIMPLE level but 0, 1, 2 and 3.",
    sends="an operator wants a SIMPLE event of level 7",
    expects="the VTN refuses, or tells a level that there is",
    negative=True,
)
async def simple_out_of_range(vtn: Vtn) -> None:
    ven = await vtn.registered()
    if await says_no(vtn.create(ven, replace(SIMPLE, values=(7.0,)))):
        return
    laws.hold(await ven.event(vtn.events[-1]), laws.levels)


@case(
    "vtn.event.custom-signal",
    rules=("46", "X-EV-9"),
    certification=("E1_1070",),
    says="A signal of one's own begins with x- and comes through as it is.",
    sends="an event with x-CUSTOM_SIGNAL/level is created",
    expects="that signalName",
)
async def custom_signal(vtn: Vtn) -> None:
    wish = SignalWish(name="x-CUSTOM_SIGNAL", type="level", unit="", values=(1.0,))
    message, event = await created(vtn, wish)
    names = [one.name for one in event.signals]
    expect("x-CUSTOM_SIGNAL" in names, "signal x-CUSTOM_SIGNAL", str(names), message, f"{event.path}/ei:eiEventSignals")


@case(
    "vtn.event.wrong-combination",
    rules=("X-EV-9",),
    says="No event has a signal that 2.0b has not got.",
    sends="an operator wants SIMPLE with type price",
    expects="the VTN refuses, or tells a signal that there is",
    negative=True,
)
async def wrong_combination(vtn: Vtn) -> None:
    ven = await vtn.registered()
    if await says_no(vtn.create(ven, SignalWish(name="SIMPLE", type="price", unit="currencyPerKWh", values=(1.0,)))):
        return
    message, event = await given(ven, vtn.events[-1])
    pairs = [(one.name, one.type) for one in event.signals]
    expect(("SIMPLE", "price") not in pairs, "no SIMPLE/price", str(pairs), message, event.path)


BOTH = (replace(SIMPLE, values=(1.0, 2.0)), replace(DISPATCH, values=(1000.0, 2000.0)))


@case(
    "vtn.event.several-signals",
    rules=("X-EV-6",),
    says="An event may have several signals, each under a signalID of its own.",
    sends="an event with SIMPLE and LOAD_DISPATCH is created",
    expects="both signals, with different signalIDs",
)
async def several_signals(vtn: Vtn) -> None:
    message, event = await created(vtn, *BOTH)
    names = {one.name for one in event.signals}
    wanted = {"SIMPLE", "LOAD_DISPATCH"}
    expect(wanted <= names, "SIMPLE and LOAD_DISPATCH", str(names), message, f"{event.path}/ei:eiEventSignals")
    laws.hold(message, laws.unique_signals)


@case(
    "vtn.event.several-signals-add-up",
    rules=("2", "8"),
    says="Each of several signals has its own uids from 0 and lasts as long as the event.",
    sends="an event with SIMPLE and LOAD_DISPATCH of two intervals is created",
    expects="uids 0, 1 and the event's length in both",
)
async def several_add_up(vtn: Vtn) -> None:
    message, event = await created(vtn, *BOTH)
    expect(len(event.signals) > 1, "two signals", str(len(event.signals)), message, event.path)
    laws.hold(message, laws.uids, laws.sums)


async def _with_baseline(vtn: Vtn) -> tuple[Message, EventSeen]:
    wish = replace(DISPATCH, values=(1000.0, 2000.0))
    message, event = await created(vtn, wish, baseline_w=(3000.0, 3500.0))
    expect(event.baseline is not None, "an eiEventBaseline", "none", message, f"{event.path}/ei:eiEventSignals")
    return message, event


@case(
    "vtn.event.baseline-adds-up",
    rules=("X-EV-8", "2"),
    says="The intervals of a baseline have uids from 0 and last as long as the baseline.",
    sends="an event with a baseline of two intervals is created",
    expects="uids 0 and 1, adding up to the baseline's duration",
)
async def baseline_adds_up(vtn: Vtn) -> None:
    message, _ = await _with_baseline(vtn)
    laws.hold(message, laws.baselines, laws.uids)


@case(
    "vtn.event.baseline-undated",
    rules=("X-EV-5",),
    says="The intervals of a baseline have no dtstart.",
    sends="an event with a baseline of two intervals is created",
    expects="no dtstart in them",
)
async def baseline_undated(vtn: Vtn) -> None:
    message, _ = await _with_baseline(vtn)
    laws.hold(message, laws.undated)


@case(
    "vtn.event.device-class",
    rules=("X-EV-10",),
    says="A signal for some devices names their class in its eiTarget, and nothing else.",
    sends="an event whose signal is for Thermostat is created",
    expects="endDeviceAsset/mrid Thermostat",
)
async def device_class(vtn: Vtn) -> None:
    message, event = await created(vtn, replace(SIMPLE, device_class="Thermostat"))
    signal = event.signals[0]
    target = f"{signal.path}/ei:eiTarget"
    expect(signal.device_classes == ("Thermostat",), "Thermostat", str(signal.device_classes), message, target)
    expect(not signal.aimed_elsewhere, "nothing else in the target", "there is", message, target)


@case(
    "vtn.event.device-class-unknown",
    rules=("X-EV-10",),
    says="No signal is for a device class that there is none of.",
    sends="an operator wants a signal for the class Flying_Carpet",
    expects="the VTN refuses, or does not tell it",
    negative=True,
)
async def device_class_unknown(vtn: Vtn) -> None:
    ven = await vtn.registered()
    if await says_no(vtn.create(ven, replace(SIMPLE, device_class="Flying_Carpet"))):
        return
    message, event = await given(ven, vtn.events[-1])
    classes = event.signals[0].device_classes
    expect("Flying_Carpet" not in classes, "no such device class", str(classes), message, event.signals[0].path)


@case(
    "vtn.event.open-ended",
    rules=("47",),
    says="An open-ended event has a duration of zero and one interval of zero.",
    sends="an event without an end is created",
    expects="duration PT0S, one interval that lasts zero",
)
async def open_ended(vtn: Vtn) -> None:
    message, event = await created(vtn, every_s=0)
    period = f"{event.path}/ei:eiActivePeriod"
    expect(event.length_s == 0, "a duration of zero", f"{event.length_s} s", message, period)
    lengths = [one.length_s for one in event.signals[0].intervals]
    expect(lengths == [0], "one interval of zero", str(lengths), message, f"{event.signals[0].path}/strm:intervals")
