"""What the cases about a VEN's transport, security and XML share: a VTN that goes and comes, and events that still work."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from conformance.case import Failed, expect
from conformance.listen import Reply
from conformance.message import Message
from conformance.play import fresh
from conformance.play_vtn import response_path
from conformance.tested import Ven
from conformance.ven_steps import made

BACK_WITHIN_S = 75.0
"""How long a VEN may take to come back after trouble: a minute is the longest back-off. `back_within_s` of the subject
says otherwise."""

QUIET_S = 2.0

WATCH_S = 2.5
"""How long a VEN is watched while its VTN is not well."""


async def again(ven: Ven, tls: ssl.SSLContext | None = None) -> None:
    """Be there again, at the same address; with another TLS context if one is given."""
    usual = ven.identity.server(ven.ca) if ven.ca else None
    await ven.listen(port=ven.port, tls=tls or usual)


async def back(ven: Ven, *, after: int, within_s: float | None = None) -> Message:
    """The VEN says something again since `after` requests had come."""
    wait_s = within_s if within_s is not None else float(ven.parameters.get("back_within_s", BACK_WITHIN_S))
    return await ven.hears_any(after=after, within_s=wait_s)


async def still_takes_events(ven: Ven) -> None:
    """A right event is answered by optIn or optOut."""
    event_id = fresh("event")
    wait_s = float(ven.parameters.get("back_within_s", BACK_WITHIN_S))
    before = await ven.send_events(made(ven, event_id), within_s=wait_s)
    answer = await ven.answered(event_id, after=before, within_s=wait_s)
    code = answer.text(f"{response_path(event_id)}/ei:responseCode")
    if code != "200":
        raise Failed("eventResponse 200", code or "none", answer, response_path(event_id))


async def not_taken(ven: Ven, event_id: str, *, after: int, for_s: float = QUIET_S) -> None:
    """The VEN does not opt in to that event."""
    until = asyncio.get_running_loop().time() + for_s
    where = f"{response_path(event_id)}[ei:optType[normalize-space()='optIn']]"
    while (left := until - asyncio.get_running_loop().time()) > 0:
        for message in ven.heard[after:]:
            if message.has(where):
                raise Failed(f"no optIn to event {event_id}", "there is one", message, where)
        await asyncio.sleep(min(left, 0.1))


# -- a VTN that is not well ------------------------------------------------------------------------------------------


def most(ven: Ven, for_s: float) -> int:
    """So many requests in that time hammer nobody: twice the polls, and a few for whatever is under way."""
    return 4 + int(2 * for_s / ven.poll_s)


async def bears(ven: Ven, reply: Callable[[], Reply]) -> None:
    """Each poll is answered so for a while: the VEN does not hammer, comes back by itself, and does its work again."""
    await does_not_hammer(ven, reply)
    after = len(ven.heard)
    del ven.answers["oadrPoll"]
    await back(ven, after=after)
    await still_takes_events(ven)


async def does_not_hammer(ven: Ven, reply: Callable[[], Reply]) -> None:
    """Each poll is answered so for a while, and few come."""
    await ven.bootstrapped()
    await ven.hears("oadrPoll")
    before = len(ven.heard)
    ven.answers["oadrPoll"] = lambda _: reply()
    await ven.hears("oadrPoll", after=before)
    await asyncio.sleep(WATCH_S)
    count = len(ven.heard) - before
    expect(count <= most(ven, WATCH_S), f"{most(ven, WATCH_S)} requests at most in {WATCH_S:g} s", str(count))
