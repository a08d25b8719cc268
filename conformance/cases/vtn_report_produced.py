"""A VTN as the one who has reports: what a VEN may ask of it (reference 3.3 to 3.5, the VTN as producer)."""

from __future__ import annotations

from conformance import template
from conformance.case import SHOULD, NotSupported, case, expect, expect_absent, expect_code, expect_kind, expect_there
from conformance.message import Message
from conformance.play import fresh
from conformance.play_ven import PlayVen
from conformance.play_vtn import report_request
from conformance.tested import Vtn
from conformance.vtn_reports import length, metadata_asked, metadata_under, really_offered_by
from conformance.vtn_steps import asked, refused


def back_s(vtn: Vtn) -> int:
    """How often METADATA is asked for; the subject's `metadata_back_s` if it cannot do it so often."""
    return int(vtn.parameters.get("metadata_back_s", 4))


@case(
    "vtn.report.produce-metadata",
    rules=("306", "311"),
    certification=("R1_3120",),
    says="A VEN asks for the VTN's METADATA, and gets it under its reportRequestID.",
    sends="oadrCreateReport with specifier METADATA, once",
    expects="oadrCreatedReport 200; oadrRegisterReport with that reportRequestID, and 0 in each report",
)
async def produce_metadata(vtn: Vtn) -> None:
    ven = await vtn.registered()
    name = fresh("wanted")
    await metadata_asked(ven, name)
    found = await metadata_under(ven, name)
    for said in found.texts("./oadr:oadrReport/ei:reportRequestID"):
        expect(said == "0", "reportRequestID 0", said, found, "./oadr:oadrReport/ei:reportRequestID")
    ven.inbox.clear()
    await ven.nothing("oadrRegisterReport", where=lambda one: one.text("./ei:reportRequestID") == name)


@case(
    "vtn.report.produce-metadata-periodically",
    rules=("306",),
    certification=("R1_3080", "R1_3100"),
    says="METADATA that is asked for periodically comes at once and after each reportBackDuration, until it is cancelled.",
    sends="oadrCreateReport with specifier METADATA and a reportBackDuration; later oadrCancelReport",
    expects="two oadrRegisterReport under that id; oadrCanceledReport 200; then none",
    within_s=60,
)
async def produce_metadata_periodically(vtn: Vtn) -> None:
    ven = await vtn.registered()
    name, period_s = fresh("wanted"), back_s(vtn)
    await metadata_asked(ven, name, back_s=period_s)
    for _ in range(2):
        await metadata_under(ven, name, within_s=period_s + 8)
    reply = await ven.say("oadrCancelReport", report_request_ids=(name,), to_follow=False)
    expect_kind(reply, "oadrCanceledReport")
    expect_code(reply, "200")
    ven.inbox.clear()
    ended = "./ei:reportRequestID"
    await ven.nothing("oadrRegisterReport", where=lambda one: one.text(ended) == name, for_s=period_s + 1.5)


@case(
    "vtn.report.produce-metadata-twice",
    rules=("306", "X-REP-5"),
    certification=("R1_3090",),
    says="Two requests for METADATA run beside one another, each under its own id.",
    sends="two oadrReportRequests for METADATA with a reportBackDuration",
    expects="two oadrRegisterReport under each id",
    within_s=60,
)
async def produce_metadata_twice(vtn: Vtn) -> None:
    ven = await vtn.registered()
    names, period_s = (fresh("wanted"), fresh("wanted")), back_s(vtn)
    await metadata_asked(ven, *names, back_s=period_s)
    counts = dict.fromkeys(names, 0)
    while min(counts.values()) < 2:
        found = await ven.receive(
            "oadrRegisterReport", where=lambda one: one.has("./ei:reportRequestID"), within_s=period_s + 8
        )
        said = found.text("./ei:reportRequestID") or ""
        expect(said in counts, " or ".join(names), said, found, "./ei:reportRequestID")
        counts[said] += 1
        said_so_far = ", ".join(f"{name} {count} times" for name, count in counts.items())
        expect(counts[said] <= 4, "both requests served in turn", said_so_far, found, "./ei:reportRequestID")


def _pending(message: Message) -> set[str]:
    return set(message.texts("./oadr:oadrPendingReports/ei:reportRequestID"))


