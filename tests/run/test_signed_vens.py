"""Our VEN with xml_signature, over mutual TLS: it signs all that it says, and takes nothing that its VTN did not sign."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, ResponseRow, Ven, Vtn, dispatch
from openadr_ra.errors import SettingsError
from openadr_ra.net.ca import KEY_KINDS
from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.net.tls import server_contexts
from openadr_ra.protocol.messages import (
    PROFILES,
    CreatedEvent,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    Message,
    Poll,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import OptType, RegistrationId, VenId, VtnId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.times import Duration
from openadr_ra.run.traffic import Exchange
from openadr_ra.wire.codec import encode
from openadr_ra.wire.signing import Signer, load_signer, sign
from tests.run.signed_peer import Adjusted
from tests.run.site import BATTERY, Site, Table, Watch, new_site, soon, until
from tests.wire.sealing import accepted, received

PRINT = ":".join(["0A"] * 10)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What went over the wire, and what came of an event."""

    exchanges: tuple[Exchange, ...]
    prints: dict[str, str]
    opts: dict[VenId, OptType | None]
    rows: tuple[ResponseRow, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(site: Site) -> Told:
    """An event of one interval, from its publication to its response, with a VEN of each kind of key."""
    watch = Watch()
    shown = {f"SIGNS-{kind}": site.issue(f"SIGNS-{kind}", key=kind) for kind in KEY_KINDS}
    prints = [one.fingerprint for one in site.own]
    async with Vtn(site.settings(site.vtn(signature="required")), tap=watch).running() as vtn:
        vens = [
            Ven(site.settings(site.ven(
                name, vtn.url, BATTERY, certificate=one, xml_signature=True, vtn_fingerprints=prints
            )))
            for name, one in shown.items()
        ]  # fmt: skip
        async with vens[0].running(), vens[1].running():

            async def registered() -> bool:
                return {one.ven_id for one in await vtn.vens() if one.registered} == set(shown)

            await until(registered, vtn.changed)
            order = dispatch(start=soon(), every=timedelta(seconds=1), delta_kw=(-2,), to=tuple(shown))
            event = await vtn.publish(order)
            async for _ in vtn.response(event):
                pass
            return Told(
                exchanges=tuple(watch.exchanges),
                prints={name: one.fingerprint for name, one in shown.items()},
                opts=await vtn.opts(event),
                rows=await vtn.report(event),
            )


async def test_rule_514_at_both_ends_every_message_is_signed(site: Site, told: Told) -> None:
    """By the VEN's certificate, and by the VTN's first; each has a nonce of its own."""
    kinds = {type(accepted(each.request)) for each in told.exchanges}
    nonces = {received(body).nonce for each in told.exchanges for body in (each.request, each.reply)}

    assert {received(each.request).fingerprint for each in told.exchanges} == set(told.prints.values())
    assert {received(each.reply).fingerprint for each in told.exchanges} == {site.own[0].fingerprint}
    assert all(received(each.request).fingerprint == told.prints[each.peer] for each in told.exchanges)
    assert len(nonces) == 2 * len(told.exchanges)
    assert {Poll, CreatedEvent, UpdateReport} <= kinds


async def test_the_main_job_is_the_same_as_unsigned(told: Told) -> None:
    """Instruct, opt, set-point, response."""
    assert told.opts == {VenId(name): OPT_IN for name in told.prints}
    rows = {row.ven: row for row in told.rows if row.resource == "*" and row.ven != "*"}
    assert {ven: row.delivered_kw for ven, row in rows.items()} == {
        ven: pytest.approx(-2, abs=1) for ven in told.prints
    }
    assert all(row.final and row.source == "x-RESPONSE" for row in rows.values())


class Forger:
    """A VTN of a few lines, which seals its answers as `seal` says, and keeps the first of each kind."""

    def __init__(self, site: Site, seal: Callable[[Message, Forger], bytes]) -> None:
        self.own = load_signer(Path(site.own[0].certificate), Path(site.own[0].key))
        stranger = site.issue(f"FORGER-{id(self)}")
        self.stranger = load_signer(Path(stranger.certificate), Path(stranger.key))
        self.kept: dict[type[Message], bytes] = {}
        self._seal = seal

    async def answer(self, request: Request) -> Reply:
        message = accepted(request.body)
        reply = _natural(message)
        body = self._seal(reply, self)
        self.kept.setdefault(type(reply), body)
        return Reply(body=body)

    def sealed(self, message: Message, *, by: Signer | None = None, off: timedelta = timedelta(0)) -> bytes:
        now = datetime.now(UTC) + off
        return sign(message, by or self.own, now=now, nonce=secrets.token_urlsafe(12))


def _natural(message: Message) -> Message:
    """What a VTN says to a VEN that registers, and plainly to the rest."""
    result = Result(request_id=requested(message))
    if isinstance(message, CreatePartyRegistration):
        return CreatedPartyRegistration(
            result=result,
            registration_id=RegistrationId("reg-1"),
            ven_id=VenId("VEN-1"),
            vtn_id=VtnId("FORGER"),
            profiles=PROFILES,
            poll_freq=Duration(seconds=1),
        )
    return Response(result=result, ven_id=VenId("VEN-1"))


FORGERIES: dict[str, tuple[Callable[[Message, Forger], bytes], str]] = {
    "unsigned": (lambda message, vtn: encode(message), "a signature is required"),
    "signed by somebody else": (
        lambda message, vtn: vtn.sealed(message, by=vtn.stranger),
        "is none of vtn_fingerprints",
    ),
    "changed on the way": (
        lambda message, vtn: vtn.sealed(message).replace(b">reg-1<", b">reg-2<"),
        "the signature is refused",
    ),
    "too old": (lambda message, vtn: vtn.sealed(message, off=timedelta(seconds=-31)), "s ago, longer than 30 s"),
    "from the future": (lambda message, vtn: vtn.sealed(message, off=timedelta(seconds=60)), "s in the future"),
    "signed before the VEN's start": (
        lambda message, vtn: vtn.sealed(message, off=timedelta(seconds=-25)),
        "signed before this end was started",
    ),
}


@asynccontextmanager
async def under(site: Site, forger: Forger, name: str, watch: Watch) -> AsyncIterator[Ven]:
    """A VEN of ours whose VTN is that one."""
    chains = tuple((Path(one.certificate), Path(one.key)) for one in site.own)
    async with serve(
        forger.answer, host="127.0.0.1", port=0, ssl=server_contexts(chains, Path(site.trust))
    ) as listener:
        prints = [one.fingerprint for one in site.own]
        table = site.ven(name, listener.url, xml_signature=True, vtn_fingerprints=prints)
        async with Ven(site.settings(table), tap=watch).running() as ven:
            yield ven


@pytest.mark.parametrize("name", FORGERIES)
async def test_rule_514_at_the_ven_an_answer_that_the_vtn_did_not_sign_just_now_is_silence(
    site: Site, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The VEN says why, and tries again; nothing of what it was told is so."""
    seal, words = FORGERIES[name]
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    watch = Watch()
    async with under(site, Forger(site, seal), name.replace(" ", "-").replace("'", ""), watch) as ven:

        async def twice() -> bool:
            return len(watch.exchanges) >= 2

        await until(twice, watch.changed)
        node = await ven.upstream()

    assert node is not None
    assert (node.member.phase, node.member.registration_id) == ("new", None)
    lines = [record.getMessage() for record in caplog.records if "something unusable" in record.getMessage()]
    assert lines
    assert all(words in line for line in lines)


async def test_rule_514_at_the_ven_an_answer_is_taken_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever says it again with another of our messages is not heard."""
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    watch = Watch()
    forger = Forger(site, lambda message, vtn: vtn.kept.get(type(message)) or vtn.sealed(message))
    async with under(site, forger, "ONCE", watch) as ven:

        async def refused() -> bool:
            return any("was said before" in record.getMessage() for record in caplog.records)

        await until(refused, watch.changed)
        node = await ven.upstream()

    assert node is not None
    assert node.member.registration_id == "reg-1"


@pytest.mark.parametrize("lacking", [{"cert": "", "key": ""}, {"vtn_fingerprints": []}])
async def test_a_ven_that_is_to_sign_needs_to_know_its_vtn(site: Site, lacking: Table) -> None:
    upstream: Table = {"url": "http://127.0.0.1:9", "xml_signature": True, "vtn_fingerprints": [PRINT]}
    shown = site.own[0]
    files: Table = {"cert": shown.certificate, "key": shown.key}
    settings = site.settings({"store": {"url": "memory"}, "upstream": [upstream | files | lacking]})

    with pytest.raises(SettingsError, match="xml_signature needs cert, key and vtn_fingerprints"):
        async with Ven(settings).running():
            pass


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
async def test_a_ven_whose_clock_is_off_is_told_of_it_although_it_can_take_no_answer(
    site: Site, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    clock, watch = Adjusted(), Watch()
    clock.by = timedelta(seconds=seconds)
    prints = [one.fingerprint for one in site.own]
    async with Vtn(site.settings(site.vtn("punctual"))).running() as vtn:
        table = site.ven(f"LATE{seconds:.0f}", vtn.url, xml_signature=True, vtn_fingerprints=prints)

        async def told() -> bool:
            return any("check NTP" in record.getMessage() for record in caplog.records)

        async with Ven(site.settings(table), clock=clock, tap=watch).running():
            await until(told, watch.changed)
