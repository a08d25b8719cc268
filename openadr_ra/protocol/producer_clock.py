"""What a producer of reports does about a clock that was set back."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.producer import Producer, Standing
from openadr_ra.protocol.times import shift


def earlier(producer: Producer, now: datetime, slack: timedelta) -> Producer:
    """The producer by a clock that was set back by more than `slack`; as it is where that was not so.

    No span that became an update ended later than now. A request that seems to be ahead goes on with the span that runs, on
    its own grid; otherwise nothing would be reported for as long as the clock was ahead. Times that are told twice are those
    of the same spans, of which a VTN keeps one.
    """
    requests = {
        name: replace(standing, sent_until=_before(standing, now)) if _is_ahead(standing, now + slack) else standing
        for name, standing in producer.requests.items()
    }
    return producer if requests == producer.requests else replace(producer, requests=requests)


def _is_ahead(standing: Standing, latest: datetime) -> bool:
    asked = standing.request.interval
    begun = asked is None or standing.sent_until > asked.start
    return bool(standing.back) and begun and standing.sent_until > latest


def _before(standing: Standing, now: datetime) -> datetime:
    """The last edge of its spans that is not later than now, nor earlier than what was asked for."""
    spans = -((now - standing.sent_until) // standing.back)
    asked = standing.request.interval
    edge = shift(standing.sent_until, -spans * standing.back)
    return edge if asked is None else max(edge, asked.start)
