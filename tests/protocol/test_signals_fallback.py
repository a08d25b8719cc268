"""The next signal after a 460 (rule 109), where answers come twice, late and apart, and what the operator sees of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol import event as events
from openadr_ra.protocol import signals
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.instruction import event as made_event
from openadr_ra.protocol.makers import beside
from openadr_ra.protocol.messages import CreatedEvent, CreatePartyRegistration, DistributeEvent, Message, Response
from openadr_ra.protocol.model import (
    ALWAYS,
    LEVEL,
    OPT_IN,
    OPT_OUT,
    SIMPLE,
    EventId,
    OptType,
    QualifiedEventId,
    RequestId,
    SignalType,
)
from openadr_ra.protocol.parts import Event, EventResponse, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Publish
from tests.world import E1, HOUR, NOON, SECOND, VEN1, Pair, code_of, event, shed

DELTA_REFUSED = ("LOAD_DISPATCH/delta",)


def answer(opt: OptType, code: str = "200", *, modification: int = 0, id: str = "E1") -> EventResponse:
    about = QualifiedEventId(event_id=EventId(id), modification=modification)
    return EventResponse(code=code, event=about, opt=opt)


def answers(pair: Pair, *responses: EventResponse) -> Message:
    return pair.vtn_hears(CreatedEvent(result=Result(), responses=responses, ven_id=VEN1))


def offered(reply: Message) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Modification and signals of each event that a poll brought."""
    assert isinstance(reply, DistributeEvent)
    return {item.event.id: (item.event.modification, signals.names(item.event)) for item in reply.events}


@pytest.fixture
def refused(pair: Pair) -> Pair:
    """A VEN that has just refused the change of power that E1 asks for."""
    pair.vtn_publishes(shed())
    pair.vtn_is_polled()
    answers(pair, answer(OPT_OUT, "460"))
    return pair


def test_a_refusal_that_comes_twice_teaches_nothing_new(refused: Pair) -> None:
    """The second one is about a version that was overtaken by the levels: it does not refuse those."""
    assert code_of(answers(refused, answer(OPT_OUT, "460"))) == "450"

    assert refused.party.refused_signals == DELTA_REFUSED
    assert offered(refused.vtn_is_polled()) == {"E1": (1, ("SIMPLE/level",))}


@pytest.mark.parametrize("apart", [False, True])
def test_all_events_that_were_refused_for_a_signal_are_offered_the_next(pair: Pair, apart: bool) -> None:
    """In one oadrCreatedEvent or in two (E1_1040)."""
    pair.vtn_publishes(shed("E1"))
    pair.vtn_publishes(shed("E2", start=NOON + 3 * HOUR))
    pair.vtn_is_polled()
    both = answer(OPT_OUT, "460"), answer(OPT_OUT, "460", id="E2")

    for each in (both[:1], both[1:]) if apart else (both,):
        answers(pair, *each)

    assert offered(pair.vtn_is_polled()) == {"E1": (1, ("SIMPLE/level",)), "E2": (1, ("SIMPLE/level",))}


def test_an_event_that_was_taken_as_it_is_stays_as_it_is(pair: Pair) -> None:
    """A VEN may refuse a signal for one of its resources, and take it for another."""
    pair.vtn_publishes(shed("E1"))
    pair.vtn_publishes(shed("E2", start=NOON + 3 * HOUR))
    pair.vtn_is_polled()
    answers(pair, answer(OPT_IN), answer(OPT_OUT, "460", id="E2"))

    assert offered(pair.vtn_is_polled()) == {"E1": (0, ("LOAD_DISPATCH/delta",)), "E2": (1, ("SIMPLE/level",))}


def test_the_operator_sees_no_opt_until_the_levels_are_answered(refused: Pair) -> None:
    """`Vtn.opts` goes by the instruction's own number, which is not the one that this VEN has."""
    held = refused.party.events[E1]
    assert (held.revision, held.event.modification, held.unanswered) == (0, 1, True)

    answers(refused, answer(OPT_IN, modification=1))

    held = refused.party.events[E1]
    assert (held.revision, held.unanswered, held.opt) == (0, False, OPT_IN)
    refused.vtn_changes(shed(delta_kw=-1.0))
    held = refused.party.events[E1]
    assert (held.revision, held.event.modification, held.unanswered) == (1, 2, True)


