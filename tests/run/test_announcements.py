"""What a VTN says of itself when it registers a VEN, and where the VEN's people find it."""

from __future__ import annotations

import pytest

from openadr_ra import SettingsError, Ven, Vtn
from openadr_ra.protocol.messages import CreatedPartyRegistration, QueryRegistration
from openadr_ra.protocol.model import RequestId
from openadr_ra.protocol.registration import HELD_POLLS
from openadr_ra.run.above import UpstreamSummary
from openadr_ra.settings import from_table
from tests.run.peer import Peer
from tests.run.site import Site, Table, Watch, new_site, until

ANNOUNCE: list[Table] = [
    {"service": "EiReport", "key": "points", "value": "500"},
    {"extension": "x-utility", "key": "tariff", "value": "peak & off-peak"},
    {"service": "EiEvent", "key": "lead", "value": "PT5M"},
    {"service": "EiReport", "key": "granularity", "value": "PT1M"},
    {"extension": "x-plain"},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


def plain(site: Site, **downstream: object) -> Table:
    table = site.vtn("ac", cert=[], key=[], client_ca="", **downstream)
    return table | {"store": {"url": "memory"}}


async def test_what_a_vtn_announces_is_found_at_the_ven_beside_its_registration(site: Site) -> None:
    """Grouped by service and extension, in order; our own extension stands beside the others."""
    watch = Watch()
    async with Vtn(site.settings(plain(site, announce=ANNOUNCE, hold_s=7))).running() as vtn:
        settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": vtn.url, "name": "ac"}]})
        async with Ven(settings, tap=watch).running() as ven:

            async def registered() -> UpstreamSummary | None:
                (one,) = await ven.upstreams()
                return one if one.phase == "registered" else None

            found = await until(registered, watch.changed)
            node = await ven.upstream("ac")

    assert found is not None
    assert found.service_info == {"EiReport": {"points": "500", "granularity": "PT1M"}, "EiEvent": {"lead": "PT5M"}}
    assert found.extensions == {"x-utility": {"tariff": "peak & off-peak"}, "x-plain": {}, HELD_POLLS: {"seconds": "7"}}
    assert (found.upstream, found.vtn_id, found.transport, found.hold_s) == ("ac", "AC-VTN", "pull", 7)
    assert node is not None
    assert [one.service for one in node.member.service_info] == ["EiReport", "EiEvent"]


async def test_whoever_merely_asks_is_told_the_same(site: Site) -> None:
    async with Vtn(site.settings(plain(site, announce=ANNOUNCE, hold_s=0))).running() as vtn:
        said = await Peer(url=vtn.url).say(QueryRegistration(request_id=RequestId("q")))

    assert isinstance(said, CreatedPartyRegistration)
    assert [(one.service, len(one.infos)) for one in said.service_info] == [("EiReport", 2), ("EiEvent", 1)]
    assert [one.name for one in said.extensions] == ["x-utility", "x-plain"]


async def test_a_ven_that_registers_again_learns_what_has_changed(site: Site) -> None:
    """The VTN was started with other settings, and its operator has VENs register again."""
    watch = Watch()
    store: Table = {"url": "sqlite:announcing.db"}
    async with Vtn(site.settings(plain(site) | {"store": store})).running() as first:
        url = first.url
        settings = site.settings({"name": "e", "store": {"url": "memory"}, "upstream": [{"url": url, "ven_id": "E"}]})
        async with Ven(settings, tap=watch).running() as ven:
            await until(lambda: registered_at(ven), watch.changed)
            assert (await ven.upstreams())[0].service_info == {}
            await first.reregister("E")
            again = plain(site, announce=ANNOUNCE, listen=url.split("/")[2])
            assert isinstance(again["downstream"], dict)
    async with Vtn(site.settings(again | {"store": store})).running(), Ven(settings, tap=watch).running() as ven:

        async def learned() -> bool:
            return bool((await ven.upstreams())[0].service_info)

        assert await until(learned, watch.changed)


async def registered_at(ven: Ven) -> bool:
    return (await ven.upstreams())[0].phase == "registered"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"key": "a", "value": "b"}, "downstream.announce[0]: needs either service or extension"),
        (
            {"service": "EiOpt", "extension": "x", "key": "a"},
            "downstream.announce[0]: needs either service or extension",
        ),
        ({"service": "EiOpt", "value": "b"}, "downstream.announce[0].key: is missing"),
        ({"extension": "x-a", "value": "b"}, "downstream.announce[0].key: is missing"),
        ({"service": "EiSomething", "key": "a"}, "downstream.announce[0].service: invalid enum value 'EiSomething'"),
        ({"extension": "x\u0001", "key": "a"}, "downstream.announce[0].extension: "),
        ({"extension": "x" * 1001}, "downstream.announce[0].extension: "),
    ],
)
def test_an_announcement_is_about_one_thing_and_can_be_written(site: Site, said: Table, fault: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_table({"downstream": {"announce": [said]}}, site.folder / "node.toml")

    assert fault in str(refused.value)


def test_an_announcement_may_be_as_long_as_this(site: Site) -> None:
    settings = from_table({"downstream": {"announce": [{"extension": "x" * 1000}]}}, site.folder / "node.toml")

    assert settings.downstream is not None
