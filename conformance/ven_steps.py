"""What the cases about a VEN share: events to send, what is said of its answers, what it offers."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise

import msgspec

from conformance.case import Failed, NotSupported, expect
from conformance.message import NAMESPACES, Element, Message
from conformance.operator import SIMPLE, EventWish, SignalWish, in_
from conformance.play_vtn import MARKET, event, report_request, response_path
from conformance.tested import Ven

QUIET_S = 2.5
"""How long nothing must come where nothing may; more than two polls a second apart."""

BRISK_S = 5

POWER, ENERGY = "powerReal", "energyReal"

SERVICES_OF_THE_REGISTERED = (
    "oadrPoll", "oadrRequestEvent", "oadrCreatedEvent", "oadrCreateOpt", "oadrCancelOpt",
    "oadrRegisterReport", "oadrUpdateReport", "oadrCreateReport", "oadrCancelReport",
)  # fmt: skip
"""What a VEN may not send without a registration (X-ACT-1)."""

_DURATION = re.compile(
    r"^([+-])?P?(?:(\d+)W|(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?)$"
)
_SECONDS = (604_800, 31_536_000, 2_592_000, 86_400, 3600, 60, 1)


def length_s(text: str | None) -> float:
    """The seconds of a duration; a month counts 30 days. Failed for what is none."""
    found = _DURATION.match((text or "").strip())
    if found is None or not text:
        raise Failed("a duration", repr(text))
    sign, *parts = found.groups()
    total = sum(float(part) * unit for part, unit in zip(parts, _SECONDS, strict=True) if part)
    return -total if sign == "-" else total


def moment(text: str | None) -> datetime:
    """A date-time of a message. Failed for what is none."""
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        raise Failed("a date-time", repr(text)) from None


def near_now(message: Message, path: str, *, within_s: float) -> None:
    """The time at `path` is the harness's own, give or take so much."""
    off_s = abs((moment(message.text(path)) - in_(0)).total_seconds())
    expect(off_s <= within_s, f"{path} within {within_s:g} s of now", f"{off_s:.0f} s off", message, path)


# -- events ---------------------------------------------------------------------------------------------------------


def context(ven: Ven) -> str:
    """A market context that the VEN takes part in."""
    return str(ven.parameters.get("market_context", MARKET))


def made(
    ven: Ven,
    event_id: str,
    *signals: SignalWish,
    start: datetime | None = None,
    every_s: int = 300,
    modification: int = 0,
    status: str = "far",
    market: str = "",
    priority: int | None = None,
    startafter_s: int = 0,
    required: bool = True,
    **holes: str | int | None,
) -> str:
    """A right event for the VEN, in ten minutes unless `start` says when; SIMPLE unless signals say otherwise."""
    wish = EventWish(
        ven_id=ven.ven_id,
        start=start or in_(600),
        every_s=every_s,
        signals=signals or (SIMPLE,),
        market_context=market or context(ven),
        priority=priority,
        startafter_s=startafter_s,
        response_required=required,
    )
    return event(event_id, wish, status=status, modification=modification, **holes)


async def offered(ven: Ven, event_id: str, *events: str, modification: int | None = None) -> Message:
    """Send the VEN these events; its answer to that one."""
    before = await ven.send_events(*events)
    return await ven.answered(event_id, modification=modification, after=before)


async def verdict(ven: Ven, event_id: str, *events: str) -> Message:
    """Send the VEN these events; its word on that one, or on the whole message if that is an error."""
    before = await ven.send_events(*events)
    where = response_path(event_id)
    return await ven.hears(
        "oadrCreatedEvent", where=lambda one: one.has(where) or one.code not in ("", "200"), after=before
    )


