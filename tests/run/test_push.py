"""HTTP push over mutual TLS, with our own VEN: the VTN posts, the VEN answers and never polls."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, Ven, Vtn, dispatch
from openadr_ra.errors import OK, SettingsError
from openadr_ra.net.tls import client_context
from openadr_ra.programs import certs
from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CanceledReport,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedPartyRegistration,
    CreatedReport,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import RegistrationId, RequestId, VenId, VtnId
from openadr_ra.run.wanted import WantedReport
from openadr_ra.wire.codec import decode, encode
from tests.net.peers import exchange, post
from tests.run.peer import Peer, peer
from tests.run.push_peer import free_port
from tests.run.site import BATTERY, PATIENCE, Site, Table, Watch, code, new_site, soon, until
from tests.wire.sealing import received

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest.fixture(scope="module")
def watch() -> Watch:
    """What the VTN says and is told."""
    return Watch()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site, watch: Watch) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn()), tap=watch).running() as running:
        yield running


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """A push VEN of ours that is registered, and where it listens."""

    ven: Ven
    name: str
    url: str
    table: Table


@asynccontextmanager
async def pushed(site: Site, vtn: Vtn, name: str, *, signs: bool = False) -> AsyncIterator[Pushed]:
    url, prints = f"https://127.0.0.1:{free_port()}", [one.fingerprint for one in site.own]
    table = site.ven(name, vtn.url, BATTERY, push_url=url, vtn_fingerprints=prints, xml_signature=signs)
    watch = Watch()
    async with Ven(site.settings(table), tap=watch).running() as ven:

        async def settled() -> bool:
            # It asks for events itself, once, when it has registered.
            return bool(watch.asked(RequestEvent)) and bool(watch.asked(RegisterReport))

        await until(settled, watch.changed)
        yield Pushed(ven=ven, name=name, url=url, table=table)


async def registered(vtn: Vtn, name: str) -> None:
    async def there() -> bool:
        return any(one.registered for one in await vtn.vens() if one.ven_id == name)

    await until(there, vtn.changed)


def said(watch: Watch, name: str) -> list[tuple[Message, Message | None]]:
    """Every request between the VTN and that VEN, by whoever made it, with its answer."""
    return [
        (decode(each.request), decode(each.reply) if each.reply else None)
        for each in watch.exchanges
        if each.peer == name
    ]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All that a push VEN was told, from its registration to its end, and what it said."""

    said: list[tuple[Message, Message | None]]
    opts: list[object]

    def answers(self, kind: type[Message]) -> list[Message | None]:
        """What was answered to each request of that kind, by whoever got it."""
        return [answer for request, answer in self.said if isinstance(request, kind)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(site: Site, vtn: Vtn, watch: Watch) -> Story:
    name = "STORY"
    opts: list[object] = []

    async with pushed(site, vtn, name):

        async def happens(kind: type[Message], times: int = 1) -> None:
            async def often_enough() -> bool:
                return len([each for each, _ in said(watch, name) if isinstance(each, kind)]) >= times

            await until(often_enough, watch.changed)

        event = await vtn.publish(dispatch(start=soon(600), every=TEN_MINUTES, delta_kw=(-2,), to=(name,)))
        opts.append(await opt(vtn, event))
        await vtn.change(event, dispatch(start=soon(900), every=TEN_MINUTES, delta_kw=(-1, 1), to=(name,)))
        opts.append(await opt(vtn, event))
        await vtn.cancel(event)
        opts.append(await opt(vtn, event))
        second = timedelta(seconds=1)
        ids = await vtn.ask(name, [WantedReport(granularity=second, back=second)])
        assert await vtn.came(name, ids[0], within=PATIENCE)
        await vtn.stop(name, ids)
        await happens(CancelReport)
        await vtn.reregister(name)
        await happens(CreatePartyRegistration, 2)
        await vtn.end_registration(name)
        await happens(CancelPartyRegistration)
    return Story(said=said(watch, name), opts=opts)


async def opt(vtn: Vtn, event: str) -> object:
    (found,) = (await vtn.opts(event, within=PATIENCE)).values()
    return found


async def test_each_kind_of_payload_is_posted_and_answered_as_1_5_has_it(story: Story) -> None:
    """In the response to the post; an event by an empty 200, and then by the VEN's own oadrCreatedEvent."""
    answered: dict[type[Message], type[Message]] = {
        RegisterReport: RegisteredReport,
        CreateReport: CreatedReport,
        CancelReport: CanceledReport,
        RequestReregistration: Response,
        CancelPartyRegistration: CanceledPartyRegistration,
    }

    for kind, reply in answered.items():
        assert {type(each) for each in story.answers(kind)} == {reply}, kind
    assert story.answers(DistributeEvent) == [None] * 3
    assert [type(each) for each in story.answers(CreatedEvent)] == [Response] * 3


async def test_each_version_of_an_event_is_opted_for(story: Story) -> None:
    """As it was given, changed and cancelled (rule 36)."""
    versions = [
        [each.event.modification for each in request.responses]
        for request, _ in story.said
        if isinstance(request, CreatedEvent)
    ]

    assert story.opts == [OPT_IN] * 3
    assert versions == [[0], [1], [2]]


async def test_a_push_ven_never_polls(story: Story) -> None:
    assert story.answers(Poll) == []


async def test_its_reports_go_the_usual_way(story: Story) -> None:
    """METADATA from both sides; telemetry in posts of its own."""
    registered = [request for request, _ in story.said if isinstance(request, RegisterReport)]

    assert len(registered) == 2
    assert [bool(each.reports) for each in registered].count(True) == 1
    assert {type(each) for each in story.answers(UpdateReport)} == {UpdatedReport}


async def test_it_registers_again_under_its_ids_when_it_is_told_to(story: Story) -> None:
    first, again = (
        answer for answer in story.answers(CreatePartyRegistration) if isinstance(answer, CreatedPartyRegistration)
    )
    _, request = (request for request, _ in story.said if isinstance(request, CreatePartyRegistration))

    assert isinstance(request, CreatePartyRegistration)
    assert request.registration_id == first.registration_id == again.registration_id
    assert (request.pull, again.result.code) == (False, OK)


async def test_push_and_pull_vens_live_side_by_side_on_one_vtn(site: Site, vtn: Vtn) -> None:
    """One event for both; neither is told of the other."""
    async with pushed(site, vtn, "BOTH-1"), Ven(site.settings(site.ven("BOTH-2", vtn.url, BATTERY))).running():
        await registered(vtn, "BOTH-2")
        order = dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("BOTH-1", "BOTH-2"))
        event = await vtn.publish(order)

        assert await vtn.opts(event, within=PATIENCE) == {"BOTH-1": OPT_IN, "BOTH-2": OPT_IN}
        assert {one.ven_id: one.transport for one in await vtn.vens() if one.ven_id in order.asks} == {
            "BOTH-1": "push",
            "BOTH-2": "pull",
        }


