"""The values that a VEN reports: what a VTN takes (reference 3.4)."""

from __future__ import annotations

from collections.abc import Callable

from conformance import template
from conformance.case import SHOULD, case, expect, expect_code, expect_kind
from conformance.message import Message
from conformance.play import seconds, utc
from conformance.play_ven import metadata, metadata_report
from conformance.tested import Vtn
from conformance.vtn_reports import (
    STATUS,
    Asked,
    asked_for,
    interval_of,
    report_of,
    status_report,
    taken,
    usage_asked,
)

WriteReport = Callable[[Asked], str]

QUALITIES = (
    *("No Quality - No Value", "No New Value - Previous Value Used"),
    *("Quality Bad - Non Specific", "Quality Bad - Configuration Error", "Quality Bad - Not Connected"),
    *("Quality Bad - Device Failure", "Quality Bad - Sensor Failure", "Quality Bad - Last Known Value"),
    *("Quality Bad - Comm Failure", "Quality Bad - Out of Service", "Quality Uncertain - Non Specific"),
    *("Quality Uncertain - Last Usable Value", "Quality Uncertain - Sensor Not Accurate"),
    *("Quality Uncertain - EU Units Exceeded", "Quality Uncertain - Sub Normal"),
    *("Quality Good - Non Specific", "Quality Good - Local Override"),
    *("Quality Limit - Field/Not", "Quality Limit - Field/Low", "Quality Limit - Field/High"),
    *("Quality Limit - Field/Constant", "x-OUR_OWN"),
)

LOADS = ("oadrCapacity", "oadrLevelOffset", "oadrPercentOffset", "oadrSetPoint")


def _several(asked: Asked, count: int) -> str:
    """The last seconds, an interval each; none but the report has a dtstart."""
    intervals = "".join(interval_of(asked.points, uid=number) for number in range(count))
    return report_of(asked, start=utc(plus_s=-count), duration=seconds(count), intervals=intervals)


def _each_starts(asked: Asked) -> str:
    intervals = "".join(interval_of(asked.points, uid=number, start=utc(plus_s=number - 3)) for number in range(3))
    return report_of(asked, start=utc(plus_s=-3), duration="PT3S", intervals=intervals)


def _a_point_in_time(asked: Asked) -> str:
    start = utc(plus_s=-1)
    return report_of(asked, start=start, duration=None, intervals=interval_of(asked.points, start=start, duration=None))


def _values(asked: Asked, values: tuple[float | str, ...], **holes: float | str) -> str:
    """A value in each interval of a second."""
    payloads = (
        "".join(template.fill("report_payload", rid=rid, value=value, **holes) for rid in asked.points)
        for value in values
    )
    intervals = "".join(
        template.fill("report_interval", duration="PT1S", uid=number, payloads=each)
        for number, each in enumerate(payloads)
    )
    count = len(values)
    return report_of(asked, start=utc(plus_s=-count), duration=seconds(count), intervals=intervals)


def _qualities(asked: Asked) -> str:
    """An interval for each quality."""
    made = []
    for number, quality in enumerate(QUALITIES):
        values = "".join(template.fill("report_payload", rid=rid, value=1, quality=quality) for rid in asked.points)
        made.append(template.fill("report_interval", duration="PT1S", uid=number, payloads=values))
    count = len(QUALITIES)
    return report_of(asked, start=utc(plus_s=-count), duration=seconds(count), intervals="".join(made))


_GOOD: tuple[tuple[str, str, WriteReport, tuple[str, ...]], ...] = (
    ("usual", "one interval with a dtstart, a duration and both points", report_of, ("304",)),
    ("start-of-the-report", "an interval without dtstart: the report's counts", lambda it: _several(it, 1), ("314",)),
    (
        "several",
        "three intervals with durations, and a dtstart of the report alone",
        lambda it: _several(it, 3),
        ("314", "342"),
    ),
    ("each-starts", "three intervals, each with dtstart and duration", _each_starts, ("342",)),
    ("point-in-time", "an interval with dtstart and no duration", _a_point_in_time, ("342",)),
    ("hundred", "a hundred intervals", lambda it: _several(it, 100), ("510",)),
    ("quality", "every oadrDataQuality of the schema", _qualities, ("46",)),
    ("report-id", "an eiReportID", lambda it: report_of(it, report_id="r-1"), ("46",)),
    (
        "extremes",
        "confidence 100 and accuracy 0.5, and values with exponents, signs and many digits",
        lambda it: _values(it, ("1e3", "-0", "+1.5", "-123456.789012", "0.1E-10"), confidence=100, accuracy=0.5),
        ("46",),
    ),
    ("confidence-zero", "confidence 0", lambda it: _values(it, (1,), confidence=0), ("46",)),
)

for _name, _what, _write, _rules in _GOOD:

    @case(
        f"vtn.report.update-{_name}",
        rules=_rules,
        says="A VTN takes the values that it asked for, in each form that the rules know.",
        sends=f"oadrUpdateReport with {_what}",
        expects="oadrUpdatedReport 200",
        certification=("R1_3150", "R1_3160") if _name == "usual" else (),
        signed=_name == "usual",
    )
    async def update_taken(vtn: Vtn, write: WriteReport = _write) -> None:
        ven, asked = await usage_asked(vtn)
        await taken(ven, write(asked))


