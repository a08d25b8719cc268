"""What cases about reports at a VTN share: what the played VEN offers and says, and what the VTN asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec

from conformance import template
from conformance.case import Failed, NotSupported, expect, expect_code, expect_kind
from conformance.message import NAMESPACES, Element, Message
from conformance.operator import ReportWish
from conformance.play import utc
from conformance.play_ven import POINTS, PlayVen, described, metadata, metadata_report, usage_report
from conformance.play_vtn import report_request
from conformance.template import Hole
from conformance.tested import Vtn

MISSING = "the VTN offers no reports of its own"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An oadrReportRequest of the VTN, and the message that it stands in."""

    id: str
    specifier: str
    points: tuple[str, ...]
    granularity: str
    back: str
    message: Message

    @property
    def path(self) -> str:
        """Where it stands in the payload."""
        return f"./oadr:oadrReportRequest[ei:reportRequestID[normalize-space()='{self.id}']]"

    def text(self, path: str) -> str | None:
        return self.message.text(f"{self.path}/{path}")

    def has(self, path: str) -> bool:
        return self.message.has(f"{self.path}/{path}")


def requests_in(message: Message) -> tuple[Asked, ...]:
    """The requests of an oadrCreateReport or an oadrRegisteredReport."""
    return tuple(_asked(one, message) for one in message.all("./oadr:oadrReportRequest"))


def _asked(request: Element, message: Message) -> Asked:
    def said(path: str) -> str:
        return (request.findtext(path, namespaces=NAMESPACES) or "").strip()

    points = request.findall("ei:reportSpecifier/ei:specifierPayload/ei:rID", NAMESPACES)
    return Asked(
        id=said("ei:reportRequestID"),
        specifier=said("ei:reportSpecifier/ei:reportSpecifierID"),
        points=tuple((one.text or "").strip() for one in points),
        granularity=said("ei:reportSpecifier/xcal:granularity/xcal:duration"),
        back=said("ei:reportSpecifier/ei:reportBackDuration/xcal:duration"),
        message=message,
    )


def all_asked(ven: PlayVen) -> tuple[Asked, ...]:
    """Everything that the VTN has asked this VEN for so far."""
    found = {one.id: one for message in ven.requests.values() for one in requests_in(message)}
    return tuple(found.values())


async def asked_for(vtn: Vtn, ven: PlayVen, wish: ReportWish) -> Asked:
    """Have the operator ask this VEN for a report; the request as it comes to the VEN, acknowledged."""
    before = set(ven.requests)
    wanted = await vtn.operator.request_report(msgspec.structs.replace(wish, ven_id=ven.ven_id))

    def is_it(one: Asked) -> bool:
        return one.id == wanted if wanted else one.id not in before and one.specifier == wish.specifier

    await ven.receive("oadrCreateReport", where=lambda message: any(is_it(one) for one in requests_in(message)))
    return next(one for one in all_asked(ven) if is_it(one))


USAGE = ReportWish(ven_id="", name="TELEMETRY_USAGE", specifier="usage", points=POINTS, granularity_s=10, back_s=20)
"""A periodic report of both points of usage."""

STATUS = ReportWish(ven_id="", name="TELEMETRY_STATUS", specifier="status", points=("status",))
"""The status, once."""


async def usage_asked(vtn: Vtn) -> tuple[PlayVen, Asked]:
    """A VEN that is asked for USAGE."""
    ven = await vtn.registered()
    return ven, await asked_for(vtn, ven, USAGE)


# -- what the VEN offers ---------------------------------------------------------------------------------------------


def history() -> str:
    """A HISTORY_USAGE of power and energy, beside what every VEN offers."""
    units = (template.fill("powerReal", scale="none"), template.fill("energyReal", scale="none"))
    points = (described(rid, "usage", unit, "Direct Read") for rid, unit in zip(POINTS, units, strict=True))
    return metadata() + metadata_report("history", "METADATA_HISTORY_USAGE", "".join(points), duration="P1D")


def usage_offer(*, points: str | None = None, **holes: Hole) -> str:
    """A METADATA_TELEMETRY_USAGE with one point or these, and the status report; `holes` of the former's report."""
    power = described("power", "usage", template.fill("powerReal", scale="none"), "Direct Read")
    made: Callable[..., str] = metadata_report
    usage = made("usage", "METADATA_TELEMETRY_USAGE", power if points is None else points, **holes)
    status = described("status", "x-resourceStatus", "", "x-notApplicable")
    return usage + metadata_report("status", "METADATA_TELEMETRY_STATUS", status)


