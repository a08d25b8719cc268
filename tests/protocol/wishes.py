"""Report requests as people make them, and what was said of them."""

from __future__ import annotations

from datetime import timedelta

from openadr_ra.protocol.messages import (
    Message,
)
from openadr_ra.protocol.model import Period, ReportRequestId, Rid, SpecifierId
from openadr_ra.protocol.parts import ReportRequest, SpecifierPayload
from openadr_ra.protocol.step import AskReports, StopReports
from openadr_ra.protocol.times import duration
from tests.world import MINUTE, Pair

NONE = timedelta(0)


def request(
    id: str = "op1", rid: str = "bat.kw", *, specifier: str = "usage", granularity: timedelta = MINUTE,
    back: timedelta = MINUTE, interval: Period | None = None,
) -> ReportRequest:  # fmt: skip
    return ReportRequest(
        id=ReportRequestId(id),
        specifier_id=SpecifierId(specifier),
        granularity=duration(granularity),
        report_back=duration(back),
        interval=interval,
        points=(SpecifierPayload(rid=Rid(rid)),),
    )


def capabilities(id: str = "m1", back: timedelta = NONE, interval: Period | None = None) -> ReportRequest:
    return request(id, "0", specifier="METADATA", granularity=NONE, back=back, interval=interval)


def asks(pair: Pair, *requests: ReportRequest) -> None:
    pair.vtn_takes(AskReports(requests=requests))


def stops(pair: Pair, *ids: str, to_follow: bool = False) -> None:
    pair.vtn_takes(StopReports(ids=tuple(ReportRequestId(name) for name in ids), to_follow=to_follow))


def replies(pair: Pair, kind: type[Message], since: int = 0) -> list[Message]:
    """What the VTN said of that kind with a poll."""
    return [each.reply for each in pair.said[since:] if isinstance(each.reply, kind)]


def said(pair: Pair, kind: type[Message], since: int = 0) -> list[Message]:
    return [each.request for each in pair.said[since:] if isinstance(each.request, kind)]
