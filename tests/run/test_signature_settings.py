"""Signatures required, accepted or off: as the settings say, for all VENs and for certain ones."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import Vtn
from openadr_ra.errors import OK, SettingsError
from openadr_ra.protocol.messages import CreatedPartyRegistration, RegisteredReport, RegisterReport, Response
from openadr_ra.protocol.parts import Result
from openadr_ra.wire import codec
from tests.run.signed_peer import SignedPeer, opened, signed_peer
from tests.run.site import Site, Table, code, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


class House(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN whose VENs have three different settings for signatures. `trusting` is who has none of its own."""

    site: Site
    vtn: Vtn
    required: SignedPeer
    accepted: SignedPeer
    off: SignedPeer
    trusting: SignedPeer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(site: Site) -> AsyncIterator[House]:
    shown = {name: site.issue(name) for name in ("REQUIRED", "ACCEPTED", "OFF", "TRUSTING")}
    listed = [
        {"id": name, "fingerprints": [shown[name].fingerprint], "signature": name.lower()}
        for name in ("REQUIRED", "ACCEPTED", "OFF")
    ]
    table = site.vtn(admit="listed", signature="accepted", ven=listed)
    async with Vtn(site.settings(table)).running() as vtn:
        await vtn.enrol("TRUSTING", [shown["TRUSTING"].fingerprint])
        peers = {name.lower(): signed_peer(site, vtn.url, name, each) for name, each in shown.items()}
        yield House(site=site, vtn=vtn, **peers)


def broken(ven: SignedPeer) -> bytes:
    """A poll whose signature is not right."""
    return ven.sealed(ven.poll).replace(b"<dsp:nonce>", b"<dsp:nonce>x")


async def drained(ven: SignedPeer) -> None:
    """The VTN has nothing more to say to it."""
    while isinstance(said := (await ven.say(ven.poll)).message, RegisterReport):
        await ven.say(RegisteredReport(result=Result(request_id=said.request_id), ven_id=ven.ven_id))


async def test_where_a_signature_is_required_nothing_else_is_read(house: House) -> None:
    """Unsigned: 459 and no more, whatever it is, for nobody knows who said it. Registered for signatures or not."""
    for message in (house.required.creation(), house.required.poll):
        answer = await house.required.post(message, codec.encode(message))
        assert isinstance(answer.message, Response)
        assert (answer.status, code(answer.message)) == (200, "459")

    said = await house.required.register(signs=False)

    assert isinstance(said.message, CreatedPartyRegistration)
    assert said.signer == house.site.own[0].fingerprint
    assert code(await house.required.plain.say(house.required.poll)) == "459"
    assert isinstance((await house.required.say(house.required.poll)).message, RegisterReport)


@pytest.mark.parametrize("name", ["accepted", "trusting"])
async def test_where_signatures_are_accepted_each_message_is_answered_as_it_came(house: House, name: str) -> None:
    """A VEN of the operator's own list, whose fingerprint is not in the settings, is treated as all are."""
    ven: SignedPeer = getattr(house, name)
    await ven.register(signs=False)
    await drained(ven)

    signed, plain = await ven.say(ven.poll), await ven.plain.post("OadrPoll", codec.encode(ven.poll))

    assert (signed.signer, opened(plain).signer) == (house.site.own[0].fingerprint, None)
    assert (code(signed.message), code(plain.message)) == (OK, OK)
    assert (await ven.post(ven.poll, broken(ven))).status == 400


async def test_where_signatures_are_off_none_is_looked_at_and_none_is_given(house: House) -> None:
    """Not even if the VEN registered for them: this is how an operator lets a VEN in that signs wrongly."""
    said = await house.off.register(signs=True)
    assert (said.signer, code(said.message)) == (None, OK)
    await drained(house.off)

    for body in (house.off.sealed(house.off.poll), broken(house.off), codec.encode(house.off.poll)):
        answer = await house.off.post(house.off.poll, body)
        assert (answer.status, code(answer.message)) == (200, OK)
        assert opened(answer).signer is None


async def test_a_setting_holds_for_a_ven_whose_certificate_the_operator_enrolled(site: Site) -> None:
    """By venID alone; also for the certificates that come later, and after a restart."""
    first, second = site.issue("LATER-1"), site.issue("LATER-2")
    settings = site.settings(site.vtn("later", admit="listed", ven=[{"id": "LATER", "signature": "required"}]))
    async with Vtn(settings).running() as vtn:
        for shown in (first, second):
            await vtn.enrol("LATER", [shown.fingerprint])
            ven = signed_peer(site, vtn.url, "LATER", shown)
            assert code(await ven.plain.register("LATER")) == "459"
            assert code((await ven.register()).message) == OK
    async with Vtn(settings).running() as vtn:
        await vtn.enrol("LATER", [second.fingerprint])
        ven = signed_peer(site, vtn.url, "LATER", second)
        assert code(await ven.plain.say(ven.poll)) == "459"


@pytest.mark.parametrize("table", [{"signature": "required"}, {"ven": [{"id": "A", "signature": "required"}]}])
async def test_required_without_a_certificate_of_our_own_is_a_mistake_in_the_settings(site: Site, table: Table) -> None:
    settings = site.settings({"downstream": {"listen": "127.0.0.1:0", **table}, "store": {"url": "memory"}})

    with pytest.raises(SettingsError, match=r"downstream\.signature: required, .*; set cert and key"):
        async with Vtn(settings).running():
            pass


async def test_a_vtn_without_certificates_understands_what_is_signed_and_answers_unsigned(site: Site) -> None:
    """Behind a proxy that ends TLS; a VEN is known by its signature there."""
    table = {"listen": "127.0.0.1:0", "vtn_id": "AC-VTN", "admit": "ca"}
    settings = site.settings({"downstream": table, "store": {"url": "memory"}})
    async with Vtn(settings).running() as vtn:
        ven = signed_peer(site, vtn.url, "PROXIED")
        other = signed_peer(site, vtn.url, "PROXIED", site.issue("OTHER"))

        said = await ven.register()

        assert (said.signer, code(said.message)) == (None, OK)
        assert isinstance((await ven.say(ven.poll)).message, RegisterReport)
        assert code((await other.say(other.poll)).message) == "463"
