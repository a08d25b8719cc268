"""What a VEN's operator sees of the way to a VTN: it is reached, or it was not and is tried again at that time, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from openadr_ra import Ven
from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.programs.above import upstreams_text
from openadr_ra.programs.tables import moment
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.step import Key
from openadr_ra.run import contact
from openadr_ra.run.above import UpstreamSummary, upstream_summary
from openadr_ra.run.contact import Contact
from tests.run.site import BATTERY, Site, new_site, until
from tests.run.test_turned_away_over_http import Partial

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NODE = EndNode(key=Key("node/ac"), identity=Identity(ven_name="edge"), poll_due=NOON)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


class Garbling(Partial):
    """One that answers with a page while `broken`."""

    broken = False

    async def answer(self, request: Request) -> Reply:
        reply = await super().answer(request)
        return Reply(body=b"<html/>") if self.broken else reply


async def when(ven: Ven, state: str, vtn: Partial) -> UpstreamSummary:
    """How it stands as soon as the link is so."""

    async def found() -> UpstreamSummary | None:
        (stands,) = await ven.upstreams()
        return stands if stands.link == state else None

    stands = await until(found, vtn.changed)
    assert stands is not None
    return stands


async def test_an_absent_vtn_is_waited_for_and_its_operator_sees_until_when_and_why(site: Site) -> None:
    """Connected, gone, and there again, at the same address; the last error stays to be read."""
    vtn = Partial(200)
    began = datetime.now(UTC)
    async with serve(vtn.answer, host="127.0.0.1", port=0) as listener:
        url, port = listener.url, urlsplit(listener.url).port
    settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": url}], "device": [BATTERY]})
    async with Ven(settings).running() as ven:
        waiting = await when(ven, "waiting", vtn)
        assert waiting.failed_at is not None
        assert waiting.next_try is not None
        assert began <= waiting.failed_at <= waiting.next_try
        assert (waiting.phase, waiting.heard_at) == ("new", None)
        assert str(port) in waiting.last_error

        assert port is not None
        async with serve(vtn.answer, host="127.0.0.1", port=port):
            found = await when(ven, "connected", vtn)
            assert found.heard_at is not None
            assert found.heard_at >= waiting.failed_at
            assert (found.next_try, found.last_error) == (None, waiting.last_error)
        await when(ven, "waiting", vtn)


async def test_an_answer_that_cannot_be_used_is_no_contact(site: Site) -> None:
    vtn = Garbling(200)
    vtn.broken = True
    async with serve(vtn.answer, host="127.0.0.1", port=0) as listener:
        settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": listener.url}], "device": [BATTERY]})
        async with Ven(settings).running() as ven:
            stands = await when(ven, "waiting", vtn)

    assert "html" in stands.last_error
    assert stands.heard_at is None


def test_a_vtn_that_speaks_by_itself_is_heard_and_says_nothing_of_the_way_back() -> None:
    """A push VEN may be posted to, and not reach its VTN."""
    lost = contact.failed(Contact(), NOON, "nobody\nthere")
    called = contact.heard(lost, NOON + timedelta(minutes=1), answered=False)

    assert called == Contact(
        state="waiting", heard_at=NOON + timedelta(minutes=1), failed_at=NOON, error="nobody there"
    )
    assert contact.heard(Contact(), NOON, answered=False) == Contact(heard_at=NOON)
    assert contact.heard(called, NOON).state == "connected"


def test_the_list_of_upstreams_says_in_words_how_the_link_is() -> None:
    lost = contact.failed(Contact(heard_at=NOON), NOON + timedelta(minutes=5), "EiRegisterParty: nobody listens there")
    shown = upstream_summary(NODE, "ac", lost, NOON + timedelta(minutes=5))
    text = upstreams_text((shown,))

    assert shown.next_try is not None
    assert f"waiting until {moment(shown.next_try)}" in text
    assert moment(NOON) in text
    assert f"ac did not answer at {moment(lost.failed_at)}: EiRegisterParty: nobody listens there" in text
    well = replace(shown, link="connected", next_try=None, last_error="", failed_at=None)
    assert "did not answer" not in upstreams_text((well,))
    assert "connected" in upstreams_text((well,))
