"""Strict or lenient, VEN by VEN: chosen by the certificate of the connection before anything is read, over mutual TLS."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from openadr_ra import Ven, Vtn, dispatch
from openadr_ra.errors import OK
from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.protocol.messages import (
    PROFILES,
    CreatedEvent,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import OPT_IN, QualifiedEventId, RegistrationId, RequestId, VenId, VtnId
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.times import Duration
from openadr_ra.wire.codec import decode, encode
from tests.run.peer import Answer, peer
from tests.run.signed_peer import SignedPeer, signed_peer
from tests.run.site import Site, Table, Watch, code, new_site, soon, until
from tests.wire.test_lenient import REPAIRED

pytestmark = pytest.mark.asyncio(loop_scope="module")

LENIENT, STRICT = VenId("ven-1"), VenId("STRICT")


class House(msgspec.Struct, frozen=True, kw_only=True):
    """A strict VTN that is lenient with one of its VENs."""

    site: Site
    vtn: Vtn
    lenient: SignedPeer
    strict: SignedPeer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(site: Site) -> AsyncIterator[House]:
    shown = {ven: site.issue(ven) for ven in (LENIENT, STRICT)}
    listed = [{"id": ven, "fingerprints": [one.fingerprint], "lenient": ven == LENIENT} for ven, one in shown.items()]
    async with Vtn(site.settings(site.vtn(admit="listed", ven=listed))).running() as vtn:
        made = {ven: signed_peer(site, vtn.url, ven, one) for ven, one in shown.items()}
        for ven in made.values():
            assert code(await ven.plain.register(ven.ven_id)) == OK
        yield House(site=site, vtn=vtn, lenient=made[LENIENT], strict=made[STRICT])


def untidy(message: Message) -> bytes:
    """As pyoadr-ven and older VTNs send it."""
    return encode(message).replace(b" ei:schemaVersion=", b" schemaVersion=")


def service(message: Message) -> str:
    return message.service or "EiRegisterParty"


def without_reason(answer: Answer) -> str:
    """The code in the body of an HTTP error, which says no more than that, and which element is wrong."""
    assert answer.status == 400
    said = answer.message
    assert isinstance(said, Response)
    assert said.result.description is not None
    sentence, _, element = said.result.description.partition(": see ")
    assert sentence == "not an acceptable OpenADR 2.0b message"
    assert " " not in element
    return said.result.code


# An empty signature says that the message is signed, and is none.
UNSIGNED = [case for case in REPAIRED if b"<Signature" not in case.body()]


async def test_what_can_be_repaired_is_answered_to_a_lenient_ven_and_refused_to_a_strict_one(house: House) -> None:
    """By the natural reply in both; each kind of repair is listed once, however often it was needed."""
    for case in UNSIGNED:
        body, to = case.body(), service(case.meant)
        for _ in range(2):
            answer = await house.lenient.plain.post(to, body)
            assert (case.said, answer.status) == (case.said, 200)
            natural = case.meant.answer or "oadr:oadrResponse"
            assert isinstance(case.meant, Poll) or answer.message.xml == natural
        assert without_reason(await house.strict.plain.post(to, body)) in ("453", "454")

    listed = await house.vtn.warnings(LENIENT)
    kinds = [re.fullmatch(r"(\S+) at (\S*): .+", entry.detail) for entry in listed]
    assert sorted((kind[1], kind[2]) for kind in kinds if kind) == sorted({(case.repair, case.at) for case in UNSIGNED})
    assert len(kinds) == len(listed)
    assert {(entry.by, entry.what) for entry in listed} == {(LENIENT, "interop warning")}
    assert await house.vtn.warnings(STRICT) == ()


async def test_the_certificate_decides_and_not_the_ven_id_in_the_message(house: House) -> None:
    """A strict VEN gains nothing by another's name."""
    body = untidy(Poll(ven_id=LENIENT))

    assert without_reason(await house.strict.plain.post("OadrPoll", body)) == "454"


async def test_what_a_lenient_ven_sends_in_order_leaves_no_warning(house: House) -> None:
    before = await house.vtn.warnings(LENIENT)

    assert isinstance(await house.lenient.plain.say(Poll(ven_id=LENIENT)), RegisterReport | Response)
    assert await house.vtn.warnings(LENIENT) == before


async def test_what_cannot_be_repaired_is_refused_to_a_lenient_ven_too(house: House) -> None:
    for body in (b"", b"<a/>", encode(Poll(ven_id=LENIENT)).replace(b"<ei:venID>ven-1</ei:venID>", b"")):
        assert without_reason(await house.lenient.plain.post("OadrPoll", body)) in ("453", "454")


@pytest.mark.parametrize("word", ["none", "OPTIN", ""])
async def test_an_opt_in_words_of_one_s_own_is_never_taken_for_opt_in(house: House, word: str) -> None:
    """The event stays unanswered."""
    order = dispatch(start=soon(600), every=timedelta(seconds=1), delta_kw=(-1,), to=(LENIENT,))
    event = await house.vtn.publish(replace(order, market_context=f"http://context.invalid/{word}"))
    (told,) = [each for each in await house.lenient.plain.drained(LENIENT) if isinstance(each, DistributeEvent)]
    answer = CreatedEvent(
        result=Result(request_id=RequestId("")),
        responses=(
            EventResponse(
                request_id=told.request_id, event=QualifiedEventId(event_id=event, modification=0), opt=OPT_IN
            ),
        ),
        ven_id=LENIENT,
    )

    said = await house.lenient.plain.post("EiEvent", encode(answer).replace(b">optIn<", f">{word}<".encode()))

    assert (said.status, code(said.message)) == (200, OK)
    assert await house.vtn.opts(event) == {LENIENT: None}
    await house.vtn.cancel(event)


