"""Messages to be spoilt: one of each kind that a repair is about, and what spoils them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.protocol import messages as m
from openadr_ra.protocol import model
from openadr_ra.protocol import parts as p
from openadr_ra.protocol.shape import NAMESPACES, Token
from openadr_ra.protocol.times import duration
from openadr_ra.wire.codec import encode_checked

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
VEN = model.VenId("ven-1")
ASKED = model.RequestId("asked-1")

POLL = m.Poll(ven_id=VEN)

REGISTRATION = m.CreatePartyRegistration(request_id=ASKED, ven_id=VEN, pull=True)

CREATED = m.CreatedEvent(
    result=p.Result(request_id=model.RequestId("")),
    responses=(
        p.EventResponse(
            request_id=ASKED,
            event=model.QualifiedEventId(event_id=model.EventId("event-1"), modification=0),
            opt=model.OPT_OUT,
        ),
        p.EventResponse(
            request_id=ASKED,
            event=model.QualifiedEventId(event_id=model.EventId("event-2"), modification=3),
            opt=model.OPT_IN,
        ),
    ),
    ven_id=VEN,
)


def offer(unit: model.ItemBase | None) -> m.RegisterReport:
    """METADATA of one point measured in `unit`."""
    description = p.ReportDescription(
        rid=model.Rid("meter-1"),
        type=p.ReportType(Token("usage")),
        unit=unit,
        reading_type=p.DIRECT_READ,
        sampling=p.SamplingRate(
            minimum=duration(timedelta(seconds=10)), maximum=duration(timedelta(seconds=60)), on_change=False
        ),
    )
    report = p.Report(
        duration=duration(timedelta(hours=2)),
        descriptions=(description,),
        request_id=model.ReportRequestId("0"),
        specifier_id=model.SpecifierId("usage"),
        name=p.ReportName(Token("METADATA_TELEMETRY_USAGE")),
        created=NOON,
    )
    return m.RegisterReport(request_id=ASKED, reports=(report,), ven_id=VEN)


WATTS = model.PowerReal(scale=model.NO_SCALE)
KILOWATTS = model.PowerReal(scale=model.KILO)
WATT_HOURS = model.EnergyReal(scale=model.NO_SCALE)
KILOWATT_HOURS = model.EnergyReal(scale=model.KILO)


def readings(count: int = 1, *, starts: bool = True) -> m.UpdateReport:
    """`count` values, one each minute; without `starts` each begins where the one before it ends."""
    intervals = tuple(
        p.Interval(
            start=NOON + timedelta(minutes=at) if starts else None,
            duration=duration(timedelta(seconds=60)),
            uid=str(at),
            payloads=(p.ReportPayload(rid=model.Rid("meter-1"), value=float(at), quality=p.GOOD),),
        )
        for at in range(count)
    )
    report = p.Report(
        start=NOON,
        intervals=intervals,
        request_id=model.ReportRequestId("report-1"),
        specifier_id=model.SpecifierId("usage"),
        created=NOON,
    )
    return m.UpdateReport(request_id=ASKED, reports=(report,), ven_id=VEN)


ASKING = m.CreateReport(
    request_id=ASKED,
    requests=(
        p.ReportRequest(
            id=model.ReportRequestId("report-1"),
            specifier_id=model.SpecifierId("usage"),
            granularity=duration(timedelta(minutes=1)),
            report_back=duration(timedelta(minutes=15)),
            interval=model.Period(start=NOON),
            points=(p.SpecifierPayload(rid=model.Rid("meter-1")),),
        ),
    ),
    ven_id=VEN,
)

EVENT = m.DistributeEvent(
    request_id=ASKED,
    vtn_id=model.VtnId("VTN-1"),
    events=(
        p.DistributedEvent(
            event=p.Event(
                id=model.EventId("event-1"),
                market_context=model.MarketContext(Token("http://market.example/dr")),
                created=NOON,
                status=model.CANCELLED,
                period=model.Period(start=NOON, duration=duration(timedelta(days=35))),
                signals=(
                    p.Signal(
                        intervals=(
                            p.Interval(
                                duration=duration(timedelta(days=35)), uid="0", payloads=(p.SignalPayload(value=2.0),)
                            ),
                        ),
                        name=model.LOAD_DISPATCH,
                        type=model.SETPOINT,
                        id="signal-1",
                        unit=KILOWATTS,
                        current_value=0.0,
                    ),
                ),
            )
        ),
    ),
)


def body(message: m.Message, *changes: tuple[str, str]) -> bytes:
    """`message` on the wire, with each first text replaced by the second, wherever it stands; it must stand somewhere."""
    text = encode_checked(message).decode()
    for old, new in changes:
        assert old in text, f"there is no {old} in {text}"
        text = text.replace(old, new)
    return text.encode()


_WORDS = (
    "", "none", "optIn", "optOut", "OptIn", "kWh", "KW", "MW", "mW", "k", "K", "Real Power", "RealEnergy", "True", "FALSE",
    "P5W", "PT1.5S", "PT0.4S", "PT10.0S", "2026-01-01T09:00:00+09:00", "0001-01-01T00:00:00+09:00", "canceled", "-", "1e",
    "2026-01-01T00:00:00.5-0930", "NaN", "9" * 5000, "\u3000", "2.0", "x",
)  # fmt: skip
_FOREIGN = ("", "urn:of:a:vendor", "no uri at all %", *NAMESPACES.values())
_ATTRIBUTES = (
    "schemaVersion", "Id", "{http://www.w3.org/XML/1998/namespace}lang", "{urn:of:a:vendor}note", "oadr",
    "{http://www.w3.org/2001/XMLSchema-instance}type", "{http://www.w3.org/2001/XMLSchema-instance}nil",
)  # fmt: skip


def spoil(draw: st.DrawFn, root: Element) -> Element:
    """`root` with one thing in it changed as peers, or worse, would; the root of what comes of it."""
    elements = list(root.iter("*"))
    element = draw(st.sampled_from(elements))
    return draw(st.sampled_from(_SPOILERS))(draw, element, root)


def _word(draw: st.DrawFn, element: Element, root: Element) -> Element:
    element.text = draw(st.sampled_from(_WORDS))
    return root


def _attribute(draw: st.DrawFn, element: Element, root: Element) -> Element:
    element.set(
        draw(st.sampled_from(_ATTRIBUTES)), draw(st.sampled_from(("2.0", "2.0b", "power:PowerRealType", "true")))
    )
    return root


def _renamed(draw: st.DrawFn, element: Element, root: Element) -> Element:
    """In another namespace, or with another name from the same message; through the text, where any name may stand."""
    other = draw(st.sampled_from(list(root.iter("*"))))
    name = etree.QName(draw(st.sampled_from((element, other)))).localname
    uri = draw(st.sampled_from(_FOREIGN))
    text = etree.tostring(root).decode()
    spoilt = f'<{name} xmlns="{uri}"' + "{}" + f"</{name}>"
    inside = etree.tostring(element, with_tail=False).decode()
    if inside not in text or inside.endswith("/>"):
        return root
    content = inside[inside.index(">") : inside.rindex("</")]
    return _parsed(text.replace(inside, spoilt.format(content), 1), root)


def _dropped(draw: st.DrawFn, element: Element, root: Element) -> Element:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
    return root


def _moved(draw: st.DrawFn, element: Element, root: Element) -> Element:
    where = draw(st.sampled_from(list(root.iter("*"))))
    where.append(etree.fromstring(etree.tostring(element, with_tail=False)))
    return root


def _turned(draw: st.DrawFn, element: Element, root: Element) -> Element:
    element[:] = draw(st.permutations(list(element))) if len(element) < 10 else list(reversed(element))
    return root


def _bare(draw: st.DrawFn, element: Element, root: Element) -> Element:
    return _parsed(etree.tostring(element, with_tail=False).decode(), root)


def _parsed(text: str, otherwise: Element) -> Element:
    try:
        return etree.fromstring(text)
    except etree.XMLSyntaxError:
        return otherwise


_SPOILERS: tuple[Callable[[st.DrawFn, Element, Element], Element], ...] = (
    _word, _attribute, _renamed, _dropped, _moved, _turned, _bare,
)  # fmt: skip