async def test_a_ven_may_go_over_to_the_other_transport_and_back(site: Site, vtn: Vtn, watch: Watch) -> None:
    """Its settings alone change: it registers again with unchanged ids, and is told as it wants to be from then on."""
    name, shown = "CHANGES", site.issue("CHANGES")
    for number, to in enumerate(("push", "pull", "push")):
        prints = [one.fingerprint for one in site.own]
        url = f"https://127.0.0.1:{free_port()}"
        address: Table = {"push_url": url, "vtn_fingerprints": prints} if to == "push" else {}
        table = site.ven(name, vtn.url, BATTERY, certificate=shown, **address)
        async with Ven(site.settings(table)).running():

            async def as_wanted(to: str = to) -> bool:
                return any((one.ven_id, one.transport) == (name, to) for one in await vtn.vens())

            await until(as_wanted, vtn.changed)
            order = dispatch(start=soon(3600 * (number + 1)), every=TEN_MINUTES, delta_kw=(-1,), to=(name,))
            assert await opt(vtn, await vtn.publish(order)) == OPT_IN

    told = [answer for _, answer in said(watch, name) if isinstance(answer, CreatedPartyRegistration)]
    assert len(told) == 3
    assert len({each.registration_id for each in told}) == 1


async def test_x_poll_1_at_the_vtn_a_push_ven_that_polls_is_answered_451(site: Site, vtn: Vtn) -> None:
    async with pushed(site, vtn, "ASKS") as it:
        shown = peer_of(site, it)

        assert code(await shown(vtn.url).say(Poll(ven_id=VenId("ASKS")))) == "451"


def peer_of(site: Site, it: Pushed) -> Callable[[str], Peer]:
    """Whoever shows the VEN's own certificate."""
    upstream = site.settings(it.table).upstream[0]
    context = client_context((Path(upstream.cert), Path(upstream.key)), Path(site.trust))
    return lambda url: Peer(url=url, ssl=context)


