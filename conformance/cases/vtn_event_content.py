"""EiEvent at a VTN: what an oadrDistributeEvent and each event in it consist of."""

from __future__ import annotations

from msgspec.structs import replace

from conformance import event_laws as laws
from conformance.case import SHOULD, case, expect, expect_absent, expect_code, expect_kind, expect_text, expect_there
from conformance.events_seen import events_of
from conformance.operator import SIMPLE
from conformance.tested import Vtn
from conformance.vtn_steps import contexts, created, given, listed

MANY = 24
"""Intervals of one event that every node has to take."""

LONG_COMMENT = "A comment as long as every node has to take it. " * 5 + "Its end."


@case(
    "vtn.event.none",
    rules=("40", "41"),
    certification=("E1_1010", "A_E0_0020"),
    says="A VEN without events gets an oadrDistributeEvent without any.",
    sends="oadrRequestEvent of a VEN that has no event",
    expects="oadrDistributeEvent 200 without oadrEvent",
    signed=True,
)
async def none(vtn: Vtn) -> None:
    ven = await vtn.registered()
    events = await listed(ven)
    expect_absent(events, "./oadr:oadrEvent")


@case(
    "vtn.event.request-is-echoed",
    rules=("40",),
    says="What answers an oadrRequestEvent has an eiResponse with its requestID.",
    sends="oadrRequestEvent",
    expects="eiResponse 200 with the requestID of the request",
)
async def request_echoed(vtn: Vtn) -> None:
    ven = await vtn.registered()
    events = await ven.say("oadrRequestEvent", request_id="a-request-of-mine")
    expect_kind(events, "oadrDistributeEvent")
    expect_text(events, "./ei:eiResponse/pyld:requestID", "a-request-of-mine")


@case(
    "vtn.event.polled-has-response",
    rules=("40",),
    says="An oadrDistributeEvent that answers a poll has an eiResponse.",
    sends="an event is created; polls",
    expects="eiResponse 200",
    modes=("pull",),
)
async def polled_response(vtn: Vtn) -> None:
    message, _ = await created(vtn)
    expect_there(message, "./ei:eiResponse")
    expect_code(message, "200")


@case(
    "vtn.event.request-id",
    rules=("41",),
    says="An oadrDistributeEvent has a requestID of its own.",
    sends="an event is created",
    expects="requestID at the top of oadrDistributeEvent",
)
async def request_id(vtn: Vtn) -> None:
    message, _ = await created(vtn)
    expect_there(message, "./pyld:requestID")


@case(
    "vtn.event.vtn-id",
    rules=("21", "401"),
    says="The vtnID of an oadrDistributeEvent is the one that the registration told.",
    sends="an event is created",
    expects="the vtnID of oadrCreatedPartyRegistration",
)
async def vtn_id(vtn: Vtn) -> None:
    ven = await vtn.registered()
    message, _ = await given(ven, await vtn.create(ven))
    expect_text(message, "./ei:vtnID", ven.vtn_id)


@case(
    "vtn.event.new-is-number-0",
    rules=("4", "5"),
    certification=("E1_1020",),
    says="A new event has modificationNumber 0.",
    sends="an event is created",
    expects="modificationNumber 0",
    signed=True,
)
async def new_is_zero(vtn: Vtn) -> None:
    message, event = await created(vtn)
    expect(
        event.number == 0, "modificationNumber 0", str(event.number), message, f"{event.path}//ei:modificationNumber"
    )


@case(
    "vtn.event.new-is-told",
    rules=("5", "50"),
    certification=("E1_1020",),
    says="A new event is brought to its VEN without being asked for, as it was ordered.",
    sends="an event of two intervals is created",
    expects="an event with the start and the length of the order",
)
async def new_is_told(vtn: Vtn) -> None:
    message, event = await created(vtn, replace(SIMPLE, values=(1.0, 2.0)), every_s=300)
    expect(event.length_s == 600, "a duration of 600 s", f"{event.length_s} s", message, event.path)
    expect(event.status == "far", "eventStatus far", event.status, message, event.path)


