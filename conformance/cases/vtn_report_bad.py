"""Updates that are wrong: what a VTN says to them (reference 3.4)."""

from __future__ import annotations

from collections.abc import Callable

from conformance import template
from conformance.case import SHOULD, case, expect_code, expect_kind
from conformance.endpoint import refused as unreadable
from conformance.play import fresh, utc
from conformance.play_ven import described, metadata
from conformance.tested import Vtn
from conformance.vtn_reports import USAGE, Asked, asked_for, interval_of, report_of, taken, update, usage_asked
from conformance.vtn_steps import asked as ask
from conformance.vtn_steps import refused

WriteReport = Callable[[Asked], str]


@case(
    "vtn.report.bad-request-id",
    rules=("304",),
    certification=("R1_3190",),
    says="An update of a reportRequestID that was never given is refused with 452.",
    sends="oadrUpdateReport with a reportRequestID of nobody's",
    expects="oadrUpdatedReport 452; then 200 to a right one",
    negative=True,
    signed=True,
)
async def unknown_request(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    expect_code(await update(ven, report_of(asked, report_request_id=fresh("nobody"))), "452")
    await taken(ven, report_of(asked))


@case(
    "vtn.report.bad-request-of-another",
    rules=("304",),
    says="An update of a request that was made of another VEN is refused.",
    sends="oadrUpdateReport of one VEN with the reportRequestID of another",
    expects="oadrUpdatedReport 4xx",
    negative=True,
)
async def request_of_another(vtn: Vtn) -> None:
    _, asked = await usage_asked(vtn)
    other = await vtn.registered()
    expect_code(await update(other, report_of(asked)), "4xx")


@case(
    "vtn.report.bad-rid",
    rules=("304",),
    certification=("R1_3190",),
    says="A value of a point that was not asked for is refused.",
    sends="oadrUpdateReport with an rID of nobody's beside right ones",
    expects="oadrUpdatedReport 4xx; then 200 to a right one",
    negative=True,
)
async def unknown_rid(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    start = utc(plus_s=-1)
    wrong = report_of(asked, start=start, intervals=interval_of((*asked.points, "nobody"), start=start))
    expect_code(await update(ven, wrong), "4xx")
    await taken(ven, report_of(asked))


@case(
    "vtn.report.bad-ven-id",
    rules=("21",),
    certification=("E1_1080",),
    says="An update under a venID in another letter case is refused with 452.",
    sends="oadrUpdateReport with the VEN's own venID, its case flipped",
    expects="oadrUpdatedReport 452",
    negative=True,
)
async def flipped_ven_id(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    flipped = ven.ven_id.swapcase()
    other = flipped if flipped != ven.ven_id else f"{flipped}x"
    reply = await ven.say("oadrUpdateReport", reports=report_of(asked), ven_id=other)
    expect_kind(reply, "oadrUpdatedReport")
    expect_code(reply, "452")


def _intervals(asked: Asked, *pieces: str, **more: str | None) -> str:
    made: Callable[..., str] = report_of
    return made(asked, intervals="".join(pieces), **{"start": utc(plus_s=-10), "duration": None, **more})


def _rid_missing(asked: Asked) -> str:
    start = utc(plus_s=-1)
    return report_of(asked, start=start, intervals=interval_of(asked.points[:1], start=start))


def _dtstart_apart(asked: Asked) -> str:
    return _intervals(asked, interval_of(asked.points, start=utc(plus_s=-5)), duration="PT1S")


def _some_start(asked: Asked) -> str:
    first = interval_of(asked.points, start=utc(plus_s=-10))
    return _intervals(asked, first, interval_of(asked.points, uid=1))


def _some_last(asked: Asked) -> str:
    first = interval_of(asked.points, start=utc(plus_s=-10))
    return _intervals(asked, first, interval_of(asked.points, uid=1, start=utc(plus_s=-5), duration=None))


def _no_lengths(asked: Asked) -> str:
    return _intervals(asked, *(interval_of(asked.points, uid=number, duration=None) for number in range(3)))


def _uid_gap(asked: Asked) -> str:
    return _intervals(asked, interval_of(asked.points), interval_of(asked.points, uid=2))


def _described(asked: Asked) -> str:
    unit = template.fill("powerReal", scale="none")
    return report_of(asked, descriptions=described("power", "usage", unit, "Direct Read"))


_CONTRADICTIONS: tuple[tuple[str, str, WriteReport, tuple[str, ...]], ...] = (
    ("rid-missing", "fewer rIDs than were asked for", _rid_missing, ("304",)),
    ("specifier", "another reportSpecifierID than was asked for", lambda it: report_of(it, specifier="no"), ("304",)),
    (
        "metadata-name",
        "reportName METADATA_TELEMETRY_USAGE",
        lambda it: report_of(it, name="METADATA_TELEMETRY_USAGE"),
        ("X-REP-9",),
    ),
    ("other-name", "the name of another report", lambda it: report_of(it, name="TELEMETRY_STATUS"), ("X-REP-9",)),
    ("no-name", "no reportName", lambda it: report_of(it, name=None), ("X-REP-9",)),
    ("descriptions", "descriptions, as in METADATA", _described, ("X-REP-9",)),
    ("no-intervals", "no intervals", lambda it: report_of(it, intervals=None), ("X-REP-9",)),
    (
        "no-dtstart",
        "no dtstart anywhere",
        lambda it: report_of(it, start=None, intervals=interval_of(it.points)),
        ("X-REP-9", "314"),
    ),
    ("dtstart-apart", "a dtstart of the report that is not its first interval's", _dtstart_apart, ("342",)),
    ("some-start", "a dtstart in one interval of two", _some_start, ("342",)),
    ("some-last", "a duration in one interval of two", _some_last, ("342",)),
    ("no-lengths", "three intervals with neither dtstart nor duration", _no_lengths, ("342",)),
    (
        "sum",
        "a duration of the report that is not that of its intervals",
        lambda it: report_of(it, duration="PT1H"),
        ("342",),
    ),
    ("uid-gap", "intervals 0 and 2", _uid_gap, ("342",)),
    ("in-a-hundred-years", "values of the year 2126", lambda it: report_of(it, start="2126-01-01T00:00:00Z"), ("33",)),
)

for _name, _what, _write, _rules in _CONTRADICTIONS:

    @case(
        f"vtn.report.bad-{_name}",
        rules=_rules,
        says="An update that contradicts itself or its request is answered as updates are, and does no harm.",
        sends=f"oadrUpdateReport with {_what}; then a right one",
        expects="oadrUpdatedReport with 200 or 4xx; then 200 to the right one",
        negative=True,
    )
    async def contradiction(vtn: Vtn, write: WriteReport = _write) -> None:
        ven, asked = await usage_asked(vtn)
        reply = await update(ven, write(asked))
        expect_code(reply, "200", "4xx")
        await taken(ven, report_of(asked))


_TO_REFUSE = ("no-intervals", "metadata-name", "no-lengths")

for _name, _what, _write, _rules in _CONTRADICTIONS:
    if _name not in _TO_REFUSE:
        continue

    @case(
        f"vtn.report.refused-{_name}",
        rules=("33", *_rules),
        says="What cannot be a report of values is refused, rather than taken for something.",
        sends=f"oadrUpdateReport with {_what}",
        expects="oadrUpdatedReport 4xx",
        level=SHOULD,
        negative=True,
    )
    async def contradiction_refused(vtn: Vtn, write: WriteReport = _write) -> None:
        ven, asked = await usage_asked(vtn)
        expect_code(await update(ven, write(asked)), "4xx")


for _name, _text in (("not-a-number", "NaN"), ("infinite", "INF"), ("minus-infinite", "-INF")):

    @case(
        f"vtn.report.refused-{_name}",
        rules=("33",),
        says="What is no number is refused, though the schema has it.",
        sends=f"oadrUpdateReport with the value {_text}; then a right one",
        expects="a refusal; then 200 to the right one",
        level=SHOULD,
        negative=True,
    )
    async def no_number(vtn: Vtn, text: str = _text) -> None:
        ven, asked = await usage_asked(vtn)
        interval = interval_of(asked.points, start=utc(plus_s=-1)).replace(">1.5<", f">{text}<")
        unreadable(await ask(ven, "oadrUpdateReport", reports=report_of(asked, intervals=interval)))
        await taken(ven, report_of(asked))


@case(
    "vtn.report.bad-confidence",
    rules=("33",),
    says="A confidence is 0 to 100.",
    sends="oadrUpdateReport with confidence 101",
    expects="a refusal; then 200 to a right one",
    negative=True,
)
async def bad_confidence(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    values = "".join(template.fill("report_payload", rid=rid, value=1, confidence=101) for rid in asked.points)
    interval = template.fill("report_interval", start=utc(plus_s=-1), duration="PT1S", uid=0, payloads=values)
    unreadable(await ask(ven, "oadrUpdateReport", reports=report_of(asked, intervals=interval)))
    await taken(ven, report_of(asked))


@case(
    "vtn.report.bad-unregistered",
    rules=("X-ACT-1",),
    says="Nothing is taken of a VEN whose registration has ended.",
    sends="oadrCancelPartyRegistration, then oadrUpdateReport of a request from before",
    expects="200 to the first, a refusal to the second",
    negative=True,
)
async def unregistered(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    reply = await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
    expect_code(reply, "200")
    refused(await ask(ven, "oadrUpdateReport", reports=report_of(asked)))


@case(
    "vtn.report.bad-after-a-new-registration",
    rules=("406",),
    certification=("N1_0060",),
    says="A new registrationID ends all reports that were asked for before.",
    sends="a registration without registrationID, METADATA; then oadrUpdateReport of a request from before",
    expects="oadrUpdatedReport 4xx, unless the VTN asked for it anew",
    level=SHOULD,
    negative=True,
)
async def after_a_new_registration(vtn: Vtn) -> None:
    ven = await vtn.registered()
    asked = await asked_for(vtn, ven, USAGE)
    ven.requests.clear()
    await ven.register(registration_id=None)
    await ven.offer(metadata())
    reply = await update(ven, report_of(asked))
    if asked.id not in ven.requests:
        expect_code(reply, "4xx")
