"""The tiny VEN's reports: what it offers, which requests it takes, and the data that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from conformance import template
from conformance.events_seen import length_s
from conformance.message import NAMESPACES, Element
from conformance.play import seconds, utc
from tests.conformance.ven_wrongs import Switch

Wrong = Callable[[Switch], bool]
Load = Callable[[datetime], float]

METADATA = "METADATA"
KEPT_S = 7200
LONGEST_S = 3600
PAST_STEP_S = 60
RESOURCE = "tiny-resource"
CONTROL = (
    "<oadr:oadrLoadControlState><oadr:oadrCapacity><oadr:oadrCurrent>1</oadr:oadrCurrent>"
    "<oadr:oadrNormal>1</oadr:oadrNormal></oadr:oadrCapacity></oadr:oadrLoadControlState>"
)


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A report on offer: its points and their units, and the shortest granularity."""

    name: str
    points: dict[str, str]
    min_s: int

    @property
    def past(self) -> bool:
        return self.name.startswith("HISTORY")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A report that the VTN asked for. `start` None: now."""

    id: str
    specifier: str
    rids: tuple[str, ...]
    granularity_s: int
    back_s: int
    start: datetime | None
    duration_s: int


def offers(*, min_s: int) -> dict[str, Offer]:
    """By reportSpecifierID."""
    return {
        "usage": Offer(name="TELEMETRY_USAGE", points={"power": "powerReal", "energy": "energyReal"}, min_s=min_s),
        "status": Offer(name="TELEMETRY_STATUS", points={"state": ""}, min_s=min_s),
        "history": Offer(
            name="HISTORY_USAGE", points={"past-power": "powerReal", "past-energy": "energyReal"}, min_s=PAST_STEP_S
        ),
    }


def described(offered: dict[str, Offer]) -> str:
    """The oadrReports of an oadrRegisterReport."""
    return "".join(
        template.fill(
            "report",
            duration=seconds(KEPT_S),
            descriptions="".join(_point(rid, unit, one) for rid, unit in one.points.items()),
            report_request_id="0",
            specifier=specifier,
            name=f"METADATA_{one.name}",
            created=utc(),
            start=None,
            intervals=None,
            report_id=None,
        )
        for specifier, one in offered.items()
    )


def _point(rid: str, unit: str, offer: Offer) -> str:
    return template.fill(
        "description",
        rid=rid,
        data_source=f"<ei:reportDataSource><ei:resourceID>{RESOURCE}</ei:resourceID></ei:reportDataSource>",
        type="usage" if unit else "x-resourceStatus",
        unit=template.fill(unit, scale="none") if unit else "",
        reading="Direct Read" if unit else "x-notApplicable",
        market_context=None,
        min_period=seconds(offer.min_s),
        max_period=seconds(LONGEST_S),
        on_change=False,
    )


def requests(elements: Iterable[Element]) -> tuple[Asked, ...]:
    """What the oadrReportRequests ask."""
    return tuple(_asked(one) for one in elements)


def _asked(request: Element) -> Asked:
    spec = "ei:reportSpecifier"
    period = f"{spec}/ei:reportInterval/xcal:properties"
    start = _text(request, f"{period}/xcal:dtstart/xcal:date-time")
    return Asked(
        id=_text(request, "ei:reportRequestID"),
        specifier=_text(request, f"{spec}/ei:reportSpecifierID"),
        rids=tuple(
            (one.text or "").strip() for one in request.iterfind(f"{spec}/ei:specifierPayload/ei:rID", NAMESPACES)
        ),
        granularity_s=_seconds(request, f"{spec}/xcal:granularity/xcal:duration"),
        back_s=_seconds(request, f"{spec}/ei:reportBackDuration/xcal:duration"),
        start=datetime.fromisoformat(start) if start else None,
        duration_s=_seconds(request, f"{period}/xcal:duration/xcal:duration"),
    )


def _text(element: Element, path: str) -> str:
    return (element.findtext(path, namespaces=NAMESPACES) or "").strip()


def _seconds(element: Element, path: str) -> int:
    return length_s(text) if (text := _text(element, path)) else 0


def refusal(asked: Asked, offered: dict[str, Offer], taken: Iterable[str], wrong: Wrong) -> str:
    """The code by which a request is refused; "" if it is taken."""
    if (asked.id in ("", "0") or asked.id in taken) and not wrong("takes any request id"):
        return "452"
    if asked.specifier == METADATA:
        return ""
    offer = offered.get(asked.specifier)
    if offer is None:
        return "" if wrong("takes any specifier") else "452"
    if not set(asked.rids) <= set(offer.points):
        return "" if wrong("takes any point") else "452"
    if offer.past:
        return "459" if (asked.granularity_s or asked.back_s) and not wrong("takes any history") else ""
    fine = asked.granularity_s == 0 or asked.granularity_s >= offer.min_s
    return "" if fine or wrong("takes any granularity") else "459"


def data(asked: Asked, offer: Offer, start: datetime, length: int, load_w: Load, wrong: Wrong) -> str:
    """An oadrReport with what was measured from `start` for so many seconds."""
    step = asked.granularity_s or (PAST_STEP_S if offer.past else length)
    step = min(max(step, 1), max(length, 1))
    count = 1 if wrong("one interval only") else max(length // step, 1)
    intervals = "".join(_interval(asked, offer, start, number, step, load_w, wrong) for number in range(count))
    return template.fill(
        "report",
        start=utc(start),
        duration=seconds(step * count),
        intervals=intervals,
        report_id=f"data-{asked.id}",
        descriptions="",
        report_request_id=asked.id,
        specifier=asked.specifier,
        name=offer.name,
        created=utc(),
    )


def _interval(asked: Asked, offer: Offer, start: datetime, number: int, step: int, load_w: Load, wrong: Wrong) -> str:
    begins = start + timedelta(seconds=step * number)
    rids = list(offer.points if wrong("all points always") else asked.rids)
    if wrong("one point less"):
        rids = rids[:-1] or rids
    control = begins.second % 2 == 0 and wrong("load control now and then")
    payloads = "".join(_payload(rid, offer.points.get(rid, "powerReal"), begins, step, load_w) for rid in rids)
    if control:
        payloads = payloads.replace("</oadr:oadrManualOverride>", f"</oadr:oadrManualOverride>{CONTROL}")
    if wrong("one point more"):
        payloads += _payload("nobody-asked-for-it", "powerReal", begins, step, load_w)
    return template.fill("report_interval", start=utc(begins), duration=seconds(step), uid=number, payloads=payloads)


def _payload(rid: str, unit: str, begins: datetime, step: int, load_w: Load) -> str:
    if not unit:
        return template.fill("status_payload", rid=rid, online=True, override=False)
    value = load_w(begins + timedelta(seconds=step / 2))
    return template.fill(
        "report_payload",
        rid=rid,
        confidence=100,
        accuracy=None,
        value=value if unit == "powerReal" else value * step / 3600,
        quality="Quality Good - Non Specific",
    )
