"""What one peer may make the other keep of it is bounded: a row is read and written whole, at each of its steps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openadr_ra.errors import InvalidData
from openadr_ra.protocol import producer
from openadr_ra.protocol.model import ReportRequestId, Rid
from openadr_ra.protocol.parts import ReportRequest, SpecifierPayload
from openadr_ra.protocol.producer import MAX_STANDING, Producer
from openadr_ra.protocol.report import METADATA_SPECIFIER

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def asked(number: int) -> ReportRequest:
    """A request for METADATA, which anybody may make."""
    return ReportRequest(
        id=ReportRequestId(f"r{number}"), specifier_id=METADATA_SPECIFIER, points=(SpecifierPayload(rid=Rid("0")),)
    )


def test_so_many_report_requests_are_served_at_a_time_and_one_more_is_refused() -> None:
    """All of a message or none of it; those that are served can still be replaced."""
    served = producer.create(Producer(), tuple(map(asked, range(MAX_STANDING))), NOON)

    for more in ((asked(MAX_STANDING),), (asked(0), asked(MAX_STANDING))):
        with pytest.raises(InvalidData, match=f"{MAX_STANDING} report requests are served at a time; cancel some"):
            producer.create(served, more, NOON)

    assert len(producer.create(served, (asked(0),), NOON).requests) == MAX_STANDING