def test_rule_5_at_the_vtn_numbers_rise_by_one_from_version_to_version_whatever_was_offered_between(
    refused: Pair,
) -> None:
    seen = [offered(refused.vtn_is_polled())["E1"][0]]
    for kw in (-5.0, -4.0, -3.0):
        refused.vtn_changes(shed(delta_kw=kw))
        seen.append(offered(refused.vtn_is_polled())["E1"][0])
    refused.vtn_cancels("E1")
    seen.append(offered(refused.vtn_is_polled())["E1"][0])

    assert seen == [1, 2, 3, 4, 5]


def test_mail_about_a_version_that_was_replaced_by_levels_changes_nothing(refused: Pair) -> None:
    before = refused.party

    refused.vtn_takes(Publish(event=event(), response_required=ALWAYS))

    assert refused.party == before


def test_a_change_from_a_shedding_to_a_raise_is_told_as_it_is(refused: Pair) -> None:
    """Levels cannot say it; the VEN refuses it, and the operator knows."""
    refused.vtn_changes(shed(delta_kw=2.0))
    assert offered(refused.vtn_is_polled()) == {"E1": (2, ("LOAD_DISPATCH/delta",))}
    answers(refused, answer(OPT_OUT, "460", modification=2))

    assert isinstance(refused.vtn_is_polled(), Response)
    assert not refused.party.events[E1].unanswered
    assert refused.party.events[E1].opt == OPT_OUT


def test_what_a_ven_does_not_take_is_known_beyond_its_registration(refused: Pair) -> None:
    """A VEN that registers anew is the same device."""
    refused.vtn_hears(CreatePartyRegistration(request_id=RequestId("new"), pull=True))

    assert offered(refused.vtn_is_polled()) == {"E1": (1, ("SIMPLE/level",))}
    assert refused.party.refused_signals == DELTA_REFUSED


def test_a_lost_answer_does_not_keep_the_levels_from_a_ven_that_takes_only_those() -> None:
    """The delivery is repeated until the 460 arrives."""
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed())
    for _ in range(3):
        assert offered(pair.vtn_is_polled()) == {"E1": (0, ("LOAD_DISPATCH/delta",))}
        pair.now += 20 * SECOND
    answers(pair, answer(OPT_OUT, "460"))

    assert offered(pair.vtn_is_polled()) == {"E1": (1, ("SIMPLE/level",))}


@settings(max_examples=100)
@given(st.lists(st.floats(-1e6, 1e6) | st.floats(-1e6, 0), min_size=1, max_size=24))
def test_levels_are_offered_for_sheddings_only_and_are_always_levels(values: list[float]) -> None:
    """0 for what asks for nothing, 1 to 3 for the rest, rising with what is asked; never beside another signal."""
    full = made_event(shed(duration=HOUR * len(values), delta_kw=tuple(values)), VEN1, NOON)

    found = signals.instead(full, DELTA_REFUSED)

    sheds = any(value < 0 for value in values) and not any(value > 0 for value in values)
    assert (found is not None) is sheds
    if found is None:
        return
    (simple,) = found.signals
    levels = [value for _, value in events.laid(simple, found)]
    assert (simple.name, simple.type) == (SIMPLE, LEVEL)
    assert set(levels) <= {0.0, 1.0, 2.0, 3.0}
    assert [level == 0 for level in levels] == [value == 0 for value in values]
    assert max(levels) == 3
    ranked = sorted(zip(values, levels, strict=True))
    assert [level for _, level in ranked] == sorted(levels, reverse=True)
    assert signals.instead(found, DELTA_REFUSED) is None


DELTA, SETPOINT, SIMPLE_LEVEL = "LOAD_DISPATCH/delta", "LOAD_DISPATCH/setpoint", "SIMPLE/level"


def with_baseline(*baseline_kw: float, delta_kw: tuple[float, ...] = (-2.0, -1.0)) -> Instruction:
    """A change of power on what VEN1 is known to do."""
    order = shed(delta_kw=delta_kw)
    return replace(order, asks={VEN1: replace(order.asks[VEN1], baseline_kw=baseline_kw)})


def asked(reply: Message) -> list[float]:
    """The values of the only signal of the only event."""
    assert isinstance(reply, DistributeEvent)
    (item,) = reply.events
    (signal,) = item.event.signals
    return [value for _, value in events.laid(signal, item.event)]