def expect_taken(created: Message, event_id: str, *opts: str) -> None:
    """The answer has code 200 for that event, and one of those opts (by default either)."""
    code, opt = f"{response_path(event_id)}/ei:responseCode", f"{response_path(event_id)}/ei:optType"
    expect(created.code == "200", "eiResponse 200", created.code or "none", created, ".//ei:eiResponse")
    said = created.text(code) or "none"
    expect(said == "200", f"200 for event {event_id}", said, created, code)
    wanted = opts or ("optIn", "optOut")
    chosen = created.text(opt) or "none"
    expect(chosen in wanted, f"{' or '.join(wanted)} for event {event_id}", chosen, created, opt)


def expect_refused(created: Message, event_id: str, *codes: str, opted_out: bool = False) -> None:
    """The event's own code, or that of the whole message, is an error of class 4, or one of `codes`."""
    path = f"{response_path(event_id)}/ei:responseCode"
    said = created.text(path) or created.code or "none"
    if said == "200":
        path, said = ".//ei:eiResponse/ei:responseCode", created.code if created.code != "200" else "200"
    wanted = codes or ("4xx",)
    good = any(said == one or (one.endswith("xx") and said[:1] == one[:1] and len(said) == 3) for one in wanted)
    expect(good, f"{' or '.join(wanted)} for event {event_id}", said, created, path)
    opt = created.text(f"{response_path(event_id)}/ei:optType")
    if opted_out and opt is not None:
        expect(opt == "optOut", f"optOut of event {event_id}", opt, created, f"{response_path(event_id)}/ei:optType")


async def unmentioned(ven: Ven, event_id: str, *, after: int) -> None:
    """No oadrCreatedEvent names that event for a while."""
    where = response_path(event_id)
    await ven.hears_no("oadrCreatedEvent", where=lambda one: one.has(where), for_s=QUIET_S, after=after)


async def alive(ven: Ven) -> None:
    """The VEN takes the next event as if nothing had happened."""
    created = await offered(ven, "still-here", made(ven, "still-here"))
    expect_taken(created, "still-here")


async def gaps_s(ven: Ven, count: int, *, after: int, within_s: float) -> tuple[float, ...]:
    """The seconds between one poll and the next, so many of them, from the first one after `after` requests."""
    times: list[datetime] = []
    for _ in range(count + 1):
        poll = await ven.hears("oadrPoll", after=after, within_s=within_s)
        after = ven.heard.index(poll) + 1
        times.append(next(one.at for one in ven.record.exchanges if one.request is poll))
    return tuple((second - first).total_seconds() for first, second in pairwise(times))


# -- what it offers -------------------------------------------------------------------------------------------------


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A data point of a METADATA report. `unit`: the local name of its itemBase, "" without one. `times`: its scale."""

    rid: str
    unit: str
    times: float
    min_s: float
    max_s: float
    resource: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A report on offer. `name` is without METADATA_."""

    specifier: str
    name: str
    points: tuple[Point, ...]

    @property
    def rids(self) -> tuple[str, ...]:
        return tuple(one.rid for one in self.points)

    @property
    def step_s(self) -> int:
        """The shortest granularity that all its points allow, at least a second."""
        return max(1, *(int(one.min_s + 0.999) for one in self.points))

    def only(self, *rids: str) -> Offer:
        """The same with these points alone."""
        return msgspec.structs.replace(self, points=tuple(one for one in self.points if one.rid in rids))


_SCALES = {
    "p": 1e-12,
    "n": 1e-9,
    "micro": 1e-6,
    "m": 1e-3,
    "c": 1e-2,
    "d": 1e-1,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
}
_NOT_UNITS = {
    "rID", "reportSubject", "reportDataSource", "reportType", "readingType", "marketContext", "oadrSamplingRate",
}  # fmt: skip


def offers(message: Message) -> tuple[Offer, ...]:
    """What an oadrRegisterReport offers."""
    return tuple(
        Offer(
            specifier=_text(report, "ei:reportSpecifierID"),
            name=_text(report, "ei:reportName").removeprefix("METADATA_"),
            points=tuple(_point(one) for one in report.findall("oadr:oadrReportDescription", NAMESPACES)),
        )
        for report in message.all("./oadr:oadrReport")
    )


