"""Signed messages at a running VTN, over mutual TLS: what is taken, what is refused and with which code (rule 514)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.net.ca import KEY_KINDS, KeyKind
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import (
    CreatedPartyRegistration,
    DistributeEvent,
    Message,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import ReportRequestId, RequestId, SpecifierId
from openadr_ra.protocol.parts import Report, ReportName, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.vtn import Party
from tests.run.peer import Answer
from tests.run.signed_peer import Adjusted, SignedPeer, signed_peer
from tests.run.site import Site, code, new_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

WINDOW = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    """It takes signed messages and others; what is signed may be half a minute old, or ahead."""
    async with Vtn(site.settings(site.vtn(signature_window_s=WINDOW.total_seconds()))).running() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ven(site: Site, vtn: Vtn) -> SignedPeer:
    """A VEN that registered for signed messages both ways."""
    made = signed_peer(site, vtn.url, "SIGNS")
    assert code((await made.register()).message) == OK
    return made


def offer(ven: SignedPeer) -> RegisterReport:
    """A message that changes what the VTN knows."""
    return RegisterReport(request_id=RequestId("m1"), ven_id=ven.ven_id)


def without_reason(answer: Answer) -> str:
    """The code in the body of an HTTP error, which says no more than that."""
    assert answer.status == 400
    said = answer.message
    assert isinstance(said, Response)
    assert said.result.description == "not an acceptable OpenADR 2.0b message"
    return said.result.code


@pytest.mark.parametrize("key", KEY_KINDS)
@pytest.mark.parametrize("style", ["id", "enveloped"])
async def test_rule_514_at_the_vtn_what_is_signed_is_answered_signed(
    site: Site, vtn: Vtn, key: KeyKind, style: str
) -> None:
    """Whichever key and whichever of the two shapes (interop 4); ours are by id."""
    made = signed_peer(site, vtn.url, f"{key}-{style}", key=key)
    creation = made.creation()

    said = await made.say(creation, made.sealed(creation, style="id" if style == "id" else "enveloped"))

    assert isinstance(said.message, CreatedPartyRegistration)
    assert said.message.ven_id == made.ven_id
    assert said.signer == site.own[0].fingerprint
    assert (await made.say(made.poll)).signer == site.own[0].fingerprint


async def test_what_is_not_signed_is_answered_unsigned(site: Site, vtn: Vtn) -> None:
    plain = signed_peer(site, vtn.url, "PLAIN").plain

    assert code(await plain.register("PLAIN")) == OK


async def test_rule_514_at_the_vtn_a_ven_that_registered_for_signatures_is_refused_459_without_one(
    vtn: Vtn, ven: SignedPeer
) -> None:
    """In the reply that belongs to the message; and nothing comes of it."""
    before = await vtn.store.load(party(ven.ven_id), Party)

    refused = await ven.plain.say(offer(ven))

    assert isinstance(refused, RegisteredReport)
    assert (code(refused), refused.result.request_id) == ("459", "m1")
    assert reason(refused) == "is not signed"
    assert code(await ven.plain.say(ven.poll)) == "459"
    assert await vtn.store.load(party(ven.ven_id), Party) == before


async def test_a_ven_may_register_anew_without_signatures(site: Site, vtn: Vtn) -> None:
    """Or it could never change its mind: registering is open to whoever shows its certificate."""
    made = signed_peer(site, vtn.url, "CHANGES")
    await made.register()

    assert code(await made.plain.register("CHANGES")) == OK
    assert isinstance(await made.plain.say(made.poll), RegisterReport)


@pytest.mark.parametrize("admitted", [True, False])
async def test_a_signature_by_another_certificate_than_the_connection_s_is_refused_463(
    site: Site, vtn: Vtn, ven: SignedPeer, admitted: bool
) -> None:
    """Be it that of another VEN or of nobody here. The refusal is signed, for the message was."""
    name = f"OTHER-{admitted}"
    other = signed_peer(site, vtn.url, name)
    if admitted:
        await other.register()

    said = await ven.say(offer(ven), ven.sealed(offer(ven), by=other.signer))

    assert isinstance(said.message, RegisteredReport)
    assert (code(said.message), said.message.result.request_id) == ("463", "m1")
    assert said.signer == site.own[0].fingerprint
    assert code((await ven.say(ven.poll, ven.sealed(ven.poll, by=other.signer))).message) == "463"


async def test_a_ven_of_two_certificates_signs_with_that_of_its_connection(site: Site, vtn: Vtn) -> None:
    """While one is renewed either will do, but not one in the other's connection."""
    old, new = site.issue("TWO-old"), site.issue("TWO-new")
    await vtn.enrol("TWO", [old.fingerprint, new.fingerprint])
    before, after = signed_peer(site, vtn.url, "TWO", old), signed_peer(site, vtn.url, "TWO", new)
    await before.register()

    assert isinstance((await before.say(before.poll)).message, RegisterReport)
    assert code((await after.say(after.poll)).message) == OK
    assert code((await after.say(after.poll, after.sealed(after.poll, by=before.signer))).message) == "463"


TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "the message": lambda body: body.replace(b">SIGNS</ei:venID>", b">OTHER</ei:venID>"),
    "the time": lambda body: body.replace(b"<dsp:timestamp>20", b"<dsp:timestamp>19"),
    "the nonce": lambda body: body.replace(b"<dsp:nonce>", b"<dsp:nonce>x"),
    "the value": lambda body: body.replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"),
    "the certificate": lambda body: body.replace(b"<ds:X509Certificate>MII", b"<ds:X509Certificate>MIJ"),
    "the algorithm": lambda body: body.replace(b"#ecdsa-sha256", b"#ecdsa-sha1"),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_what_was_changed_on_the_way_is_refused_without_detail(ven: SignedPeer, name: str) -> None:
    """Nobody is known to have said it, so nobody is told anything: HTTP 400, and the bare code. Also where the VTN has
    heard the same poll before, unchanged.
    """
    await ven.say(ven.poll)
    body = ven.sealed(ven.poll)
    changed = TAMPERED[name](body)
    assert changed != body

    assert without_reason(await ven.post(ven.poll, changed)) == "459"


async def test_rule_514_at_the_vtn_the_same_bytes_are_taken_once(ven: SignedPeer) -> None:
    """Whether they change anything or not; the same words under another nonce are another message."""
    for message in (offer(ven), ven.poll):
        body = ven.sealed(message)
        first, again, anew = await ven.say(message, body), await ven.say(message, body), await ven.say(message)

        assert "459" not in (answered(first.message), answered(anew.message))
        assert (answered(again.message), "was said before") == ("459", reason(again.message))


def answered(message: Message) -> str:
    """The code of a reply; a payload that came with a poll is none."""
    return OK if isinstance(message, RegisterReport) else code(message)


def reason(message: Message) -> str:
    """The words that say which of the reasons for 459 it is."""
    said = getattr(message, "result", None)
    assert isinstance(said, Result)
    words = ("was said before", "before this end was started", "s ago", "in the future", "is not signed")
    return next(each for each in words if each in (said.description or ""))


async def test_a_refusal_of_what_was_signed_is_the_prescribed_answer_signed(site: Site, ven: SignedPeer) -> None:
    """Its sender is known, so it is told why; a VEN that signs takes nothing unsigned."""
    request = RequestEvent(request_id=RequestId("e1"), ven_id=ven.ven_id)
    body = ven.sealed(request)
    await ven.say(request, body)

    said = await ven.say(request, body)

    assert isinstance(said.message, DistributeEvent)
    assert said.message.result is not None
    assert (said.message.result.code, said.message.result.request_id, said.message.events) == ("459", "e1", ())
    assert said.signer == site.own[0].fingerprint


