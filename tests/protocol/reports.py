"""What is offered, asked and reported in these tests."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    CreateReport,
    Message,
    RegisteredReport,
    RegisterReport,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    ReportRequestId,
    SpecifierId,
)
from openadr_ra.protocol.parts import (
    TELEMETRY_USAGE,
    GreenButtonPayload,
    Interval,
    Report,
    ReportPayload,
    ReportRequest,
    SamplingRate,
)
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.times import Duration
from tests.world import (
    HOUR,
    NOON,
    Pair,
)

START = NOON - HOUR


def offered(pair: Pair) -> RegisterReport:
    """The VEN's newest METADATA."""
    message = [each.request for each in pair.said if isinstance(each.request, RegisterReport)][-1]
    assert isinstance(message, RegisterReport)
    return message


def asked(reply: Message) -> dict[tuple[SpecifierId, int], ReportRequest]:
    """The requests of an answer, by specifier and granularity in seconds."""
    assert isinstance(reply, RegisteredReport | CreateReport)
    return {(each.specifier_id, each.granularity.seconds): each for each in reply.requests}


def sampled(report: Report, shortest: Duration, longest: Duration) -> Report:
    rate = SamplingRate(minimum=shortest, maximum=longest)
    return replace(report, descriptions=tuple(replace(each, sampling=rate) for each in report.descriptions))


def updates(pair: Pair) -> list[Report]:
    """Every report that the VEN has sent, in order."""
    messages = [each.request for each in pair.said if isinstance(each.request, UpdateReport)]
    return [report for message in messages for report in message.reports]


def series(pair: Pair, name: str) -> list[Reading]:
    """What the VTN recorded under that name, by time."""
    return sorted((one for one in pair.recorded.values() if one.series == name), key=lambda one: (one.start, one.span))


def request_of(pair: Pair, specifier: str, seconds: int) -> ReportRequestId:
    """The standing request of that specifier and granularity."""
    return next(
        name
        for name, item in pair.party.reports.requests.items()
        if (item.request.specifier_id, item.request.granularity.seconds) == (specifier, seconds)
    )


def stranger(request: ReportRequestId, *payloads: ReportPayload | GreenButtonPayload) -> Report:
    """A report of one minute whose interval says nothing of its time."""
    return Report(
        start=NOON,
        duration=Duration(seconds=60),
        intervals=(Interval(payloads=payloads),),
        request_id=request,
        specifier_id=SpecifierId("usage"),
        name=TELEMETRY_USAGE,
        created=NOON,
    )
