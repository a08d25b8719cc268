"""EiEvent as a VTN sends it, in the XML that goes out; and what it makes of the VEN's words about it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from lxml import etree
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import dispatch
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreateOpt,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    RequestEvent,
)
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    ELECTRICITY_PRICE,
    LOAD_CONTROL,
    LOAD_DISPATCH,
    OPT_IN,
    OPT_OUT,
    PRICE,
    SETPOINT,
    SIMPLE,
    EventId,
    OptId,
    QualifiedEventId,
    RequestId,
    SignalName,
    SignalType,
    VtnId,
)
from openadr_ra.protocol.opt import SCHEDULED
from openadr_ra.protocol.parts import Event, EventResponse, Result
from openadr_ra.protocol.signals_table import DEVICE_CLASSES
from openadr_ra.protocol.step import Publish
from openadr_ra.protocol.times import Duration, read_datetime, read_duration
from tests.by_rule.session import Heard, Said, elements, one, said, texts, told
from tests.protocol.events import INSTANT, period
from tests.world import BAT, E1, HOUR, MINUTE, NOON, VEN1, Pair, code_of, event, shed

R1 = RequestId("r1")
EVENT = "//oadr:oadrDistributeEvent/oadr:oadrEvent/ei:eiEvent"
SIGNAL = f"{EVENT}/ei:eiEventSignals/ei:eiEventSignal"
INTERVAL = f"{SIGNAL}/strm:intervals/ei:interval"


ENDLESS = tuple(
    replace(signal, intervals=tuple(replace(each, duration=Duration()) for each in signal.intervals))
    for signal in event().signals
)
OPEN_ENDED = replace(period(event(), duration=Duration()), signals=ENDLESS)


@pytest.fixture
def vtn() -> Pair:
    """A VTN whose VEN is registered, an hour before noon; the VEN says what the test says."""
    pair = Pair()
    pair.ven_starts()
    return pair


def delivered(pair: Pair, at: datetime | None = None) -> Said:
    """The XML of the events that an oadrRequestEvent brings at that time."""
    pair.now = at or pair.now
    return said(pair.now, pair.vtn_hears(RequestEvent(request_id=RequestId("re1"), ven_id=VEN1)))


def values(message: Said) -> list[tuple[str, str]]:
    """Length and value of each interval of the signals."""
    return [
        (one(each, "xcal:duration/xcal:duration"), one(each, "ei:signalPayload/ei:payloadFloat/ei:value"))
        for each in message.find(INTERVAL)
    ]


def test_rule_2_x_ev_5_7_at_the_vtn_intervals_count_from_0_and_have_one_value_and_no_start(heard: Heard) -> None:
    for signal in heard.vtn.find(SIGNAL):
        intervals = elements(signal, "strm:intervals/ei:interval")
        uids = [one(each, "xcal:uid/xcal:text") for each in intervals]
        assert uids == [str(number) for number in range(len(intervals))]
        for each in intervals:
            assert (
                len(texts(each, "ei:signalPayload/ei:payloadFloat/ei:value")) == len(elements(each, "*[last()]")) == 1
            )
            assert elements(each, "xcal:dtstart") == ()


def test_rule_8_at_the_vtn_the_intervals_of_a_signal_last_as_long_as_the_event(heard: Heard) -> None:
    for item in heard.vtn.find(EVENT):
        whole = read_duration(one(item, "ei:eiActivePeriod/xcal:properties/xcal:duration/xcal:duration"))
        for signal in elements(item, "ei:eiEventSignals/ei:eiEventSignal"):
            each = texts(signal, "strm:intervals/ei:interval/xcal:duration/xcal:duration")
            assert sum((read_duration(text).length for text in each), timedelta()) == whole.length > timedelta(0)


def test_rules_40_41_at_the_vtn_events_come_under_a_requestid_and_with_a_result_where_they_were_asked_for(
    heard: Heard,
) -> None:
    messages = heard.vtn.find("//oadr:oadrDistributeEvent")
    answering = [each for each in messages if elements(each, "ei:eiResponse")]

    assert all(one(each, "pyld:requestID") for each in messages)
    assert {one(each, "ei:eiResponse/ei:responseCode") for each in answering} == {"200"}


def test_rule_40_at_the_vtn_an_answer_to_a_poll_or_a_request_has_a_result(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    for reply in (vtn.vtn_is_polled(), vtn.vtn_hears(RequestEvent(request_id=RequestId("re1"), ven_id=VEN1))):
        assert isinstance(reply, DistributeEvent)
        (result,) = said(vtn.now, reply).find("//oadr:oadrDistributeEvent/ei:eiResponse")
        assert one(result, "ei:responseCode") == "200"


def test_x_ev_1_6_at_the_vtn_an_eventid_and_a_signalid_occur_once(heard: Heard) -> None:
    most = 0
    for message in heard.vtn.find("//oadr:oadrDistributeEvent[oadr:oadrEvent]"):
        ids = texts(message, ".//ei:eventDescriptor/ei:eventID")
        assert len(set(ids)) == len(ids)
        most = max(most, len(ids))
        for item in elements(message, ".//ei:eiEventSignals"):
            signals = texts(item, "ei:eiEventSignal/ei:signalID")
            assert len(set(signals)) == len(signals) > 0
    assert most == 6


def test_x_ev_1_at_the_vtn_an_eventid_cannot_be_published_twice(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    with pytest.raises(InvalidId, match="event E1 exists already"):
        vtn.vtn_publishes(shed(start=NOON + 5 * HOUR))

    assert [each.text for each in delivered(vtn).find(f"{EVENT}//ei:eventID")] == ["E1"]


def test_x_ev_3_at_the_vtn_an_event_is_created_when_it_is_sent(heard: Heard) -> None:
    count = 0
    for message in heard.vtn.messages:
        for created in message.find(f"{EVENT}/ei:eventDescriptor/ei:createdDateTime"):
            assert read_datetime(created.text or "") == message.at
            count += 1
    assert count > 20


def test_x_ev_4_11_rule_14_at_the_vtn_status_and_current_value_are_of_the_moment_of_sending(vtn: Pair) -> None:
    """Each edge, a moment before it and at it."""
    vtn.vtn_publishes(replace(shed(delta_kw=(-1.0, -2.0)), ramp_up=10 * MINUTE, startafter=5 * MINUTE))
    seen = []
    for at in (NOON - 10 * MINUTE, NOON, NOON + 30 * MINUTE, NOON + HOUR):
        for when in (at - INSTANT, at):
            (item,) = delivered(vtn, when).find(EVENT)
            seen.append((one(item, ".//ei:eventStatus"), one(item, ".//ei:currentValue/ei:payloadFloat/ei:value")))

    assert seen == [
        ("far", "0.0"), ("near", "0.0"),
        ("near", "0.0"), ("active", "-1.0"),
        ("active", "-1.0"), ("active", "-2.0"),
        ("active", "-2.0"), ("completed", "0.0"),
    ]  # fmt: skip


def test_x_ev_5_8_at_the_vtn_the_intervals_of_a_baseline_last_as_long_as_it_does(heard: Heard) -> None:
    for baseline in heard.vtn.find(f"{EVENT}/ei:eiEventSignals/ei:eiEventBaseline"):
        whole = read_duration(one(baseline, "xcal:duration/xcal:duration")).length
        each = texts(baseline, "strm:intervals/ei:interval/xcal:duration/xcal:duration")
        assert len(each) == len(elements(baseline, "strm:intervals/ei:interval")) == 3
        assert sum((read_duration(text).length for text in each), timedelta()) == whole == 90 * MINUTE
        assert texts(baseline, "strm:intervals/ei:interval/xcal:uid/xcal:text") == ("0", "1", "2")
        assert elements(baseline, "strm:intervals/ei:interval/xcal:dtstart") == ()


@pytest.mark.parametrize("count", [2, 4])
def test_x_ev_8_at_the_vtn_a_baseline_that_is_shorter_or_longer_cannot_be_published(vtn: Pair, count: int) -> None:
    order = told(shed(delta_kw=(-1.0, -1.0, -1.0)))
    asks = {VEN1: replace(order.asks[VEN1], baseline_kw=(1.0,) * count)}
    with pytest.raises(InvalidData, match="baseline"):
        vtn.vtn_publishes(replace(order, asks=asks))

    assert delivered(vtn).find(EVENT) == ()


def test_x_ev_10_at_the_vtn_a_signal_is_aimed_at_device_classes_and_nothing_else(heard: Heard) -> None:
    found = set()
    for target in heard.vtn.find(f"{SIGNAL}/ei:eiTarget"):
        assert {each.tag.rpartition("}")[2] for each in elements(target, "*")} == {"endDeviceAsset"}
        found |= set(texts(target, "power:endDeviceAsset/power:mrid"))

    assert found == {"Storage", "EVSE", "Water_Heater"} < set(DEVICE_CLASSES)


@pytest.mark.parametrize("name", ["Toaster", "storage", ""])
def test_x_ev_10_at_the_vtn_what_is_no_device_class_cannot_be_published(vtn: Pair, name: str) -> None:
    with pytest.raises(InvalidData, match="device class"):
        vtn.vtn_publishes(replace(shed(), device_classes=(name,)))

    assert delivered(vtn).find(EVENT) == ()


def test_x_ev_2_at_the_vtn_a_target_has_the_venid_of_the_receiver_alone(heard: Heard) -> None:
    for target in heard.vtn.find(f"{EVENT}/ei:eiTarget"):
        assert texts(target, "ei:venID") == ("VEN1",)


TOGETHER = {
    ("LOAD_DISPATCH", "delta", "powerReal"),
    ("LOAD_DISPATCH", "setpoint", "powerReal"),
    ("ELECTRICITY_PRICE", "price", "currencyPerKWh"),
    ("SIMPLE", "level", None),
}


def test_rule_510_x_ev_9_at_the_vtn_name_type_and_unit_of_a_signal_belong_together(heard: Heard) -> None:
    """All that an operator can order, the three that every VTN must be able to send among them."""
    found = set()
    for signal in heard.vtn.find(SIGNAL):
        units = [each for each in elements(signal, "*") if elements(each, "power:itemUnits | oadr:itemUnits")]
        unit = etree.QName(units[0]).localname if units else None
        found.add((one(signal, "ei:signalName"), one(signal, "ei:signalType"), unit))

    assert found == TOGETHER


@pytest.mark.parametrize(
    ("signal", "kind"),
    [(SIMPLE, SETPOINT), (LOAD_DISPATCH, PRICE), (ELECTRICITY_PRICE, SETPOINT), (LOAD_CONTROL, PRICE)],
)
def test_x_ev_9_at_the_vtn_what_does_not_belong_together_cannot_be_published(
    vtn: Pair, signal: SignalName, kind: SignalType
) -> None:
    with pytest.raises(InvalidData, match="X-EV-9"):
        vtn.vtn_publishes(replace(shed(delta_kw=1.0), signal=signal, kind=kind))

    assert delivered(vtn).find(EVENT) == ()


def test_rule_32_at_the_vtn_each_interval_has_its_own_length_and_value(vtn: Pair) -> None:
    vtn.vtn_publishes(shed(delta_kw=(-1.0, -2.5, 0.0)))

    assert values(delivered(vtn)) == [("PT20M", "-1.0"), ("PT20M", "-2.5"), ("PT20M", "0.0")]


def test_rule_57_at_the_vtn_a_change_takes_the_place_of_what_was_there(vtn: Pair) -> None:
    """Also for a VEN that never heard of the version before."""
    vtn.vtn_publishes(shed())
    vtn.vtn_changes(shed(delta_kw=-3.0))
    vtn.vtn_changes(shed(delta_kw=-1.5))
    (item,) = delivered(vtn).find(EVENT)

    assert one(item, ".//ei:modificationNumber") == "2"
    assert values(delivered(vtn)) == [("PT1H", "-1.5")]


def answer(opt: str, modification: int = 0, *, event: str = "E1", requested: str = "ev1") -> CreatedEvent:
    """oadrCreatedEvent about one event."""
    about = QualifiedEventId(event_id=EventId(event), modification=modification)
    choice = {"optIn": OPT_IN, "optOut": OPT_OUT}[opt]
    response = EventResponse(request_id=RequestId(requested), event=about, opt=choice)
    return CreatedEvent(result=Result(), responses=(response,), ven_id=VEN1)


@pytest.mark.parametrize("requested", ["the delivery's own", "", "of another delivery"])
def test_rule_42_at_the_vtn_an_answer_counts_whatever_delivery_it_quotes(vtn: Pair, requested: str) -> None:
    """The event and its number say what is answered; a change of mind quotes the delivery of long ago."""
    vtn.vtn_publishes(shed())
    delivery = vtn.vtn_is_polled()
    assert isinstance(delivery, DistributeEvent)
    quoted = delivery.request_id if requested.startswith("the") else requested

    assert code_of(vtn.vtn_hears(answer("optOut", requested=quoted))) == "200"
    assert vtn.party.events[E1].opt == OPT_OUT
    assert code_of(vtn.vtn_hears(answer("optIn", requested=quoted))) == "200"
    assert vtn.party.events[E1].opt == OPT_IN


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (answer("optIn", event="e1"), "452"),
        (answer("optIn", 1), "452"),
        (answer("optIn"), "200"),
        (CreateOpt(opt_id=OptId("o"), opt=OPT_OUT, reason=SCHEDULED, ven_id=VEN1, created=NOON, request_id=R1), "459"),
        (CreatePartyRegistration(request_id=R1, ven_id=VEN1, pull=False), "454"),
        (DistributeEvent(request_id=R1, vtn_id=VtnId("Vtn1")), "451"),
    ],
    ids=["unexpected id", "no such version", "nothing wrong", "missing data", "illogical", "wrong payload type"],
)
def test_rule_33_at_the_vtn_what_is_valid_and_wrong_is_answered_by_an_error(vtn: Pair, bad: Message, code: str) -> None:
    """In the natural answer, with the requestID; what is not schema-valid never becomes a message."""
    vtn.vtn_publishes(shed())
    vtn.vtn_is_polled()
    before = vtn.party

    assert code_of(vtn.vtn_hears(bad)) == code
    assert (vtn.party == before) is (code != "200")


def test_rule_46_at_the_vtn_what_is_optional_is_left_out_or_understood(vtn: Pair) -> None:
    """The least that the schema wants of an answer, and all that it allows."""
    vtn.vtn_publishes(shed())
    vtn.vtn_is_polled()
    least = replace(answer("optIn", requested=""), responses=())
    full = answer("optOut")
    full = replace(
        full,
        result=Result(description="all of it", request_id=RequestId("x")),
        responses=(replace(full.responses[0], code="200", description="we cannot"),),
    )

    assert code_of(vtn.vtn_hears(least)) == "200"
    assert vtn.party.events[E1].opt is None
    assert code_of(vtn.vtn_hears(full)) == "200"
    assert vtn.party.events[E1].opt == OPT_OUT


def optional(order: Instruction) -> set[str]:
    """The optional elements of the event that this becomes."""
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(order)
    names = ("priority", "testEvent", "vtnComment", "x-eiRampUp", "resourceID")
    return {name for name in names if delivered(pair).find(f"{EVENT}//ei:{name}")}


def test_rule_46_at_the_vtn_an_event_has_what_its_operator_gave_it_and_no_more() -> None:
    plain = shed()
    full = dispatch(start=NOON, every=HOUR, delta_kw=(-1.0,), to=(VEN1,), priority=2, comment="why", test=True)
    asks = {VEN1: replace(full.asks[VEN1], resources=(BAT,))}

    assert optional(plain) == set()
    assert optional(replace(full, id=E1, ramp_up=MINUTE, asks=asks)) == {
        "priority", "testEvent", "vtnComment", "x-eiRampUp", "resourceID",
    }  # fmt: skip


def published(pair: Pair, event: Event) -> None:
    """An event that no operator of ours could have ordered."""
    pair.vtn_takes(Publish(event=event, response_required=ALWAYS))


def test_rule_47_at_the_vtn_an_open_ended_event_is_listed_until_it_is_cancelled(vtn: Pair) -> None:
    published(vtn, OPEN_ENDED)

    (running,) = delivered(vtn, NOON + 1000 * HOUR).find(EVENT)
    assert one(running, ".//ei:eventStatus") == "active"
    assert values(delivered(vtn)) == [("PT0S", "-2.0")]
    published(vtn, replace(OPEN_ENDED, modification=1, status=CANCELLED))
    (cancelled,) = delivered(vtn).find(EVENT)
    assert one(cancelled, ".//ei:eventStatus") == "cancelled"
    vtn.vtn_hears(answer("optIn", 1))
    assert delivered(vtn).find(EVENT) == ()
