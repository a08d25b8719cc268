"""The three messages of the codec's figures, as ours and as openleadr takes them.

openleadr writes one interval per value, so its 10 x 10 report has 100 intervals where ours has 10; what it decodes are the
same bytes that we decode.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from openleadr.messaging import create_message, parse_message, validate_xml_schema

from openadr_ra.protocol.messages import DistributeEvent, Message, UpdateReport
from openadr_ra.protocol.model import (
    LOAD_DISPATCH,
    SETPOINT,
    EventId,
    EventStatus,
    MarketContext,
    Period,
    PowerReal,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
    Target,
    VenId,
    VtnId,
)
from openadr_ra.protocol.parts import (
    GOOD,
    TELEMETRY_USAGE,
    DistributedEvent,
    Event,
    Interval,
    Report,
    ReportPayload,
    Signal,
    SignalPayload,
)
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration, duration

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)
MARKET = "http://market.example/balancing"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One message; `peer` makes the same with openleadr."""

    name: str
    message: Message
    peer: Callable[[], object]


def samples() -> tuple[Sample, ...]:
    """A 100-point report twice, wide and long, and a day's half of an event in half hours."""
    return (
        Sample(name="oadrUpdateReport 10 rIDs x 10 intervals", message=report(10, 10), peer=peer_report(10, 10)),
        Sample(name="oadrUpdateReport 1 rID x 100 intervals", message=report(1, 100), peer=peer_report(1, 100)),
        Sample(name="oadrDistributeEvent 24 intervals", message=event(24), peer=peer_event(24)),
    )


def peer_decode(body: bytes) -> object:
    """What openleadr does with a body that came in: the schema, then its dictionaries."""
    validate_xml_schema(body)
    return parse_message(body)


def reading(rid: int, minute: int) -> float:
    """A value with as many digits as a meter has."""
    return round(1000 + 37.5 * rid - 1.125 * minute, 3)


def report(rids: int, intervals: int) -> UpdateReport:
    """Telemetry of `rids` points over `intervals` minutes."""
    return UpdateReport(
        request_id=RequestId("update-1"),
        reports=(
            Report(
                start=NOON,
                intervals=tuple(
                    Interval(
                        start=NOON + minute * MINUTE,
                        duration=duration(MINUTE),
                        payloads=tuple(
                            ReportPayload(rid=Rid(f"meter-{rid}"), value=reading(rid, minute), quality=GOOD)
                            for rid in range(rids)
                        ),
                    )
                    for minute in range(intervals)
                ),
                report_id="report-1",
                request_id=ReportRequestId("request-1"),
                specifier_id=SpecifierId("live"),
                name=TELEMETRY_USAGE,
                created=NOON,
            ),
        ),
        ven_id=VenId("ven-1"),
    )


def peer_report(rids: int, intervals: int) -> Callable[[], object]:
    """The same for openleadr, which has a payload an interval."""
    content = {
        "report_id": "report-1",
        "dtstart": NOON,
        "intervals": [
            {
                "dtstart": NOON + minute * MINUTE,
                "duration": MINUTE,
                "report_payload": {"r_id": f"meter-{rid}", "value": reading(rid, minute), "data_quality": str(GOOD)},
            }
            for minute in range(intervals)
            for rid in range(rids)
        ],
        "report_request_id": "request-1",
        "report_specifier_id": "live",
        "report_name": "TELEMETRY_USAGE",
        "created_date_time": NOON,
    }
    return lambda: create_message("oadrUpdateReport", request_id="update-1", ven_id="ven-1", reports=[content])


def event(intervals: int) -> DistributeEvent:
    """One event with one signal."""
    return DistributeEvent(
        request_id=RequestId("distribute-1"),
        vtn_id=VtnId("VTN-1"),
        events=(
            DistributedEvent(
                event=Event(
                    id=EventId("event-1"),
                    priority=1,
                    market_context=MarketContext(Token(MARKET)),
                    created=NOON,
                    status=EventStatus(Token("far")),
                    period=Period(start=NOON, duration=duration(intervals * HALF_HOUR)),
                    signals=(
                        Signal(
                            intervals=tuple(
                                Interval(
                                    duration=Duration(seconds=1800),
                                    uid=str(uid),
                                    payloads=(SignalPayload(value=-10.5 * uid),),
                                )
                                for uid in range(intervals)
                            ),
                            name=LOAD_DISPATCH,
                            type=SETPOINT,
                            id="signal-1",
                            unit=PowerReal(),
                            current_value=0.0,
                        ),
                    ),
                    target=Target(vens=(VenId("ven-1"),)),
                ),
            ),
        ),
    )


def peer_event(intervals: int) -> Callable[[], object]:
    """The same for openleadr."""
    measurement = {
        "name": "powerReal",
        "description": "RealPower",
        "unit": "W",
        "scale": "k",
        "power_attributes": {"hertz": 50, "voltage": 200, "ac": True},
    }
    signal = {
        "signal_name": "LOAD_DISPATCH",
        "signal_type": "setpoint",
        "signal_id": "signal-1",
        "intervals": [{"duration": HALF_HOUR, "signal_payload": -10.5 * uid} for uid in range(intervals)],
        "measurement": measurement,
        "current_value": 0.0,
    }
    content = {
        "event_descriptor": {
            "event_id": "event-1",
            "modification_number": 0,
            "priority": 1,
            "market_context": MARKET,
            "created_date_time": NOON,
            "event_status": "far",
        },
        "active_period": {"dtstart": NOON, "duration": intervals * HALF_HOUR},
        "event_signals": [signal],
        "targets": [{"ven_id": "ven-1"}],
        "response_required": "always",
    }
    return lambda: create_message("oadrDistributeEvent", request_id="distribute-1", vtn_id="VTN-1", events=[content])