@case(
    "vtn.report.produce-pending",
    rules=("306",),
    certification=("R1_3170",),
    says="oadrPendingReports lists the periodic requests that are served: the new one with it, the ended one without.",
    sends="two periodic requests for METADATA, one after the other, then the cancellation of the first",
    expects="one id, two ids, and the second one alone",
)
async def produce_pending(vtn: Vtn) -> None:
    ven = await vtn.registered()
    first, second = fresh("wanted"), fresh("wanted")
    reply = await metadata_asked(ven, first, back_s=600)
    _lists(reply, {first})
    _lists(await metadata_asked(ven, second, back_s=600), {first, second})
    ended = await ven.say("oadrCancelReport", report_request_ids=(first,), to_follow=False)
    expect_kind(ended, "oadrCanceledReport")
    expect_code(ended, "200")
    _lists(ended, {second})


def _lists(message: Message, names: set[str]) -> None:
    found = _pending(message)
    said = ", ".join(sorted(found)) or "none"
    expect(found == names, f"pending {', '.join(sorted(names))}", said, message, "./oadr:oadrPendingReports")


@case(
    "vtn.report.produce-data",
    rules=("X-REP-9", "304", "342"),
    certification=("R1_3150", "R1_3160"),
    says="What a VTN offers can be had: updates with dtstart, intervals and name, for just the points that were asked.",
    sends="oadrCreateReport for the VTN's first telemetry, every four seconds",
    expects="oadrCreatedReport 200 that lists it; oadrUpdateReport without descriptions and with all those rIDs",
    within_s=60,
)
async def produce_data(vtn: Vtn) -> None:
    ven, offered = await really_offered_by(vtn)
    name, report, points = await _data_asked(ven, offered)
    path = "./oadr:oadrReport"
    found = await ven.receive(
        "oadrUpdateReport", where=lambda one: name in one.texts(f"{path}/ei:reportRequestID"), within_s=16
    )
    expect(found.text(f"{path}/ei:reportName") == report.removeprefix("METADATA_"), report, "another", found, path)
    for there in ("xcal:dtstart", "strm:intervals/ei:interval"):
        expect_there(found, f"{path}/{there}")
    expect_absent(found, f"{path}/oadr:oadrReportDescription")
    said = set(found.texts(f"{path}/strm:intervals/ei:interval/oadr:oadrReportPayload/ei:rID"))
    expect(said == set(points), f"rIDs {', '.join(points)}", ", ".join(sorted(said)), found, path)


async def _data_asked(ven: PlayVen, offered: Message) -> tuple[str, str, tuple[str, ...]]:
    """Ask for all points of the first telemetry: the id, the name in METADATA, the rIDs."""
    for number, report in enumerate(offered.texts("./oadr:oadrReport/ei:reportName"), 1):
        path = f"./oadr:oadrReport[{number}]"
        points = offered.texts(f"{path}/oadr:oadrReportDescription/ei:rID")
        if "TELEMETRY" not in report or not points:
            continue
        name, specifier = fresh("wanted"), offered.text(f"{path}/ei:reportSpecifierID") or ""
        wanted = report_request(name, specifier, points, granularity_s=0, back_s=4)
        reply = await ven.say("oadrCreateReport", requests=wanted)
        expect_kind(reply, "oadrCreatedReport")
        expect_code(reply, "200")
        expect(name in _pending(reply), f"pending {name}", "it is not listed", reply, "./oadr:oadrPendingReports")
        return name, report, points
    raise NotSupported("the VTN offers no telemetry of its own")


async def _running(vtn: Vtn) -> tuple[PlayVen, str]:
    """A VEN that gets telemetry of the VTN's, and the reportRequestID."""
    ven, offered = await really_offered_by(vtn)
    name, *_ = await _data_asked(ven, offered)
    await ven.receive("oadrUpdateReport", where=lambda one: _is_of(one, name), within_s=16)
    return ven, name


async def _no_more(ven: PlayVen, name: str) -> None:
    ven.inbox.clear()
    await ven.nothing("oadrUpdateReport", where=lambda one: _is_of(one, name), for_s=6)


