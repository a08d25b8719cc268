"""Polls that the VTN holds until there is something to say, over mutual TLS (RFC 7240, `Prefer: wait=N`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, Ven, Vtn, dispatch
from openadr_ra.errors import OK
from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.messages import (
    PROFILES,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestReregistration,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    RegistrationId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
    VenId,
    VtnId,
)
from openadr_ra.protocol.parts import Extension, Info, ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.registration import HELD_POLLS
from openadr_ra.protocol.times import Duration
from openadr_ra.wire.codec import decode, encode
from tests.net.peers import POLL, post
from tests.run.peer import Peer, peer
from tests.run.programs import child
from tests.run.signed_peer import signed_peer
from tests.run.site import BATTERY, Site, Table, Watch, code, new_site, soon, until
from tests.wire.sealing import received

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE_S = 8.0
"""Below the times that polls are held for here, and what a very busy machine may take for a few milliseconds' work."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    """It holds polls for up to 20 s."""
    async with Vtn(site.settings(site.vtn(hold_s=20))).running() as running:
        yield running


class Poller:
    """A VEN of a few lines; its polls carry `Prefer: wait=N` if they are told to. `bystander` is somebody else."""

    def __init__(self, ven_id: str, at: Peer, bystander: Peer) -> None:
        self.ven_id = VenId(ven_id)
        self.at = at
        self.bystander = bystander

    @property
    def poll(self) -> Poll:
        return Poll(ven_id=self.ven_id)

    async def settle(self) -> None:
        """Register, and hear all that there is to say at first."""
        assert code(await self.at.register(self.ven_id)) == OK
        await self.at.say(RegisterReport(request_id=RequestId("m1"), ven_id=self.ven_id))
        for said in await self.at.drained(self.ven_id):
            assert isinstance(said, RegisterReport)
            await self.at.say(RegisteredReport(result=Result(request_id=said.request_id), ven_id=self.ven_id))

    def asks(self, *, wait_s: int | None, body: bytes | None = None) -> asyncio.Task[Heard]:
        """A poll that is under way."""
        return asyncio.create_task(self._poll(wait_s, encode(self.poll) if body is None else body))

    async def _poll(self, wait_s: int | None, body: bytes) -> Heard:
        port = urlsplit(self.at.url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self.at.ssl)
        try:
            prefer = () if wait_s is None else (f"Prefer: respond-async, wait={wait_s}",)
            began = asyncio.get_running_loop().time()
            writer.write(post(body, "Connection: close", *prefer, path=POLL))
            answer = await reader.read()
        finally:
            writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        took = asyncio.get_running_loop().time() - began
        return Heard(head=head.decode(), body=rest, seconds=took)


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a poll, and how long it took."""

    head: str
    body: bytes
    seconds: float

    @property
    def message(self) -> Message:
        return decode(self.body)

    @property
    def applied(self) -> str | None:
        """What Preference-Applied says."""
        found = [line for line in self.head.splitlines() if line.startswith("Preference-Applied: ")]
        return found[0].partition(": ")[2] if found else None


async def poller(site: Site, vtn: Vtn, ven_id: str) -> Poller:
    made = Poller(ven_id, peer(site, vtn.url, site.issue(ven_id)), peer(site, vtn.url, site.issue(f"{ven_id}-2")))
    await made.settle()
    return made


async def arrived(vtn: Vtn, ven: Poller, before: datetime | None) -> None:
    """Wait until the VTN has heard the poll that is under way, so that what comes next finds it there."""

    async def heard() -> bool:
        return await seen(vtn, ven) != before

    async def talk(within: timedelta) -> None:
        # What somebody else asks goes the same way through the same server, and changes nothing.
        await ven.bystander.say(QueryRegistration(request_id=RequestId("q")))

    await until(heard, talk)


async def seen(vtn: Vtn, ven: Poller) -> datetime | None:
    """When the VTN heard of it last."""
    return next(one.last_seen for one in await vtn.vens() if one.ven_id == ven.ven_id)


async def held(vtn: Vtn, ven: Poller, *, wait_s: int = 20, body: bytes | None = None) -> asyncio.Task[Heard]:
    """A poll that the VTN holds."""
    before = await seen(vtn, ven)
    asked = ven.asks(wait_s=wait_s, body=body)
    await arrived(vtn, ven, before)
    assert not asked.done()
    return asked


def order(to: str, hours: int = 1) -> Instruction:
    return dispatch(start=soon(hours * 3600), every=timedelta(minutes=10), delta_kw=(-1,), to=(to,))


async def test_an_event_is_the_answer_to_a_poll_that_is_held_at_once(site: Site, vtn: Vtn) -> None:
    """And says that it did wait, for as long as the VTN holds at most."""
    ven = await poller(site, vtn, "WAITS")
    asked = await held(vtn, ven, wait_s=45)

    began = now()
    event = await vtn.publish(order("WAITS"))
    heard = await asked

    assert now() - began < AT_ONCE_S
    assert isinstance(heard.message, DistributeEvent)
    assert [each.event.id for each in heard.message.events] == [event]
    assert heard.applied == "wait=20"


@pytest.mark.parametrize("wait_s", [None, 0])
async def test_a_ven_that_does_not_ask_for_it_is_never_held(site: Site, vtn: Vtn, wait_s: int | None) -> None:
    ven = await poller(site, vtn, f"HURRIES-{wait_s}")

    heard = await ven.asks(wait_s=wait_s)

    assert (heard.applied, code(heard.message)) == (None, OK)
    assert heard.seconds < AT_ONCE_S


async def test_a_vtn_that_does_not_hold_polls_does_not(site: Site) -> None:
    async with Vtn(site.settings(site.vtn("never", hold_s=0))).running() as vtn:
        ven = await poller(site, vtn, "ASKS-IN-VAIN")

        heard = await ven.asks(wait_s=20)

    assert (heard.applied, code(heard.message)) == (None, OK)
    assert heard.seconds < AT_ONCE_S


async def test_a_poll_is_held_for_as_long_as_asked_and_allowed_and_then_answered_plainly(site: Site, vtn: Vtn) -> None:
    """One second, because the VEN wants no more, or because the VTN holds no longer."""
    async with Vtn(site.settings(site.vtn("briefly", hold_s=1))).running() as brief:
        polls = [
            (await poller(site, vtn, "SHORT")).asks(wait_s=1),
            (await poller(site, brief, "LONG")).asks(wait_s=20),
        ]
        for heard in await asyncio.gather(*polls):
            assert (heard.applied, code(heard.message)) == ("wait=1", OK)
            assert 1 <= heard.seconds < 1 + AT_ONCE_S


async def test_other_messages_pass_over_another_connection_meanwhile(site: Site, vtn: Vtn) -> None:
    """And what they make due is the answer to the poll."""
    ven = await poller(site, vtn, "TALKS")
    asked = await held(vtn, ven)
    assert isinstance(await ven.at.say(RegisterReport(request_id=RequestId("m2"), ven_id=ven.ven_id)), RegisteredReport)
    assert not asked.done()

    began = now()
    wish = ReportRequest(
        id=ReportRequestId("meta"), specifier_id=SpecifierId("METADATA"), granularity=Duration(), report_back=Duration(),
        points=(SpecifierPayload(rid=Rid("0")),),
    )  # fmt: skip
    await ven.at.say(CreateReport(request_id=RequestId("c1"), requests=(wish,), ven_id=ven.ven_id))

    assert isinstance((await asked).message, RegisterReport)
    assert now() - began < AT_ONCE_S


async def test_whatever_the_operator_orders_is_the_answer_to_a_held_poll(site: Site, vtn: Vtn) -> None:
    """A changed event, a cancelled one, and a re-registration."""
    ven = await poller(site, vtn, "OBEYS")
    event = await vtn.publish(order("OBEYS"))
    await ven.at.drained("OBEYS")

    async def brings(action: Awaitable[None]) -> Message:
        asked = await held(vtn, ven)
        began = now()
        await action
        heard = await asked
        assert now() - began < AT_ONCE_S
        await ven.at.drained("OBEYS")
        return heard.message

    for action in (vtn.change(event, order("OBEYS", 2)), vtn.cancel(event)):
        assert isinstance(await brings(action), DistributeEvent)
    assert isinstance(await brings(vtn.reregister("OBEYS")), RequestReregistration)


async def test_of_two_polls_of_one_ven_the_newer_one_is_held(site: Site, vtn: Vtn) -> None:
    """Who asks anew has given up the older one, whose connection may be dead: nothing is lost with it."""
    ven = await poller(site, vtn, "ASKS-TWICE")
    older = await held(vtn, ven)
    newer = await held(vtn, ven)
    let_go = await older
    assert not newer.done()

    await vtn.publish(order("ASKS-TWICE"))

    assert (type(let_go.message), let_go.applied) == (Response, "wait=20")
    assert isinstance((await newer).message, DistributeEvent)


async def test_the_answer_to_a_signed_poll_is_stamped_when_it_is_given(site: Site, vtn: Vtn) -> None:
    """Its signature would be too old otherwise."""
    signing = signed_peer(site, vtn.url, "SIGNS")
    ven = Poller("SIGNS", signing.plain, signing.plain)
    await ven.settle()
    began = datetime.now(UTC)

    heard = await ven.asks(wait_s=1, body=signing.sealed(ven.poll))

    assert code(heard.message) == OK
    assert received(heard.body).timestamp >= began + timedelta(seconds=1)


async def test_a_vtn_that_goes_down_does_not_wait_for_polls_that_are_held(site: Site) -> None:
    """They are answered plainly, and come again."""
    async with Vtn(site.settings(site.vtn("goes-down", hold_s=20))).running() as vtn:
        ven = await poller(site, vtn, "STAYS")
        asked = await held(vtn, ven)
        began = now()

    assert now() - began < 2 * AT_ONCE_S
    assert (type((await asked).message), (await asked).applied) == (Response, "wait=20")


def now() -> float:
    return asyncio.get_running_loop().time()


class Waits:
    """A VTN of a few lines that offers to hold polls for 10 s, has one event and keeps how long it may hold each poll."""

    def __init__(self) -> None:
        self.polls: list[int | None] = []
        self._told = asyncio.Event()

    async def answer(self, request: Request) -> Reply:
        message = decode(request.body)
        result = Result(request_id=requested(message))
        if isinstance(message, CreatePartyRegistration):
            extension = Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="10"),))
            return Reply(body=encode(CreatedPartyRegistration(
                result=result, registration_id=RegistrationId("reg-1"), ven_id=VenId("VEN-1"), vtn_id=VtnId("AC"),
                profiles=PROFILES, poll_freq=Duration(seconds=1), extensions=(extension,),
            )))  # fmt: skip
        if not isinstance(message, Poll):
            return Reply(body=encode(Response(result=result, ven_id=VenId("VEN-1"))))
        self.polls.append(request.wait_s)
        self._told.set()
        self._told = asyncio.Event()
        if len(self.polls) == 1:
            return Reply(body=encode(RegisterReport(request_id=RequestId("m1"), ven_id=VenId("VEN-1"))))
        return Reply(body=encode(Response(result=result, ven_id=VenId("VEN-1"))))

    async def changed(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return


@pytest.mark.parametrize(("hold", "polls"), [(True, [10, None, 10]), (False, [None, None, None])])
async def test_our_ven_asks_for_it_with_regular_polls_alone_and_if_it_may(
    site: Site, hold: bool, polls: list[int | None]
) -> None:
    """The second poll drains the queue: its answer is wanted now."""
    vtn = Waits()
    async with serve(vtn.answer, host="127.0.0.1", port=0) as listener:
        upstream: Table = {"url": listener.url, "hold_polls": hold}
        settings = site.settings({"name": "waits", "store": {"url": "memory"}, "upstream": [upstream]})
        async with Ven(settings).running():

            async def thrice() -> bool:
                return len(vtn.polls) >= 3

            await until(thrice, vtn.changed)

    assert vtn.polls[:3] == polls


async def test_an_event_reaches_our_ven_within_a_second_although_it_polls_twice_a_minute(site: Site) -> None:
    """It polls once and is held; telemetry goes its way meanwhile; and it has answered."""
    watch = Watch()
    async with (
        Vtn(site.settings(site.vtn("main", poll_s=30, live_s=1)), tap=watch).running() as vtn,
        Ven(site.settings(site.ven("EDGE", vtn.url, BATTERY))).running() as ven,
    ):

        async def settled() -> bool:
            node = await ven.upstream()
            waits = node is not None and node.poll_tries == 1 and not node.draining
            return waits and len(watch.asked(UpdateReport)) >= 2 and bool(watch.asked(RegisteredReport))

        await until(settled, watch.changed)
        polls = len(watch.asked(Poll))
        began = now()
        event = await vtn.publish(order("EDGE"))
        opts = await vtn.opts(event, within=timedelta(seconds=20))
        took = now() - began

    assert opts == {"EDGE": OPT_IN}
    assert took < 3 * AT_ONCE_S
    assert polls <= 3


async def test_a_ven_whose_held_poll_broke_off_does_not_wait_for_what_it_might_have_brought(site: Site) -> None:
    """Its VTN is killed and started anew on the same port: the next poll comes at its usual time, not after the hold."""
    watch = Watch()
    table = site.vtn("killed", hold_s=45)
    async with child("vtn", site.file(table)) as first_life:
        url = (await first_life.said()).url
        async with Ven(site.settings(site.ven("PATIENT", url, BATTERY)), tap=watch).running() as ven:

            async def holding() -> bool:
                node = await ven.upstream()
                waits = node is not None and node.poll_tries == 1 and not node.draining
                return waits and bool(watch.asked(RegisteredReport))

            await until(holding, watch.changed)
            await first_life.kill()
            again = site.vtn("killed", hold_s=45, listen=f"127.0.0.1:{urlsplit(url).port}")
            async with Vtn(site.settings(again)).running() as vtn:
                event = await vtn.publish(order("PATIENT"))

                assert await vtn.opts(event, within=timedelta(seconds=30)) == {"PATIENT": OPT_IN}
