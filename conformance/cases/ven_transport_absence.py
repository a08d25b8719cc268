"""What a VEN bears of a VTN that says nothing, or is not there (reference 6.2)."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from conformance.case import SHOULD, NotSupported, case, expect
from conformance.listen import Reply
from conformance.tested import Ven
from conformance.ven_wire import WATCH_S, again, back, most, still_takes_events


@case(
    "ven.transport.hangs",
    rules=("53",),
    says="A VEN whose VTN takes a request and says nothing waits no longer than it must, and comes back.",
    sends="nothing to a poll for two seconds, then the end of the connection; then right answers and an event",
    expects="few requests meanwhile; then polls, and an answer to the event",
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def hangs(ven: Ven) -> None:
    await ven.bootstrapped()
    before = len(ven.heard)
    ven.answers["oadrPoll"] = lambda _: Reply(hang=True)
    await ven.hears("oadrPoll", after=before)
    await asyncio.sleep(2)
    count = len(ven.heard) - before
    expect(count <= most(ven, 2), f"{most(ven, 2)} requests at most in 2 s", str(count))
    del ven.answers["oadrPoll"]
    after = len(ven.heard)
    await ven.vanish()
    await again(ven)
    await back(ven, after=after)
    await still_takes_events(ven)


@case(
    "ven.transport.hangs-for-good",
    rules=("53",),
    says="A VEN gives up a request that is never answered, and asks again.",
    sends="nothing to one poll, ever; right answers to what comes after it",
    expects="another request within the VEN's own time limit (parameter gives_up_s, 90 s)",
    modes=("pull",),
    negative=True,
    slow=True,
    within_s=150,
)
async def hangs_for_good(ven: Ven) -> None:
    await ven.bootstrapped()
    before = len(ven.heard)
    ven.answers["oadrPoll"] = lambda _: Reply(hang=True)
    await ven.hears("oadrPoll", after=before)
    del ven.answers["oadrPoll"]
    after = len(ven.heard)
    await back(ven, after=after, within_s=float(ven.parameters.get("gives_up_s", 90)))


@case(
    "ven.transport.absent",
    rules=("53",),
    says="A VEN whose VTN is not there comes back when it is.",
    sends="nobody at the VTN's address for a while; then the VTN and an event",
    expects="requests again, and an answer to the event",
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def absent(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.vanish()
    await asyncio.sleep(WATCH_S)
    after = len(ven.heard)
    await again(ven)
    await back(ven, after=after)
    await still_takes_events(ven)


@case(
    "ven.transport.absent-at-the-start",
    rules=("53", "401"),
    says="A VEN that is started before its VTN registers when that is there.",
    sends="nobody at the VTN's address when the VEN is started; then the VTN",
    expects="the whole bootstrap",
    negative=True,
    within_s=120,
)
async def absent_at_the_start(ven: Ven) -> None:
    if not ven.starts:
        raise NotSupported("the VEN cannot be started by the harness")
    await ven.vanish()
    await ven.start()
    await asyncio.sleep(WATCH_S)
    expect(not ven.heard, "nothing", "a request to nobody")
    await again(ven)
    await ven.bootstrapped(within_s=float(ven.parameters.get("back_within_s", 75)))


@case(
    "ven.transport.refused-at-the-start",
    rules=("53", "401"),
    says="A VEN whose registration meets an error of the VTN does not hammer, and tries again.",
    sends="HTTP 503 to all that the VEN says for a while; then right answers",
    expects="few requests meanwhile; then the whole bootstrap",
    negative=True,
    within_s=120,
)
async def refused_at_the_start(ven: Ven) -> None:
    answers = dict(ven.answers)
    for kind in (*answers, "oadrPoll"):
        ven.answers[kind] = lambda _: Reply(status=503)
    await ven.start()
    await ven.hears_any(within_s=15)
    await asyncio.sleep(WATCH_S)
    count = len(ven.heard)
    expect(count <= most(ven, WATCH_S), f"{most(ven, WATCH_S)} requests at most in {WATCH_S:g} s", str(count))
    del ven.answers["oadrPoll"]
    ven.answers.update(answers)
    ven.heard.clear()
    ven.paths.clear()
    await ven.bootstrapped(within_s=float(ven.parameters.get("back_within_s", 75)))


@case(
    "ven.transport.retry-with-pause",
    rules=("53",),
    says="Whoever is not answered tries again later and later, rather than at once.",
    sends="the end of the connection to all that the VEN says, for six seconds",
    expects="no two requests within a fifth of a second",
    level=SHOULD,
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def retry_with_pause(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.hears("oadrPoll")
    before = len(ven.record.exchanges)
    ven.answers["oadrPoll"] = lambda _: Reply(raw=b"")
    await asyncio.sleep(6)
    times = [one.at for one in ven.record.exchanges[before:] if one.request.kind == "oadrPoll"]
    shortest = min(((b - a).total_seconds() for a, b in pairwise(times)), default=60.0)
    expect(shortest >= 0.2, "0.2 s between two tries", f"{shortest:.3f} s")
