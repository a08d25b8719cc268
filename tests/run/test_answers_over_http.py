"""The two columns of the table of answers that a VTN fills before it looks who speaks: wrong service, not schema-valid."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from openadr_ra.errors import NotRecognized
from openadr_ra.protocol.messages import SERVICES, CreatedPartyRegistration, Message, Poll, Response
from openadr_ra.protocol.model import VtnId
from openadr_ra.protocol.refusal import refusal, requested
from openadr_ra.wire import codec
from tests.protocol.answers import VALID
from tests.run.hall import EDGE, Hall, standing, stored
from tests.run.site import code, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")
each_payload = pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async with standing(new_site(tmp_path_factory)) as made:
        yield made


@each_payload
async def test_what_comes_to_a_wrong_service_is_answered_453_by_its_natural_reply(hall: Hall, message: Message) -> None:
    """With HTTP 200 and its requestID; nothing that is stored changes."""
    own = type(message).service
    before = await stored(hall.vtn)
    natural = type(refusal(message, NotRecognized("elsewhere"), ven_id=None, vtn_id=VtnId("")))
    for service in SERVICES if own is not None else ():
        if service != own:
            reply = await hall.edge.say(message, service)
            assert type(reply) is natural
            assert code(reply) == "453"
            result = getattr(reply, "result", None)
            assert result is not None
            assert result.request_id == requested(message)
            if natural is not CreatedPartyRegistration:
                # Where the payload has a place for it: the VEN is known by its certificate. A registration gives it.
                assert getattr(reply, "ven_id", EDGE) == EDGE
    assert await stored(hall.vtn) == before


@each_payload
async def test_what_is_not_schema_valid_is_answered_454_with_http_400(hall: Hall, message: Message) -> None:
    """Of whatever payload, at its own service; nothing that is stored changes."""
    before = await stored(hall.vtn)
    body = codec.encode(message)
    end = f"</{type(message).xml}></oadr:oadrSignedObject>".encode()

    answer = await hall.edge.post(type(message).service or "EiRegisterParty", body.replace(end, b"<oadr:bogus/>" + end))

    assert answer.status == 400
    assert isinstance(answer.message, Response)
    assert code(answer.message) == "454"
    assert (answer.message.result.description or "").endswith(": see oadr:bogus")
    assert await stored(hall.vtn) == before


async def test_a_refusal_names_the_ven_that_it_speaks_to_if_that_is_known(hall: Hall) -> None:
    """venID is always there once it is known (1.3); to a certificate that speaks for another nothing is said of either."""
    known = await hall.edge.say(Poll(ven_id=EDGE), "EiEvent")
    strange = await hall.stranger.say(Poll(ven_id=EDGE), "EiEvent")
    other = await hall.other.say(Poll(ven_id=EDGE), "EiEvent")

    for reply, ven in ((known, EDGE), (strange, None), (other, None)):
        assert isinstance(reply, Response)
        assert (code(reply), reply.ven_id) == ("453", ven)
