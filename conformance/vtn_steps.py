"""Steps that several cases of a VTN share: what is asked of it, and what it may answer to what it must refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from conformance.case import Failed, NotSupported, expect, expect_code, expect_kind
from conformance.events_seen import EventSeen, event_of, events_of
from conformance.message import SERVICES, Message
from conformance.operator import Refused, SignalWish
from conformance.play_ven import PlayVen
from conformance.record import Exchange
from conformance.template import Hole
from conformance.tested import Vtn

Settled = Callable[[Message], bool]


async def listed(ven: PlayVen, **holes: int | str) -> Message:
    """The oadrDistributeEvent that answers an oadrRequestEvent; an oadrResponse 200 is as good as one without events."""
    reply = await ven.say("oadrRequestEvent", **holes)
    expect_kind(reply, "oadrDistributeEvent", "oadrResponse")
    expect_code(reply, "200")
    return reply


async def listed_when(ven: PlayVen, settled: Settled, expected: str, *, within_s: float = 12.0) -> Message:
    """Ask for the events again and again until they are as `settled` wants them. Failed in time, with the last answer."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        message = await listed(ven)
        if settled(message):
            return message
        if loop.time() > until:
            raise Failed(f"{expected} within {within_s:g} s", "it did not come to that", message, ".")
        await asyncio.sleep(ven.pause_s)


async def until_status(ven: PlayVen, event_id: str, status: str, *, within_s: float = 15.0) -> Message:
    """The events as soon as that one has the status."""
    return await listed_when(
        ven,
        lambda message: any(one.id == event_id and one.status == status for one in events_of(message)),
        f"event {event_id} {status}",
        within_s=within_s,
    )


async def given(ven: PlayVen, event_id: str, *, modification: int | None = None) -> tuple[Message, EventSeen]:
    """The event as it is brought to the VEN by poll or push, and the message that it came in."""
    message = await ven.event(event_id, modification=modification)
    return message, event_of(message, event_id)


async def created(vtn: Vtn, *signals: SignalWish, in_s: float = 600, **wish: object) -> tuple[Message, EventSeen]:
    """A new event of a new VEN as it is brought to it."""
    ven = await vtn.registered()
    return await given(ven, await vtn.create(ven, *signals, in_s=in_s, **wish))


def refused(exchange: Exchange, *codes: str) -> None:
    """The VTN says no: by one of these codes in what it answers, or as HTTP does, without a payload that says yes."""
    answer = exchange.answer
    if answer is None or exchange.status != 200:
        expect(
            400 <= exchange.status < 500,
            "a refusal",
            f"HTTP status {exchange.status}" if exchange.status else exchange.fault,
            exchange.request,
            ".",
        )
        return
    expect(bool(answer.kind), "a refusal", answer.problem, exchange.request, ".")
    expect_code(answer, *(codes or ("4xx",)))
    expect(not answer.has("./oadr:oadrEvent"), "no event in a refusal", "there is one", answer, "./oadr:oadrEvent")


async def asked(ven: PlayVen, kind: str, /, **holes: Hole) -> Exchange:
    """Post a message that the VTN may well refuse."""
    return await ven.try_(ven.write(kind, **holes), SERVICES[kind])


async def says_no(doing: Awaitable[object]) -> bool:
    """Does the VTN's own interface refuse what its operator wants?"""
    try:
        await doing
    except Refused:
        return True
    return False


async def opt_is(vtn: Vtn, event_id: str, ven: PlayVen, wanted: str, *, within_s: float = 5.0) -> None:
    """The VTN's operator sees that opt, soon."""
    actual = await _opt_when(vtn, event_id, ven, lambda opt: opt == wanted, within_s)
    expect(actual == wanted, f"the VTN shows {wanted or 'no opt'}", actual or "none")


async def opt_is_not(vtn: Vtn, event_id: str, ven: PlayVen, unwanted: str) -> None:
    """The VTN's operator does not see that opt."""
    actual = await vtn.operator.opt_of(event_id, ven.ven_id)
    expect(actual != unwanted, f"the VTN does not show {unwanted}", actual)


async def _opt_when(vtn: Vtn, event_id: str, ven: PlayVen, good: Callable[[str], bool], within_s: float) -> str:
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        actual = await vtn.operator.opt_of(event_id, ven.ven_id)
        if good(actual) or loop.time() > until:
            return actual
        await asyncio.sleep(0.1)


async def opted(vtn: Vtn, opt: str = "optIn") -> tuple[PlayVen, str, Message]:
    """A registered VEN that has answered an event, the event, and the message that it came in."""
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    expect_code(await ven.opt(message, event_id, opt), "200")
    return ven, event_id, message


def contexts(vtn: Vtn, count: int) -> tuple[str, ...]:
    """So many market contexts: those of the subject's `market_contexts`, parted by commas, or any."""
    known = str(vtn.parameters.get("market_contexts", ""))
    if not known:
        return tuple(f"http://example.com/programme-{number}" for number in range(1, count + 1))
    names = tuple(name.strip() for name in known.split(","))
    if len(names) < count:
        raise NotSupported(f"{count} market contexts are needed, and the subject names {len(names)}")
    return names[:count]
