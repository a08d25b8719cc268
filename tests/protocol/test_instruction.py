"""What the operator instructs: its versions, the events made of it, and who is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol import event as events
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.instruction import DEFAULT_CONTEXT, Ask, Instruction, party
from openadr_ra.protocol.makers import dispatch, level, price
from openadr_ra.protocol.model import (
    CANCELLED,
    DELTA,
    ELECTRICITY_PRICE,
    FAR,
    LEVEL,
    LOAD_CONTROL,
    LOAD_DISPATCH,
    PRICE,
    SETPOINT,
    SIMPLE,
    CurrencyPerKwh,
    EventId,
    PowerAttributes,
    PowerReal,
    ResourceId,
    Target,
    VenId,
)
from openadr_ra.protocol.parts import SignalPayload
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Key, Outcome, Publish, Record
from openadr_ra.protocol.times import Duration
from tests.world import E1, HOUR, MINUTE, NOON, SECOND, VEN1, Pair, shed, stored

NOW = NOON - HOUR
VEN2, VEN3 = VenId("VEN2"), VenId("VEN3")
TWO = Instruction(
    id=E1, start=NOON, every=30 * MINUTE, asks={VEN1: Ask(values=(-1.0, -2.0)), VEN2: Ask(values=(3.0, 0.0))}
)


def published(order: Instruction = TWO) -> Instruction:
    return instructions.publish(None, order, NOW, "op").state


def told(outcome: Outcome[Instruction]) -> dict[Key, tuple[int, str]]:
    """Modification and status of the event in each mail."""
    bodies = {mail.to: mail.body for mail in outcome.mail}
    return {
        key: (body.event.modification, body.event.status) for key, body in bodies.items() if isinstance(body, Publish)
    }


def journalled(outcome: Outcome[Instruction]) -> list[tuple[str, str, str, str]]:
    (record,) = outcome.effects
    assert isinstance(record, Record)
    return [(entry.subject, entry.by, entry.what, entry.detail) for entry in record.entries]


def test_a_new_event_goes_to_each_of_its_vens_and_into_the_journal() -> None:
    outcome = instructions.publish(None, TWO, NOW, "op")

    assert told(outcome) == {"party/VEN1": (0, FAR), "party/VEN2": (0, FAR)}
    assert outcome.state == replace(TWO, created=NOW)
    assert journalled(outcome) == [("event/E1", "op", "published", "modification 0")]


def test_an_eventid_is_used_once() -> None:
    with pytest.raises(InvalidId, match="exists already"):
        instructions.publish(published(), TWO, NOW, "op")


def test_rule_5_at_the_vtn_a_change_has_the_following_number_and_keeps_what_is_not_the_operators() -> None:
    edit = replace(
        TWO, id=EventId("ignored"), modification=99, asks={VEN1: Ask(values=(5.0,)), VEN2: Ask(values=(6.0,))}
    )

    outcome = instructions.change(published(), E1, edit, NOW + MINUTE, "op")

    assert (outcome.state.id, outcome.state.modification, outcome.state.modified) == (E1, 1, NOW + MINUTE)
    assert outcome.state.created == NOW
    assert told(outcome) == {"party/VEN1": (1, FAR), "party/VEN2": (1, FAR)}
    assert journalled(outcome) == [("event/E1", "op", "changed", "modification 1")]


def test_a_ven_that_a_change_leaves_out_is_told_to_stop() -> None:
    """With the same number as the others, so that it can be taken in again."""
    edit = replace(TWO, asks={VEN2: Ask(values=(1.0,)), VEN3: Ask(values=(1.0,))})

    outcome = instructions.change(published(), E1, edit, NOW, "op")

    assert told(outcome) == {"party/VEN1": (1, CANCELLED), "party/VEN2": (1, FAR), "party/VEN3": (1, FAR)}
    assert journalled(outcome)[0][3] == "modification 1, withdrawn from VEN1"
    again = instructions.change(outcome.state, E1, TWO, NOW, "op")
    assert told(again) == {"party/VEN1": (2, FAR), "party/VEN2": (2, FAR), "party/VEN3": (2, CANCELLED)}


def test_a_ven_that_is_left_out_and_taken_in_again_follows(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.vtn_changes(replace(shed(), asks={VEN2: Ask(values=(1.0,))}))
    pair.ven_polls()
    assert pair.site.applied == []
    assert [mail.to for mail in pair.to_others] == ["party/VEN2"]

    pair.vtn_changes(shed(delta_kw=-3.0))
    pair.ven_polls()

    assert pair.site.applied == [(NOON, -3.0), (NOON + HOUR, "release")]


def test_a_cancellation_has_the_following_number_and_goes_to_all() -> None:
    outcome = instructions.cancel(published(), E1, NOW + MINUTE, "op")

    assert told(outcome) == {"party/VEN1": (1, CANCELLED), "party/VEN2": (1, CANCELLED)}
    assert (outcome.state.cancelled, outcome.state.modification) == (True, 1)
    assert journalled(outcome) == [("event/E1", "op", "cancelled", "modification 1")]


def test_cancelling_twice_changes_nothing() -> None:
    gone = instructions.cancel(published(), E1, NOW, "op").state

    assert instructions.cancel(gone, E1, NOW + HOUR, "op") == Outcome(state=gone)


def test_a_cancelled_event_cannot_be_changed() -> None:
    gone = instructions.cancel(published(), E1, NOW, "op").state

    with pytest.raises(InvalidData, match="cancelled"):
        instructions.change(gone, E1, TWO, NOW, "op")


def test_what_was_never_published_cannot_be_changed_or_cancelled() -> None:
    with pytest.raises(InvalidId, match="unknown"):
        instructions.change(None, E1, TWO, NOW, "op")
    with pytest.raises(InvalidId, match="unknown"):
        instructions.cancel(None, E1, NOW, "op")


@pytest.mark.parametrize(
    "bad",
    [
        replace(TWO, asks={}),
        replace(TWO, asks={VEN1: Ask(values=())}),
        replace(TWO, asks={VEN1: Ask(values=(1.0,)), VEN2: Ask(values=(1.0, 2.0))}),
        replace(TWO, every=timedelta(0)),
        replace(TWO, every=-MINUTE),
        replace(TWO, every=1.5 * SECOND),
        replace(TWO, startafter=1.5 * SECOND),
        replace(TWO, startafter=-MINUTE),
        replace(TWO, ramp_up=1.5 * SECOND),
        replace(TWO, notification=1.5 * SECOND),
        replace(TWO, asks={VEN1: Ask(values=(float("nan"),))}),
        replace(TWO, asks={VEN1: Ask(values=(float("inf"),))}),
        replace(TWO, asks={VEN1: Ask(values=(float("-inf"),))}),
        replace(TWO, signal=LOAD_CONTROL),
        replace(TWO, kind=PRICE),
        replace(TWO, signal=SIMPLE, kind=LEVEL, asks={VEN1: Ask(values=(4.0,))}),
        replace(TWO, signal=SIMPLE, kind=LEVEL, asks={VEN1: Ask(values=(-1.0,))}),
        replace(TWO, signal=SIMPLE, kind=LEVEL, asks={VEN1: Ask(values=(0.5,))}),
    ],
    ids=["no VEN", "no interval", "different numbers", "no length", "negative length", "fraction", "startafter fraction",
         "negative startafter", "ramp-up fraction", "notification fraction", "NaN", "INF", "-INF", "signal", "type",
         "level 4", "level -1", "level 0.5"],
)  # fmt: skip
def test_rule_9_at_the_vtn_what_cannot_be_sent_cannot_be_published_or_become_of_a_change(bad: Instruction) -> None:
    with pytest.raises(InvalidData):
        instructions.publish(None, bad, NOW, "op")
    with pytest.raises(InvalidData):
        instructions.change(published(), E1, bad, NOW, "op")


@pytest.mark.parametrize("value", [0.0, 1.0, 2.0, 3.0])
def test_rule_9_at_the_vtn_every_level_can_be_published(value: float) -> None:
    order = replace(TWO, signal=SIMPLE, kind=LEVEL, asks={VEN1: Ask(values=(value,))})

    assert published(order).asks[VEN1].values == (value,)


@pytest.mark.parametrize(
    ("order", "unit"),
    [
        (TWO, PowerReal()),
        (replace(TWO, kind=SETPOINT, attributes=PowerAttributes(hertz=type(PowerAttributes().hertz)(60.0))), None),
        (replace(TWO, signal=ELECTRICITY_PRICE, kind=PRICE, currency="EUR"), CurrencyPerKwh(units=Token("EUR"))),
        (replace(TWO, signal=SIMPLE, kind=LEVEL, asks={VEN1: Ask(values=(1.0, 2.0))}), None),
    ],
    ids=["delta", "set-point", "price", "level"],
)
def test_rules_2_8_at_the_vtn_the_event_is_one_that_a_ven_can_follow(
    order: Instruction, unit: PowerReal | None
) -> None:
    """Units as table 2.9 has them, uids from 0, lengths that add up."""
    made = instructions.event(order, VEN1, NOW)

    events.check(made)
    (signal,) = made.signals
    assert [interval.uid for interval in signal.intervals] == ["0", "1"]
    if order.kind == SETPOINT:
        assert signal.unit == PowerReal(attributes=order.attributes)
    else:
        assert signal.unit == unit


def test_an_event_says_all_that_the_operator_said() -> None:
    order = replace(
        TWO,
        asks={VEN1: Ask(values=(1.0,), resources=(ResourceId("bat"),))},
        priority=3,
        startafter=MINUTE,
        notification=HOUR,
        ramp_up=5 * MINUTE,
        test=True,
        comment="peak",
    )

    made = instructions.event(order, VEN1, NOW)

    assert (made.id, made.modification, made.priority, made.test, made.comment) == (E1, 0, 3, "true", "peak")
    assert made.market_context == DEFAULT_CONTEXT
    assert made.target == Target(vens=(VEN1,), resources=(ResourceId("bat"),))
    assert made.period.start == NOON
    seconds = {
        name: getattr(made.period, name).seconds for name in ("duration", "startafter", "notification", "ramp_up")
    }
    assert seconds == {"duration": 1800, "startafter": 60, "notification": 3600, "ramp_up": 300}


def test_what_the_operator_left_out_is_left_out() -> None:
    """But x-eiNotification, which the harness looks for."""
    made = instructions.event(TWO, VEN1, NOW)

    assert (made.priority, made.test, made.comment, made.modified) == (None,) * 4
    assert (made.period.startafter, made.period.ramp_up, made.period.notification) == (None, None, Duration())


def test_an_instruction_knows_its_intervals() -> None:
    assert (TWO.count, TWO.end) == (2, NOON + HOUR)
    assert list(TWO.spans()) == [(NOON, NOON + 30 * MINUTE), (NOON + 30 * MINUTE, NOON + HOUR)]
    assert TWO.slots(VEN2) == (
        Slot(start=NOON, end=NOON + 30 * MINUTE, kw=3.0),
        Slot(start=NOON + 30 * MINUTE, end=NOON + HOUR, kw=0.0),
    )
    assert replace(TWO, asks={}).count == 0


def test_an_instruction_and_a_party_have_rows_of_their_own() -> None:
    assert (instructions.key(E1), party(VEN1)) == ("event/E1", "party/VEN1")
    assert stored(TWO) == TWO


TO = ("VEN1", "VEN2")


def test_a_dispatch_asks_for_power_against_the_baseline_or_at_the_measuring_point() -> None:
    delta = dispatch(start=NOON, every=30 * MINUTE, delta_kw=(-1, -2), to=TO)
    setpoint = dispatch(start=NOON, every=30 * MINUTE, setpoint_kw=(5,), to=TO, market_context="http://m.example")

    assert (delta.signal, delta.kind, setpoint.signal, setpoint.kind) == (LOAD_DISPATCH, DELTA, LOAD_DISPATCH, SETPOINT)
    assert delta.asks == {VEN1: Ask(values=(-1.0, -2.0)), VEN2: Ask(values=(-1.0, -2.0))}
    assert (delta.market_context, setpoint.market_context) == (DEFAULT_CONTEXT, "http://m.example")
    assert (delta.id, delta.modification) == ("", 0)


def test_each_ven_may_be_asked_for_something_of_its_own() -> None:
    order = dispatch(start=NOON, every=HOUR, delta_kw={"VEN1": (1,), "VEN2": (2,)}, priority=1, comment="c", test=True)

    assert order.asks == {VEN1: Ask(values=(1.0,)), VEN2: Ask(values=(2.0,))}
    assert (order.priority, order.comment, order.test) == (1, "c", True)


def test_a_dispatch_is_one_or_the_other() -> None:
    with pytest.raises(InvalidData, match="either"):
        dispatch(start=NOON, every=HOUR, to=TO)
    with pytest.raises(InvalidData, match="either"):
        dispatch(start=NOON, every=HOUR, delta_kw=(1,), setpoint_kw=(1,), to=TO)


def test_prices_and_levels_are_events_too() -> None:
    prices = price(start=NOON, every=HOUR, per_kwh=(30, 45.5), to=TO, currency="EUR", market_context="http://m.example")
    levels = level(start=NOON, every=HOUR, levels=(1, 3), to=TO, market_context="http://m.example")

    assert (prices.signal, prices.kind, prices.currency) == (ELECTRICITY_PRICE, PRICE, "EUR")
    assert prices.asks[VEN1].values == (30.0, 45.5)
    assert (levels.signal, levels.kind, levels.asks[VEN2].values) == (SIMPLE, LEVEL, (1.0, 3.0))


def test_a_time_without_a_zone_is_no_start() -> None:
    with pytest.raises(InvalidData, match="time zone"):
        dispatch(start=datetime(2026, 6, 1, 12), every=HOUR, delta_kw=(1,), to=TO)  # noqa: DTZ001


def test_what_vens_have_in_common_is_made_once() -> None:
    """An event may have thousands of them: only its values, its baseline and its target are each VEN's own."""
    outcome = instructions.publish(None, TWO, NOW, "op")
    one, other = (mail.body.event for mail in outcome.mail if isinstance(mail.body, Publish))
    assert (one.period is other.period, one.market_context is other.market_context) == (True, True)
    assert (one.target, other.target) == (Target(vens=(VEN1,)), Target(vens=(VEN2,)))
    values = [[each.payloads for each in event.signals[0].intervals] for event in (one, other)]
    assert values == [[(SignalPayload(value=kw),) for kw in own] for own in ((-1.0, -2.0), (3.0, 0.0))]