async def test_a_value_that_cannot_be_used_is_refused_by_the_prescribed_answer_signed(
    site: Site, ven: SignedPeer
) -> None:
    """The schema has no longest duration, and we have; the sender is known all the same."""
    report = Report(
        duration=Duration(months=5000),
        request_id=ReportRequestId("0"),
        specifier_id=SpecifierId("s"),
        name=ReportName(Token("x-own")),
        created=datetime.now(UTC),
    )
    said = await ven.say(RegisterReport(request_id=RequestId("m9"), reports=(report,), ven_id=ven.ven_id))

    assert isinstance(said.message, RegisteredReport)
    assert (said.message.result.code, said.message.result.request_id, said.message.ven_id) == ("454", "m9", ven.ven_id)
    assert said.signer == site.own[0].fingerprint


async def test_a_message_is_good_for_the_window_on_both_sides_of_our_clock(site: Site) -> None:
    clock = Adjusted()
    async with Vtn(site.settings(site.vtn("window", signature_window_s=30)), clock=clock).running() as vtn:
        made = signed_peer(site, vtn.url, "WINDOW")
        await made.register()
        # What is older than this VTN itself is refused in any case.
        clock.by = 2 * WINDOW

        async def stamped(off: timedelta) -> Message:
            return (await made.say(offer(made), made.sealed(offer(made), at=clock.now() + off))).message

        # A message grows older on its way, on a busy machine by some seconds; to the second, see tests/wire.
        assert code(await stamped(-WINDOW + 10 * SECOND)) == OK
        assert code(await stamped(WINDOW)) == OK
        for off, words in ((-WINDOW - SECOND, "s ago"), (WINDOW + 10 * SECOND, "in the future")):
            refused = await stamped(off)
            assert (code(refused), reason(refused)) == ("459", words)


async def test_after_a_restart_what_was_signed_before_it_is_refused(site: Site) -> None:
    """A poll's nonce is kept in memory only, so what came before the start cannot be told from what was taken then."""
    settings = site.settings(site.vtn("restarts"))
    async with Vtn(settings).running() as first:
        made = signed_peer(site, first.url, "RESTARTS")
        await made.register()
        polled, fresh = made.sealed(made.poll), made.sealed(made.poll)
        await made.say(made.poll, polled)
    async with Vtn(settings).running() as second:
        again = signed_peer(site, second.url, "RESTARTS", made.shown)

        for body in (polled, fresh):
            said = await again.say(made.poll, body)
            assert (code(said.message), reason(said.message)) == ("459", "before this end was started")
        assert code((await again.say(made.poll)).message) == OK


async def test_a_nonce_of_what_changed_something_outlives_the_process(site: Site) -> None:
    """Stamped by a clock that is ahead, the message is younger than the VTN that gets it for a second time."""
    settings = site.settings(site.vtn("nonces"))
    async with Vtn(settings).running() as first:
        made = signed_peer(site, first.url, "NONCES")
        await made.register()
        body = made.sealed(offer(made), at=datetime.now(UTC) + WINDOW - 5 * SECOND)
        assert code((await made.say(offer(made), body)).message) == OK
    async with Vtn(settings).running() as second:
        again = signed_peer(site, second.url, "NONCES", made.shown)

        said = await again.say(offer(made), body)

        assert (code(said.message), reason(said.message)) == ("459", "was said before")


async def test_a_signed_poll_with_nothing_pending_writes_nothing(site: Site) -> None:
    """Nor does what a stranger signs, who would fill the disk with nonces."""
    async with Vtn(site.settings(site.vtn("idle"))).running() as vtn:
        made = signed_peer(site, vtn.url, "IDLE")
        await made.register()
        await made.say(offer(made))
        metadata = (await made.say(made.poll)).message
        assert isinstance(metadata, RegisterReport)
        await made.say(RegisteredReport(result=Result(request_id=metadata.request_id), ven_id=made.ven_id))
        stranger = signed_peer(site, vtn.url, "STRANGER")
        before = files(site, "idle")

        for _ in range(3):
            assert code((await made.say(made.poll)).message) == OK
            assert code((await stranger.say(offer(stranger))).message) == "463"
        assert files(site, "idle") == before


def files(site: Site, name: str) -> dict[str, bytes]:
    """What is on the disk of a store, and its log of writes."""
    return {suffix: (site.folder / f"{name}{suffix}").read_bytes() for suffix in (".db", ".db-wal")}
