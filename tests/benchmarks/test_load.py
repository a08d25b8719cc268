"""The VENs that the figures' loads consist of say what VENs say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.codec_samples import event
from benchmarks.fleet import RIDS, enrol, ven_id
from benchmarks.load_client import accepting, metadata, update
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent, UpdateReport
from openadr_ra.protocol.model import OPT_IN, ReportRequestId, VenId
from openadr_ra.protocol.vtn import Party
from openadr_ra.store import open_store
from openadr_ra.wire.codec import decode, encode

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


async def test_an_enrolled_fleet_is_registered_and_owes_its_vtn_nothing(tmp_path: Path) -> None:
    """It stands in the store as if each VEN had said all that a VEN says."""
    await enrol(tmp_path / "vtn.db", 3, ("01:" * 9 + "0A", "01:" * 9 + "0B", "01:" * 9 + "0C"))

    store = await open_store(f"sqlite:{tmp_path / 'vtn.db'}")
    try:
        found = [await store.load(party(ven_id(number)), Party) for number in range(3)]
        assert await store.resolve("01:" * 9 + "0B") == party(ven_id(1))
    finally:
        await store.close()
    for each in found:
        assert each is not None
        assert each.registration is not None
        assert each.debts == ()
        assert all(one.running for one in each.reports.requests.values())
        assert [len(report.descriptions) for report in each.reports.offered] == [RIDS]


def test_an_answer_made_of_bytes_is_the_created_event_of_what_was_distributed() -> None:
    """The generator parses nothing: it must find the event's id and the request's all the same."""
    asked = event(4)
    answer = decode(accepting(VenId("ven-1"))(encode(asked)))

    assert isinstance(asked, DistributeEvent)
    assert isinstance(answer, CreatedEvent)
    (response,) = answer.responses
    assert response.request_id == asked.request_id
    assert response.event.event_id == asked.events[0].event.id
    assert (response.opt, answer.ven_id) == (OPT_IN, "ven-1")


@pytest.mark.parametrize(("together", "intervals"), [(True, 2), (False, 6)])
def test_an_update_has_all_its_values_together_or_one_an_interval(together: bool, intervals: int) -> None:
    request = ReportRequestId("rr-1")
    body = update(VenId("ven-1"), request, NOON, rids=3, intervals=2, together=together)
    message = decode(body)

    assert isinstance(message, UpdateReport)
    (report,) = message.reports
    assert len(report.intervals) == intervals
    assert sum(len(each.payloads) for each in report.intervals) == 6
    assert len(metadata(3).descriptions) == 3
