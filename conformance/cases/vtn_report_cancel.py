"""How a VTN ends the reports that it asked for (reference 3.5)."""

from __future__ import annotations

from msgspec.structs import replace

from conformance.case import SHOULD, case, expect, expect_code, expect_kind, expect_text
from conformance.message import Message
from conformance.play_ven import PlayVen
from conformance.tested import Vtn
from conformance.vtn_reports import USAGE, Asked, asked_for, report_of, taken, update, usage_asked


async def cancelled(vtn: Vtn, ven: PlayVen, asked: Asked, *, to_follow: bool) -> Message:
    """Have the operator end a request; the oadrCancelReport as it came, answered."""
    await vtn.operator.cancel_report(ven.ven_id, asked.id, to_follow=to_follow)
    return await ven.receive(
        "oadrCancelReport", where=lambda message: asked.id in message.texts("./ei:reportRequestID")
    )


def _acknowledged(ven: PlayVen) -> None:
    """Where the VEN's oadrCanceledReport is posted it is answered by oadrResponse 200."""
    for exchange in ven.record.exchanges:
        if exchange.sender == "harness" and exchange.request.kind == "oadrCanceledReport":
            if exchange.answer is None:
                expect(False, "oadrResponse", exchange.fault, exchange.request)
                return
            expect_kind(exchange.answer, "oadrResponse")
            expect_code(exchange.answer, "200")


@case(
    "vtn.report.cancel",
    rules=("345", "304"),
    certification=("R1_3030",),
    says="A VTN ends a report by its reportRequestID, and says whether a last one is to follow.",
    sends="a request, two updates; the operator ends it; oadrCanceledReport",
    expects="oadrCancelReport with that id and reportToFollow false; 200 to the answer where it is posted",
)
async def cancel(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    await taken(ven, report_of(asked))
    await taken(ven, report_of(asked))
    message = await cancelled(vtn, ven, asked, to_follow=False)
    expect(message.texts("./ei:reportRequestID") == (asked.id,), asked.id, "other ids", message, "./ei:reportRequestID")
    expect_text(message, "./pyld:reportToFollow", "false", "0")
    _acknowledged(ven)


@case(
    "vtn.report.cancel-with-a-last-report",
    rules=("345",),
    certification=("R1_3045",),
    says="With reportToFollow one last report is still taken after the cancellation.",
    sends="a request; the operator ends it with a last report; oadrCanceledReport, then that report",
    expects="reportToFollow true, oadrUpdatedReport 200 to the last one",
    signed=True,
)
async def cancel_with_a_last_report(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    message = await cancelled(vtn, ven, asked, to_follow=True)
    expect_text(message, "./pyld:reportToFollow", "true", "1")
    _acknowledged(ven)
    await taken(ven, report_of(asked))


@case(
    "vtn.report.update-after-cancel",
    rules=("304", "345"),
    says="After a cancellation without a last report there is nothing left to update.",
    sends="a request; the operator ends it; oadrCanceledReport, then an update all the same",
    expects="oadrUpdatedReport 4xx",
    level=SHOULD,
    negative=True,
)
async def update_after_cancel(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    await cancelled(vtn, ven, asked, to_follow=False)
    expect_code(await update(ven, report_of(asked)), "4xx")


@case(
    "vtn.report.cancel-refused",
    rules=("345",),
    certification=("R1_3170",),
    says="A VEN that does not know the request any more is heard, and goes on being served.",
    sends="a request; the operator ends it; oadrCanceledReport 452",
    expects="200 to the answer where it is posted, then a good answer to METADATA; the cancellation does not come again",
    negative=True,
)
async def cancel_refused(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    ven.answers["oadrCancelReport"] = lambda message: ven.write(
        "oadrCanceledReport", request_id=message.request_id, code="452", pending=()
    )
    await cancelled(vtn, ven, asked, to_follow=False)
    _acknowledged(ven)
    expect_code(await ven.offer(), "200")
    ven.inbox.clear()
    await ven.nothing("oadrCancelReport")


@case(
    "vtn.report.cancel-one-of-two",
    rules=("345",),
    certification=("R1_3170",),
    says="To end one report ends no other.",
    sends="two requests; the operator ends the first; an update of the second",
    expects="oadrCancelReport with the first one's id alone; 200 to the update of the second",
)
async def cancel_one_of_two(vtn: Vtn) -> None:
    ven, first = await usage_asked(vtn)
    second = await asked_for(vtn, ven, replace(USAGE, points=("energy",), granularity_s=15, back_s=30))
    message = await cancelled(vtn, ven, first, to_follow=False)
    expect(second.id not in message.texts("./ei:reportRequestID"), "the first one's id", "both", message)
    await taken(ven, report_of(second))
