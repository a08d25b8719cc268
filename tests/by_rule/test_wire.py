"""What our VTN and our VENs write into their sockets: one VEN polls, one is pushed to, and an event reaches them both."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from lxml import etree

from openadr_ra import Ven, Vtn, dispatch
from openadr_ra.protocol.shape import NAMESPACES
from openadr_ra.settings import NodeSettings, from_table
from tests.by_rule.relay import Exchange, Http, Relay
from tests.by_rule.test_registration import AT
from tests.run.push_peer import free_port
from tests.run.site import BATTERY, FLEET, Table, soon, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = re.compile(
    r"POST /(?:[a-z]+/)?OpenADR2/Simple/2\.0b/(EiEvent|EiReport|EiRegisterParty|EiOpt|OadrPoll) HTTP/1\.1"
)


def ven(name: str, url: str, **push: str) -> Table:
    """A VEN with a battery, over plain HTTP."""
    upstream: Table = {"url": url, "ven_id": name, **push}
    return {"name": name, "store": {"url": "memory"}, "fleet": FLEET, "upstream": [upstream], "device": [BATTERY]}


def settings(table: Table) -> NodeSettings:
    """The table as a settings file that stands nowhere: everything is kept in memory."""
    return from_table(table, Path("node.toml"))


class Wires:
    """What each end asked and was answered: the VENs at their VTN, and the VTN at the push VEN."""

    def __init__(self) -> None:
        self.to_the_vtn = Relay()
        self.to_the_ven = Relay()

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All of them."""
        return (*self.to_the_vtn.exchanges, *self.to_the_ven.exchanges)

    def said_by(self, end: str) -> tuple[Http, ...]:
        """Requests and responses of the VTN, or of the VENs."""
        up = [each.response if end == "vtn" else each.request for each in self.to_the_vtn.exchanges]
        down = [each.request if end == "vtn" else each.response for each in self.to_the_ven.exchanges]
        return (*up, *down)


async def _met(wires: Wires) -> None:
    """The VENs register, report, are given an event and answer it."""
    table: Table = {"listen": "127.0.0.1:0", "vtn_id": "AC-VTN", "admit": "ca", "poll_s": 1, "live_s": 2, "slot_s": 0}
    at = free_port()
    async with Vtn(settings({"name": "ac", "store": {"url": "memory"}, "downstream": table})).running() as vtn:
        wires.to_the_vtn.to, wires.to_the_ven.to = int(vtn.url.split(":")[2].split("/")[0]), at
        async with wires.to_the_vtn.open(), wires.to_the_ven.open():
            above = f"http://127.0.0.1:{wires.to_the_vtn.port}"
            push_url = f"http://127.0.0.1:{wires.to_the_ven.port}"
            push = ven("PUSH", above, push_url=push_url, push_listen=f"127.0.0.1:{at}")
            async with Ven(settings(ven("PULL", above))).running(), Ven(settings(push)).running():

                async def registered() -> bool:
                    return len([one for one in await vtn.vens() if one.registered]) == 2

                await until(registered, vtn.changed)
                order = dispatch(start=soon(600), every=timedelta(minutes=30), delta_kw=(-1.0,), to=("PULL", "PUSH"))
                event = await vtn.publish(order)

                async def answered() -> bool:
                    return {name for name, opt in (await vtn.opts(event)).items() if opt} == {"PULL", "PUSH"}

                await until(answered, vtn.changed)

                async def reported() -> bool:
                    return any(b"oadrUpdateReport" in each.request.body for each in wires.to_the_vtn.exchanges)

                await until(reported, wires.to_the_vtn.changed)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wires() -> AsyncIterator[Wires]:
    made = Wires()
    await _met(made)
    yield made


def payload(said: Http) -> str:
    """The name of the payload; empty where there is no body."""
    if not said.body:
        return ""
    (element,) = etree.fromstring(said.body).iterfind("oadr:oadrSignedObject/*", NAMESPACES)
    return etree.QName(element).localname


def requests_to(wires: Wires, end: str) -> tuple[Http, ...]:
    relay = wires.to_the_vtn if end == "vtn" else wires.to_the_ven
    return tuple(each.request for each in relay.exchanges)


async def test_both_ends_speak_as_client_and_as_server(wires: Wires) -> None:
    """So that what follows is proved of something."""
    asked = {payload(each) for each in requests_to(wires, "vtn")}
    pushed = {payload(each) for each in requests_to(wires, "ven")}

    assert {"oadrCreatePartyRegistration", "oadrPoll", "oadrCreatedEvent", "oadrUpdateReport"} <= asked
    assert {"oadrRegisterReport", "oadrDistributeEvent"} <= pushed


@pytest.mark.parametrize("end", ["vtn", "ven"])
async def test_rule_53_at_both_ends_a_request_has_host_length_and_type(wires: Wires, end: str) -> None:
    for request in requests_to(wires, end):
        assert request.fields["Host"].startswith("127.0.0.1:")
        assert request.fields["Content-Length"] == str(len(request.body)) != "0"
        assert request.fields["Content-Type"] == "application/xml"
        assert "Transfer-Encoding" not in request.fields


async def test_rules_507_511_at_both_ends_a_post_goes_to_the_service_of_its_payload(wires: Wires) -> None:
    for request in (each.request for each in wires.exchanges):
        path = PATH.fullmatch(request.first)
        assert path is not None
        assert payload(request) in (*AT[path[1]], "oadrResponse")


async def test_x_hdr_1_at_both_ends_a_response_has_its_length_and_type(wires: Wires) -> None:
    """An empty one, too: the answer to an oadrDistributeEvent that was posted."""
    lengths = set()
    for response in (each.response for each in wires.exchanges):
        assert response.first == "HTTP/1.1 200 OK"
        assert response.fields["Content-Length"] == str(len(response.body))
        assert response.fields["Content-Type"] == "application/xml"
        lengths.add(bool(response.body))

    assert lengths == {True, False}


@pytest.mark.parametrize("end", ["vtn", "ven"])
async def test_rules_1_45_509_at_both_ends_what_is_on_the_wire_has_utc_times_a_version_and_no_location(
    wires: Wires, end: str
) -> None:
    times = 0
    for said in (each for each in wires.said_by(end) if each.body):
        assert b"schemaLocation" not in said.body
        assert re.search(rb'<oadr:%s [^>]*ei:schemaVersion="2\.0b"' % payload(said).encode(), said.body)
        for found in re.findall(rb">(\d{4}-\d\d-\d\dT[^<]*)<", said.body):
            assert found.endswith(b"Z")
            assert abs(datetime.fromisoformat(found.decode()) - datetime.now(UTC)) < timedelta(days=1)
            times += 1
    assert times > 3
