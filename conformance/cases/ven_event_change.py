"""EiEvent at a VEN: events that change, are cancelled, or are no longer there."""

from __future__ import annotations

from conformance.case import SHOULD, case, expect_text
from conformance.operator import SignalWish, in_
from conformance.play import fresh
from conformance.play_vtn import response_path
from conformance.tested import Ven
from conformance.ven_steps import expect_refused, expect_taken, made, offered, unmentioned, verdict


def _number(event_id: str) -> str:
    return f"{response_path(event_id)}/ei:qualifiedEventID/ei:modificationNumber"


@case(
    "ven.event.modification",
    rules=("57",),
    certification=("E1_1030",),
    says="A higher modificationNumber replaces the event, and is answered with that number.",
    sends="an event, then the same with modificationNumber 1 and a later start",
    expects="200 for both, each with its own number",
    signed=True,
)
async def modification(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    first = await offered(ven, name, made(ven, name))
    expect_text(first, _number(name), "0")
    second = await offered(ven, name, made(ven, name, start=in_(1200), modification=1), modification=1)
    expect_taken(second, name)


@case(
    "ven.event.modification-may-skip",
    rules=("57",),
    says="Any higher modificationNumber is taken, also one that is not the next.",
    sends="an event, then the same with modificationNumber 5 and other levels",
    expects="200 for number 5",
)
async def modification_may_skip(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start))
    other = SignalWish(name="SIMPLE", type="level", unit="", values=(2, 1))
    second = await offered(ven, name, made(ven, name, other, start=start, modification=5), modification=5)
    expect_taken(second, name)


@case(
    "ven.event.lower-modification",
    rules=("58",),
    says="A lower modificationNumber than the one held is an error.",
    sends="an event with modificationNumber 5, then with 3",
    expects="200, then an error, 450 for choice",
    negative=True,
)
async def lower_modification(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    expect_taken(await offered(ven, name, made(ven, name, start=start, modification=5)), name)
    expect_refused(await verdict(ven, name, made(ven, name, start=start, modification=3)), name)


@case(
    "ven.event.lower-modification-keeps",
    rules=("58",),
    says="After a lower modificationNumber the version held before still stands.",
    sends="an event with modificationNumber 5, then 3, then 5 again",
    expects="200 for the last one",
    negative=True,
)
async def lower_modification_keeps(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    held = made(ven, name, start=start, modification=5)
    await offered(ven, name, held)
    await verdict(ven, name, made(ven, name, start=start, modification=3))
    expect_taken(await offered(ven, name, held, modification=5), name)


@case(
    "ven.event.lower-than-cancelled",
    rules=("58",),
    level=SHOULD,
    says="A lower modificationNumber than that of a cancellation is an error too.",
    sends="an event, its cancellation with number 2, then number 1 as if it still stood",
    expects="an error for the last one",
    negative=True,
)
async def lower_than_cancelled(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start))
    await offered(ven, name, made(ven, name, start=start, modification=2, status="cancelled"), modification=2)
    expect_refused(await verdict(ven, name, made(ven, name, start=start, modification=1)), name)


@case(
    "ven.event.cancelled",
    rules=("36", "59"),
    says="The cancellation of an event is acknowledged: optIn if it will be cancelled, optOut if it cannot.",
    sends="an event, then the same with modificationNumber 1 and status cancelled",
    expects="200 for number 1 with optIn or optOut",
    signed=True,
)
async def cancelled(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start))
    gone = await offered(ven, name, made(ven, name, start=start, modification=1, status="cancelled"), modification=1)
    expect_taken(gone, name)