@case(
    "vtn.report.update-twice",
    rules=("304",),
    says="An update whose answer was lost is sent again, and taken again.",
    sends="the same oadrUpdateReport twice",
    expects="oadrUpdatedReport 200 to both",
)
async def update_twice(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    report = report_of(asked)
    await taken(ven, report)
    await taken(ven, report)


@case(
    "vtn.report.updates-in-a-row",
    rules=("304",),
    certification=("R1_3020", "R1_3027"),
    says="A periodic report brings one update after the other.",
    sends="five updates of a periodic request",
    expects="oadrUpdatedReport 200 to each",
)
async def updates_in_a_row(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    for _ in range(5):
        await taken(ven, report_of(asked))


@case(
    "vtn.report.update-of-nothing",
    rules=("46",),
    says="An oadrUpdateReport without a report, which the schema allows, does no harm.",
    sends="oadrUpdateReport without oadrReport",
    expects="oadrUpdatedReport with any code; then 200 to a right update",
    negative=True,
)
async def update_of_nothing(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    reply = await ven.say("oadrUpdateReport")
    expect_kind(reply, "oadrUpdatedReport")
    await taken(ven, report_of(asked))


# -- status ----------------------------------------------------------------------------------------------------------


def _load(*names: str) -> str:
    parts = "".join(template.fill("load_control_part", name=name, current="75.5") for name in names)
    return f"<oadr:oadrLoadControlState>{parts}</oadr:oadrLoadControlState>"


_STATES: tuple[tuple[str, str, dict[str, bool | str]], ...] = (
    ("online", "online, no manual override", {"online": True, "override": False}),
    ("offline", "offline, under manual override", {"online": False, "override": True}),
    *(
        (name, f"{name} in oadrLoadControlState", dict[str, bool | str](online=True, override=False, state=_load(name)))
        for name in LOADS
    ),
    ("all", "all four of oadrLoadControlState", {"online": True, "override": False, "state": _load(*LOADS)}),
    ("empty-state", "an empty oadrLoadControlState", {"online": True, "override": False, "state": _load()}),
)

for _name, _what, _holes in _STATES:

    @case(
        f"vtn.report.status-{_name}",
        rules=("510", "46"),
        certification=("R1_3010",) if _name == "online" else (),
        says="A VTN takes TELEMETRY_STATUS with each part that it may have.",
        sends=f"oadrUpdateReport with oadrPayloadResourceStatus: {_what}",
        expects="oadrUpdatedReport 200",
    )
    async def status_taken(vtn: Vtn, holes: dict[str, bool | str] = _holes) -> None:
        ven = await vtn.registered()
        asked = await asked_for(vtn, ven, STATUS)
        await taken(ven, status_report(asked, template.fill("status_payload", rid="status", **holes)))


# -- Green Button ----------------------------------------------------------------------------------------------------


@case(
    "vtn.report.greenbutton-metadata",
    rules=("46",),
    says="METADATA may offer HISTORY_GREENBUTTON.",
    sends="METADATA with METADATA_HISTORY_GREENBUTTON, its unit an atom feed",
    expects="oadrRegisteredReport 200",
    level=SHOULD,
)
async def greenbutton(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register()
    expect_code(await ven.offer(metadata() + _greenbutton()), "200")


def _greenbutton() -> str:
    feed = template.fill("feed", updated=utc())
    point = template.fill(
        "description",
        rid="feed",
        data_source="",
        type="usage",
        unit=f"<oadr:oadrGBDataDescription>{feed}</oadr:oadrGBDataDescription>",
        reading="Direct Read",
    )
    return metadata_report("greenbutton", "METADATA_HISTORY_GREENBUTTON", point)


# -- cancelled by the answer -----------------------------------------------------------------------------------------


@case(
    "vtn.report.piggyback",
    rules=("X-REP-10",),
    says="An oadrUpdatedReport that cancels names only requests of the update that it answers.",
    sends="two requests; the operator cancels one; an update of the other before anything is asked of the VTN",
    expects="oadrUpdatedReport 200, without the other's id in an oadrCancelReport; the same the other way round",
)
async def piggyback(vtn: Vtn) -> None:
    ven, first = await usage_asked(vtn)
    second = await asked_for(vtn, ven, STATUS)
    await vtn.operator.cancel_report(ven.ven_id, first.id, to_follow=False)
    reply = await taken(
        ven, status_report(second, template.fill("status_payload", rid="status", online=True, override=False))
    )
    _names_only(reply, second.id)
    _names_only(await ven.say("oadrUpdateReport", reports=report_of(first)), first.id)


def _names_only(reply: Message, name: str) -> None:
    path = "./oadr:oadrCancelReport/ei:reportRequestID"
    for said in reply.texts(path):
        expect(said == name, f"reportRequestID {name}, which the update had", said, reply, path)
