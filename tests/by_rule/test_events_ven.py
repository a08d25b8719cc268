"""EiEvent at the VEN: what arrives as XML, and what is said to it and done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    RequestEvent,
    RequestReregistration,
)
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    COMPLETED,
    FAR,
    NEVER,
    OPT_OUT,
    SIMPLE,
    Currency,
    CurrencyPerKwh,
    EventId,
    MarketContext,
    PowerReal,
    RequestId,
    ResourceId,
    ResponseRequired,
    SignalName,
    SignalType,
    Target,
    VenId,
    VtnId,
)
from openadr_ra.protocol.parts import Baseline, DistributedEvent, Event, Interval, Result, Signal, SignalPayload
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from tests.by_rule.session import one, said, texts
from tests.duplex import PUSHED, Duplex
from tests.protocol.events import hears, period
from tests.protocol.events import said as answers
from tests.site import RELEASE
from tests.world import E1, HOUR, IDENTITY, MINUTE, NOON, SECOND, VEN1, VTN1, Pair, distributed, event

RESPONSE = "//pyld:eiCreatedEvent/ei:eventResponses/ei:eventResponse"


@pytest.fixture
def ven() -> Pair:
    """A registered VEN, an hour before noon; its VTN says what the test says."""
    pair = Pair()
    pair.ven_starts()
    return pair


def listed(*events: tuple[Event, ResponseRequired], request_id: str = "ev1") -> DistributeEvent:
    """oadrDistributeEvent, each event with what it wants for an answer."""
    found = tuple(DistributedEvent(event=item, response_required=wanted) for item, wanted in events)
    return DistributeEvent(request_id=RequestId(request_id), vtn_id=VTN1, events=found)


def polled(pair: Pair, message: DistributeEvent) -> None:
    pair.ven_hears(message)


def fetched(pair: Pair, message: DistributeEvent) -> None:
    pair.ven_fetches(message)


def pushed(pair: Pair, message: DistributeEvent) -> None:
    assert isinstance(pair, Duplex)
    assert pair.ven_is_called(message) is None


@pytest.mark.parametrize("arrives", [polled, fetched, pushed])
def test_rules_12_62_at_the_ven_each_event_is_answered_as_it_wants_however_it_arrives(
    arrives: Callable[[Pair, DistributeEvent], None],
) -> None:
    """New, changed, unchanged, cancelled and unknown: always is always answered and never is never."""
    pair = Duplex(identity=PUSHED) if arrives is pushed else Pair()
    pair.ven_starts()
    kinds = [event("old"), event("quiet"), event("changed")]
    arrives(pair, listed(*((item, ALWAYS) for item in kinds)))
    pair.settles()
    before = len(answers(pair))

    arrives(
        pair,
        listed(
            (event("old"), ALWAYS),
            (event("quiet"), NEVER),
            (event("changed", modification=1), ALWAYS),
            (event("new"), ALWAYS),
            (event("new and quiet"), NEVER),
            (replace(event("cancelled"), status=CANCELLED), ALWAYS),
            (replace(event("cancelled and quiet"), status=CANCELLED), NEVER),
            request_id="ev2",
        ),
    )
    pair.settles()

    xml = [said(pair.now, message) for message in answers(pair)[before:]]
    found = [
        (one(r, ".//ei:eventID"), one(r, "ei:optType"), one(r, "pyld:requestID")) for x in xml for r in x.find(RESPONSE)
    ]
    assert sorted(found) == [(name, "optIn", "ev2") for name in ("cancelled", "changed", "new", "old")]


def test_rule_42_at_the_ven_a_later_change_of_mind_quotes_the_delivery_it_is_about(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), request_id="first"))
    ven.settles()
    before = len(answers(ven))

    ven.operator_opts("E1", OPT_OUT)
    ven.settles()

    (message,) = [said(ven.now, each) for each in answers(ven)[before:]]
    assert [one(each, "pyld:requestID") for each in message.find(RESPONSE)] == ["first"]
    assert [each.text for each in message.find("//pyld:eiCreatedEvent/ei:eiResponse/pyld:requestID")] == [None]


def test_rule_31_at_the_ven_dtstart_and_duration_are_kept_to_whatever_the_status_says(ven: Pair) -> None:
    """A VEN runs on its own clock. Ramp-up and recovery, negative ones too, move neither edge."""
    shaped = period(event(), ramp_up=Duration(seconds=-600), recovery=Duration(seconds=900))

    assert hears(ven, replace(shaped, status=FAR)) == [("E1", 0, "200", "optIn")]
    ven.clock_reaches(NOON + 10 * MINUTE)
    assert hears(ven, replace(shaped, status=FAR)) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


@pytest.mark.parametrize(("startafter_s", "latest"), [(0, NOON), (600, NOON + 10 * MINUTE)])
def test_rule_31_at_the_ven_tolerance_moves_the_start_and_the_end_alike(
    ven: Pair, startafter_s: int, latest: datetime
) -> None:
    hears(ven, period(event(), startafter=Duration(seconds=startafter_s)))

    (begin, _), (end, word) = ven.site.applied
    assert NOON <= begin <= latest
    assert (end - begin, word) == (HOUR, RELEASE)


def uneven(values: tuple[float, ...], lengths_s: tuple[int, ...]) -> Event:
    """An event whose intervals differ in length."""
    intervals = tuple(
        Interval(duration=Duration(seconds=seconds), uid=str(number), payloads=(SignalPayload(value=value),))
        for number, (value, seconds) in enumerate(zip(values, lengths_s, strict=True))
    )
    item = event(duration=timedelta(seconds=sum(lengths_s)))
    return replace(item, signals=(replace(item.signals[0], intervals=intervals),))


def test_rule_32_at_the_ven_each_interval_lasts_as_long_and_asks_as_much_as_it_says(ven: Pair) -> None:
    hears(ven, uneven((-1.0, -4.0, 2.0), (600, 1200, 60)))

    assert ven.site.applied == [
        (NOON, -1.0),
        (NOON + 10 * MINUTE, -4.0),
        (NOON + 30 * MINUTE, 2.0),
        (NOON + 31 * MINUTE, RELEASE),
    ]


def test_rule_33_at_the_ven_what_is_illogical_in_an_event_is_that_events_error(ven: Pair) -> None:
    """Its intervals are a minute short of the event; the message as a whole is in order."""
    short = uneven((-1.0, -2.0), (600, 600))
    short = period(short, duration=Duration(seconds=1260))

    assert hears(ven, short) == [("E1", 0, "459", "optOut")]
    assert answers(ven)[-1].result == Result()
    assert ven.site.applied == []


@pytest.mark.parametrize("vtn_id", ["Vtn1", "vtn1", ""])
def test_rule_35_at_the_ven_event_responses_are_there_unless_the_whole_message_is_refused(
    ven: Pair, vtn_id: str
) -> None:
    ven.ven_hears(distributed(event(), vtn_id=VtnId(vtn_id)))
    ven.settles()

    message = said(ven.now, answers(ven)[-1])
    codes = [each.text for each in message.find("//pyld:eiCreatedEvent/ei:eiResponse/ei:responseCode")]
    assert codes == ["200" if vtn_id == "Vtn1" else "452"]
    assert len(message.find("//ei:eventResponses")) == (1 if vtn_id == "Vtn1" else 0)


def test_rule_36_at_the_ven_a_cancellation_is_confirmed_by_opt_in_also_of_an_event_that_was_opted_out(
    ven: Pair,
) -> None:
    ven.site.refused = {"E1": "too much"}
    assert hears(ven, event()) == [("E1", 0, "200", "optOut")]

    assert hears(ven, replace(event(modification=1), status=CANCELLED)) == [("E1", 1, "200", "optIn")]


def test_rule_37_at_the_ven_whoever_does_not_choose_push_polls() -> None:
    pull, push = Duplex(identity=IDENTITY), Duplex(identity=PUSHED)
    for pair in (pull, push):
        pair.ven_starts()
        pair.clock_reaches(pair.now + 5 * MINUTE)

    assert len([each for each in pull.said if isinstance(each.request, Poll)]) > 3
    assert pull.pushes == []
    assert [each for each in push.said if isinstance(each.request, Poll)] == []


def test_rule_405_at_the_ven_events_are_asked_for_after_a_new_registration_and_not_after_a_repeated_one(
    ven: Pair,
) -> None:
    def said_of(kind: type[Message]) -> int:
        return len([each for each in ven.said if isinstance(each.request, kind)])

    assert (said_of(CreatePartyRegistration), said_of(RequestEvent)) == (1, 1)
    ven.ven_hears(RequestReregistration(ven_id=VEN1))
    ven.settles()
    assert (said_of(CreatePartyRegistration), said_of(RequestEvent)) == (2, 1)


FULL = replace(
    event(),
    modified=NOON - HOUR,
    modification_reason="more of it",
    priority=3,
    test="false",
    comment="a word",
    target=Target(vens=(VEN1,), groups=("north",), resources=(ResourceId("bat"),)),
    baseline=Baseline(
        start=NOON,
        duration=Duration(seconds=3600),
        intervals=(Interval(duration=Duration(seconds=3600), uid="0", payloads=(SignalPayload(value=5.0),)),),
        id="b1",
        resources=(ResourceId("bat"),),
        name="declared",
    ),
)


def test_rule_46_at_the_ven_all_that_is_optional_is_understood_and_nothing_of_it_is_needed(ven: Pair) -> None:
    full = period(
        FULL,
        startafter=Duration(),
        notification=Duration(seconds=3600),
        ramp_up=Duration(seconds=60),
        recovery=Duration(seconds=60),
    )
    least = replace(
        event("E2", start=NOON + HOUR),
        priority=None,
        modified=None,
        test=None,
        comment=None,
        baseline=None,
        target=Target(),
    )
    signal = least.signals[0]
    bare = replace(signal, current_value=None, intervals=tuple(replace(each, uid=None) for each in signal.intervals))
    least = period(replace(least, signals=(bare,)), startafter=None, notification=None, ramp_up=None, recovery=None)

    assert hears(ven, full, least) == [("E1", 0, "200", "optIn"), ("E2", 0, "200", "optIn")]
    assert ven.site.applied == [(NOON, -2.0), (NOON + HOUR, -2.0), (NOON + 2 * HOUR, RELEASE)]


def named(name: str, kind: str, unit: Currency | None = None) -> Signal:
    interval = Interval(duration=Duration(seconds=3600), uid="0", payloads=(SignalPayload(value=1.0),))
    return Signal(
        intervals=(interval,), name=SignalName(Token(name)), type=SignalType(Token(kind)), id="other", unit=unit
    )


@pytest.mark.parametrize(
    "signal",
    [
        named("x-CUSTOM_SIGNAL", "level"),
        named("SIMPLE", "setpoint"),
        named("ELECTRICITY_PRICE", "price", Currency()),
        named("LOAD_CONTROL", "x-loadControlCapacity"),
    ],
    ids=["x- name", "type", "unit", "name"],
)
def test_rule_109_at_the_ven_an_unsupported_signal_is_460_and_opt_out(ven: Pair, signal: Signal) -> None:
    """Also beside one that is supported; the other event of the message is taken."""
    beside = replace(event("both"), signals=(*event().signals, signal))
    alone = replace(event("alone"), signals=(signal,))

    assert hears(ven, alone, beside, event()) == [
        ("alone", 0, "460", "optOut"),
        ("both", 0, "460", "optOut"),
        ("E1", 0, "200", "optIn"),
    ]
    assert ven.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        (named("SIMPLE", "level"), "200"),
        (replace(named("ELECTRICITY_PRICE", "price"), unit=CurrencyPerKwh()), "200"),
        (replace(named("LOAD_DISPATCH", "setpoint"), unit=PowerReal()), "200"),
        (named("LOAD_DISPATCH", "x-loadControlCapacity"), "460"),
    ],
    ids=["SIMPLE", "ELECTRICITY_PRICE", "LOAD_DISPATCH", "none of them"],
)
def test_rule_510_at_the_ven_the_three_mandatory_signals_are_taken(ven: Pair, signal: Signal, code: str) -> None:
    assert hears(ven, replace(event(), signals=(signal,))) == [("E1", 0, code, "optIn" if code == "200" else "optOut")]


SIMPLE_SIGNAL = replace(named("SIMPLE", "level"), name=SIMPLE)


@pytest.mark.parametrize(("level", "code"), [(-1, "454"), (0, "200"), (3, "200"), (4, "454"), (1.5, "454")])
def test_rule_9_at_the_ven_a_level_that_there_is_not_is_454(ven: Pair, level: float, code: str) -> None:
    interval = replace(SIMPLE_SIGNAL.intervals[0], payloads=(SignalPayload(value=float(level)),))
    item = replace(event(), signals=(replace(SIMPLE_SIGNAL, intervals=(interval,)),))

    assert hears(ven, item) == [("E1", 0, code, "optIn" if code == "200" else "optOut")]


@pytest.mark.parametrize("wrong", ["venID", "market context", "resource"])
def test_rules_21_48_at_the_ven_what_names_another_is_462_and_opt_out(wrong: str) -> None:
    ours = MarketContext(Token("http://market.example/a"))
    pair = Pair(identity=replace(IDENTITY, market_contexts=(ours,)))
    pair.ven_starts()
    good = replace(event(), market_context=ours)
    bad = {
        "venID": replace(good, id=EventId("bad"), target=Target(vens=(VenId("ven1"),))),
        "market context": replace(event("bad"), market_context=MarketContext(Token("http://market.example/A"))),
        "resource": replace(good, id=EventId("bad"), target=Target(resources=(ResourceId("BAT"),))),
    }[wrong]

    assert hears(pair, good, bad) == [("E1", 0, "200", "optIn"), ("bad", 0, "462", "optOut")]
    assert list(pair.site.promised) == [E1]


def test_rule_43_at_the_ven_each_delivery_is_heard_though_all_have_one_requestid(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), request_id="0"))
    ven.settles()
    ven.ven_hears(distributed(event(modification=1), event("E2", start=NOON + HOUR), request_id="0"))
    ven.settles()

    last = said(ven.now, answers(ven)[-1])
    assert [one(each, ".//ei:modificationNumber") for each in last.find(RESPONSE)] == ["1", "0"]
    assert [texts(each, "pyld:requestID") for each in last.find(RESPONSE)] == [("0",), ("0",)]
    assert isinstance(answers(ven)[-1], CreatedEvent)


def test_rule_66_at_the_ven_completed_does_not_stop_what_its_startafter_has_shifted(ven: Pair) -> None:
    """The VTN says completed at dtstart + duration; whoever began late ends as much later."""
    shifted = period(event(), startafter=Duration(seconds=1800))
    hears(ven, shifted)
    (begin, _), (end, _) = ven.site.applied
    assert NOON < begin <= NOON + 30 * MINUTE
    ven.clock_reaches(NOON + HOUR + SECOND)

    hears(ven, replace(shifted, status=COMPLETED))

    assert ven.site.applied[-1] == (end, RELEASE)