# -- what the VEN says -----------------------------------------------------------------------------------------------


async def update(ven: PlayVen, *reports: str) -> Message:
    """The VTN's answer to these reports."""
    reply = await ven.say("oadrUpdateReport", reports="".join(reports))
    expect_kind(reply, "oadrUpdatedReport")
    return reply


async def taken(ven: PlayVen, *reports: str) -> Message:
    """These reports are taken."""
    reply = await update(ven, *reports)
    expect_code(reply, "200")
    return reply


def report_of(asked: Asked, **holes: Hole) -> str:
    """A right report of usage to that request; `holes` say otherwise."""
    made: Callable[..., str] = usage_report
    return made(asked.id, points=asked.points, **{"specifier": asked.specifier, **holes})


def interval_of(points: tuple[str, ...], *, uid: int = 0, value: float = 1.5, **holes: Hole) -> str:
    """An interval of a second with a value for each point; `holes` of payloads/report_interval.xml say otherwise."""
    values = "".join(template.fill("report_payload", rid=rid, value=value) for rid in points)
    return template.fill("report_interval", **{"duration": "PT1S", "uid": uid, "payloads": values, **holes})


def status_report(asked: Asked, payload: str) -> str:
    """A report of TELEMETRY_STATUS with that payload."""
    start = utc(plus_s=-1)
    interval = template.fill("report_interval", start=start, duration="PT1S", uid=0, payloads=payload)
    return report_of(asked, name="TELEMETRY_STATUS", start=start, intervals=interval)


# -- what the VTN offers ---------------------------------------------------------------------------------------------


async def offered_by(vtn: Vtn) -> tuple[PlayVen, Message]:
    """A new VEN, and the METADATA that the VTN registers with it."""
    ven = await vtn.ven()
    await ven.register()
    await ven.offer()
    return ven, await ven.receive("oadrRegisterReport")


async def really_offered_by(vtn: Vtn) -> tuple[PlayVen, Message]:
    """As `offered_by`; NotSupported where nothing is offered. The subject's `own_reports` says that there is more to come
    after METADATA that is empty."""
    late = bool(vtn.parameters.get("own_reports"))
    ven = await vtn.ven()
    await ven.register()
    await ven.offer()
    try:
        offered = await ven.receive("oadrRegisterReport", where=lambda one: not late or one.has(REPORT))
    except Failed as failed:
        raise NotSupported(MISSING) from failed
    if not offered.has(REPORT):
        raise NotSupported(MISSING)
    return ven, offered


REPORT = "./oadr:oadrReport"


async def metadata_asked(ven: PlayVen, *names: str, back_s: int = 0) -> Message:
    """Ask for METADATA under these reportRequestIDs. NotSupported if a VTN that offers no reports refuses."""
    requests = "".join(report_request(name, "METADATA", ("0",), back_s=back_s) for name in names)
    reply = await ven.say("oadrCreateReport", requests=requests)
    offers = any(one.kind == "oadrRegisterReport" and one.has(REPORT) for one in ven.record.from_subject)
    if reply.code[:1] == "4" and not offers:
        raise NotSupported(MISSING)
    expect_kind(reply, "oadrCreatedReport")
    expect_code(reply, "200")
    return reply


async def metadata_under(ven: PlayVen, name: str, *, within_s: float = 8.0) -> Message:
    """The next oadrRegisterReport under that reportRequestID."""
    path = "./ei:reportRequestID"
    return await ven.receive("oadrRegisterReport", where=lambda one: one.text(path) == name, within_s=within_s)


# -- times -----------------------------------------------------------------------------------------------------------

_PARTS = (("D", 86400), ("H", 3600), ("M", 60), ("S", 1))


def length(text: str) -> timedelta:
    """An xcal duration of days and less. Failed for anything else."""
    date, _, time = text.strip().lstrip("+").removeprefix("P").partition("T")
    total = 0
    for part, units in ((date, _PARTS[:1]), (time, _PARTS[1:])):
        total += sum(_seconds(part, units))
    return timedelta(seconds=total)


def _seconds(text: str, units: tuple[tuple[str, int], ...]) -> Iterator[int]:
    for letter, seconds in units:
        number, found, rest = text.partition(letter)
        if found:
            if not number.isdigit():
                raise Failed("a duration", text)
            yield int(number) * seconds
            text = rest
    expect(not text, "a duration of days, hours, minutes and seconds", text)
