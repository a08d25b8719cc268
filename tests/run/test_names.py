"""Names that strangers choose for themselves: neither the log nor another VEN is to suffer from them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from openadr_ra import Vtn
from openadr_ra.protocol.messages import CreatedPartyRegistration, CreateOpt, CreatePartyRegistration, Poll
from openadr_ra.protocol.model import OPT_OUT, EventId, OptId, OptReason, QualifiedEventId, RequestId, Target, VenId
from openadr_ra.protocol.shape import Token
from openadr_ra.run.admission import MAX_ID_CHARACTERS
from openadr_ra.settings import from_table
from tests.run.peer import Peer
from tests.run.site import code, soon

R1 = RequestId("r1")
FORGED = "EDGE\n= VTN listens on http://elsewhere"


@pytest_asyncio.fixture
async def vtn(tmp_path: Path) -> AsyncIterator[Vtn]:
    """Over plain HTTP, where names are all there is."""
    table = {"store": {"url": "memory"}, "downstream": {"listen": "127.0.0.1:0", "admit": "ca"}}
    async with Vtn(from_table(table, tmp_path / "vtn.toml")).running() as running:
        yield running


@pytest.fixture
def stranger(vtn: Vtn) -> Peer:
    return Peer(url=vtn.url)


async def test_no_ven_writes_lines_of_its_own_into_the_log(stranger: Peer, caplog: pytest.LogCaptureFixture) -> None:
    """Whether it is refused at the door or by its own party."""
    await stranger.register("KNOWN")
    opt = CreateOpt(
        opt_id=OptId(FORGED),
        opt=OPT_OUT,
        reason=OptReason(Token("economic")),
        ven_id=VenId("KNOWN"),
        created=soon(),
        request_id=R1,
        event=QualifiedEventId(event_id=EventId(FORGED), modification=0),
        target=Target(),
    )
    with caplog.at_level(logging.INFO, "openadr_ra"):
        assert code(await stranger.say(Poll(ven_id=VenId(FORGED)))) == "452"
        assert code(await stranger.say(opt)) == "452"

    refused = [record.getMessage() for record in caplog.records if "! refused" in record.getMessage()]
    assert len(refused) == 2
    assert all("EDGE = VTN listens" in line and "\n" not in line for line in refused)


@pytest.mark.parametrize(
    "name",
    ["V" * (MAX_ID_CHARACTERS + 1), FORGED, "tab\t", "VICTIM/x-RESPONSE/ev-1"],
    ids=["too long", "a line of its own", "not printable", "as another's series"],
)
async def test_a_ven_id_that_would_harm_is_not_taken(vtn: Vtn, stranger: Peer, name: str) -> None:
    """With a slash in it, values of a stranger could stand among those of the VEN before the slash."""
    said = await stranger.say(CreatePartyRegistration(request_id=R1, ven_id=VenId(name), ven_name="x", pull=True))

    assert isinstance(said, CreatedPartyRegistration)
    assert (said.result.code, said.registration_id) == ("452", None)
    assert await vtn.vens() == ()


@pytest.mark.parametrize("name", ["V" * MAX_ID_CHARACTERS, "東京-1", "a b", "{}"])
async def test_any_other_ven_id_is_taken(vtn: Vtn, stranger: Peer, name: str) -> None:
    said = await stranger.register(name)

    assert isinstance(said, CreatedPartyRegistration)
    assert (said.result.code, said.ven_id) == ("200", name)
    assert [ven.ven_id for ven in await vtn.vens()] == [name]