async def test_nobody_gets_through_to_a_push_ven_whose_certificate_its_ca_did_not_sign(
    site: Site, vtn: Vtn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Be it with a certificate of another CA, or with none. What its VTN says arrives after that as before."""
    foreign = new_site(tmp_path_factory)
    shown = foreign.issue("FOREIGN")
    async with pushed(site, vtn, "GUARDED") as it:
        for context in (
            client_context((Path(shown.certificate), Path(shown.key)), Path(site.trust)),
            ssl.create_default_context(cafile=site.trust),
            None,
        ):
            heard = await heard_by(it, context, encode(RequestReregistration(ven_id=VenId("GUARDED"))))
            assert b"200 OK" not in heard
            assert b"oadr" not in heard
        order = dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("GUARDED",))
        assert await opt(vtn, await vtn.publish(order)) == OPT_IN


async def heard_by(it: Pushed, context: ssl.SSLContext | None, body: bytes) -> bytes:
    """What comes back, if anything does."""
    path = "/OpenADR2/Simple/2.0b/EiRegisterParty"
    try:
        return await exchange(urlsplit(it.url).port or 0, post(body, "Connection: close", path=path), ssl=context)
    except (ssl.SSLError, ConnectionError):
        return b""


async def test_another_ven_of_the_same_ca_is_refused_by_a_push_ven(site: Site, vtn: Vtn) -> None:
    """A VEN knows of its VTN by `ca` alone that it is one of the same house; by `vtn_fingerprints` who it is."""
    fellow = site.issue("FELLOW")
    async with pushed(site, vtn, "KNOWS") as it:
        refused = await peer(site, it.url + PATH, fellow).say(RequestReregistration(ven_id=VenId("KNOWS")))
        known = await peer(site, it.url + PATH, site.own[0]).say(RequestReregistration(ven_id=VenId("KNOWS")))

        order = dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("KNOWS",))
        assert (code(refused), code(known)) == ("463", OK)
        assert await opt(vtn, await vtn.publish(order)) == OPT_IN


async def test_a_push_ven_that_does_not_know_its_vtn_by_name_does_not_start(site: Site, vtn: Vtn) -> None:
    table = site.ven("NAIVE", vtn.url, BATTERY, push_url=f"https://127.0.0.1:{free_port()}")

    with pytest.raises(SettingsError, match="push_url needs vtn_fingerprints") as refused:
        async with Ven(site.settings(table)).running():
            pass

    assert "certs fingerprint" in str(refused.value)


PATH = "/OpenADR2/Simple/2.0b"

BAD: dict[str, tuple[str, bytes, int]] = {
    "nothing": ("EiEvent", b"", 400),
    "not XML": ("EiEvent", b"venID=BAD", 400),
    "no envelope": ("EiEvent", b'<oadrPoll xmlns="http://openadr.org/oadr-2.0b/2012/07"/>', 400),
    "a document type": ("EiReport", b"<!DOCTYPE a><a/>", 400),
    "too much": ("EiReport", b"<" * (4 * 1024 * 1024 + 1), 413),
    "a service that no VEN has": ("OadrPoll", encode(Poll(ven_id=VenId("BAD"))), 404),
    "another such service": ("EiOpt", encode(Poll(ven_id=VenId("BAD"))), 404),
    "a message at another service": ("EiEvent", encode(RequestReregistration(ven_id=VenId("BAD"))), 200),
}


async def test_bad_bytes_get_4xx_and_the_push_ven_lives(site: Site, vtn: Vtn) -> None:
    """What is understood and makes no sense gets its code with 200, as from a VTN; the rest goes on."""
    async with pushed(site, vtn, "BAD") as it:
        poster = peer(site, it.url + PATH, site.own[0])
        for name, (service, body, status) in BAD.items():
            answer = await poster.post(service, body)
            assert answer.status == status, name
            assert status != 200 or code(answer.message) == "453"
        assert (
            await poster.post("EiEvent", encode(Poll(ven_id=VenId("BAD"))), content_type="text/plain")
        ).status == 415
        foreign = CancelPartyRegistration(request_id=RequestId("x"), registration_id=RegistrationId("none"))
        assert code(await poster.say(foreign)) == "452"

        order = dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("BAD",))
        assert await opt(vtn, await vtn.publish(order)) == OPT_IN


async def test_messages_are_signed_both_ways_where_the_ven_registered_so(site: Site, vtn: Vtn, watch: Watch) -> None:
    """Those that are posted and their answers as well; an empty 200 has nothing to sign."""
    prints = tuple(one.fingerprint for one in site.own)
    async with pushed(site, vtn, "SIGNS", signs=True) as it:
        order = dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("SIGNS",))
        assert await opt(vtn, await vtn.publish(order)) == OPT_IN
        # What is not signed is not its VTN's word, whoever brings it.
        event = encode(DistributeEvent(request_id=RequestId("x"), vtn_id=VtnId("AC-VTN")))
        refused = await peer(site, it.url + PATH, site.own[0]).post("EiEvent", event)
        assert code(refused.message) == "459"

    exchanges = [each for each in watch.exchanges if each.peer == "SIGNS"]
    posted = [each for each in exchanges if isinstance(decode(each.request), RegisterReport | DistributeEvent)]
    own = site.settings(it.table).upstream[0]
    mine = certs.fingerprint(Path(own.cert)).fingerprint
    assert {received(each.request).fingerprint for each in exchanges} == {mine, prints[0]}
    assert {received(each.reply).fingerprint for each in exchanges if each.reply} == {mine, prints[0]}
    assert len([each for each in posted if not each.reply]) == 1
