"""Signed polls that say the same again, at a running VTN: what it knows already of a poll opens nothing that was shut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.protocol.messages import Message, RegisteredReport, RegisterReport
from openadr_ra.protocol.parts import Result
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
    """It knows the certificates that are enrolled, and no others."""
    async with Vtn(site.settings(site.vtn(admit="listed"))).running() as running:
        yield running


async def known(site: Site, vtn: Vtn, name: str, *, signs: bool = True) -> SignedPeer:
    """A VEN whose polls bring nothing, and the VTN has read one whole."""
    made = signed_peer(site, vtn.url, name)
    await vtn.enrol(name, [made.fingerprint])
    await made.register(signs=signs)
    await rested(made)
    return made


async def rested(ven: SignedPeer) -> None:
    while isinstance(said := (await ven.say(ven.poll)).message, RegisterReport):
        await ven.say(RegisteredReport(result=Result(request_id=said.request_id), ven_id=ven.ven_id))
    assert code(said) == OK


async def polled(ven: SignedPeer, body: bytes | None = None) -> str:
    return code((await ven.say(ven.poll, body)).message)


def spelt_otherwise(body: bytes) -> bytes:
    """The same message under the same signature, in bytes that the VTN has to read whole."""
    other = body.replace(b"</ds:KeyInfo>", b" </ds:KeyInfo>")
    assert other != body
    return other


@pytest.mark.parametrize("first_whole", [True, False])
async def test_a_poll_is_taken_once_however_its_bytes_are_read(site: Site, vtn: Vtn, first_whole: bool) -> None:
    """Its nonce is the same whether the VTN had to read it whole or not."""
    ven = await known(site, vtn, f"ONCE-{first_whole}")
    body = ven.sealed(ven.poll)
    bodies = [body, spelt_otherwise(body)]
    if first_whole:
        bodies.reverse()

    assert await polled(ven, bodies[0]) == OK
    for again in (bodies[0], bodies[1], bodies[0]):
        said = (await ven.say(ven.poll, again)).message
        assert (code(said), why(said)) == ("459", "was said before")
    assert await polled(ven) == OK


def why(message: Message) -> str:
    """The words that say which of the reasons for 459 it is."""
    result = getattr(message, "result", None)
    assert isinstance(result, Result)
    words = ("was said before", "s ago", "in the future", "is not signed")
    return next(each for each in words if each in (result.description or ""))


async def test_a_repeated_poll_is_good_for_the_window_on_both_sides_of_our_clock(site: Site) -> None:
    clock = Adjusted()
    table = site.vtn("window", admit="listed", signature_window_s=WINDOW.total_seconds())
    async with Vtn(site.settings(table), clock=clock).running() as vtn:
        ven = await known(site, vtn, "WINDOW")
        # What is older than this VTN itself is refused in any case.
        clock.by = 3 * WINDOW

        async def stamped(off: timedelta) -> Message:
            # As long as any other stamp, for the bytes to be the known ones.
            at = (clock.now() + off).replace(microsecond=500_000)
            return (await ven.say(ven.poll, ven.sealed(ven.poll, at=at))).message

        assert code(await stamped(timedelta(0))) == OK
        for off in (-WINDOW / 2, WINDOW / 2):
            assert code(await stamped(off)) == OK
        for off, words in ((-WINDOW - 2 * SECOND, "s ago"), (2 * WINDOW, "in the future")):
            refused = await stamped(off)
            assert (code(refused), why(refused)) == ("459", words)


async def test_a_certificate_taken_out_is_refused_although_its_poll_is_known(site: Site, vtn: Vtn) -> None:
    """Whether the VEN has another by now, or the certificate belongs to another VEN."""
    old = await known(site, vtn, "CHANGED")
    new = signed_peer(site, vtn.url, "CHANGED", site.issue("CHANGED-new"))
    assert await polled(old) == OK

    await vtn.enrol("CHANGED", [new.fingerprint])

    assert (await polled(old), await polled(old)) == ("463", "463")
    assert (await polled(new), await polled(new)) == (OK, OK)
    await vtn.enrol("MOVED", [old.fingerprint])
    assert (await polled(old), await polled(new)) == ("463", OK)


async def test_a_known_poll_is_no_good_over_another_ven_s_connection(site: Site, vtn: Vtn) -> None:
    """Nor is one that came over it once, and whose signer is somebody else."""
    one, other = await known(site, vtn, "ONE"), await known(site, vtn, "OTHER")

    for _ in range(3):
        assert await polled(one, other.sealed(other.poll)) == "463"
        assert await polled(one, one.sealed(one.poll, by=other.signer)) == "463"
        assert await polled(one, one.sealed(other.poll)) == "463"
    assert (await polled(one), await polled(other)) == (OK, OK)
    assert (await polled(one), await polled(other)) == (OK, OK)


async def test_a_stranger_s_poll_stays_a_stranger_s(site: Site, vtn: Vtn) -> None:
    """Until it is enrolled; then what was known of it does no harm."""
    stranger = signed_peer(site, vtn.url, "STRANGER")
    assert [await polled(stranger) for _ in range(3)] == ["463"] * 3

    await vtn.enrol("STRANGER", [stranger.fingerprint])
    await stranger.register()
    await rested(stranger)

    assert await polled(stranger) == OK


async def test_a_ven_whose_poll_is_known_still_has_to_sign(site: Site, vtn: Vtn) -> None:
    """And after it registered without signatures, what is signed has to be right all the same."""
    ven = await known(site, vtn, "SIGNS")
    said = await ven.plain.say(ven.poll)
    assert (code(said), why(said)) == ("459", "is not signed")

    await ven.say(ven.creation(signs=False))

    await rested(ven)
    assert code(await ven.plain.say(ven.poll)) == OK
    assert await polled(ven) == OK
    spoilt = ven.sealed(ven.poll).replace(b"<dsp:timestamp>20", b"<dsp:timestamp>19")
    assert (await ven.post(ven.poll, spoilt)).status == 400
    assert await polled(ven) == OK


async def test_a_known_poll_that_is_posted_elsewhere_is_refused(site: Site, vtn: Vtn) -> None:
    ven = await known(site, vtn, "ELSEWHERE")

    for service in ("EiEvent", "EiReport", "EiRegisterParty", "EiOpt"):
        answer = await ven.plain.post(service, ven.sealed(ven.poll))
        assert answer.status == 400 or code(answer.message) != OK
    assert await polled(ven) == OK


async def test_a_lenient_ven_polls_with_a_signature_that_the_schema_would_refuse(site: Site) -> None:
    """What it covers is in order; the same bytes a second time are a repetition, changed ones no message."""
    async with Vtn(site.settings(site.vtn("lenient", lenient=True))).running() as vtn:
        ven = signed_peer(site, vtn.url, "LENIENT")
        await ven.register()
        await rested(ven)

        def odd() -> bytes:
            return ven.sealed(ven.poll).replace(b"<ds:KeyInfo>", b'<ds:KeyInfo made="by hand">')

        first = odd()
        assert [await polled(ven, body) for body in (first, odd(), first)] == [OK, OK, "459"]
        assert (await ven.post(ven.poll, odd().replace(b">LENIENT<", b">CHANGED<"))).status == 400
        assert await polled(ven) == OK
