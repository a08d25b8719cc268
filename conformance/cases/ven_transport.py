"""HTTP as a VEN speaks it: its requests, and what it bears of a VTN that is not well (reference 6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

from conformance.case import SHOULD, NotSupported, case, expect
from conformance.listen import Reply
from conformance.message import SERVICES
from conformance.play import PREFIX, fresh
from conformance.tested import Ven
from conformance.ven_steps import made
from conformance.ven_wire import again, back, still_takes_events

WATCH_S = 2.5
"""How long a VEN is watched while its VTN is not well."""

LARGE_BYTES = 12 * 1024 * 1024


def most(ven: Ven, for_s: float) -> int:
    """So many requests in that time hammer nobody: twice the polls, and a few for whatever is under way."""
    return 4 + int(2 * for_s / ven.poll_s)


# -- its requests ----------------------------------------------------------------------------------------------------


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


# -- a VTN that is not well ------------------------------------------------------------------------------------------


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


def _status(code: int) -> Reply:
    return Reply(status=code, body=b"no", headers=(("Content-Type", "text/plain"),))


for _status_code in (500, 502, 503):

    @case(
        f"ven.transport.status-{_status_code}",
        rules=("53",),
        says="A VEN bears an error of its VTN: it tries again after a pause, and does not hammer.",
        sends=f"HTTP {_status_code} to each poll for a while; then right answers and an event",
        expects="few requests meanwhile; then polls, and an answer to the event",
        modes=("pull",),
        negative=True,
        within_s=120,
    )
    async def passing(ven: Ven, code: int = _status_code) -> None:
        await bears(ven, lambda: _status(code))


for _status_code in (400, 401, 403, 404, 406, 413, 501):

    @case(
        f"ven.transport.status-{_status_code}",
        rules=("53",),
        says="What is turned away for good is not tried again at once.",
        sends=f"HTTP {_status_code} to each poll for a while",
        expects="few requests",
        modes=("pull",),
        negative=True,
    )
    async def lasting(ven: Ven, code: int = _status_code) -> None:
        await does_not_hammer(ven, lambda: _status(code))

    @case(
        f"ven.transport.status-{_status_code}-passes",
        rules=("53",),
        says="A VEN whose polls were turned away for good polls again one day: nobody has to go there.",
        sends=f"HTTP {_status_code} to each poll for a while; then right answers and an event",
        expects="polls again within back_within_s (75 s), and an answer to the event",
        level=SHOULD,
        modes=("pull",),
        negative=True,
        slow=True,
        within_s=180,
    )
    async def passes(ven: Ven, code: int = _status_code) -> None:
        await bears(ven, lambda: _status(code))


def _raw(*lines: str, body: bytes = b"") -> Callable[[], Reply]:
    head = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
    return lambda: Reply(raw=head + body)


_HTML = b"<!DOCTYPE html><html><body>Sign in to go on</body></html>"

_FAULTS: tuple[tuple[str, str, Callable[[], Reply]], ...] = (
    ("closed", "the end of the connection, without a word", lambda: Reply(raw=b"")),
    ("no-http", "bytes that are no HTTP", lambda: Reply(raw=bytes(range(256)) * 8)),
    ("no-xml", "HTTP 200 with words that are no XML", lambda: Reply(body=b"everything is fine")),
    ("empty", "HTTP 200 without a body", Reply),
    ("login-page", "HTTP 200 with a page of HTML", lambda: Reply(body=_HTML, headers=(("Content-Type", "text/html"),))),
    (
        "redirect",
        "HTTP 302 to somewhere else",
        lambda: Reply(status=302, headers=(("Location", "http://conformance.invalid/elsewhere"),)),
    ),
    (
        "length-too-long",
        "a Content-Length beyond what comes, then the end",
        _raw("HTTP/1.1 200 OK", "Content-Type: application/xml", "Content-Length: 5000", body=b"<oadr:oadrPayload"),
    ),
    (
        "length-nonsense",
        "a Content-Length that is none",
        _raw("HTTP/1.1 200 OK", "Content-Type: application/xml", "Content-Length: many", body=b"<a/>"),
    ),
    (
        "oversize",
        "an answer of 12 MB",
        _raw(
            "HTTP/1.1 200 OK",
            "Content-Type: application/xml",
            f"Content-Length: {LARGE_BYTES}",
            body=b"<!--" + b"x" * (LARGE_BYTES - 4),
        ),
    ),
    (
        "flood",
        "chunks of 12 MB without an end",
        _raw(
            "HTTP/1.1 200 OK",
            "Content-Type: application/xml",
            "Transfer-Encoding: chunked",
            body=(b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 12,
        ),
    ),
    (
        "headers",
        "a head of a megabyte",
        _raw("HTTP/1.1 200 OK", f"X-Large: {'x' * 1024 * 1024}", "Content-Length: 0"),
    ),
)

_HOPELESS = ("redirect", "oversize", "flood")
"""A VEN may take these for answers that will not get better, and wait for long."""

for _name, _what, _reply in _FAULTS:

    @case(
        f"ven.transport.bears-{_name}",
        rules=("53", "33"),
        says="A VEN bears an answer that is none: it does not hammer, and comes back by itself.",
        sends=f"{_what}, to each poll for a while; then right answers and an event",
        expects="few requests meanwhile; then polls, and an answer to the event",
        modes=("pull",),
        negative=True,
        slow=_name in _HOPELESS,
        within_s=120,
    )
    async def no_answer(ven: Ven, reply: Callable[[], Reply] = _reply) -> None:
        await bears(ven, reply)


for _name, _what, _reply in _FAULTS:
    if _name not in _HOPELESS:
        continue

    @case(
        f"ven.transport.few-{_name}",
        rules=("53", "33"),
        says="An answer that is none is no reason to ask again at once.",
        sends=f"{_what}, to each poll for a while",
        expects="few requests",
        modes=("pull",),
        negative=True,
    )
    async def few(ven: Ven, reply: Callable[[], Reply] = _reply) -> None:
        await does_not_hammer(ven, reply)


for _code in ("450", "452", "459", "463", "469"):

    @case(
        f"ven.transport.code-{_code}",
        rules=("33",),
        certification=("A_E0_0092",) if _code == "459" else (),
        says="A VEN bears a refusal by the application: it does not hammer, and goes on.",
        sends=f"oadrResponse {_code} to each poll for a while; then right answers and an event",
        expects="few requests meanwhile; then polls, and an answer to the event",
        modes=("pull",),
        negative=True,
        within_s=120,
    )
    async def refusal(ven: Ven, code: str = _code) -> None:
        await ven.bootstrapped()
        body = ven.write("oadrResponse", request_id="", code=code, description="not now")
        await bears(ven, lambda: Reply(body=ven.sign(body) if ven.sign is not None else body))


@case(
    "ven.transport.wrong-type",
    rules=("53",),
    says="A right answer under another Content-Type is taken or passed over, and does no harm.",
    sends="right answers to polls under Content-Type text/plain for a while; then right ones and an event",
    expects="few requests meanwhile; then polls, and an answer to the event",
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def wrong_type(ven: Ven) -> None:
    body = ven.write("oadrResponse", request_id="")
    headers = (("Content-Type", "text/plain"),)
    await bears(ven, lambda: Reply(body=ven.sign(body) if ven.sign is not None else body, headers=headers))


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
