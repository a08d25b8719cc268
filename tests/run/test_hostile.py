"""A VTN under a VEN that means harm keeps serving the others, in time, and nothing of theirs changes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import psutil
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, Ven, Vtn, dispatch
from openadr_ra.errors import OK
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.vtn import Party
from tests.run.hostile import ATTACK_S, CUT, Orders, Tally, attacking
from tests.run.peer import Peer, peer
from tests.run.site import BATTERY, Site, Table, code, new_site, soon

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_TIME = timedelta(seconds=5)
"""In which an event reaches a VEN and its answer the VTN, on a machine of two cores of which the attacker has one."""

POLL_S = 4.0
"""In which a poll is answered meanwhile: less than an attack lasts. With all else busy, too, handshakes have made it 1.7."""

MOST_MIB = 300
"""By how much an attack may swell the process for a while."""

HOUR = timedelta(hours=1)
MIB = 1024 * 1024
LIMITS: Table = {
    "address_requests_per_s": 100,
    "address_burst": 400,
    "address_bytes_per_min": 24 * MIB,
    "address_registrations_per_h": 40,
}

GOOD, IDLE, POLLER = "GOOD", "IDLE", "POLLER"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN with a VEN of ours that takes events, a VEN that only polls, and one that is registered and silent."""

    vtn: Vtn
    poller: Peer
    site: Site
    secure: bool

    async def orders(self, attack: str, source: str) -> Orders:
        """For a VEN that is registered; each time another, so that nothing is left of an attack before."""
        name = f"HOSTILE-{secrets.token_hex(4)}"
        shown = self.site.issue(name) if self.secure else None
        registering = self.poller if shown is None else peer(self.site, self.vtn.url, shown)
        assert code(await registering.register(name)) == OK
        return Orders(attack=attack, url=self.vtn.url, ven=name, shown=shown, trust=self.site.trust, source=source)

    async def others(self) -> tuple[Party | None, tuple[str, ...]]:
        """What is stored of the VEN that says nothing, and which VENs there are that mean no harm."""
        keys = await self.vtn.store.keys("party/")
        held = await self.vtn.store.load(party(VenId(IDLE)), Party)
        return held, tuple(key for key in keys if "HOSTILE" not in key)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure(site: Site) -> AsyncIterator[Scene]:
    """Over mutual TLS; hostile VENs have certificates of the same CA."""
    shown = {name: site.issue(name) for name in (GOOD, IDLE, POLLER)}
    async with (
        Vtn(site.settings(site.vtn())).running() as vtn,
        Ven(site.settings(site.ven(GOOD, vtn.url, BATTERY, certificate=shown[GOOD]))).running(),
    ):
        for name in (IDLE, POLLER):
            assert code(await peer(site, vtn.url, shown[name]).register(name)) == OK
        yield Scene(vtn=vtn, poller=peer(site, vtn.url, shown[POLLER]), site=site, secure=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(site: Site) -> AsyncIterator[Scene]:
    """Without TLS, and with limits that are soon reached."""
    settings = site.settings(site.vtn("plain", client_ca="", cert=[], key=[], limits=LIMITS))
    async with Vtn(settings).running() as vtn:
        upstream: Table = {"url": vtn.url, "ven_id": GOOD}
        table: Table = {"store": {"url": "memory"}, "upstream": [upstream], "device": [BATTERY]}
        poller = Peer(url=vtn.url)
        async with Ven(site.settings(table)).running():
            for name in (IDLE, POLLER):
                assert code(await poller.register(name)) == OK
            yield Scene(vtn=vtn, poller=poller, site=site, secure=False)


def rss_mib() -> float:
    return float(psutil.Process().memory_info().rss) / 1024 / 1024


HOSTS = (f"127.0.0.{number}" for number in range(2, 255))
"""Loopback has many addresses: each attack comes from another."""


async def withstood(scene: Scene, attack: str, source: str | None = None) -> Tally:
    """What the attacker got while the others were served as ever."""
    loop = asyncio.get_running_loop()
    orders = await scene.orders(attack, source or next(HOSTS))
    before, others = rss_mib(), await scene.others()
    async with attacking(orders) as tally:
        told = asyncio.ensure_future(opted_in(scene.vtn))
        polls, worst_s, most_mib = 0, 0.0, before
        while polls < 3 or not (tally.done() and told.done()):
            began = loop.time()
            await scene.poller.say(Poll(ven_id=VenId(POLLER)))
            polls, worst_s = polls + 1, max(worst_s, loop.time() - began)
            most_mib = max(most_mib, rss_mib())
            await asyncio.wait((tally, told), timeout=0.05, return_when=asyncio.ALL_COMPLETED)
        assert await told
    assert worst_s < POLL_S
    assert most_mib - before < MOST_MIB
    assert await scene.others() == others
    return await tally


async def opted_in(vtn: Vtn) -> bool:
    """Did an event that is published now come back with an opt-in in time?"""
    event = await vtn.publish(dispatch(start=soon(3600), every=HOUR, delta_kw=(-1,), to=(GOOD,)))
    opts = await vtn.opts(event, within=IN_TIME)
    await vtn.cancel(event)
    return opts == {VenId(GOOD): OPT_IN}


async def test_a_flood_of_polls_of_one_ven_is_answered_with_503(
    secure: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the others are behind the same address; and the log is not flooded either."""
    tally = await withstood(secure, "polls", source="127.0.0.1")

    assert 0 < tally[200] <= 100 + 20 * ATTACK_S
    assert tally[503] > 0
    (line,) = [record.getMessage() for record in caplog.records if "503" in record.getMessage()]
    assert "too much of one VEN" in line


async def test_a_flood_without_certificates_is_counted_by_its_address(plain: Scene) -> None:
    tally = await withstood(plain, "polls")

    assert 0 < tally[200] <= 400 + 100 * ATTACK_S
    assert tally[503] > 0


async def test_endless_registrations_make_a_bounded_number_of_vens(plain: Scene) -> None:
    before = set(await plain.vtn.store.keys("party/"))

    tally = await withstood(plain, "registrations")

    new = set(await plain.vtn.store.keys("party/")) - before
    assert len(new) == 1 + 40
    assert tally[503] > 0


async def test_one_certificate_is_one_ven_whatever_it_calls_itself(secure: Scene) -> None:
    before = set(await secure.vtn.store.keys("party/"))

    tally = await withstood(secure, "registrations")

    assert len(set(await secure.vtn.store.keys("party/")) - before) == 1
    assert tally[503] > 0


async def test_slow_bodies_take_neither_the_memory_nor_the_time_of_others(plain: Scene) -> None:
    """The connections of an address are bounded, and the bytes that lie here unfinished."""
    tally = await withstood(plain, "slow_bodies")

    assert tally[CUT] > 0
    assert tally[503] > 0


async def test_a_storm_of_connections_leaves_time_for_others(secure: Scene) -> None:
    """Their handshakes are what costs."""
    tally = await withstood(secure, "handshakes")

    assert tally[CUT] > 0


@pytest.mark.parametrize(("over", "most"), [("plain", 6), ("secure", 4)])
async def test_megabytes_of_junk_hold_nobody_up(over: str, most: int, request: pytest.FixtureRequest) -> None:
    """So many are read in a minute, of an address or of a VEN, and none of them is taken."""
    scene: Scene = request.getfixturevalue(over)

    tally = await withstood(scene, "junk")

    assert 0 < tally[400] <= most
    assert tally[503] > 0
    assert tally[200] == 0


async def test_bytes_of_any_kind_end_no_process_and_get_no_5xx_for_what_they_are(plain: Scene) -> None:
    tally = await withstood(plain, "garbage")

    assert tally[400] > 0
    assert set(tally.statuses) <= {CUT, 400, 404, 503}
