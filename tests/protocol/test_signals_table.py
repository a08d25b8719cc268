"""Every combination of signal, type and unit (reference 2.9): published as it must be, and refused where it cannot be."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, OadrError
from openadr_ra.protocol import event as events
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol import signals_table as table
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import beside, dispatch, signal
from openadr_ra.protocol.messages import DistributeEvent
from openadr_ra.protocol.model import (
    OPT_IN,
    OPT_OUT,
    CurrencyPerKw,
    CurrencyPerKwh,
    CustomUnit,
    EnergyReal,
    EventId,
    ItemBase,
    PowerReactive,
    PowerReal,
    SignalName,
    Target,
    Temperature,
)
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.signals_table import DEVICE_CLASSES, TABLE, TYPES, USUAL
from tests.protocol.events import hears
from tests.world import E1, HOUR, IDENTITY, MINUTE, NOON, VEN1, Pair, distributed, over_the_wire

ROWS = [f"{name}/{kind}" for name, kind in TABLE]
VALUES = {"SIMPLE/level": (0, 3), "LOAD_CONTROL/x-loadControlCapacity": (0, 1)}


def order(name: str, unit: str = "", *, id: str = "E1") -> Instruction:
    """Two half hours for VEN1, with values that the signal has."""
    needs = "temperature" if name.endswith("x-loadControlSetpoint") and not unit else unit
    made = signal(name, start=NOON, every=30 * MINUTE, values=VALUES.get(name, (-1, 2)), to=(VEN1,), unit=needs)
    return replace(made, id=EventId(id))


def published(made: Instruction) -> Event:
    """The event as its VEN reads it."""
    instructions.check(made)
    sent = distributed(instructions.event(made, VEN1, NOON))
    read = over_the_wire(sent)
    assert isinstance(read, DistributeEvent)
    return read.events[0].event


@pytest.mark.parametrize("name", ROWS)
def test_x_ev_9_at_both_ends_every_row_of_the_table_is_published_and_taken(name: str) -> None:
    """Schema-valid, with its usual unit, and sound to whoever takes it."""
    read = published(order(name))

    events.check(read, (name,))
    (one,) = read.signals
    assert f"{one.name}/{one.type}" == name


@pytest.mark.parametrize("name", ROWS)
def test_rule_109_at_the_ven_what_is_known_and_not_taken_is_a_460(name: str) -> None:
    with pytest.raises(OadrError) as caught:
        events.check(published(order(name)), tuple(row for row in ROWS if row != name))

    assert caught.value.code == "460"


@pytest.mark.parametrize("name", sorted({name for name, _ in TABLE}))
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_x_ev_9_at_both_ends_no_other_type_goes_with_a_name(name: str, kind: str) -> None:
    """The VTN says so in a sentence, the VEN by 460, whatever its settings."""
    text = f"{name}/{kind}"
    if text in ROWS:
        assert table.pair(text) == (name, kind)
        return
    with pytest.raises(InvalidData, match=f"'{text}': {name} goes with .*X-EV-9"):
        table.pair(text)
    bad = replace(published(order("SIMPLE/level")).signals[0], name=SignalName(Token(name)), type=TABLE_TYPE[kind])
    with pytest.raises(OadrError) as caught:
        events.check(replace(published(order("SIMPLE/level")), signals=(bad,)), (text,))
    assert caught.value.code == "460"


TABLE_TYPE = {str(kind): kind for _, kind in TABLE}
PLAIN: tuple[ItemBase | None, ...] = (None, *table.UNITS.values(), CustomUnit(description="x", units="x"))


@pytest.mark.parametrize("name", ROWS)
def test_x_ev_9_at_both_ends_a_unit_that_is_none_of_the_signals_is_refused(name: str) -> None:
    made = published(order(name))
    allowed = TABLE[table.pair(name)]
    for unit in PLAIN:
        item = replace(made, signals=(replace(made.signals[0], unit=unit),))
        if (type(unit) if unit is not None else None) in allowed:
            events.check(item, (name,))
            continue
        with pytest.raises(OadrError) as caught:
            events.check(item, (name,))
        assert caught.value.code == "460"
        if unit is not None:
            with pytest.raises(InvalidData, match=r"E1: .* needs .*, got"):
                instructions.check(replace(order(name), unit=unit))


def test_every_unit_of_the_schema_can_be_said_but_a_feed() -> None:
    said = {type(unit) for unit in PLAIN if unit is not None}

    assert {kind.__name__ for kind in get_args(ItemBase)} - {kind.__name__ for kind in said} == {"GreenButtonUnit"}
    for unit in PLAIN:
        assert unit is None or table.unit(table.spelled(unit)) == unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("powerReal", PowerReal()),
        ("energyReal", EnergyReal()),
        ("temperature:fahrenheit", Temperature(units=Token("fahrenheit"))),
        ("currencyPerKW:EUR", CurrencyPerKw(units=Token("EUR"))),
        ("customUnit:pallets", CustomUnit(description="pallets", units="pallets")),
    ],
)
def test_a_unit_is_said_by_its_name_in_the_schema(text: str, unit: ItemBase) -> None:
    assert table.unit(text) == unit


@pytest.mark.parametrize(
    "text", ["", "kW", "customUnit", "temperature:kelvin", "currencyPerKW:euro", "voltage:kV", "oadrGBDataDescription"]
)
def test_a_unit_that_is_not_known_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(InvalidData, match=r"unit|customUnit"):
        table.unit(text)


@pytest.mark.parametrize("name", ["x-OURS/level", "x-OURS/setpoint", f"x-{'n' * 98}/delta"])
def test_x_signals_are_published_with_any_unit_or_none(name: str) -> None:
    for unit in ("", "energyReal", "customUnit:pallets"):
        events.check(published(order(name, unit)), (name,))


@pytest.mark.parametrize(
    "name",
    [
        "x-OURS",
        "x-/level",
        "x-OURS/product",
        "OURS/level",
        "SIMPLE",
        "",
        "x-a b/level",
        "x-ö/level",
        f"x-{'n' * 99}/delta",
    ],
)
def test_a_name_that_is_neither_openadrs_nor_an_extension_is_refused(name: str) -> None:
    with pytest.raises(InvalidData, match="X-EV-9"):
        signal(name, start=NOON, every=HOUR, values=(1,), to=(VEN1,))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("SIMPLE/level", (0, 3), (4,)),
        ("SIMPLE/level", (1,), (1.5,)),
        ("LOAD_CONTROL/x-loadControlCapacity", (0, 0.5, 1), (1.01,)),
        ("LOAD_CONTROL/x-loadControlCapacity", (0,), (-0.01,)),
        ("LOAD_CONTROL/x-loadControlLevelOffset", (-2, 0, 7), (0.5,)),
    ],
)
def test_rule_9_at_both_ends_values_that_a_signal_does_not_have_are_refused(
    name: str, good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    made = signal(name, start=NOON, every=HOUR, values=good, to=(VEN1,))
    wrong = signal(name, start=NOON, every=HOUR, values=bad, to=(VEN1,))

    events.check(published(made), (name,))
    with pytest.raises(InvalidData):
        instructions.check(wrong)
    with pytest.raises(OadrError) as caught:
        events.check(instructions.event(wrong, VEN1, NOON), (name,))
    assert caught.value.code == "454"


BESIDE = beside(
    beside(
        replace(
            dispatch(
                start=NOON,
                every=30 * MINUTE,
                delta_kw=(-1, -2),
                to=(VEN1,),
                baseline_kw=(5, 6),
                baseline="declared",
                device_classes=("Storage",),
            ),
            id=E1,
        ),
        "ELECTRICITY_PRICE/price",
        (30, 40),
        unit="currencyPerKWh:EUR",
    ),
    "CHARGE_STATE/setpoint",
    (50, 60),
    device_classes=("EVSE", "RESU"),
)


def test_x_ev_5_x_ev_6_x_ev_7_x_ev_8_x_ev_10_at_the_vtn_several_signals_and_a_baseline_are_sound() -> None:
    """No dtstart in intervals, signalIDs of their own, one value each, a baseline that adds up, classes of the list."""
    read = published(BESIDE)

    names = ("LOAD_DISPATCH/delta", "ELECTRICITY_PRICE/price", "CHARGE_STATE/setpoint")
    events.check(read, names)
    assert [one.id for one in read.signals] == ["1", "2", "3"]
    assert [one.unit for one in read.signals] == [PowerReal(), CurrencyPerKwh(units=Token("EUR")), EnergyReal()]
    assert [one.target for one in read.signals] == [
        Target(device_classes=("Storage",)), None, Target(device_classes=("EVSE", "RESU"))
    ]  # fmt: skip
    assert read.baseline is not None
    intervals = [*read.baseline.intervals, *(interval for one in read.signals for interval in one.intervals)]
    assert all(each.start is None and len(each.payloads) == 1 for each in intervals)
    assert (read.baseline.name, read.baseline.start, read.baseline.duration.length) == ("declared", NOON, HOUR)
    assert [one.payloads[0].value for one in read.baseline.intervals if hasattr(one.payloads[0], "value")] == [5.0, 6.0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (replace(BESIDE, device_classes=("storage",)), "storage is no device class"),
        (beside(BESIDE, "SIMPLE/level", (1,)), "SIMPLE/level needs a value for each interval"),
        (beside(BESIDE, "SIMPLE/level", (1, 4)), "SIMPLE level 4 is none of 0..3"),
        (
            beside(BESIDE, "SIMPLE/level", (1, 2), device_classes=("Fridge",)),
            "Fridge is no device class; there are Therm",
        ),
        (beside(BESIDE, "BID_PRICE/price", (1, float("nan"))), "a value is not a number"),
        (
            replace(dispatch(start=NOON, every=HOUR, delta_kw=(1,), to=(VEN1,)), baseline="b"),
            "the baseline of every VEN",
        ),
        (dispatch(start=NOON, every=HOUR, delta_kw=(1,), to=(VEN1,), baseline_kw=(1, 2)), "a figure for each interval"),
        (
            dispatch(start=NOON, every=HOUR, delta_kw=(1,), to=(VEN1,), baseline_kw=(float("inf"),)),
            "a value is not a number",
        ),
        (
            signal("LOAD_CONTROL/x-loadControlSetpoint", start=NOON, every=HOUR, values=(1,), to=(VEN1,)),
            "needs the unit",
        ),
    ],
)
def test_x_ev_9_x_ev_10_at_the_vtn_what_cannot_be_sent_is_refused_with_a_sentence(
    wrong: Instruction, sentence: str
) -> None:
    with pytest.raises(InvalidData, match=sentence):
        instructions.check(wrong)


def test_x_ev_9_at_the_vtn_a_signal_that_there_is_not_is_never_published() -> None:
    """However it was made."""
    wrong = replace(order("SIMPLE/level"), kind=TABLE_TYPE["delta"])

    with pytest.raises(InvalidData, match="SIMPLE goes with level"):
        instructions.check(wrong)
    with pytest.raises(InvalidData, match="cannot be published"):
        instructions.event(wrong, VEN1, NOON)


def test_a_unit_of_another_signal_is_refused_when_it_is_said() -> None:
    with pytest.raises(InvalidData, match=r"CHARGE_STATE/delta needs energyReal or energyApparent .* got powerReal"):
        signal("CHARGE_STATE/delta", start=NOON, every=HOUR, values=(1,), to=(VEN1,), unit="powerReal")


counts = st.integers(1, 4)


@given(counts.flatmap(lambda n: st.tuples(
    st.lists(st.tuples(st.sampled_from(ROWS), st.sets(st.sampled_from(DEVICE_CLASSES), max_size=3)), min_size=1, max_size=5),
    st.lists(st.floats(-1e6, 1e6), min_size=n, max_size=n),
    st.booleans(),
)))  # fmt: skip
def test_x_ev_9_at_the_vtn_whatever_can_be_published_is_schema_valid_and_sound(
    drawn: tuple[list[tuple[str, set[str]]], list[float], bool],
) -> None:
    """Any number of signals, any classes, with or without a baseline."""
    signals, kw, told = drawn
    made = dispatch(
        start=NOON, every=30 * MINUTE, setpoint_kw=kw, to=(VEN1,), baseline_kw=kw, baseline="b" if told else ""
    )
    made = replace(made, id=E1)
    for name, classes in signals:
        values = tuple(float(number % 2) for number in range(len(kw)))
        unit = "temperature" if name.endswith("x-loadControlSetpoint") else ""
        made = beside(made, name, values, unit=unit, device_classes=sorted(classes))

    read = published(made)

    events.check(read, ROWS)
    assert len(read.signals) == 1 + len(signals)
    assert (read.baseline is not None) is told


def test_rule_510_at_the_ven_the_mandatory_signals_are_taken_without_a_setting() -> None:
    assert set(USUAL) >= {"SIMPLE/level", "ELECTRICITY_PRICE/price", "LOAD_DISPATCH/setpoint"}
    pair = Pair()
    pair.ven_starts()

    answers = hears(pair, *(instructions.event(order(name, id=name), VEN1, NOON) for name in USUAL))

    assert [(code, opt) for _, _, code, opt in answers] == [("200", OPT_IN)] * 4


def test_a_signal_that_moves_no_device_is_taken_where_a_program_is_asked() -> None:
    """And accepted for the program's sake: the fleet hears nothing of it."""
    takes = ("CHARGE_STATE/setpoint", "LOAD_DISPATCH/multiplier", "LOAD_DISPATCH/setpoint", "x-OURS/level")
    pair = Pair(identity=replace(IDENTITY, signals=takes, consult=True))
    pair.ven_starts()
    orders = [order(name, id=name) for name in takes]
    orders[2] = replace(orders[2], unit=PowerReactive())
    pair.ven_hears(distributed(*(instructions.event(each, VEN1, NOON) for each in orders)))

    held = pair.node.agenda.values()

    assert [(item.opt, item.code, item.consulted) for item in held] == [(OPT_IN, "200", False)] * 4
    assert pair.site.promised == {}


@pytest.mark.parametrize(
    ("name", "code", "opt"),
    [
        ("DEMAND_CHARGE/price", "200", OPT_IN),
        ("BID_LOAD/setpoint", "200", OPT_IN),
        ("LOAD_DISPATCH/multiplier", "469", OPT_OUT),
        ("LOAD_CONTROL/x-loadControlCapacity", "469", OPT_OUT),
        ("x-OURS/level", "469", OPT_OUT),
    ],
)
def test_without_a_program_what_only_tells_something_is_taken_and_what_wants_something_done_is_not(
    name: str, code: str, opt: str
) -> None:
    """What is taken by the settings, and nobody executes, is a deployment error."""
    pair = Pair(identity=replace(IDENTITY, signals=(name,)))
    pair.ven_starts()

    assert hears(pair, instructions.event(order(name), VEN1, NOON)) == [("E1", 0, code, opt)]
