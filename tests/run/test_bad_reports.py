"""Reports and answers of a registered VEN that make no sense, and messages as others really send them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from openadr_ra import OPT_IN
from openadr_ra.errors import OK
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreatedReport,
    Message,
    RegisteredReport,
    RegisterReport,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    EventId,
    QualifiedEventId,
    ReportRequestId,
    RequestId,
    ResourceId,
    Rid,
    SpecifierId,
)
from openadr_ra.protocol.parts import (
    TELEMETRY_USAGE,
    EventResponse,
    Interval,
    Report,
    ReportName,
    ReportPayload,
    Result,
)
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.wire import codec
from tests.run.hall import EDGE, Hall, Refusals, standing
from tests.run.site import code, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAPTURES = sorted((Path(__file__).parents[1] / "wire" / "captures" / "accepted").glob("*.xml"))
R1 = RequestId("r1")
METADATA_TELEMETRY_USAGE = ReportName(Token("METADATA_TELEMETRY_USAGE"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async with standing(new_site(tmp_path_factory)) as made:
        yield made


@pytest.fixture
def refusals(hall: Hall, caplog: pytest.LogCaptureFixture) -> Refusals:
    caplog.set_level(logging.INFO, "openadr_ra")
    return Refusals(hall, caplog)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(hall: Hall) -> ReportRequestId:
    """The VEN has offered its power, and was asked for it."""
    metadata = Report(
        duration=Duration(seconds=3600),
        descriptions=(usage_description(ResourceId("bat-1"), "kw", ""),),
        request_id=ReportRequestId("0"),
        specifier_id=SpecifierId("usage"),
        name=METADATA_TELEMETRY_USAGE,
        created=datetime.now(UTC),
    )
    said = await hall.edge.say(RegisterReport(request_id=R1, reports=(metadata,), ven_id=EDGE))
    assert isinstance(said, RegisteredReport)
    (request,) = said.requests
    pending = CreatedReport(result=Result(request_id=R1), pending=(request.id,), ven_id=EDGE)
    assert code(await hall.edge.say(pending)) == OK
    return request.id


def update(request: ReportRequestId, rid: str = "bat-1.kw") -> UpdateReport:
    """One value, 1.5 kW."""
    value = ReportPayload(rid=Rid(rid), value=1.5)
    now = datetime.now(UTC)
    report = Report(
        start=now,
        intervals=(Interval(start=now, payloads=(value,)),),
        request_id=request,
        specifier_id=SpecifierId("usage"),
        name=TELEMETRY_USAGE,
        created=now,
    )
    return UpdateReport(request_id=R1, reports=(report,), ven_id=EDGE)


@pytest.mark.parametrize("number", [b"NaN", b"INF", b"-INF", b"1e400"])
async def test_a_value_that_is_no_number_gets_454_and_is_not_stored(
    refusals: Refusals, asked: ReportRequestId, number: bytes
) -> None:
    """The schema allows NaN and INF in a float; no state may."""
    good = codec.encode(update(asked))
    body = good.replace(b">1.5<", b">%b<" % number)
    assert body != good

    answer = await refusals.post(refusals.hall.edge, "EiReport", body, "! refused 454")

    said = answer.message
    assert isinstance(said, UpdatedReport)
    assert (answer.status, code(said), said.result.request_id, said.ven_id) == (200, "454", R1, EDGE)
    assert "ei:value" in (said.result.description or "")


async def test_a_report_nobody_asked_for_gets_452(refusals: Refusals, asked: ReportRequestId) -> None:
    """Rule 304."""
    unknown_request = await refusals.say(refusals.hall.edge, update(ReportRequestId("rr-9")), "rr-9 is unknown")
    unknown_rid = await refusals.say(refusals.hall.edge, update(asked, "bat-9.kw"), "bat-9.kw was not asked for")

    assert (code(unknown_request), code(unknown_rid)) == ("452", "452")
    assert isinstance(unknown_request, UpdatedReport)


async def test_the_same_report_without_the_fault_is_taken(hall: Hall, asked: ReportRequestId) -> None:
    assert code(await hall.edge.say(update(asked))) == OK


async def test_an_answer_to_an_event_that_there_is_not_gets_452(refusals: Refusals) -> None:
    """Rule 48."""
    named = QualifiedEventId(event_id=EventId("ev-9"), modification=0)
    answer = EventResponse(code=OK, request_id=R1, event=named, opt=OPT_IN)
    created = CreatedEvent(result=Result(), responses=(answer,), ven_id=EDGE)

    said = await refusals.say(refusals.hall.edge, created, "event ev-9 is unknown")

    assert code(said) == "452"


@pytest.mark.parametrize("body", [pytest.param(file.read_bytes(), id=file.stem) for file in CAPTURES])
async def test_whatever_other_implementations_say_gets_an_answer_that_is_schema_valid(hall: Hall, body: bytes) -> None:
    """Messages as they were recorded: most of them from VENs unknown here, some from VTNs."""
    answer = await hall.edge.post(codec.decode(body).service or "EiRegisterParty", body)

    assert answer.status == 200
    assert isinstance(answer.message, Message)