def test_rule_109_at_the_vtn_a_change_on_a_known_baseline_is_offered_as_a_set_point_and_then_as_levels(
    pair: Pair,
) -> None:
    """One after the other, under the next numbers, and remembered."""
    pair.vtn_publishes(with_baseline(10.0, 0.3))
    seen = [offered(pair.vtn_is_polled())["E1"]]
    answers(pair, answer(OPT_OUT, "460"))
    setpoint = pair.vtn_is_polled()
    seen.append(offered(setpoint)["E1"])
    answers(pair, answer(OPT_OUT, "460", modification=1))
    levels = pair.vtn_is_polled()
    seen.append(offered(levels)["E1"])

    assert seen == [(0, (DELTA,)), (1, (SETPOINT,)), (2, (SIMPLE_LEVEL,))]
    assert (asked(setpoint), asked(levels)) == ([8.0, -0.7], [3.0, 2.0])
    assert set(pair.party.refused_signals) == {DELTA, SETPOINT}
    answers(pair, answer(OPT_OUT, "460", modification=2))
    assert isinstance(pair.vtn_is_polled(), Response)


def test_a_ven_that_takes_the_set_point_gets_the_next_event_as_one(pair: Pair) -> None:
    """A raise, too: only levels cannot say it."""
    pair.vtn_publishes(with_baseline(10.0, 10.0))
    pair.vtn_is_polled()
    answers(pair, answer(OPT_OUT, "460"))
    pair.vtn_is_polled()
    answers(pair, answer(OPT_IN, modification=1))
    pair.vtn_changes(with_baseline(9.0, 9.0, delta_kw=(1.0, 2.0)))

    changed = pair.vtn_is_polled()

    assert (offered(changed)["E1"], asked(changed)) == ((2, (SETPOINT,)), [10.0, 11.0])


def test_without_a_baseline_the_set_point_is_left_out(refused: Pair) -> None:
    assert offered(refused.vtn_is_polled())["E1"] == (1, (SIMPLE_LEVEL,))


def test_a_set_point_of_the_operators_own_becomes_levels_where_the_baseline_is_known(pair: Pair) -> None:
    """It is a shedding only against that."""
    order = replace(with_baseline(10.0, 10.0, delta_kw=(4.0, 10.0)), kind=SignalType(Token("setpoint")))
    pair.vtn_publishes(order)
    pair.vtn_is_polled()
    answers(pair, answer(OPT_OUT, "460"))

    levels = pair.vtn_is_polled()

    assert (offered(levels)["E1"], asked(levels)) == ((1, (SIMPLE_LEVEL,)), [3.0, 0.0])


def test_one_of_several_signals_that_was_refused_is_replaced_by_nothing(pair: Pair) -> None:
    """SIMPLE never stands beside another signal, and the event means all of its signals."""
    pair.vtn_publishes(beside(with_baseline(10.0, 10.0), "ELECTRICITY_PRICE/price", (30.0, 30.0)))
    pair.vtn_is_polled()
    answers(pair, answer(OPT_OUT, "460"))

    assert isinstance(pair.vtn_is_polled(), Response)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(-500, 500), st.integers(-500, 500)), min_size=1, max_size=12))
def test_whatever_is_offered_instead_asks_for_the_same(figures: list[tuple[int, int]]) -> None:
    """The set-point is baseline and change; the levels after it are those of the change itself."""
    base, delta = tuple(b / 7 for b, _ in figures), tuple(d / 3 for _, d in figures)
    order = shed(duration=HOUR * len(figures), delta_kw=delta)
    full = made_event(order, VEN1, NOON)

    setpoint = signals.instead(full, (DELTA,), base)

    assert setpoint is not None
    assert asked_of(setpoint) == pytest.approx([b + d for b, d in zip(base, delta, strict=True)])
    direct, later = signals.instead(full, (DELTA, SETPOINT), base), signals.instead(setpoint, (DELTA, SETPOINT), base)
    assert (direct is None) == (later is None)
    assert direct is None or later is None or asked_of(direct) == asked_of(later)
    assert signals.instead(full, (DELTA,), (*base, 1.0)) == signals.instead(full, (DELTA,))


def asked_of(item: Event) -> list[float]:
    (signal,) = item.signals
    return [value for _, value in events.laid(signal, item)]
