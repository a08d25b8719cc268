"""EiEvent at a VTN: what the clock does to events, and in which order they are told."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from conformance import clock
from conformance import event_laws as laws
from conformance.case import MUST, SHOULD, NotSupported, case, expect, expect_code
from conformance.events_seen import EventSeen, event_of, events_of
from conformance.message import Message
from conformance.operator import DISPATCH, SIMPLE, in_
from conformance.play_ven import PlayVen
from conformance.tested import Vtn
from conformance.vtn_steps import contexts, given, listed, listed_when, until_status

SOON_S = 4.0
"""In so many seconds an event begins that has to be active in its case: time enough to create it before. A subject whose
operator is slower says `lead_s`."""

SHORT_S = 3
"""It lasts so long where its end matters."""

LONG_S = 300


def _soon_s(vtn: Vtn) -> float:
    return float(vtn.parameters.get("lead_s", SOON_S))


async def _begun(vtn: Vtn, ven: PlayVen, event_id: str) -> Message:
    """The events as soon as that one is active."""
    return await until_status(ven, event_id, "active", within_s=_soon_s(vtn) + 12)


async def _active(vtn: Vtn, *values: float, every_s: int = LONG_S, **wish: object) -> tuple[PlayVen, Message, str]:
    """An event of SIMPLE levels that has begun, and how its VEN was told."""
    ven = await vtn.registered()
    signal = replace(SIMPLE, values=values or (2.0,))
    event_id = await vtn.create(ven, signal, in_s=_soon_s(vtn), every_s=every_s, **wish)
    message, _ = await given(ven, event_id)
    await ven.opt(message, event_id)
    return ven, await _begun(vtn, ven, event_id), event_id


@case(
    "vtn.event.status-far",
    rules=("X-EV-11",),
    says="An event that begins later and has no ramp-up is far.",
    sends="an event in 10 min is created",
    expects="eventStatus far",
)
async def far(vtn: Vtn) -> None:
    ven = await vtn.registered()
    message, event = await given(ven, await vtn.create(ven))
    expect(event.status == "far", "far", event.status, message, f"{event.path}//ei:eventStatus")


@case(
    "vtn.event.status-near",
    rules=("X-EV-11",),
    certification=("A_E2_0527", "A_E3_0527"),
    says="An event is near while its ramp-up runs.",
    sends="an event in 10 min with a ramp-up of 20 min is created",
    expects="eventStatus near",
)
async def near(vtn: Vtn) -> None:
    ven = await vtn.registered()
    message, event = await given(ven, await vtn.create(ven, ramp_up_s=1200))
    expect(event.status == "near", "near", event.status, message, f"{event.path}//ei:eventStatus")


@case(
    "vtn.event.status-active",
    rules=("X-EV-11", "5"),
    says="From its start an event is active, under the same number.",
    sends="an event that begins soon; oadrRequestEvent until it has begun",
    expects="eventStatus active, modificationNumber 0",
    signed=True,
)
async def active(vtn: Vtn) -> None:
    _, message, event_id = await _active(vtn)
    event = event_of(message, event_id)
    expect(event.number == 0, "modificationNumber 0", str(event.number), message, event.path)
    laws.hold(message, laws.statuses)


@case(
    "vtn.event.status-over",
    rules=("X-EV-11", "5", "50"),
    level=SHOULD,
    says="An event whose period is over is listed no more, or as completed under its number.",
    sends="an event of a few seconds; oadrRequestEvent until it is over",
    expects="no event, or completed with modificationNumber 0",
)
async def over(vtn: Vtn) -> None:
    ven, _, event_id = await _active(vtn, every_s=SHORT_S)

    def ended(message: Message) -> bool:
        return all(one.status == "completed" for one in events_of(message) if one.id == event_id)

    message = await listed_when(ven, ended, f"event {event_id} over")
    numbers = {one.number for one in events_of(message) if one.id == event_id}
    expect(numbers <= {0}, "modificationNumber 0", str(numbers), message, "./oadr:oadrEvent")


@case(
    "vtn.event.over-at-last",
    rules=("66",),
    level=SHOULD,
    says="An event whose period and startafter are over is listed no more.",
    sends="an event of a few seconds; oadrRequestEvent well after its end",
    expects="no such event",
)
async def over_at_last(vtn: Vtn) -> None:
    ven, _, event_id = await _active(vtn, every_s=SHORT_S)
    await listed_when(
        ven, lambda message: event_id not in {one.id for one in events_of(message)}, f"event {event_id} gone"
    )


@case(
    "vtn.event.listed-through-startafter",
    rules=("66",),
    says="While startafter runs after its end, an event is still listed.",
    sends="an event of a few seconds with a startafter of 60 s; oadrRequestEvent after its end",
    expects="the event, active or completed, with its number",
)
async def listed_through_startafter(vtn: Vtn) -> None:
    ven, message, event_id = await _active(vtn, every_s=SHORT_S, startafter_s=60)
    event = event_of(message, event_id)
    if event.end is None:
        return
    await asyncio.sleep(max((event.end - clock.now()).total_seconds(), 0) + laws.EDGE_S)
    after = event_of(await listed(ven), event_id)
    expect(after.number == 0, "modificationNumber 0", str(after.number))
    expect(after.status in ("active", "completed"), "active or completed", after.status)


@case(
    "vtn.event.active-value",
    rules=("X-EV-4", "14"),
    says="The currentValue of an active event is the value of the interval that runs.",
    sends="a SIMPLE event of level 2 that begins soon; oadrRequestEvent when it has begun",
    expects="currentValue 2, where there is one",
)
async def active_value(vtn: Vtn) -> None:
    _, message, event_id = await _active(vtn, 2.0, 1.0)
    event = event_of(message, event_id)
    laws.hold(message, laws.running)
    current = event.signals[0].current
    expect(current in (None, 2.0), "currentValue 2", str(current), message, event.signals[0].path)


@case(
    "vtn.event.value-follows-intervals",
    rules=("X-EV-4",),
    says="currentValue changes with the intervals, and the number does not.",
    sends="an event of levels 1, 3 in intervals of a few seconds; oadrRequestEvent until the second one runs",
    expects="currentValue 3 then, where there is one; modificationNumber 0",
)
async def value_follows(vtn: Vtn) -> None:
    ven, message, event_id = await _active(vtn, 1.0, 3.0, every_s=6)
    if event_of(message, event_id).signals[0].current is None:
        raise NotSupported("the VTN tells no currentValue")

    def second(message: Message) -> bool:
        return any(one.id == event_id and one.signals[0].current == 3.0 for one in events_of(message))

    message = await listed_when(ven, second, "currentValue 3")
    laws.hold(message, laws.running)
    number = event_of(message, event_id).number
    expect(number == 0, "modificationNumber 0", str(number), message, "./oadr:oadrEvent")


@case(
    "vtn.event.active-value-dispatch",
    rules=("X-EV-4",),
    says="The currentValue of any signal of an active event is that of its running interval.",
    sends="a LOAD_DISPATCH event that begins soon; oadrRequestEvent when it has begun",
    expects="currentValue as the first interval, where there is one",
)
async def active_dispatch(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven, replace(DISPATCH, values=(1000.0, 2000.0)), in_s=_soon_s(vtn), every_s=LONG_S)
    laws.hold(await _begun(vtn, ven, event_id), laws.running)


@case(
    "vtn.event.created-anew",
    rules=("X-EV-3",),
    level=SHOULD,
    says="createdDateTime is renewed each time the event is sent.",
    sends="oadrRequestEvent twice, more than a second apart",
    expects="a later createdDateTime the second time",
)
async def created_anew(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    _, first = await given(ven, event_id)
    await asyncio.sleep(1.5)
    message = await listed(ven)
    event = event_of(message, event_id)
    path = f"{event.path}//ei:createdDateTime"
    later = event.created > first.created
    expect(later, f"later than {first.created.isoformat()}", event.created.isoformat(), message, path)


@case(
    "vtn.event.created-within-minutes",
    rules=("X-EV-3",),
    says="However old an event is, its createdDateTime is within 5 min of the sending.",
    sends="oadrRequestEvent more than 5 min after the event was created",
    expects="createdDateTime within 5 min of now",
    slow=True,
    within_s=400.0,
)
async def created_within_minutes(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven, in_s=LONG_S * 4)
    await given(ven, event_id)
    await asyncio.sleep(laws.FRESH_S + 10)
    message = await listed(ven)
    event_of(message, event_id)
    laws.hold(message, laws.fresh)


@case(
    "vtn.event.cancelled-while-active",
    rules=("5", "50", "52"),
    says="An active event can be cancelled, and is told so under the next number.",
    sends="an event that has begun is cancelled",
    expects="eventStatus cancelled, modificationNumber 1",
)
async def cancelled_active(vtn: Vtn) -> None:
    ven, _, event_id = await _active(vtn)
    await vtn.operator.cancel_event(event_id)
    message, event = await given(ven, event_id, modification=1)
    expect(event.status == "cancelled", "cancelled", event.status, message, f"{event.path}//ei:eventStatus")
    expect_code(await ven.opt(message, event_id), "200")


async def _open_ended(vtn: Vtn) -> tuple[PlayVen, str, EventSeen]:
    ven = await vtn.registered()
    event_id = await vtn.create(ven, in_s=_soon_s(vtn), every_s=0)
    await given(ven, event_id)
    return ven, event_id, event_of(await _begun(vtn, ven, event_id), event_id)


@case(
    "vtn.event.open-ended-stays-active",
    rules=("47", "X-EV-11"),
    says="An event without an end is active from its start, for as long as nobody cancels it.",
    sends="an event without an end that begins soon; oadrRequestEvent when it has begun, and later",
    expects="eventStatus active both times",
)
async def open_ended_stays(vtn: Vtn) -> None:
    ven, event_id, _ = await _open_ended(vtn)
    await asyncio.sleep(2)
    message = await listed(ven)
    status = event_of(message, event_id).status
    expect(status == "active", "active", status, message, "./oadr:oadrEvent")


@case(
    "vtn.event.open-ended-is-cancelled",
    rules=("47", "5"),
    says="An event without an end is ended by its cancellation.",
    sends="an event without an end that has begun is cancelled",
    expects="eventStatus cancelled, modificationNumber 1",
)
async def open_ended_cancelled(vtn: Vtn) -> None:
    ven, event_id, _ = await _open_ended(vtn)
    await vtn.operator.cancel_event(event_id)
    message, event = await given(ven, event_id, modification=1)
    expect(event.status == "cancelled", "cancelled", event.status, message, f"{event.path}//ei:eventStatus")


# -- order -----------------------------------------------------------------------------------------------------------


def _in_order(message: Message, wanted: list[str]) -> None:
    ids = [one.id for one in events_of(message) if one.id in wanted]
    expect(ids == wanted, ", ".join(wanted), ", ".join(ids), message, "./oadr:oadrEvent")


@case(
    "vtn.event.order-by-start",
    rules=("15",),
    says="Of events to come the earliest is told first, whatever its priority.",
    sends="three events are created, the latest first and with the highest priority; oadrRequestEvent",
    expects="the earliest first",
)
async def order_by_start(vtn: Vtn) -> None:
    ven = await vtn.registered()
    late = await vtn.create(ven, in_s=9000, priority=1)
    middle = await vtn.create(ven, in_s=6000, priority=2)
    early = await vtn.create(ven, in_s=3000)
    await given(ven, early)
    _in_order(await listed(ven), [early, middle, late])


@case(
    "vtn.event.order-by-priority",
    rules=("15",),
    certification=("A_E2_0510", "A_E3_0510", "A_E2_0520", "A_E3_0520"),
    says="Of events with the same start the one of higher priority is told first, those without one last.",
    sends="three events at one time in three market contexts: without priority, of priority 2, of priority 1",
    expects="priority 1, priority 2, none",
)
async def order_by_priority(vtn: Vtn) -> None:
    ven = await vtn.registered()
    a, b, c = contexts(vtn, 3)
    start = in_(3600)
    none = await vtn.create(ven, market_context=a, start=start)
    second = await vtn.create(ven, market_context=b, priority=2, start=start)
    first = await vtn.create(ven, market_context=c, priority=1, start=start)
    await given(ven, first)
    _in_order(await listed(ven), [first, second, none])


@case(
    "vtn.event.order-active-first",
    rules=("15",),
    says="Active events are told before those to come, by priority.",
    sends="two active events of priorities 2 and 1 and one to come without delay after them; oadrRequestEvent",
    expects="the active ones first, priority 1 before 2",
)
async def order_active_first(vtn: Vtn) -> None:
    ven = await vtn.registered()
    a, b, c = contexts(vtn, 3)
    to_come = await vtn.create(ven, market_context=a, in_s=LONG_S, priority=1)
    second = await vtn.create(ven, market_context=b, in_s=_soon_s(vtn), priority=2, every_s=2 * LONG_S)
    first = await vtn.create(ven, market_context=c, in_s=_soon_s(vtn) + 1, priority=1, every_s=2 * LONG_S)
    message = await _begun(vtn, ven, first)
    _in_order(message, [first, second, to_come])


@case(
    "vtn.event.order-of-the-cancelled",
    rules=("15",),
    says="A cancelled event has the place that its time gives it.",
    sends="two events are created and the earlier one is cancelled; oadrRequestEvent",
    expects="the cancelled one first",
)
async def order_cancelled(vtn: Vtn) -> None:
    ven = await vtn.registered()
    late = await vtn.create(ven, in_s=9000)
    early = await vtn.create(ven, in_s=3000)
    await given(ven, early)
    await vtn.operator.cancel_event(early)
    message = await ven.event(early, modification=1)
    _in_order(message, [early, late])


async def _limited(vtn: Vtn, limit: int) -> tuple[Message, list[str]]:
    ven = await vtn.registered()
    ids = [await vtn.create(ven, in_s=hours * 3600) for hours in (1, 2, 3)]
    await given(ven, ids[-1])
    return await listed(ven, reply_limit=limit), ids


def _declare_limit(limit: int) -> None:
    @case(
        f"vtn.event.reply-limit-{limit}",
        rules=("50", "15", "46"),
        says=f"With a replyLimit of {limit} the first {limit} events are told and no more.",
        sends=f"three events are created; oadrRequestEvent with replyLimit {limit}",
        expects=f"the first {min(limit, 3)} of them",
        level=SHOULD if limit == 0 else MUST,
    )
    async def reply_limit(vtn: Vtn) -> None:
        message, ids = await _limited(vtn, limit)
        found = [one.id for one in events_of(message)]
        expect(found == ids[:limit], str(ids[:limit]), str(found), message, "./oadr:oadrEvent")


for _limit in (0, 1, 2, 5):
    _declare_limit(_limit)
