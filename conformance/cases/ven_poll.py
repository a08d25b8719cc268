"""OadrPoll at a VEN."""

from __future__ import annotations

from conformance.case import case, expect, expect_code, expect_text
from conformance.message import SERVICES
from conformance.play import PREFIX, fresh
from conformance.play_vtn import report_request
from conformance.tested import Ven
from conformance.ven_steps import alive, expect_taken, made, offer_of, ordered, report_path, wanted


@case(
    "ven.poll.ven-id",
    rules=("21",),
    modes=("pull",),
    says="A poll carries the VEN's venID.",
    sends="nothing: the harness listens",
    expects="oadrPoll with the venID that was given, to OadrPoll",
)
async def ven_id(ven: Ven) -> None:
    await ven.bootstrapped()
    expect_text(await ven.hears("oadrPoll"), "./ei:venID", ven.ven_id)


@case(
    "ven.poll.push-does-not",
    rules=("X-POLL-1",),
    modes=("push",),
    says="A VEN that is pushed to does not poll.",
    sends="a registration as push, with a poll frequency of 1 s",
    expects="no oadrPoll",
)
async def push_does_not(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.hears_no("oadrPoll", for_s=4)


@case(
    "ven.poll.drains",
    rules=("500",),
    modes=("pull",),
    says="A VEN that got a payload polls again at once, until a plain oadrResponse.",
    sends="three payloads to be polled, and a poll frequency of 20 s",
    expects="four polls within 10 s",
    within_s=45,
)
async def drains(ven: Ven) -> None:
    ven.poll_s = 20
    name = fresh("event")
    for body in (
        ven.distribution(made(ven, name), code="200"),
        ven.write("oadrRegisterReport", reports="", ven_id=None),
        ven.write("oadrRegisterReport", reports="", ven_id=None),
    ):
        ven.queued(body)
    await ven.bootstrapped()
    first = await ven.hears("oadrPoll")
    after = ven.heard.index(first) + 1
    for _ in range(3):
        poll = await ven.hears("oadrPoll", after=after, within_s=10)
        after = ven.heard.index(poll) + 1


@case(
    "ven.poll.rests",
    rules=("500",),
    modes=("pull",),
    says="After a plain oadrResponse a VEN does not poll again at once.",
    sends="a plain oadrResponse to a poll, and a poll frequency of 20 s",
    expects="no other poll for 5 s",
)
async def rests(ven: Ven) -> None:
    ven.poll_s = 20
    await ven.bootstrapped()
    poll = await ven.hears("oadrPoll")
    await ven.hears_no("oadrPoll", after=ven.heard.index(poll) + 1, for_s=5)


@case(
    "ven.poll.queue",
    rules=("500",),
    certification=("G1_4015",),
    modes=("pull",),
    says="Whatever consecutive polls bring is answered, whether before or after the queue is empty.",
    sends="an event, a report request and another report request to consecutive polls",
    expects="oadrCreatedEvent and two oadrCreatedReport",
    signed=True,
)
async def queue(ven: Ven) -> None:
    await ven.bootstrapped()
    name, before = fresh("event"), len(ven.heard)
    ven.events = (made(ven, name),)
    usage, status = (wanted(fresh("report"), offer_of(ven, one)) for one in ("TELEMETRY_USAGE", "TELEMETRY_STATUS"))
    ids = fresh("request"), fresh("request")
    ven.queued(ven.distribution(*ven.events))
    for request_id, request in zip(ids, (usage, status), strict=True):
        ven.queued(ven.write("oadrCreateReport", requests=request, request_id=request_id))
    expect_taken(await ven.answered(name, after=before), name)
    for request_id in ids:
        await _acknowledged(ven, request_id, after=before)


async def _acknowledged(ven: Ven, request_id: str, *, after: int) -> None:
    path = f"./ei:eiResponse/pyld:requestID[normalize-space()='{request_id}']"
    await ven.hears("oadrCreatedReport", where=lambda one: one.has(path), after=after)


@case(
    "ven.poll.error-is-survived",
    rules=("33", "500"),
    modes=("pull",),
    says="A VEN survives an error in the answer to a poll.",
    sends="oadrResponse 459 to one poll, then an event",
    expects="an answer to the event",
)
async def error_is_survived(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.deliver(ven.write("oadrResponse", code="459", request_id=""))
    await alive(ven)


@case(
    "ven.poll.endpoints",
    rules=("511",),
    says="Each payload of a VEN goes to the endpoint of its service.",
    sends="an event, a report request",
    expects="POST to …/OpenADR2/Simple/2.0b/<Service> for each kind of payload",
)
async def endpoints(ven: Ven) -> None:
    await ven.bootstrapped()
    await alive(ven)
    name, before = fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(name, offer_of(ven, "TELEMETRY_USAGE"))), "200")
    await ven.hears("oadrUpdateReport", where=lambda one: one.has(report_path(name)), after=before)
    for arrived, message in zip(ven.paths, ven.heard, strict=True):
        service = SERVICES.get(message.kind)
        if service is not None:
            good = arrived.path == f"{PREFIX}/{service}" and arrived.method == "POST"
            expect(good, f"POST {PREFIX}/{service}", f"{arrived.method} {arrived.path}", message, ".")


@case(
    "ven.poll.pushed-alike",
    rules=("62",),
    modes=("push",),
    says="An event that is pushed gets an empty 200 at once, and its answer as a request of the VEN's own.",
    sends="oadrDistributeEvent by a push",
    expects="HTTP 200 without a body, then oadrCreatedEvent",
    signed=True,
)
async def pushed_alike(ven: Ven) -> None:
    await ven.bootstrapped()
    name, before = fresh("event"), len(ven.heard)
    exchange = await ven.push(ven.distribution(made(ven, name)))
    expect(exchange.status == 200, "HTTP status 200", str(exchange.status) + exchange.fault, exchange.answer)
    said = exchange.answer.raw if exchange.answer is not None else b""
    expect(not said.strip(), "an empty body", f"{len(said)} bytes", exchange.answer, ".")
    expect_taken(await ven.answered(name, after=before), name)


@case(
    "ven.poll.push-answers-at-once",
    rules=("301",),
    modes=("push",),
    says="A pushed report request is answered in the same exchange.",
    sends="oadrCreateReport by a push",
    expects="oadrCreatedReport in the answer",
)
async def push_answers_at_once(ven: Ven) -> None:
    await ven.bootstrapped()
    request = report_request(fresh("report"), "METADATA", ("0",))
    exchange = await ven.push(ven.write("oadrCreateReport", requests=request))
    kind = exchange.answer.kind if exchange.answer is not None else exchange.fault
    expect(kind == "oadrCreatedReport", "oadrCreatedReport", kind or "no payload", exchange.answer, ".")
