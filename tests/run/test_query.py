"""A VEN whose program asks what its VTNs offer, and has it register again, over real sockets."""

from __future__ import annotations

import pytest

from openadr_ra import Ven, Vtn
from openadr_ra.errors import InvalidId, OadrError, TransportError
from openadr_ra.net.server import serve
from openadr_ra.protocol.messages import CreatePartyRegistration, QueryRegistration, RegisterReport
from openadr_ra.protocol.model import VenId, VtnId
from openadr_ra.protocol.registration import HELD_POLLS
from openadr_ra.run.above import UpstreamOffer
from tests.run.site import BATTERY, Site, Table, Watch, new_site, until
from tests.run.test_turned_away_over_http import Partial

ANNOUNCE: list[Table] = [{"service": "EiEvent", "key": "lead", "value": "PT5M"}, {"extension": "x-plain"}]
NOBODY = "http://127.0.0.1:9/OpenADR2/Simple/2.0b"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


def plain(site: Site, **downstream: object) -> Table:
    """A VTN without TLS."""
    table = site.vtn("ac", cert=[], key=[], client_ca="", **downstream)
    return table | {"store": {"url": "memory"}}


async def registered(ven: Ven, watch: Watch) -> None:
    """Its first upstream has registered it, and knows its reports."""

    async def is_registered() -> bool:
        return (await ven.upstreams())[0].phase == "registered" and bool(watch.asked(RegisterReport))

    await until(is_registered, watch.changed)


async def test_a_program_learns_what_its_vtn_offers_and_nothing_changes(site: Site) -> None:
    """Its registration, too; the VTN is asked once for each time that the program asks."""
    watch = Watch()
    async with Vtn(site.settings(site.vtn("ac", announce=ANNOUNCE, hold_s=7, poll_s=3))).running() as vtn:
        settings = site.settings(site.ven("EDGE", vtn.url))
        async with Ven(settings, tap=watch).running() as ven:
            await registered(ven, watch)
            (before,) = await ven.upstreams()
            (said,) = await ven.query()
            assert (said,) == await ven.query(upstream="upstream")
            (after,) = await ven.upstreams()

    assert said == UpstreamOffer(
        upstream="upstream",
        vtn_id=VtnId("AC-VTN"),
        ven_id=VenId("EDGE"),
        registration_id=before.registration_id,
        profiles={"2.0b": ("simpleHttp",)},
        poll_s=3,
        hold_s=7,
        service_info={"EiEvent": {"lead": "PT5M"}},
        extensions={"x-plain": {}, HELD_POLLS: {"seconds": "7"}},
    )
    assert said.registration_id is not None
    assert (after.registration_id, after.phase) == (before.registration_id, "registered")
    assert len({one.request_id for one in watch.asked(QueryRegistration)}) == 2
    assert len(watch.asked(CreatePartyRegistration)) == 1


async def test_a_signed_question_is_answered_signed(site: Site) -> None:
    watch = Watch()
    marks = [one.fingerprint for one in site.own]
    async with Vtn(site.settings(site.vtn("signed"))).running() as vtn:
        table = site.ven("SIGNS", vtn.url, xml_signature=True, vtn_fingerprints=marks)
        async with Ven(site.settings(table), tap=watch).running() as ven:
            await registered(ven, watch)
            (said,) = await ven.query()
            assert (said,) == await ven.query()

    assert said.ven_id == VenId("SIGNS")


async def test_a_program_has_it_register_again_under_its_ids(site: Site) -> None:
    watch = Watch()
    async with Vtn(site.settings(plain(site))).running() as vtn:
        settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": vtn.url}]})
        async with Ven(settings, tap=watch).running() as ven:
            await registered(ven, watch)
            (held,) = await ven.upstreams()
            (said,) = await ven.query()
            await ven.reregister()

            async def again() -> bool:
                return len(watch.asked(CreatePartyRegistration)) == 2

            await until(again, watch.changed)

    _, second = watch.asked(CreatePartyRegistration)
    assert (second.registration_id, second.ven_id) == (held.registration_id, held.ven_id)
    assert len(watch.asked(RegisterReport)) == 1
    # Without certificates the VTN cannot know who asks.
    assert (said.ven_id, said.registration_id) == (None, None)


async def test_a_vtn_that_is_not_there_or_not_named_is_an_error(site: Site) -> None:
    settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": NOBODY, "name": "ac"}]})
    async with Ven(settings).running() as ven:
        with pytest.raises(TransportError):
            await ven.query()
        with pytest.raises(InvalidId, match="there is no upstream 'below'; there is ac"):
            await ven.query(upstream="below")
        with pytest.raises(InvalidId, match="there is no upstream 'below'; there is ac"):
            await ven.reregister(upstream="below")
        (stands,) = await ven.upstreams()

    assert stands.link == "waiting"


async def test_a_vtn_that_does_not_understand_the_question_is_an_error(site: Site) -> None:
    vtn = Partial(200)
    async with serve(vtn.answer, host="127.0.0.1", port=0) as listener:
        settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": listener.url}], "device": [BATTERY]})
        async with Ven(settings).running() as ven:
            with pytest.raises(OadrError, match="the VTN answers Response when it is asked what it offers"):
                await ven.query()
