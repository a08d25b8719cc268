"""An order and the instruction that it becomes say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from openadr_ra.errors import InvalidData
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.makers import beside
from openadr_ra.protocol.model import EventId, VenId
from openadr_ra.protocol.signals_table import DEVICE_CLASSES
from openadr_ra.protocol.times import FOREVER, Duration
from openadr_ra.run.orders import MAX_EVERY_S, Kind, Order, Other, changed, instruction, view

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KINDS: tuple[Kind, ...] = ("delta", "setpoint", "price", "level", "signal")
OTHERS = {
    "CHARGE_STATE/setpoint": ("", "energyReal", "energyApparent"),
    "LOAD_DISPATCH/multiplier": ("",),
    "LOAD_DISPATCH/delta": ("powerReactive", "powerReal"),
    "DEMAND_CHARGE/price": ("", "currencyPerKW:EUR"),
    "LOAD_CONTROL/x-loadControlSetpoint": ("temperature:fahrenheit", "voltage"),
    "x-OURS/level": ("", "customUnit:pallets"),
}
"""Signals that have no short name, with units that they may have."""

waits = some.none() | some.integers(1, MAX_EVERY_S)
vens = some.text("ABCabc123-_.", min_size=1, max_size=50)
texts = some.text(some.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=40)


@some.composite
def orders(draw: some.DrawFn) -> Order:
    kind = draw(some.sampled_from(KINDS))
    levels = some.sampled_from((0.0, 1.0, 2.0, 3.0))
    value = levels if kind == "level" else some.floats(allow_nan=False, allow_infinity=False)
    every_s = draw(some.integers(0, MAX_EVERY_S))
    count = draw(some.integers(1, 6)) if every_s else 1
    others = some.lists(some.sampled_from(("SIMPLE/level", "x-OURS/level")), max_size=2)
    values = some.lists(value, min_size=count, max_size=count).map(tuple)
    asks = draw(some.dictionaries(vens, values, min_size=1, max_size=4))
    name = draw(some.sampled_from(tuple(OTHERS))) if kind == "signal" else ""
    named: dict[str, tuple[str, ...]] = {min(asks): ("battery", "line")}
    return Order(
        signal=name,
        unit=draw(some.sampled_from(OTHERS[name])) if name else "",
        baselines={ven: asks[ven] for ven in draw(some.sets(some.sampled_from(sorted(asks))))},
        device_classes=tuple(draw(some.sets(some.sampled_from(DEVICE_CLASSES), max_size=2))),
        start=NOW + timedelta(seconds=draw(some.integers(-(10**9), 10**9))),
        every_s=every_s,
        asks=asks,
        kind=kind,
        market_context=draw(some.sampled_from(("", "http://example.org/vpp"))),
        priority=draw(some.none() | some.integers(0, 9999)),
        comment=draw(texts),
        test=draw(some.booleans()),
        startafter_s=draw(waits),
        notification_s=draw(waits),
        ramp_up_s=draw(waits),
        response_required=draw(some.none() | some.just("never")),
        resources=draw(some.none() | some.just(named)),
        others=tuple(Other(signal=one, values=(2.0,) * count) for one in draw(others)) or None,
    )


@given(order=orders())
def test_an_order_is_seen_as_it_was_given(order: Order) -> None:
    """Whatever it is, it can be published, and its view says it again."""
    made = replace(instruction(order), id=EventId("ev-1"))
    instructions.check(made)

    assert view(made, NOW).order == order


@given(held=orders(), order=orders())
def test_a_changed_instruction_says_what_the_order_says(held: Order, order: Order) -> None:
    """And what the order leaves open it says as before."""
    made = changed(replace(instruction(held), id=EventId("ev-1"), modification=3), order)

    kept = {
        "startafter_s": held.startafter_s,
        "notification_s": held.notification_s,
        "ramp_up_s": held.ramp_up_s,
        "response_required": held.response_required,
        "others": held.others,
        "resources": {ven: names for ven, names in (held.resources or {}).items() if ven in order.asks} or None,
    }
    open_still = {name: value for name, value in kept.items() if getattr(order, name) is None}
    assert view(made, NOW).order == replace(order, **open_still)
    assert (made.id, made.modification) == ("ev-1", 3)


@given(order=orders())
def test_an_order_survives_its_way_to_the_console(order: Order) -> None:
    """JSON, with every limit that an order has."""
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


def test_a_start_is_kept_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    order = Order(start=datetime(2026, 11, 21, 21, tzinfo=tokyo), every_s=60, asks={"VEN1": (1.0,)})

    assert instruction(order).start.tzinfo is UTC
    assert instruction(order).start == NOW


@pytest.mark.parametrize(("value", "is_level"), [(-1.0, False), (0.0, True), (3.0, True), (4.0, False), (0.5, False)])
def test_a_level_is_one_of_four(value: float, is_level: bool) -> None:
    """Rule 9."""
    order = Order(start=NOW, every_s=60, asks={"VEN1": (value,)}, kind="level")
    if is_level:
        assert instruction(order).asks[VenId("VEN1")].values == (value,)
        return
    with pytest.raises(InvalidData, match=r"asks\.VEN1: .* is no level; SIMPLE has 0, 1, 2 and 3"):
        instruction(order)


@pytest.mark.parametrize(
    ("signal", "unit", "sentence"),
    [
        ("SIMPLE/delta", "", "SIMPLE goes with level"),
        ("", "", "write NAME/TYPE like SIMPLE/level"),
        ("CHARGE_STATE/setpoint", "powerReal", "needs energyReal or energyApparent or energyReactive, got powerReal"),
        ("CHARGE_STATE/setpoint", "kWh", "unit 'kWh' is none of"),
    ],
)
def test_x_ev_9_at_the_vtn_an_order_for_what_may_not_stand_together_is_refused(
    signal: str, unit: str, sentence: str
) -> None:
    order = Order(start=NOW, every_s=1800, asks={"VEN1": (1.0,)}, kind="signal", signal=signal, unit=unit)

    with pytest.raises(InvalidData, match=sentence):
        instruction(order)


def test_a_change_keeps_the_other_signals_of_the_event() -> None:
    """An order of the console cannot say them; so it does not take them away."""
    held = replace(instruction(Order(start=NOW, every_s=1800, asks={"VEN1": (1.0,)})), id=EventId("ev-1"), baseline="b")
    held = beside(held, "ELECTRICITY_PRICE/price", (30.0,))

    made = changed(held, Order(start=NOW, every_s=1800, asks={"VEN1": (2.0,)}, baselines={"VEN1": (9.0,)}))

    assert (made.beside, made.baseline) == (held.beside, "b")
    instructions.check(made)


def test_what_an_order_says_as_usual_takes_back_what_was_said_before() -> None:
    order = Order(start=NOW, every_s=1800, asks={"VEN1": (1.0,)})
    special = replace(
        order,
        startafter_s=60,
        notification_s=90,
        ramp_up_s=30,
        response_required="never",
        resources={"VEN1": ("battery",)},
        others=(Other(signal="SIMPLE/level", values=(1.0,)),),
        baselines={"VEN1": (5.0,)},
        baseline="plan",
    )
    usual = replace(
        order,
        startafter_s=0,
        notification_s=0,
        ramp_up_s=0,
        response_required="always",
        resources={},
        others=(),
        baseline="",
    )

    assert view(changed(instruction(special), usual), NOW).order == order


def test_rule_47_at_the_vtn_an_order_without_an_end_has_one_interval() -> None:
    endless = replace(instruction(Order(start=NOW, every_s=0, asks={"VEN1": (1.0,)})), id=EventId("ev-1"))
    instructions.check(endless)
    sent = instructions.event(endless, VenId("VEN1"), NOW)

    assert (endless.end, tuple(endless.spans())) == (FOREVER, ((NOW, FOREVER),))
    assert sent.period.duration.length == timedelta(0)
    assert [interval.duration for interval in sent.signals[0].intervals] == [Duration()]

    two = replace(instruction(Order(start=NOW, every_s=0, asks={"VEN1": (1.0, 2.0)})), id=EventId("ev-1"))
    with pytest.raises(InvalidData, match="unless it is the only one and has no end"):
        instructions.check(two)
