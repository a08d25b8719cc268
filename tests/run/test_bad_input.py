"""What bad input gets from a running VTN, over mutual TLS: the answer that the reference names, one line in our log, and
nothing else. Never a 500, never a word of ours that helps an attacker, and everything stored stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, Vtn
from openadr_ra.errors import OK
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import (
    PROFILES,
    CancelPartyRegistration,
    CreatedEvent,
    CreatedOpt,
    CreatedPartyRegistration,
    CreatedReport,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    EventId,
    OptId,
    QualifiedEventId,
    RegistrationId,
    ReportRequestId,
    RequestId,
    ResourceId,
    Rid,
    SpecifierId,
    VenId,
    VtnId,
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
from openadr_ra.protocol.step import Entry
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.vtn import Party
from openadr_ra.wire import codec
from tests.run.peer import Answer, Peer, peer
from tests.run.site import code, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAPTURES = sorted((Path(__file__).parents[1] / "wire" / "captures" / "accepted").glob("*.xml"))
MOST_BYTES = 50_000

EDGE, OTHER, NEW = VenId("EDGE-1"), VenId("OTHER-1"), VenId("NEW-1")
R1 = RequestId("r1")
METADATA_TELEMETRY_USAGE = ReportName(Token("METADATA_TELEMETRY_USAGE"))
POLL = codec.encode(Poll(ven_id=EDGE))


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN that admits three VENs by their certificates; two of them are registered. Nobody enrolled `stranger`."""

    vtn: Vtn
    edge: Peer
    other: Peer
    new: Peer
    stranger: Peer


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """All that a message of a VEN may change."""

    parties: dict[str, Party | None]
    series: tuple[str, ...]
    journal: tuple[Entry, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    site = new_site(tmp_path_factory)
    shown = {ven: site.issue(ven) for ven in (EDGE, OTHER, NEW)}
    listed = [{"id": ven, "fingerprints": [one.fingerprint]} for ven, one in shown.items()]
    table = site.vtn(admit="listed", ven=listed, max_body_bytes=MOST_BYTES)
    async with Vtn(site.settings(table)).running() as vtn:

        def at(certificate: Issued) -> Peer:
            return peer(site, vtn.url, certificate)

        made = Hall(
            vtn=vtn,
            edge=at(shown[EDGE]),
            other=at(shown[OTHER]),
            new=at(shown[NEW]),
            stranger=at(site.issue("stranger")),
        )
        for registering, ven in ((made.edge, EDGE), (made.other, OTHER)):
            assert code(await registering.register(ven)) == OK
            await registering.drained(ven)
        yield made


async def stored(vtn: Vtn) -> Stored:
    keys = await vtn.store.keys("")
    return Stored(
        parties={key: await vtn.store.load(key, Party) for key in keys},
        series=await vtn.store.series(""),
        journal=tuple([entry for key in keys for entry in await vtn.journal(key)]),
    )


class Refusals:
    """Says something to the hall; what was said in our log meanwhile, and whether anything stored has changed."""

    def __init__(self, hall: Hall, caplog: pytest.LogCaptureFixture) -> None:
        self.hall = hall
        self._caplog = caplog

    async def post(
        self, who: Peer, service: str, body: bytes, why: str, content_type: str = "application/xml"
    ) -> Answer:
        """The answer to `body`, for which there is one log line with `why`."""
        before = await stored(self.hall.vtn)
        self._caplog.clear()
        answer = await who.post(service, body, content_type=content_type)
        (line,) = [record.getMessage() for record in self._caplog.records if record.name.startswith("openadr_ra.")]
        assert line.startswith("! refused ")
        assert "127.0.0.1 " in line
        assert why in line
        assert await stored(self.hall.vtn) == before
        assert b"Traceback" not in answer.body
        return answer

    async def say(self, who: Peer, message: Message, why: str, service: str | None = None) -> Message:
        """The reply to a message that is schema-valid, with HTTP 200."""
        to = service or message.service or "EiRegisterParty"
        answer = await self.post(who, to, codec.encode(message), why)
        assert answer.status == 200
        return answer.message


@pytest.fixture
def refusals(hall: Hall, caplog: pytest.LogCaptureFixture) -> Refusals:
    caplog.set_level(logging.INFO, "openadr_ra")
    return Refusals(hall, caplog)


def without_reason(answer: Answer) -> str:
    """The code in the body of an HTTP error, which says no more than that."""
    assert answer.status == 400
    said = answer.message
    assert isinstance(said, Response)
    assert said.result.description == "not an acceptable OpenADR 2.0b message"
    return said.result.code


BODIES = {
    "nothing": (b"", "453", "not XML"),
    "not XML": (b"venID=EDGE-1", "453", "not XML"),
    "half a message": (POLL[: len(POLL) // 2], "453", "not XML"),
    "a document type": (b"<!DOCTYPE a><a/>", "453", "document type"),
    "an entity": (
        POLL.replace(b'UTF-8"?>', b'UTF-8"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>').replace(
            b"EDGE-1", b"&e;"
        ),
        "453",
        "document type",
    ),
    "another root": (b"<a/>", "453", "the root is a"),
    "no envelope": (b'<oadrPoll xmlns="http://openadr.org/oadr-2.0b/2012/07"/>', "453", "the root is oadr:oadrPoll"),
    "an unknown payload": (POLL.replace(b"oadrPoll", b"oadrPull"), "453", "oadr:oadrPull is no payload"),
    "an element too few": (POLL.replace(b"<ei:venID>EDGE-1</ei:venID>", b""), "454", "not schema-valid"),
    "an element too many": (
        POLL.replace(b"</oadr:oadrPoll>", b"<ei:venID>a</ei:venID></oadr:oadrPoll>"),
        "454",
        "not schema-valid",
    ),
    "another encoding": (POLL.decode().replace("UTF-8", "UTF-7").encode("utf-7"), "453", ""),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bytes_that_are_no_openadr_message_get_400_with_a_bare_code(refusals: Refusals, name: str) -> None:
    """453 for what cannot be recognised, 454 for what the schema forbids (reference 1.6); the reason is in our log alone."""
    body, expected, why = BODIES[name]

    assert without_reason(await refusals.post(refusals.hall.edge, "OadrPoll", body, why)) == expected


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/xml; charset=utf-16"])
async def test_another_content_type_gets_415(refusals: Refusals, content_type: str) -> None:
    """Reference 6.2: application/xml, and utf-8 if a charset is named."""
    answer = await refusals.post(refusals.hall.edge, "OadrPoll", POLL, "Content-Type", content_type)

    assert (answer.status, answer.body) == (415, b"")


async def test_a_service_that_there_is_not_gets_404(refusals: Refusals) -> None:
    answer = await refusals.post(refusals.hall.edge, "EiMarket", POLL, "no such service")

    assert (answer.status, answer.body) == (404, b"")


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(refusals: Refusals) -> None:
    just = POLL + b" " * (MOST_BYTES - len(POLL))
    assert code((await refusals.hall.edge.post("OadrPoll", just)).message) == OK

    answer = await refusals.post(refusals.hall.edge, "OadrPoll", just + b" ", f"more than {MOST_BYTES} bytes")

    assert (answer.status, answer.body) == (413, b"")


async def test_a_payload_at_the_wrong_service_gets_453_in_its_own_reply(refusals: Refusals) -> None:
    said = await refusals.say(
        refusals.hall.edge, RequestEvent(request_id=R1, ven_id=EDGE), "post it to EiEvent", service="OadrPoll"
    )

    assert isinstance(said, DistributeEvent)
    assert code(said) == "453"
    assert said.events == ()


async def test_an_unknown_ven_id_gets_452(refusals: Refusals) -> None:
    said = await refusals.say(refusals.hall.edge, Poll(ven_id=VenId("NOBODY")), "venID NOBODY is unknown")

    assert code(said) == "452"


async def test_a_ven_id_in_another_case_is_unknown_however_idle_its_ven_is(refusals: Refusals) -> None:
    """The harness flips the case and expects 452; the reply that is kept ready for an idle poll is not for this one."""
    assert code(await refusals.hall.edge.say(Poll(ven_id=EDGE))) == OK

    said = await refusals.say(refusals.hall.edge, Poll(ven_id=VenId("edge-1")), "venID edge-1 is unknown")

    assert code(said) == "452"


@pytest.mark.parametrize(
    "message", [Poll(ven_id=EDGE), RequestEvent(request_id=R1, ven_id=EDGE), RegisterReport(request_id=R1, ven_id=EDGE)]
)
async def test_the_certificate_of_another_ven_gets_463(refusals: Refusals, message: Message) -> None:
    said = await refusals.say(refusals.hall.other, message, "does not belong to the venID")

    assert code(said) == "463"


async def test_registering_under_the_ven_id_of_another_gets_463(refusals: Refusals) -> None:
    claim = CreatePartyRegistration(request_id=R1, ven_id=EDGE, ven_name="not me", pull=True)

    said = await refusals.say(refusals.hall.other, claim, "does not belong to the venID")

    assert isinstance(said, CreatedPartyRegistration)
    assert (said.result.code, said.ven_id, said.registration_id) == ("463", None, None)


@pytest.mark.parametrize(
    "message",
    [
        Poll(ven_id=EDGE),
        Poll(ven_id=VenId("NOBODY")),
        QueryRegistration(request_id=R1),
        CreatePartyRegistration(request_id=R1, ven_name="stranger", pull=True),
    ],
)
async def test_a_certificate_that_nobody_enrolled_gets_463(refusals: Refusals, message: Message) -> None:
    """Enrolment is known out of band; a venID learned from elsewhere opens nothing."""
    said = await refusals.say(refusals.hall.stranger, message, "! refused 463")

    assert code(said) == "463"


@pytest.mark.parametrize(
    "message",
    [
        Poll(ven_id=NEW),
        RequestEvent(request_id=R1, ven_id=NEW),
        RegisterReport(request_id=R1, ven_id=NEW),
        CancelPartyRegistration(request_id=R1, registration_id=RegistrationId("reg"), ven_id=NEW),
    ],
)
async def test_a_ven_that_is_enrolled_but_not_registered_gets_463(refusals: Refusals, message: Message) -> None:
    said = await refusals.say(refusals.hall.new, message, "there is no registration")

    assert code(said) == "463"


@pytest.mark.parametrize(
    "message",
    [
        DistributeEvent(request_id=R1, vtn_id=VtnId("AC-VTN")),
        RequestReregistration(ven_id=EDGE),
        CreatedPartyRegistration(result=Result(), vtn_id=VtnId("AC-VTN"), profiles=PROFILES),
        CreatedOpt(result=Result(), opt_id=OptId("opt")),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_what_only_a_vtn_may_say_gets_451(refusals: Refusals, message: Message) -> None:
    """Reference 1.2. It is a VEN's certificate that it comes with."""
    said = await refusals.say(refusals.hall.edge, message, "nothing a VEN sends here")

    assert isinstance(said, Response)
    assert code(said) == "451"


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

    assert (answer.status, code(answer.message)) == (200, "454")


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


async def test_nobody_is_remembered_for_a_question_or_a_registration_that_was_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Else anyone with a certificate of the CA could take venIDs away from those they belong to."""
    site = new_site(tmp_path_factory)
    async with Vtn(site.settings(site.vtn(admit="ca"))).running() as vtn:
        first, second = (peer(site, vtn.url, site.issue(name)) for name in ("first", "second"))
        refused = CreatePartyRegistration(request_id=R1, ven_id=EDGE, profile=Token("2.0a"), pull=True)

        assert code(await first.say(QueryRegistration(request_id=R1))) == OK
        assert code(await first.say(refused)) == "451"

        assert await vtn.vens() == ()
        assert code(await second.register(EDGE)) == OK


@pytest.mark.parametrize("body", [pytest.param(file.read_bytes(), id=file.stem) for file in CAPTURES])
async def test_whatever_other_implementations_say_gets_an_answer_that_is_schema_valid(hall: Hall, body: bytes) -> None:
    """Messages as they were recorded: most of them from VENs unknown here, some from VTNs."""
    answer = await hall.edge.post(codec.decode(body).service or "EiRegisterParty", body)

    assert answer.status == 200
    assert isinstance(answer.message, Message)
