"""After a 460 a VEN is offered the next signal it may take, and the VTN remembers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import event as events
from openadr_ra.protocol.instruction import Ask
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent, Message, Response
from openadr_ra.protocol.model import (
    ELECTRICITY_PRICE,
    LEVEL,
    OPT_IN,
    OPT_OUT,
    PRICE,
    SETPOINT,
    SIMPLE,
    EventId,
    OptType,
    QualifiedEventId,
)
from openadr_ra.protocol.parts import Event, EventResponse, Result
from openadr_ra.protocol.signals import instead
from tests.world import E1, NOON, VEN1, Pair, shed

REFUSED = ("LOAD_DISPATCH/delta",)


def delivered(reply: Message) -> Event:
    assert isinstance(reply, DistributeEvent)
    (item,) = reply.events
    return item.event


def answers(pair: Pair, modification: int, opt: OptType, code: str = "200", event_id: str = "E1") -> None:
    event = QualifiedEventId(event_id=EventId(event_id), modification=modification)
    response = EventResponse(code=code, event=event, opt=opt)
    pair.vtn_hears(CreatedEvent(result=Result(), responses=(response,), ven_id=VEN1))


def levels(event: Event) -> list[float]:
    """The SIMPLE levels that it asks for, which are its only signal."""
    (signal,) = event.signals
    assert (signal.name, signal.type, signal.unit) == (SIMPLE, LEVEL, None)
    return [value for _, value in events.laid(signal, event)]


def test_rule_109_at_the_vtn_a_shedding_that_was_refused_for_its_signal_is_offered_as_levels(pair: Pair) -> None:
    """Under the next number, and as one that the VEN can follow."""
    pair.vtn_publishes(shed(delta_kw=(-1.0, -3.0, 0.0)))
    delivered(pair.vtn_is_polled())
    answers(pair, 0, OPT_OUT, "460")

    offered = delivered(pair.vtn_is_polled())

    assert (offered.modification, levels(offered)) == (1, [1.0, 3.0, 0.0])
    events.check(offered)
    answers(pair, 1, OPT_IN)
    assert pair.party.events[E1].opt == OPT_IN
    assert isinstance(pair.vtn_is_polled(), Response)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((-3.0,), [3.0]), ((-3.0, -1.5), [3.0, 2.0]), ((-3.0, -1.0), [3.0, 1.0]), ((-3.0, -0.01, 0.0), [3.0, 1.0, 0.0])],
)
def test_rule_9_at_the_vtn_the_deepest_shedding_is_level_3_and_every_shedding_is_one(
    values: tuple[float, ...], expected: list[float]
) -> None:
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed(delta_kw=values))
    offered = instead(delivered(pair.vtn_is_polled()), REFUSED)

    assert offered is not None
    assert levels(offered) == expected


def test_the_vtn_remembers_what_a_ven_does_not_take(pair: Pair) -> None:
    """The next event is offered as levels from the start."""
    pair.vtn_publishes(shed())
    delivered(pair.vtn_is_polled())
    answers(pair, 0, OPT_OUT, "460")
    delivered(pair.vtn_is_polled())
    answers(pair, 1, OPT_IN)
    pair.vtn_cancels("E1")
    delivered(pair.vtn_is_polled())
    answers(pair, 2, OPT_IN)

    pair.vtn_publishes(shed("E2"))

    offered = delivered(pair.vtn_is_polled())
    assert (offered.id, offered.modification, levels(offered)) == ("E2", 0, [3.0])


def test_changes_and_cancellations_count_on_from_what_was_offered_instead(pair: Pair) -> None:
    """Rule 5 holds towards this VEN, whatever number the instruction has."""
    pair.vtn_publishes(shed())
    delivered(pair.vtn_is_polled())
    answers(pair, 0, OPT_OUT, "460")
    pair.vtn_changes(shed(delta_kw=-5.0))
    assert delivered(pair.vtn_is_polled()).modification == 2

    pair.vtn_cancels("E1")
    gone = delivered(pair.vtn_is_polled())

    assert (gone.modification, gone.status) == (3, "cancelled")


@pytest.mark.parametrize(
    "values", [(2.0,), (-2.0, 1.0), (0.0,)], ids=["a raise", "a raise among sheddings", "nothing but holding"]
)
def test_what_levels_cannot_say_is_offered_no_other_way(pair: Pair, values: tuple[float, ...]) -> None:
    """SIMPLE knows only shedding."""
    pair.vtn_publishes(shed(delta_kw=values))
    delivered(pair.vtn_is_polled())
    answers(pair, 0, OPT_OUT, "460")

    assert isinstance(pair.vtn_is_polled(), Response)
    assert (pair.party.events[E1].opt, pair.party.events[E1].code) == (OPT_OUT, "460")


def test_a_set_point_or_a_price_is_offered_no_other_way(pair: Pair) -> None:
    orders = (
        replace(shed("E1"), kind=SETPOINT),
        replace(shed("E2", delta_kw=30.0), signal=ELECTRICITY_PRICE, kind=PRICE),
    )
    for order in orders:
        pair.vtn_publishes(order)
    pair.vtn_is_polled()
    for name in ("E1", "E2"):
        answers(pair, 0, OPT_OUT, "460", name)

    assert isinstance(pair.vtn_is_polled(), Response)


def test_a_ven_that_takes_no_levels_either_is_asked_no_more(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    for number in (0, 1):
        assert delivered(pair.vtn_is_polled()).modification == number
        answers(pair, number, OPT_OUT, "460")

    assert isinstance(pair.vtn_is_polled(), Response)
    assert set(pair.party.refused_signals) == {"LOAD_DISPATCH/delta", "SIMPLE/level"}
    pair.vtn_publishes(shed("E2"))
    assert isinstance(pair.vtn_is_polled(), DistributeEvent)


def test_a_refusal_for_another_reason_teaches_nothing(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    delivered(pair.vtn_is_polled())
    answers(pair, 0, OPT_OUT, "462")

    assert pair.party.refused_signals == ()
    assert isinstance(pair.vtn_is_polled(), Response)


def test_other_events_and_cancelled_ones_stay_as_they_are(pair: Pair) -> None:
    pair.vtn_publishes(shed("E1"))
    pair.vtn_publishes(shed("E2"))
    pair.vtn_is_polled()
    answers(pair, 0, OPT_IN, "200", "E2")
    answers(pair, 0, OPT_OUT, "460", "none")
    answers(pair, 0, OPT_OUT, "460", "E1")

    assert pair.party.events[EventId("E2")].event.modification == 0
    assert pair.party.events[E1].event.modification == 1


def test_an_event_with_two_signals_or_other_signals_is_not_touched() -> None:
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(replace(shed(), asks={VEN1: Ask(values=(-1.0,))}))
    event = delivered(pair.vtn_is_polled())

    assert instead(event, ()) is None
    assert instead(event, ("LOAD_DISPATCH/setpoint",)) is None
    assert instead(replace(event, signals=event.signals * 2), REFUSED) is None
    assert event.period.start == NOON