def offer_of(ven: Ven, name: str) -> Offer:
    """The VEN's offer of a report of that name. NotSupported if there is none."""
    found = offers(ven.offers) if ven.offers is not None else ()
    for one in found:
        if one.name == name and one.points:
            return one
    raise NotSupported(f"the VEN offers no {name}")


def brisk(ven: Ven, name: str) -> Offer:
    """The same, of a report that can come every few seconds. NotSupported if it cannot: a case cannot wait for it."""
    offer = offer_of(ven, name)
    if offer.step_s > BRISK_S:
        raise NotSupported(f"the VEN offers {name} no more often than every {offer.step_s} s")
    return offer


def point_of(offer: Offer, unit: str) -> Point:
    """Its first point of that unit. NotSupported if it has none."""
    for one in offer.points:
        if one.unit == unit:
            return one
    raise NotSupported(f"{offer.name} has no point in {unit}")


def _text(element: Element, path: str) -> str:
    return (element.findtext(path, namespaces=NAMESPACES) or "").strip()


def _point(description: Element) -> Point:
    unit = next((one for one in description if _local(one) not in _NOT_UNITS), None)
    scale = "" if unit is None else _text(unit, "scale:siScaleCode")
    rate = description.find("oadr:oadrSamplingRate", NAMESPACES)
    return Point(
        rid=_text(description, "ei:rID"),
        unit="" if unit is None else _local(unit),
        times=_SCALES.get(scale, 1.0),
        min_s=0.0 if rate is None else length_s(_text(rate, "oadr:oadrMinPeriod")),
        max_s=0.0 if rate is None else length_s(_text(rate, "oadr:oadrMaxPeriod")),
        resource=_text(description, "ei:reportDataSource/ei:resourceID"),
    )


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


# -- asking for reports ---------------------------------------------------------------------------------------------


def wanted(request_id: str, offer: Offer, *, granularity_s: int = 0, back_s: int = 0, duration_s: int = 0) -> str:
    """An oadrReportRequest for all points of the offer. `back_s` 0: once; else from now on, for ever without a duration."""
    return report_request(
        request_id, offer.specifier, offer.rids, granularity_s=granularity_s, back_s=back_s, duration_s=duration_s
    )


async def ordered(ven: Ven, *requests: str) -> Message:
    """Ask for reports; the VEN's oadrCreatedReport."""
    return await ven.ask(ven.write("oadrCreateReport", requests="".join(requests)), "oadrCreatedReport")


async def cancelled(ven: Ven, *request_ids: str, to_follow: bool = False) -> Message:
    """Cancel reports; the VEN's oadrCanceledReport."""
    body = ven.write("oadrCancelReport", report_request_ids=request_ids, to_follow=to_follow)
    return await ven.ask(body, "oadrCanceledReport")


async def updated(ven: Ven, request_id: str, *, after: int = 0, within_s: float = 12.0) -> Message:
    """The next oadrUpdateReport for that request."""
    where = report_path(request_id)
    return await ven.hears("oadrUpdateReport", where=lambda one: one.has(where), after=after, within_s=within_s)


async def silent(ven: Ven, request_id: str, *, after: int, for_s: float = QUIET_S) -> None:
    """No oadrUpdateReport for that request comes for a while."""
    where = report_path(request_id)
    await ven.hears_no("oadrUpdateReport", where=lambda one: one.has(where), after=after, for_s=for_s)


def report_path(request_id: str) -> str:
    """The oadrReport for that request, from an oadrUpdateReport."""
    return f"./oadr:oadrReport[ei:reportRequestID[normalize-space()='{request_id}']]"


def expect_pending(message: Message, *request_ids: str) -> None:
    """oadrPendingReports names these, and no others."""
    actual = sorted(message.texts("./oadr:oadrPendingReports/ei:reportRequestID"))
    good = actual == sorted(request_ids)
    expect(good, f"pending: {', '.join(request_ids) or 'none'}", ", ".join(actual) or "none", message, PENDING)


PENDING = "./oadr:oadrPendingReports"
