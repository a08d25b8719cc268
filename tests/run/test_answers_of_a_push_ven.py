"""The columns of the table of answers that a push VEN fills before it looks who speaks: wrong service, not schema-valid."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import Ven, Vtn
from openadr_ra.protocol.messages import DistributeEvent, Message, Response
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.refusal import requested
from openadr_ra.run.called import PUSHED_SERVICES
from openadr_ra.wire import codec
from tests.protocol.answers import AT_THE_VEN, VALID
from tests.run.peer import Peer, peer
from tests.run.push_peer import free_port
from tests.run.site import BATTERY, Site, Watch, code, new_site, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
each_payload = pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)

PATH = "/OpenADR2/Simple/2.0b"


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """A push VEN that has nothing left to say, and whoever shows its VTN's certificate."""

    ven: Ven
    vtn: Peer

    async def stored(self) -> tuple[object, ...]:
        """What a message of its VTN's may change."""
        node = await self.ven.upstream()
        assert node is not None
        return node.member, node.agenda, node.requester, node.opts, tuple(node.producer.requests)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    site: Site = new_site(tmp_path_factory)
    url, watch = f"https://127.0.0.1:{free_port()}", Watch()
    prints = [one.fingerprint for one in site.own]
    async with Vtn(site.settings(site.vtn(slot_s=0, live_s=3600))).running() as vtn:
        table = site.ven("DOOR", vtn.url, BATTERY, push_url=url, vtn_fingerprints=prints)
        async with Ven(site.settings(table), tap=watch).running() as ven:

            async def settled() -> EndNode | None:
                node = await ven.upstream()
                quiet = node is not None and node.member.phase == "registered" and not node.debts
                return node if quiet and node is not None and node.producer.requests else None

            await until(settled, watch.changed)
            yield Door(ven=ven, vtn=peer(site, url + PATH, site.own[0]))


@each_payload
async def test_what_comes_to_a_wrong_service_of_a_push_ven_is_answered_453(door: Door, message: Message) -> None:
    """With HTTP 200, by its natural reply if that is a VEN's to say, and with its requestID; nothing is taken."""
    before = await door.stored()
    natural = AT_THE_VEN[type(message)].accepted
    expected = natural[0] if natural is not None and natural[0] is not None else Response
    own = type(message).service
    for service in PUSHED_SERVICES if own is not None else ():
        if service != own:
            reply = await door.vtn.say(message, service)
            assert (type(reply), code(reply)) == (expected, "453")
            result = getattr(reply, "result", None)
            assert result is not None
            assert result.request_id == requested(message)
    assert await door.stored() == before


@each_payload
async def test_what_is_not_schema_valid_is_answered_454_with_http_400_by_a_push_ven(
    door: Door, message: Message
) -> None:
    before = await door.stored()
    body = codec.encode(message)
    end = f"</{type(message).xml}></oadr:oadrSignedObject>".encode()
    service = type(message).service
    at = service if service in PUSHED_SERVICES else "EiRegisterParty"

    answer = await door.vtn.post(at, body.replace(end, b"<oadr:bogus/>" + end))

    assert answer.status == 400
    assert isinstance(answer.message, Response)
    assert code(answer.message) == "454"
    assert (answer.message.result.description or "").endswith(": see oadr:bogus")
    assert await door.stored() == before


async def test_an_event_at_its_own_service_is_answered_by_an_empty_200(door: Door) -> None:
    """Beside all those refusals."""
    (event,) = (message for message in VALID if isinstance(message, DistributeEvent))

    answer = await door.vtn.post("EiEvent", codec.encode(event))

    assert (answer.status, answer.body) == (200, b"")
