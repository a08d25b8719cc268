"""HTTP as a VEN speaks it: its requests and their pace (reference 6.2)."""

from __future__ import annotations

import asyncio

from conformance.case import case, expect
from conformance.message import SERVICES
from conformance.play import PREFIX, fresh
from conformance.tested import Ven
from conformance.ven_steps import made
from conformance.ven_wire import still_takes_events


@case(
    "ven.transport.requests",
    rules=("53", "511", "507"),
    says="A VEN posts each payload to its service, with Host, Content-Length and Content-Type application/xml.",
    sends="right answers to whatever the VEN says",
    expects="POST to …/OpenADR2/Simple/2.0b/<service of the payload>, those headers, no chunks",
    signed=True,
)
async def requests(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.send_events(made(ven, event_id := fresh("event")))
    await ven.answered(event_id)
    for arrived, message in zip(ven.paths, ven.heard, strict=True):
        expect(arrived.method == "POST", "POST", arrived.method, message)
        wanted = SERVICES.get(message.kind)
        right = wanted is None or arrived.path.endswith(f"{PREFIX}/{wanted}")
        expect(right, f"{PREFIX}/{wanted}", f"{arrived.path} for {message.kind}", message)
        for name in ("Host", "Content-Length", "Content-Type"):
            expect(arrived.header(name) is not None, name, "no such header", message)
        kind = (arrived.header("Content-Type") or "").split(";")[0].strip()
        expect(kind == "application/xml", "Content-Type application/xml", kind, message)
        expect(arrived.header("Transfer-Encoding") is None, "no Transfer-Encoding", "there is one", message)


@case(
    "ven.transport.poll-rate",
    rules=("X-REG-2",),
    says="A VEN that has nothing to say polls no oftener than it was told.",
    sends="a frequency of one poll a second, and nothing but oadrResponse for five seconds",
    expects="seven polls at most, three at least",
    modes=("pull",),
)
async def poll_rate(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.hears("oadrPoll")
    before, period_s = len(ven.heard), 5 * ven.poll_s
    await asyncio.sleep(period_s)
    polls = [one for one in ven.heard[before:] if one.kind == "oadrPoll"]
    expect(3 <= len(polls) <= 7, "3 to 7 polls in five periods", f"{len(polls)}")


@case(
    "ven.transport.endless-queue",
    rules=("500",),
    says="A VEN whose queue does not end goes on draining it.",
    sends="an oadrDistributeEvent without events to each of thirty polls; then an event",
    expects="the VEN polls on without delay; an answer to the event",
    modes=("pull",),
    within_s=120,
)
async def endless_queue(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.hears("oadrPoll")
    loop = asyncio.get_running_loop()
    ven.queue.extend((ven.distribution(), loop.create_future()) for _ in range(30))
    async with asyncio.timeout(20):
        while ven.queue:
            ven.news.clear()
            await ven.news.wait()
    await still_takes_events(ven)