@case(
    "vtn.report.produce-cancelled",
    rules=("345",),
    says="A VEN ends a report of the VTN's, and gets a last one if it says so.",
    sends="a request for telemetry; after an update oadrCancelReport with reportToFollow true",
    expects="oadrCanceledReport 200 and one more update; then none",
    within_s=60,
)
async def produce_cancelled(vtn: Vtn) -> None:
    ven, name = await _running(vtn)
    reply = await ven.say("oadrCancelReport", report_request_ids=(name,), to_follow=True)
    expect_kind(reply, "oadrCanceledReport")
    expect_code(reply, "200")
    await ven.receive("oadrUpdateReport", where=lambda one: _is_of(one, name), within_s=8)
    await _no_more(ven, name)


@case(
    "vtn.report.produce-cancelled-at-once",
    rules=("345",),
    says="A report of the VTN's that is ended without a last one is ended at once.",
    sends="a request for telemetry; after an update oadrCancelReport with reportToFollow false",
    expects="oadrCanceledReport 200; no update any more",
    within_s=60,
)
async def produce_cancelled_at_once(vtn: Vtn) -> None:
    ven, name = await _running(vtn)
    reply = await ven.say("oadrCancelReport", report_request_ids=(name,), to_follow=False)
    expect_kind(reply, "oadrCanceledReport")
    expect_code(reply, "200")
    await _no_more(ven, name)


@case(
    "vtn.report.produce-cancelled-by-an-answer",
    rules=("X-REP-10",),
    says="A VEN ends a report of the VTN's in its answer to an update.",
    sends="a request for telemetry; an update is answered by an oadrUpdatedReport with an oadrCancelReport",
    expects="no update any more",
    within_s=60,
)
async def produce_cancelled_by_an_answer(vtn: Vtn) -> None:
    ven, offered = await really_offered_by(vtn)
    name, *_ = await _data_asked(ven, offered)
    cancel = template.fill(
        "piggyback", request_id=fresh("request"), report_request_ids=(name,), to_follow=False, ven_id=ven.ven_id
    )
    ven.answers["oadrUpdateReport"] = lambda message: ven.write(
        "oadrUpdatedReport", request_id=message.request_id, cancel=cancel
    )
    await ven.receive("oadrUpdateReport", where=lambda one: _is_of(one, name), within_s=16)
    await _no_more(ven, name)


def _is_of(message: Message, name: str) -> bool:
    return name in message.texts("./oadr:oadrReport/ei:reportRequestID")


# -- what cannot be had ----------------------------------------------------------------------------------------------

_WRONG: tuple[tuple[str, str, str, tuple[str, ...], str], ...] = (
    ("specifier", "an unknown reportSpecifierID", report_request(fresh("r"), "nobody", ("0",)), ("R1_3190",), "306"),
    ("id-zero", "reportRequestID 0", report_request("0", "METADATA", ("0",), back_s=600), (), "X-REP-5"),
    ("id-empty", "an empty reportRequestID", report_request("", "METADATA", ("0",), back_s=600), (), "X-REP-5"),
)

for _name, _what, _requests, _ids, _rule in _WRONG:

    @case(
        f"vtn.report.produce-bad-{_name}",
        rules=(_rule,),
        certification=_ids,
        says="A request that cannot be served is refused.",
        sends=f"oadrCreateReport with {_what}",
        expects="oadrCreatedReport 4xx, without it among the pending ones",
        negative=True,
    )
    async def cannot_be_served(vtn: Vtn, requests: str = _requests) -> None:
        ven = await vtn.registered()
        reply = await ven.say("oadrCreateReport", requests=requests)
        expect_kind(reply, "oadrCreatedReport")
        expect_code(reply, "4xx")
        expect(not _pending(reply), "nothing pending", ", ".join(_pending(reply)), reply)


@case(
    "vtn.report.produce-bad-rid",
    rules=("306",),
    certification=("R1_3190",),
    says="A request for a point that is not offered is refused.",
    sends="oadrCreateReport with the VTN's own specifier and an unknown rID",
    expects="oadrCreatedReport 452",
    negative=True,
)
async def unknown_point(vtn: Vtn) -> None:
    ven, offered = await really_offered_by(vtn)
    specifier = offered.text("./oadr:oadrReport/ei:reportSpecifierID") or ""
    reply = await ven.say("oadrCreateReport", requests=report_request(fresh("wanted"), specifier, ("nobody",)))
    expect_kind(reply, "oadrCreatedReport")
    expect_code(reply, "452")


