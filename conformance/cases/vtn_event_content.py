"""EiEvent at a VTN: what an oadrDistributeEvent and each event in it consist of."""

from __future__ import annotations

from msgspec.structs import replace

from conformance import event_laws as laws
from conformance.case import case, expect, expect_absent, expect_code, expect_kind, expect_text, expect_there
from conformance.events_seen import events_of
from conformance.operator import SIMPLE
from conformance.tested import Vtn
from conformance.vtn_steps import created, given, listed

MANY = 24
"""Intervals of one event that every node has to take."""


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
    expect_kind(events, "oadrDistributeEvent")
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
