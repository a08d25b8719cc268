"""EiEvent at a VTN: events that are changed and cancelled, and what is told of them."""

from __future__ import annotations

from msgspec.structs import replace

from conformance import event_laws as laws
from conformance.case import SHOULD, case, expect, expect_code
from conformance.events_seen import EventSeen, event_of, events_of
from conformance.message import Message
from conformance.operator import SIMPLE, SignalWish
from conformance.play_ven import PlayVen
from conformance.tested import Vtn
from conformance.vtn_steps import contexts, given, listed, says_no

HOUR_S = 3600


async def _changed(vtn: Vtn, *signals: SignalWish, in_s: float = 600, **wish: object) -> tuple[Message, EventSeen]:
    """An event that was received and answered, and then changed to this; as it is brought to the VEN after that."""
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, _ = await given(ven, event_id)
    await ven.opt(message, event_id)
    await vtn.change(event_id, ven, *signals, in_s=in_s, **wish)
    return await given(ven, event_id, modification=1)


def _number_1(message: Message, event: EventSeen) -> None:
    path = f"{event.path}/ei:eventDescriptor/ei:modificationNumber"
    expect(event.number == 1, "modificationNumber 1", str(event.number), message, path)


@case(
    "vtn.event.start-moved",
    rules=("5", "57"),
    certification=("E1_1030",),
    says="An event whose start is moved is told again, under the next number.",
    sends="an event is created, answered, and moved by an hour",
    expects="the event with modificationNumber 1 and the new start",
    signed=True,
)
async def start_moved(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, before = await given(ven, event_id)
    await ven.opt(message, event_id)
    await vtn.change(event_id, ven, in_s=600 + HOUR_S)
    message, event = await given(ven, event_id, modification=1)
    moved = (event.start - before.start).total_seconds()
    expect(abs(moved - HOUR_S) < 60, "a start 1 h later", f"{moved:g} s later", message, f"{event.path}//xcal:dtstart")


@case(
    "vtn.event.duration-changed",
    rules=("5", "8"),
    says="An event that is to last longer is told again, under the next number.",
    sends="an event of one interval is created, answered, and given three",
    expects="modificationNumber 1 and three intervals that add up",
)
async def duration_changed(vtn: Vtn) -> None:
    message, event = await _changed(vtn, replace(SIMPLE, values=(1.0, 2.0, 1.0)))
    _number_1(message, event)
    count = len(event.signals[0].intervals)
    expect(count == 3, "three intervals", str(count), message, event.signals[0].path)
    laws.hold(message, laws.sums, laws.uids)


@case(
    "vtn.event.value-changed",
    rules=("5",),
    says="An event whose signal changes is told again, under the next number.",
    sends="a SIMPLE event of level 1 is created, answered, and raised to level 2",
    expects="modificationNumber 1 and level 2",
)
async def value_changed(vtn: Vtn) -> None:
    message, event = await _changed(vtn, replace(SIMPLE, values=(2.0,)))
    _number_1(message, event)
    values = event.signals[0].values
    expect(values == (2.0,), "level 2", str(values), message, event.signals[0].path)


@case(
    "vtn.event.target-changed",
    rules=("5",),
    says="An event whose target changes is told again, under the next number.",
    sends="an event is created, answered, and narrowed to a resource",
    expects="modificationNumber 1 and the resourceID",
)
async def target_changed(vtn: Vtn) -> None:
    message, event = await _changed(vtn, resources=("power",))
    _number_1(message, event)
    target = f"{event.path}/ei:eiTarget"
    expect(event.resources == ("power",), "resourceID power", str(event.resources), message, target)


@case(
    "vtn.event.priority-changed",
    rules=("5",),
    says="An event whose priority changes is told again, under the next number.",
    sends="an event is created, answered, and given priority 2",
    expects="modificationNumber 1 and priority 2",
)
async def priority_changed(vtn: Vtn) -> None:
    message, event = await _changed(vtn, priority=2)
    _number_1(message, event)
    expect(event.priority == 2, "priority 2", str(event.priority), message, f"{event.path}//ei:priority")


@case(
    "vtn.event.changed-twice",
    rules=("5",),
    says="Each change raises the number by one.",
    sends="an event is created, and changed twice, and received each time",
    expects="modificationNumber 0, 1, 2",
)
async def changed_twice(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    told = [await given(ven, event_id)]
    for level in (2.0, 3.0):
        await vtn.change(event_id, ven, replace(SIMPLE, values=(level,)))
        told.append(await given(ven, event_id, modification=len(told)))
    numbers = [event.number for _, event in told]
    expect(numbers == [0, 1, 2], "numbers 0, 1, 2", str(numbers), told[-1][0], "./oadr:oadrEvent")


@case(
    "vtn.event.change-replaces",
    rules=("57", "X-EV-1"),
    says="A changed event is told in its newest form alone.",
    sends="an event is created, received and changed; oadrRequestEvent",
    expects="the event once, with modificationNumber 1",
)
async def change_replaces(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    await given(ven, event_id)
    await vtn.change(event_id, ven, in_s=HOUR_S)
    await given(ven, event_id, modification=1)
    message = await listed(ven)
    found = [one.number for one in events_of(message) if one.id == event_id]
    expect(found == [1], f"event {event_id} once, number 1", str(found), message, "./oadr:oadrEvent")


@case(
    "vtn.event.change-tells-all",
    rules=("50",),
    says="What tells a change tells all other events too.",
    sends="three events are created and received; one of them is changed",
    expects="all three in the payload that brings the change",
)
async def change_tells_all(vtn: Vtn) -> None:
    ven, ids = await _three(vtn)
    await vtn.change(ids[1], ven, replace(SIMPLE, values=(2.0,)), in_s=2 * HOUR_S)
    message = await ven.event(ids[1], modification=1)
    _has_all(message, ids)


@case(
    "vtn.event.new-tells-all",
    rules=("50",),
    says="What tells a new event tells all others too.",
    sends="two events are created and answered; a third is created",
    expects="all three in the payload that brings the third",
)
async def new_tells_all(vtn: Vtn) -> None:
    ven, ids = await _three(vtn)
    await ven.opt(await ven.event(await vtn.create(ven, in_s=4 * HOUR_S)), vtn.events[-1])
    newest = await vtn.create(ven, in_s=5 * HOUR_S)
    _has_all(await ven.event(newest), (*ids, *vtn.events))


async def _three(vtn: Vtn) -> tuple[PlayVen, tuple[str, ...]]:
    ven = await vtn.registered()
    ids = tuple([await vtn.create(ven, in_s=hours * HOUR_S) for hours in (1, 2, 3)])
    await given(ven, ids[-1])
    message = await listed(ven)
    for event_id in ids:
        await ven.opt(message, event_id)
    ven.inbox.clear()
    return ven, ids


def _has_all(message: Message, ids: tuple[str, ...]) -> None:
    found = {one.id for one in events_of(message)}
    missing = ", ".join(sorted(set(ids) - found))
    expect(not missing, f"all of {', '.join(ids)}", f"{missing} missing", message, "./oadr:oadrEvent")


async def _cancelled(vtn: Vtn) -> tuple[PlayVen, Message, EventSeen]:
    """An event that was received and answered, then cancelled; as it is brought to the VEN after that."""
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, _ = await given(ven, event_id)
    await ven.opt(message, event_id)
    await vtn.operator.cancel_event(event_id)
    return ven, *await given(ven, event_id, modification=1)


@case(
    "vtn.event.cancelled",
    rules=("5", "50"),
    says="A cancelled event is told as such, under the next number.",
    sends="an event is created, answered and cancelled",
    expects="eventStatus cancelled, modificationNumber 1",
    signed=True,
)
async def cancelled(vtn: Vtn) -> None:
    _, message, event = await _cancelled(vtn)
    _number_1(message, event)
    expect(event.status == "cancelled", "cancelled", event.status, message, f"{event.path}//ei:eventStatus")


@case(
    "vtn.event.cancelled-is-calm",
    rules=("14",),
    says="The currentValue of a cancelled SIMPLE event is 0.",
    sends="a SIMPLE event of level 2 is created, answered and cancelled",
    expects="currentValue 0, where there is one",
)
async def cancelled_calm(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven, replace(SIMPLE, values=(2.0,)))
    await given(ven, event_id)
    await vtn.operator.cancel_event(event_id)
    message, _ = await given(ven, event_id, modification=1)
    laws.hold(message, laws.calm)


@case(
    "vtn.event.cancelled-until-acknowledged",
    rules=("52",),
    says="A cancelled event is told again as long as its VEN has not acknowledged that.",
    sends="an event is created, answered and cancelled; the VEN keeps silent and asks again",
    expects="the cancelled event in the answer too",
)
async def cancelled_until_acknowledged(vtn: Vtn) -> None:
    ven, _, event = await _cancelled(vtn)
    again = event_of(await listed(ven), event.id)
    expect(again.status == "cancelled", "cancelled", again.status)


@case(
    "vtn.event.cancelled-acknowledged",
    rules=("52", "16"),
    says="The acknowledgement of a cancellation is taken.",
    sends="an event is created, answered and cancelled; optIn for the cancellation",
    expects="oadrResponse 200",
)
async def cancelled_acknowledged(vtn: Vtn) -> None:
    ven, message, event = await _cancelled(vtn)
    expect_code(await ven.opt(message, event.id), "200")


@case(
    "vtn.event.cancelled-then-gone",
    rules=("52", "50"),
    level=SHOULD,
    says="A cancelled event that its VEN has acknowledged is told no more.",
    sends="an event is created, answered and cancelled; optIn for the cancellation; oadrRequestEvent",
    expects="the answer without the event",
)
async def cancelled_then_gone(vtn: Vtn) -> None:
    ven, message, event = await _cancelled(vtn)
    await ven.opt(message, event.id)
    again = await listed(ven)
    ids = [one.id for one in events_of(again)]
    expect(event.id not in ids, f"no event {event.id}", "it is there", again, "./oadr:oadrEvent")


@case(
    "vtn.event.cancelled-refused",
    rules=("16", "52"),
    says="A VEN may say that it cannot cancel.",
    sends="an event is created, answered and cancelled; optOut for the cancellation",
    expects="oadrResponse 200",
)
async def cancelled_refused(vtn: Vtn) -> None:
    ven, message, event = await _cancelled(vtn)
    expect_code(await ven.opt(message, event.id, "optOut"), "200")


@case(
    "vtn.event.cancelled-spares-others",
    rules=("50",),
    says="What tells a cancellation tells the events that stand too.",
    sends="three events are created and answered; one of them is cancelled",
    expects="the cancelled one and both others in the payload",
)
async def cancelled_spares_others(vtn: Vtn) -> None:
    ven, ids = await _three(vtn)
    await vtn.operator.cancel_event(ids[0])
    _has_all(await ven.event(ids[0], modification=1), ids)


@case(
    "vtn.event.cancelled-unseen",
    rules=("50",),
    says="An event that was cancelled before its VEN heard of it is not told as one that stands.",
    sends="an event is created and cancelled at once; polls and oadrRequestEvent",
    expects="no such event, or a cancelled one",
    modes=("pull",),
    negative=True,
)
async def cancelled_unseen(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    await vtn.operator.cancel_event(event_id)
    told = (*await ven.drain(), await listed(ven))
    for message in told:
        standing = [one.status for one in events_of(message) if one.id == event_id and one.status != "cancelled"]
        expect(not standing, f"event {event_id} cancelled or not at all", str(standing), message, "./oadr:oadrEvent")


@case(
    "vtn.event.overlap-refused",
    rules=("18",),
    says="Two events of one market context do not overlap.",
    sends="an operator wants a second event at the same time in the same market context",
    expects="the VTN refuses, or the two that it tells do not overlap",
    negative=True,
)
async def overlap_refused(vtn: Vtn) -> None:
    ven = await vtn.registered()
    (context,) = contexts(vtn, 1)
    first = await vtn.create(ven, market_context=context, every_s=600)
    if await says_no(vtn.create(ven, market_context=context, in_s=900, every_s=600)):
        return
    second = vtn.events[-1]
    await given(ven, second)
    _apart(await listed(ven), first, second)


@case(
    "vtn.event.overlap-by-change-refused",
    rules=("18",),
    says="No change makes two events of one market context overlap.",
    sends="two events one after the other in one market context; an operator wants to move one into the other",
    expects="the VTN refuses, or the two that it tells do not overlap",
    negative=True,
)
async def overlap_by_change(vtn: Vtn) -> None:
    ven = await vtn.registered()
    (context,) = contexts(vtn, 1)
    first = await vtn.create(ven, market_context=context, every_s=600)
    second = await vtn.create(ven, market_context=context, in_s=2 * HOUR_S, every_s=600)
    if await says_no(vtn.change(second, ven, market_context=context, in_s=900, every_s=600)):
        return
    await given(ven, second, modification=1)
    _apart(await listed(ven), first, second)


def _apart(message: Message, first: str, second: str) -> None:
    a, b = event_of(message, first), event_of(message, second)
    overlap = a.end is not None and b.end is not None and a.start < b.end and b.start < a.end
    expect(not overlap or a.context != b.context, "events that do not overlap", "they do", message, b.path)


@case(
    "vtn.event.overlap-between-contexts",
    rules=("18",),
    says="Events of different market contexts may overlap.",
    sends="two events at the same time in two market contexts",
    expects="both are told",
)
async def overlap_between_contexts(vtn: Vtn) -> None:
    ven = await vtn.registered()
    ids = tuple([await vtn.create(ven, market_context=context) for context in contexts(vtn, 2)])
    await given(ven, ids[1])
    _has_all(await listed(ven), ids)