@case(
    "vtn.report.produce-bad-granularity",
    rules=("X-REP-6",),
    says="A granularity below oadrMinPeriod is refused.",
    sends="oadrCreateReport for telemetry of the VTN's with a granularity of half the shortest that it offers",
    expects="oadrCreatedReport 4xx",
    negative=True,
)
async def too_fine(vtn: Vtn) -> None:
    ven, offered = await really_offered_by(vtn)
    path = "./oadr:oadrReport[contains(ei:reportName, 'TELEMETRY_USAGE')]"
    points = offered.texts(f"{path}/oadr:oadrReportDescription/ei:rID")
    rates = offered.texts(f"{path}/oadr:oadrReportDescription/oadr:oadrSamplingRate/oadr:oadrMinPeriod")
    shortest = int(max((length(rate).total_seconds() for rate in rates), default=0))
    if shortest < 2:
        # There is nothing below a second but zero, which leaves it to the VTN.
        return
    specifier = offered.text(f"{path}/ei:reportSpecifierID") or ""
    wanted = report_request(fresh("wanted"), specifier, points, granularity_s=shortest // 2, back_s=600)
    expect_code(await ven.say("oadrCreateReport", requests=wanted), "4xx")


@case(
    "vtn.report.produce-bad-cancel",
    rules=("304",),
    certification=("R1_3190",),
    says="To end a request that is not served is refused with 452.",
    sends="oadrCancelReport with a reportRequestID of nobody's",
    expects="oadrCanceledReport 452",
    negative=True,
)
async def cancel_unknown(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.say("oadrCancelReport", report_request_ids=(fresh("nobody"),), to_follow=False)
    expect_kind(reply, "oadrCanceledReport")
    expect_code(reply, "452")


@case(
    "vtn.report.produce-bad-unit",
    rules=("321",),
    says="A request that names a unit, which it should not, is served or refused, and does no harm.",
    sends="oadrCreateReport for METADATA whose point has an itemBase",
    expects="oadrCreatedReport with 200 or 4xx",
    negative=True,
)
async def with_a_unit(vtn: Vtn) -> None:
    ven = await vtn.registered()
    unit = "<oadr:pulseCount><oadr:itemDescription>pulse count</oadr:itemDescription><oadr:itemUnits>count</oadr:itemUnits>"
    unit += "<oadr:pulseFactor>1</oadr:pulseFactor></oadr:pulseCount>"
    wanted = report_request(fresh("wanted"), "METADATA", ("0",)).replace("</ei:rID>", f"</ei:rID>{unit}")
    reply = await ven.say("oadrCreateReport", requests=wanted)
    expect_kind(reply, "oadrCreatedReport")
    expect_code(reply, "200", "4xx")


@case(
    "vtn.report.produce-bad-twice",
    rules=("X-REP-5",),
    says="The same reportRequestID twice in one message is a fault.",
    sends="oadrCreateReport with two requests of one id",
    expects="oadrCreatedReport 4xx",
    level=SHOULD,
    negative=True,
)
async def same_id_twice(vtn: Vtn) -> None:
    ven = await vtn.registered()
    name = fresh("wanted")
    await metadata_asked(ven, fresh("wanted"))
    reply = await ven.say("oadrCreateReport", requests=report_request(name, "METADATA", ("0",), back_s=600) * 2)
    expect_code(reply, "4xx")


@case(
    "vtn.report.produce-unregistered",
    rules=("X-ACT-1",),
    says="Nobody gets reports without a registration.",
    sends="oadrCreateReport for METADATA before any registration",
    expects="a refusal",
    negative=True,
)
async def unregistered(vtn: Vtn) -> None:
    ven = await vtn.ven()
    requests = report_request(fresh("wanted"), "METADATA", ("0",))
    refused(await asked(ven, "oadrCreateReport", requests=requests, ven_id="nobody"))


@case(
    "vtn.report.produce-after-a-new-registration",
    rules=("406",),
    says="A new registrationID ends what was asked for before.",
    sends="a periodic request for METADATA; a registration without registrationID; another such request",
    expects="the new request alone among the pending ones",
)
async def produced_anew(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await metadata_asked(ven, fresh("wanted"), back_s=600)
    await ven.register(registration_id=None)
    name = fresh("wanted")
    reply = await metadata_asked(ven, name, back_s=600)
    _lists(reply, {name})