async def test_a_signature_that_stands_last_is_verified_as_it_is(house: House) -> None:
    """As Java stacks send it: enveloped, and behind oadrSignedObject. What was changed is refused all the same."""
    body = house.lenient.sealed(house.lenient.poll, style="enveloped")
    last = re.sub(
        rb"(<ds:Signature .*</ds:Signature>)(<oadr:oadrSignedObject>.*</oadr:oadrSignedObject>)", rb"\2\1", body
    )
    assert last != body

    assert without_reason(await house.lenient.post(house.lenient.poll, last.replace(b">ven-1<", b">ven-2<"))) == "459"
    said = await house.lenient.say(house.lenient.poll, last)

    assert said.signer == house.site.own[0].fingerprint
    details = [entry.detail for entry in await house.vtn.warnings(LENIENT)]
    assert "child-order at oadr:oadrPayload: ds:Signature stood behind oadr:oadrSignedObject" in details
    strict = house.strict.sealed(house.strict.poll, style="enveloped")
    swapped = re.sub(
        rb"(<ds:Signature .*</ds:Signature>)(<oadr:oadrSignedObject>.*</oadr:oadrSignedObject>)", rb"\2\1", strict
    )
    assert without_reason(await house.strict.post(house.strict.poll, swapped)) == "454"


async def test_a_lenient_vtn_may_be_strict_with_one_ven_and_learns_of_both_later(site: Site) -> None:
    """The settings name the VEN; its certificate is what the operator enrols, or what it registers with."""
    table = site.vtn("house-2", admit="ca", lenient=True, ven=[{"id": "LATER", "lenient": False}])
    shown = site.issue("LATER")
    async with Vtn(site.settings(table)).running() as vtn:
        await vtn.enrol("LATER", [shown.fingerprint])
        later, other = peer(site, vtn.url, shown), peer(site, vtn.url, site.issue("ANYONE"))

        assert without_reason(await later.post("EiRegisterParty", untidy(creation("LATER")))) == "454"
        assert code(await later.register("LATER")) == OK
        assert code((await other.post("EiRegisterParty", untidy(creation("ANYONE")))).message) == OK
        # It became known by that very message.
        (warning,) = await vtn.warnings("ANYONE")
        assert warning.detail.startswith("attribute-name at oadr:oadrCreatePartyRegistration: ")


def creation(ven_id: str) -> CreatePartyRegistration:
    return CreatePartyRegistration(request_id=RequestId("r1"), ven_id=VenId(ven_id), ven_name=ven_id, pull=True)


async def test_warnings_outlive_the_process_and_each_start_lists_what_is_still_so(site: Site) -> None:
    settings = site.settings(site.vtn("house-3", lenient=True))
    shown = site.issue("REPEATS")
    for start in (1, 2):
        async with Vtn(settings).running() as vtn:
            ven = peer(site, vtn.url, shown)
            if start == 1:
                await ven.register("REPEATS")
            for _ in range(3):
                await ven.post("OadrPoll", untidy(Poll(ven_id=VenId("REPEATS"))))
            assert len(await vtn.warnings("REPEATS")) == start


class Untidy:
    """A VTN of a few lines that leaves the prefix of schemaVersion out."""

    async def answer(self, request: Request) -> Reply:
        message = decode(request.body)
        result = Result(request_id=requested(message))
        if not isinstance(message, CreatePartyRegistration):
            return Reply(body=untidy(Response(result=result, ven_id=VenId("VEN-1"))))
        return Reply(body=untidy(CreatedPartyRegistration(
            result=result, registration_id=RegistrationId("reg-1"), ven_id=VenId("VEN-1"), vtn_id=VtnId("OTHER"),
            profiles=PROFILES, poll_freq=Duration(seconds=1),
        )))  # fmt: skip


@pytest.mark.parametrize("lenient", [True, False])
async def test_our_ven_takes_what_its_vtn_gets_wrong_if_it_is_told_to(
    site: Site, caplog: pytest.LogCaptureFixture, lenient: bool
) -> None:
    """And says once what that is. Otherwise it is silence: it tries again."""
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    watch = Watch()
    async with serve(Untidy().answer, host="127.0.0.1", port=0) as listener:
        upstream: Table = {"url": listener.url, "lenient": lenient}
        settings = site.settings({"name": "edge", "store": {"url": "memory"}, "upstream": [upstream]})
        async with Ven(settings, tap=watch).running() as ven:

            async def talked() -> bool:
                return len(watch.exchanges) >= (4 if lenient else 2)

            await until(talked, watch.changed)
            node = await ven.upstream()

    assert node is not None
    assert node.member.phase == ("registered" if lenient else "new")
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "needed a repair: attribute-name" in line]) == (1 if lenient else 0)
    assert any("something unusable" in line for line in lines) is not lenient