@case(
    "ven.event.cancelled-while-active",
    rules=("36", "59"),
    says="The cancellation of a running event is acknowledged.",
    sends="an event that is running, then its cancellation",
    expects="200 for the cancellation with optIn or optOut",
)
async def cancelled_while_active(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(-10)
    await offered(ven, name, made(ven, name, start=start, every_s=600, status="active"))
    over = made(ven, name, start=start, every_s=600, modification=1, status="cancelled")
    expect_taken(await offered(ven, name, over, modification=1), name)


@case(
    "ven.event.cancelled-randomised",
    rules=("36", "65"),
    says="The cancellation of a running event with startafter is acknowledged.",
    sends="a running event with startafter of a minute, then its cancellation",
    expects="200 for the cancellation with optIn or optOut",
)
async def cancelled_randomised(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(-120)
    await offered(ven, name, made(ven, name, start=start, every_s=900, status="active", startafter_s=60))
    over = made(ven, name, start=start, every_s=900, modification=1, status="cancelled", startafter_s=60)
    expect_taken(await offered(ven, name, over, modification=1), name)


@case(
    "ven.event.cancelled-is-forgotten",
    rules=("59",),
    says="A cancelled event is not mentioned again unless it is sent again.",
    sends="an event, its cancellation, then another event alone",
    expects="an answer to the other event, and nothing about the cancelled one",
)
async def cancelled_is_forgotten(ven: Ven) -> None:
    await ven.bootstrapped()
    name, other, start = fresh("event"), fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start))
    await offered(ven, name, made(ven, name, start=start, modification=1, status="cancelled"), modification=1)
    before = await ven.send_events(made(ven, other))
    expect_taken(await ven.answered(other, after=before), other)
    await unmentioned(ven, name, after=before)


@case(
    "ven.event.cancelled-again",
    rules=("12", "60"),
    says="A cancellation that is sent again is answered again, and is no error.",
    sends="an event, and its cancellation twice",
    expects="200 for each",
)
async def cancelled_again(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start))
    gone = made(ven, name, start=start, modification=1, status="cancelled")
    for _ in range(2):
        expect_taken(await offered(ven, name, gone, modification=1), name)


@case(
    "ven.event.unknown-cancelled",
    rules=("21", "60"),
    says="The cancellation of an unknown event is no error, and is answered if a response is required.",
    sends="an event that the VEN never saw, status cancelled, always",
    expects="200 for it",
)
async def unknown_cancelled(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, modification=1, status="cancelled")), name)


@case(
    "ven.event.unknown-cancelled-never",
    rules=("12", "60"),
    says="The cancellation of an unknown event is ignored where no response is required.",
    sends="an event that the VEN never saw, status cancelled, never",
    expects="no oadrCreatedEvent that names it",
)
async def unknown_cancelled_never(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    before = await ven.send_events(made(ven, name, modification=1, status="cancelled", required=False))
    await unmentioned(ven, name, after=before)


@case(
    "ven.event.implied-cancel",
    rules=("61",),
    says="An event that is missing from an oadrDistributeEvent is cancelled, without a word.",
    sends="two events, then one of them alone",
    expects="an answer to the one, and no oadrCreatedEvent that names the other",
)
async def implied_cancel(ven: Ven) -> None:
    await ven.bootstrapped()
    kept, dropped = fresh("event"), fresh("event")
    stays = made(ven, kept)
    before = await ven.send_events(stays, made(ven, dropped, start=in_(7200)))
    await ven.answered(kept, after=before)
    await ven.answered(dropped, after=before)
    before = await ven.send_events(stays)
    expect_taken(await ven.answered(kept, after=before), kept)
    await unmentioned(ven, dropped, after=before)


@case(
    "ven.event.implied-cancel-of-all",
    rules=("61",),
    says="An empty oadrDistributeEvent cancels every event, without a word.",
    sends="an event, then an empty oadrDistributeEvent",
    expects="no oadrCreatedEvent that names it",
)
async def implied_cancel_of_all(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    await offered(ven, name, made(ven, name))
    before = await ven.send_events()
    await unmentioned(ven, name, after=before)


@case(
    "ven.event.again-after-implied-cancel",
    rules=("56", "61"),
    says="An event that was cancelled by being left out is a new one when it comes again.",
    sends="an event, an empty oadrDistributeEvent, then the event with a higher number",
    expects="200 for it",
)
async def again_after_implied_cancel(ven: Ven) -> None:
    await ven.bootstrapped()
    name, start = fresh("event"), in_(600)
    await offered(ven, name, made(ven, name, start=start))
    await ven.send_events()
    expect_taken(await offered(ven, name, made(ven, name, start=start, modification=1), modification=1), name)
