"""What bad input gets from a running VTN, over mutual TLS: the answer that the reference names, one line in our log, and
nothing else. Never a 500, never a word of ours that helps an attacker, and everything stored stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.protocol.messages import (
    PROFILES,
    CancelPartyRegistration,
    CreatedOpt,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
)
from openadr_ra.protocol.model import OptId, RegistrationId, RequestId, VenId, VtnId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.shape import Token
from openadr_ra.wire import codec
from tests.run.hall import EDGE, MOST_BYTES, NEW, Hall, Refusals, standing
from tests.run.peer import Answer, peer
from tests.run.site import code, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

R1 = RequestId("r1")
POLL = codec.encode(Poll(ven_id=EDGE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async with standing(new_site(tmp_path_factory)) as made:
        yield made


@pytest.fixture
def refusals(hall: Hall, caplog: pytest.LogCaptureFixture) -> Refusals:
    caplog.set_level(logging.INFO, "openadr_ra")
    return Refusals(hall, caplog)


def bare(answer: Answer) -> tuple[str, str]:
    """The code in the body of an HTTP error, and the element that is wrong; it says no more than that."""
    assert answer.status == 400
    said = answer.message
    assert isinstance(said, Response)
    assert said.result.description is not None
    sentence, _, element = said.result.description.partition(": see ")
    assert sentence == "not an acceptable OpenADR 2.0b message"
    return said.result.code, element


BODIES = {
    "nothing": (b"", "453", "", "not XML"),
    "not XML": (b"venID=EDGE-1", "453", "", "not XML"),
    "half a message": (POLL[: len(POLL) // 2], "453", "", "not XML"),
    "a document type": (b"<!DOCTYPE a><a/>", "453", "", "document type"),
    "an entity": (
        POLL.replace(b'UTF-8"?>', b'UTF-8"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>').replace(
            b"EDGE-1", b"&e;"
        ),
        "453",
        "",
        "document type",
    ),
    "another root": (b"<a/>", "453", "a", "the root is a"),
    "no envelope": (
        b'<oadrPoll xmlns="http://openadr.org/oadr-2.0b/2012/07"/>',
        "453",
        "oadr:oadrPoll",
        "the root is oadr:oadrPoll",
    ),
    "an unknown payload": (
        POLL.replace(b"oadrPoll", b"oadrPull"),
        "453",
        "oadr:oadrPull",
        "oadr:oadrPull is no payload",
    ),
    "an element too few": (
        POLL.replace(b"<ei:venID>EDGE-1</ei:venID>", b""),
        "454",
        "oadr:oadrPoll",
        "not schema-valid",
    ),
    "an element too many": (
        POLL.replace(b"</oadr:oadrPoll>", b"<ei:venID>a</ei:venID></oadr:oadrPoll>"),
        "454",
        "ei:venID",
        "not schema-valid",
    ),
    "an attribute that is wrong": (POLL.replace(b'="2.0b"', b'="2.0c"'), "454", "oadr:oadrPoll", "2.0c"),
    "another encoding": (POLL.decode().replace("UTF-8", "UTF-7").encode("utf-7"), "453", "", ""),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bytes_that_are_no_openadr_message_get_400_with_a_code_and_the_element(
    refusals: Refusals, name: str
) -> None:
    """453 for what cannot be recognised, 454 for what the schema forbids (reference 1.6), and where; the whole reason is in
    our log alone."""
    body, expected, element, why = BODIES[name]

    assert bare(await refusals.post(refusals.hall.edge, "OadrPoll", body, why)) == (expected, element)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/xml; charset=utf-16"])
async def test_rule_53_at_the_vtn_another_content_type_gets_415(refusals: Refusals, content_type: str) -> None:
    """Reference 6.2: application/xml, and utf-8 if a charset is named."""
    answer = await refusals.post(refusals.hall.edge, "OadrPoll", POLL, "Content-Type", content_type)

    assert (answer.status, answer.body) == (415, b"")


async def test_rule_511_at_the_vtn_a_service_that_there_is_not_gets_404(refusals: Refusals) -> None:
    answer = await refusals.post(refusals.hall.edge, "EiMarket", POLL, "no such service")

    assert (answer.status, answer.body) == (404, b"")


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(refusals: Refusals) -> None:
    just = POLL + b" " * (MOST_BYTES - len(POLL))
    assert code((await refusals.hall.edge.post("OadrPoll", just)).message) == OK

    answer = await refusals.post(refusals.hall.edge, "OadrPoll", just + b" ", f"more than {MOST_BYTES} bytes")

    assert (answer.status, answer.body) == (413, b"")


async def test_rule_507_at_the_vtn_a_payload_at_the_wrong_service_gets_453_in_its_own_reply(refusals: Refusals) -> None:
    said = await refusals.say(
        refusals.hall.edge, RequestEvent(request_id=R1, ven_id=EDGE), "post it to EiEvent", service="OadrPoll"
    )

    assert isinstance(said, DistributeEvent)
    assert code(said) == "453"
    assert said.events == ()


async def test_rule_21_at_the_vtn_an_unknown_ven_id_gets_452(refusals: Refusals) -> None:
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
