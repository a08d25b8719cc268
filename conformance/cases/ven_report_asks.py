"""EiReport at a VEN: what it asks of the VTN, and what the VTN reports to it."""

from __future__ import annotations

from conformance.case import case, expect, expect_absent, expect_code, expect_there
from conformance.message import Message
from conformance.play import utc
from conformance.play_ven import described, metadata_report, usage_report
from conformance.template import fill
from conformance.tested import Ven
from conformance.ven_steps import length_s

NAME, SPECIFIER, POINT = "x-PRICES", "prices", "price"
REQUEST = "./oadr:oadrReportRequest"
MIN_S = 10


async def _asked(ven: Ven) -> Message:
    """What a VEN asks of a VTN that offers prices: in oadrRegisteredReport, or by oadrCreateReport when it is told to."""
    await ven.bootstrapped()
    before = len(ven.heard)
    price = described(POINT, "price", fill("currencyPerKWh"), "x-notApplicable", min_s=MIN_S)
    offer = metadata_report(SPECIFIER, NAME, price, created=utc())
    reply = await ven.ask(ven.write("oadrRegisterReport", reports=offer), "oadrRegisteredReport")
    expect_code(reply, "200")
    if reply.has(REQUEST):
        return reply
    await ven.operator.request_report(NAME, POINT)
    return await ven.hears("oadrCreateReport", after=before)


@case(
    "ven.report.asks-named",
    rules=("X-REP-5",),
    says="A report that a VEN asks for has a reportRequestID that is neither empty nor 0, and unique.",
    sends="METADATA of prices; the VEN's operator has it ask for them",
    expects="oadrCreateReport with a reportRequestID of its own",
)
async def asks_named(ven: Ven) -> None:
    asking = await _asked(ven)
    ids = asking.texts(f"{REQUEST}/ei:reportRequestID")
    expect(len(set(ids)) == len(ids), "every reportRequestID once", ", ".join(ids), asking, REQUEST)
    expect(not {"", "0"} & set(ids), "reportRequestIDs that are neither empty nor 0", ", ".join(ids), asking, REQUEST)


@case(
    "ven.report.asks-what-is-on-offer",
    rules=("21", "X-REP-6"),
    says="A VEN asks for what is on offer: its specifier, its points, and no finer than their least period.",
    sends="METADATA of prices of least period 10 s; the VEN's operator has it ask for them every minute",
    expects="that reportSpecifierID and rID, and a granularity of 0 or at least 10 s",
)
async def asks_what_is_on_offer(ven: Ven) -> None:
    asking = await _asked(ven)
    for path, wanted in (("ei:reportSpecifierID", SPECIFIER), ("ei:specifierPayload/ei:rID", POINT)):
        expect_there(asking, f"{REQUEST}/ei:reportSpecifier/{path}")
        for text in asking.texts(f"{REQUEST}/ei:reportSpecifier/{path}"):
            expect(text == wanted, wanted, text, asking, REQUEST)
    for text in asking.texts(f"{REQUEST}/ei:reportSpecifier/xcal:granularity/xcal:duration"):
        good = length_s(text) == 0 or length_s(text) >= MIN_S
        expect(good, f"a granularity of 0, or {MIN_S} s at least", text, asking, REQUEST)


@case(
    "ven.report.asks-plainly",
    rules=("321", "X-REP-8"),
    says="A VEN's request has readingType x-notApplicable, and no tolerance, notification, ramp-up or recovery.",
    sends="METADATA of prices; the VEN's operator has it ask for them",
    expects="oadrCreateReport like that",
)
async def asks_plainly(ven: Ven) -> None:
    asking = await _asked(ven)
    expect_there(asking, f"{REQUEST}//ei:specifierPayload/ei:readingType")
    for text in asking.texts(f"{REQUEST}//ei:specifierPayload/ei:readingType"):
        expect(text == "x-notApplicable", "readingType x-notApplicable", text, asking, REQUEST)
    for path in ("xcal:tolerance", "ei:x-eiNotification", "ei:x-eiRampUp", "ei:x-eiRecovery"):
        expect_absent(asking, f"{REQUEST}//{path}")


@case(
    "ven.report.asks-and-gets",
    rules=("304",),
    says="A VEN takes the report that it asked for.",
    sends="METADATA of prices; the VEN's operator has it ask for them; oadrUpdateReport with that reportRequestID",
    expects="oadrUpdatedReport 200",
)
async def asks_and_gets(ven: Ven) -> None:
    asking = await _asked(ven)
    request = asking.text(f"{REQUEST}/ei:reportRequestID") or ""
    report = usage_report(request, specifier=SPECIFIER, name=NAME, points=(POINT,))
    reply = await ven.ask(ven.write("oadrUpdateReport", reports=report), "oadrUpdatedReport")
    expect_code(reply, "200")


@case(
    "ven.report.report-unknown",
    rules=("304",),
    says="A report that the VEN never asked for is refused.",
    sends="oadrUpdateReport with an unknown reportRequestID",
    expects="oadrUpdatedReport 452",
    negative=True,
)
async def report_unknown(ven: Ven) -> None:
    await ven.bootstrapped()
    body = ven.write("oadrUpdateReport", reports=usage_report("never-asked"))
    expect_code(await ven.ask(body, "oadrUpdatedReport"), "452")


@case(
    "ven.report.asks-in-vain",
    rules=("33",),
    says="A VEN survives that the VTN refuses what it asks for.",
    sends="oadrCreatedReport 461 to the VEN's request",
    expects="the VEN goes on: METADATA is answered",
)
async def vtn_refuses(ven: Ven) -> None:
    ven.answers["oadrCreateReport"] = lambda message: ven.write(
        "oadrCreatedReport", request_id=message.request_id, code="461"
    )
    await _asked(ven)
    reply = await ven.ask(ven.write("oadrRegisterReport", reports=""), "oadrRegisteredReport")
    expect_code(reply, "200")