@case(
    "vtn.event.request-and-poll-agree",
    rules=("50",),
    says="oadrRequestEvent tells the same events as a poll or a push.",
    sends="an event is created and received; oadrRequestEvent",
    expects="the event in both, with the same number and the same period",
)
async def both_ways(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    _, first = await given(ven, event_id)
    again = await listed(ven)
    ids = [(one.id, one.number, one.start, one.length_s) for one in events_of(again)]
    wanted = (event_id, first.number, first.start, first.length_s)
    expect(wanted in ids, f"event {event_id} as before", str(ids), again, "./oadr:oadrEvent")


@case(
    "vtn.event.uids",
    rules=("2",),
    certification=("A_E2_0432", "A_E3_0432"),
    says="The uids of a signal's intervals count from 0.",
    sends="an event of three intervals is created",
    expects="uids 0, 1, 2",
)
async def uids(vtn: Vtn) -> None:
    message, event = await created(vtn, replace(SIMPLE, values=(1.0, 2.0, 1.0)))
    count = len(event.signals[0].intervals)
    expect(count == 3, "three intervals", str(count), message, event.signals[0].path)
    laws.hold(message, laws.uids)


@case(
    "vtn.event.durations-add-up",
    rules=("8", "32"),
    certification=("A_E2_0432", "A_E3_0432"),
    says="The intervals of a signal last as long as the event.",
    sends="an event of three intervals of 5 min is created",
    expects="intervals and active period of 900 s",
)
async def sums(vtn: Vtn) -> None:
    message, event = await created(vtn, replace(SIMPLE, values=(1.0, 2.0, 1.0)), every_s=300)
    expect(event.length_s == 900, "a duration of 900 s", f"{event.length_s} s", message, event.path)
    laws.hold(message, laws.sums)


@case(
    "vtn.event.values-in-order",
    rules=("32", "9"),
    certification=("A_E2_0432", "A_E3_0432"),
    says="Each interval has its own value, in the order that was wanted.",
    sends="a SIMPLE event of the levels 1, 2, 3, 0 is created",
    expects="these four values in the signal's intervals",
)
async def values_in_order(vtn: Vtn) -> None:
    wanted = (1.0, 2.0, 3.0, 0.0)
    message, event = await created(vtn, replace(SIMPLE, values=wanted))
    expect(event.signals[0].values == wanted, str(wanted), str(event.signals[0].values), message, event.path)


@case(
    "vtn.event.one-value-each",
    rules=("X-EV-7",),
    says="An interval of a signal has one payloadFloat.",
    sends="an event of three intervals is created",
    expects="one payloadFloat in each interval",
)
async def one_value(vtn: Vtn) -> None:
    message, _ = await created(vtn, replace(SIMPLE, values=(1.0, 2.0, 1.0)))
    laws.hold(message, laws.single_values)


@case(
    "vtn.event.intervals-undated",
    rules=("X-EV-5",),
    says="The intervals of a signal have no dtstart.",
    sends="an event of three intervals is created",
    expects="no dtstart in the intervals",
)
async def undated(vtn: Vtn) -> None:
    message, _ = await created(vtn, replace(SIMPLE, values=(1.0, 2.0, 1.0)))
    laws.hold(message, laws.undated)


@case(
    "vtn.event.calm-before-start",
    rules=("14",),
    says="The currentValue of a SIMPLE signal is 0 before its event begins.",
    sends="a SIMPLE event of level 2 is created, to begin in 10 min",
    expects="currentValue 0, where there is one",
)
async def calm(vtn: Vtn) -> None:
    message, _ = await created(vtn, replace(SIMPLE, values=(2.0,)))
    laws.hold(message, laws.calm)


@case(
    "vtn.event.one-venid",
    rules=("X-EV-2",),
    says="The target of an event has one venID at most: the receiver's.",
    sends="an event is created",
    expects="no venID, or the VEN's own",
)
async def one_ven(vtn: Vtn) -> None:
    ven = await vtn.registered()
    message, event = await given(ven, await vtn.create(ven))
    expect(event.vens in ((), (ven.ven_id,)), ven.ven_id, str(event.vens), message, f"{event.path}/ei:eiTarget")


@case(
    "vtn.event.created-now",
    rules=("X-EV-3",),
    says="createdDateTime is the time of sending, within 5 min.",
    sends="an event is created",
    expects="createdDateTime within 5 min of now",
)
async def created_now(vtn: Vtn) -> None:
    message, _ = await created(vtn)
    laws.hold(message, laws.fresh)


@case(
    "vtn.event.resources",
    rules=("46",),
    certification=("A_E2_0435", "A_E3_0435"),
    says="An event for some resources names them in its target.",
    sends="an event for the resources power and energy of a VEN is created",
    expects="both resourceIDs in eiTarget",
)
async def resources(vtn: Vtn) -> None:
    message, event = await created(vtn, resources=("power", "energy"))
    expect(
        set(event.resources) == {"power", "energy"},
        "resourceIDs power and energy",
        str(event.resources),
        message,
        f"{event.path}/ei:eiTarget",
    )


@case(
    "vtn.event.market-context",
    rules=("46",),
    says="An event is in the market context that it was ordered in.",
    sends="an event in a market context is created",
    expects="that marketContext",
)
async def market_context(vtn: Vtn) -> None:
    (context,) = contexts(vtn, 1)
    message, event = await created(vtn, market_context=context)
    expect(event.context == context, context, event.context, message, f"{event.path}//ei:eiMarketContext")


@case(
    "vtn.event.priority",
    rules=("46",),
    certification=("A_E2_0510", "A_E3_0510"),
    says="An event has the priority that was wanted.",
    sends="an event of priority 3 is created",
    expects="priority 3",
)
async def priority(vtn: Vtn) -> None:
    message, event = await created(vtn, priority=3)
    expect(event.priority == 3, "priority 3", str(event.priority), message, f"{event.path}//ei:priority")


@case(
    "vtn.event.test",
    rules=("46",),
    says="A test event says so.",
    sends="a test event is created",
    expects="testEvent with a text that is not false",
)
async def test(vtn: Vtn) -> None:
    message, event = await created(vtn, test=True)
    told = event.test.lower() not in ("", "false")
    expect(told, "testEvent, not false", event.test or "none", message, f"{event.path}//ei:testEvent")


@case(
    "vtn.event.no-test",
    rules=("46",),
    says="An event that is real says nothing of a test, or that it is none.",
    sends="an event is created",
    expects="no testEvent, an empty one, or false",
)
async def no_test(vtn: Vtn) -> None:
    message, event = await created(vtn)
    real = event.test.lower() in ("", "false")
    expect(real, "no testEvent, or false", event.test, message, f"{event.path}//ei:testEvent")


@case(
    "vtn.event.comment",
    rules=("46",),
    says="A comment of 250 characters comes through whole.",
    sends="an event with such a vtnComment is created",
    expects="the same vtnComment",
)
async def comment(vtn: Vtn) -> None:
    wanted = LONG_COMMENT[:250].strip()
    message, event = await created(vtn, comment=wanted)
    expect(event.comment == wanted, wanted, event.comment, message, f"{event.path}//ei:vtnComment")


@case(
    "vtn.event.response-required",
    rules=("46",),
    says="An event that wants an answer says always.",
    sends="an event is created whose answer is wanted",
    expects="oadrResponseRequired always",
)
async def response_required(vtn: Vtn) -> None:
    message, event = await created(vtn)
    expect(event.required == "always", "always", event.required, message, "./oadr:oadrEvent/oadr:oadrResponseRequired")


@case(
    "vtn.event.response-never",
    rules=("46",),
    certification=("A_E2_0468", "A_E3_0468", "A_E2_0480", "A_E3_0480"),
    says="An event that wants no answer says never.",
    sends="an event is created whose answer is not wanted",
    expects="oadrResponseRequired never",
)
async def response_never(vtn: Vtn) -> None:
    message, event = await created(vtn, response_required=False)
    expect(event.required == "never", "never", event.required, message, "./oadr:oadrEvent/oadr:oadrResponseRequired")


@case(
    "vtn.event.startafter",
    rules=("46", "66"),
    certification=("A_E2_0685", "A_E3_0685"),
    says="A randomised start is told as startafter.",
    sends="an event with a startafter of 120 s is created",
    expects="tolerate/startafter of 120 s",
)
async def startafter(vtn: Vtn) -> None:
    message, event = await created(vtn, startafter_s=120)
    expect(event.startafter_s == 120, "startafter 120 s", f"{event.startafter_s} s", message, event.path)


@case(
    "vtn.event.ramp-up",
    rules=("46",),
    certification=("A_E2_0527", "A_E3_0527"),
    says="A ramp-up is told as x-eiRampUp.",
    sends="an event with a ramp-up of 60 s is created",
    expects="x-eiRampUp of 60 s",
)
async def ramp_up(vtn: Vtn) -> None:
    message, event = await created(vtn, ramp_up_s=60)
    expect(event.ramp_up_s == 60, "x-eiRampUp 60 s", f"{event.ramp_up_s} s", message, event.path)


@case(
    "vtn.event.notification",
    rules=("46",),
    level=SHOULD,
    says="Every event has an x-eiNotification, be it zero.",
    sends="an event is created",
    expects="x-eiNotification in the active period",
)
async def notification(vtn: Vtn) -> None:
    message, event = await created(vtn)
    expect_there(message, f"{event.path}/ei:eiActivePeriod/xcal:properties/ei:x-eiNotification")


@case(
    "vtn.event.24-intervals",
    rules=("2", "8", "32"),
    says="An event may have 24 intervals.",
    sends="an event of 24 intervals is created",
    expects="all of them, with uids 0 to 23, adding up",
)
async def many_intervals(vtn: Vtn) -> None:
    message, event = await created(vtn, replace(SIMPLE, values=(1.0, 2.0) * (MANY // 2)))
    count = len(event.signals[0].intervals)
    expect(count == MANY, f"{MANY} intervals", str(count), message, event.signals[0].path)
    laws.hold(message, laws.uids, laws.sums)


@case(
    "vtn.event.four-events",
    rules=("50", "X-EV-1", "15"),
    says="All events of a VEN come together, each with an id of its own, in order.",
    sends="four events of three intervals are created, the last ones first; oadrRequestEvent",
    expects="four different eventIDs, the soonest event first",
)
async def four_events(vtn: Vtn) -> None:
    ven = await vtn.registered()
    signal = replace(SIMPLE, values=(1.0, 2.0, 1.0))
    wanted = [await vtn.create(ven, signal, in_s=hours * 3600) for hours in (4, 3, 2, 1)]
    await given(ven, wanted[-1])
    events = await listed(ven)
    ids = [one.id for one in events_of(events)]
    expect(ids == wanted[::-1], f"events {wanted[::-1]}", str(ids), events, "./oadr:oadrEvent")
    laws.hold(events, laws.unique_events)
