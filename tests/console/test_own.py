"""What a VEN's operator asks through the VEN's own console: how it stands with its VTNs, opts with a reason, leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from openadr_ra import Vtn, dispatch
from openadr_ra.console.api import serve
from openadr_ra.console.client import Client
from openadr_ra.protocol.messages import (
    CancelOpt,
    CancelPartyRegistration,
    CreateOpt,
    CreatePartyRegistration,
    RegisterReport,
)
from openadr_ra.run.above import UpstreamSummary
from openadr_ra.run.node import Node
from openadr_ra.run.orders import OwnOpt
from openadr_ra.run.ven_orders import Leaving, Registering
from openadr_ra.settings import NodeSettings, Upstream
from openadr_ra.store import MemoryStore
from tests.console.site import Site, running, ven_settings, vtn_settings
from tests.run.site import PATIENCE, Watch, soon, until

HOUR = timedelta(hours=1)

T = TypeVar("T")


async def upstreams(site: Site) -> tuple[UpstreamSummary, ...]:
    answer = await site.ask("GET", "/upstreams")
    assert answer.status == 200
    return msgspec.json.decode(answer.body, type=tuple[UpstreamSummary, ...])


async def test_a_vtn_that_is_not_there_is_shown_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        (one,) = await upstreams(site)

    assert (one.upstream, one.phase, one.ven_id, one.vtn_id, one.owed) == ("above", "new", None, None, ("Register",))
    assert (one.given_up, one.service_info, one.extensions) == ((), {}, {})


async def test_who_has_no_vtn_above_has_nothing_to_leave(tmp_path: Path) -> None:
    async with running(tmp_path, vtn_settings()) as site:
        answers = [await site.ask("GET", "/upstreams"), await site.ask("DELETE", "/upstreams/above/registration")]
        opted = await site.ask("PUT", "/opts/ev-1", {"opt": "optOut", "reason": "economic"})

    assert {(one.status, one.error) for one in (*answers, opted)} == {
        (404, "this node is no VEN: its settings have no [[upstream]]")
    }


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"opt": "optOut", "reason": "economic"}, 404, "event ev-1 is unknown here: no upstream has sent it"),
        ({"opt": "optOut", "upstream": "below"}, 404, "there is no upstream 'below'; there is above"),
        ({"opt": "optOut", "reason": "a b"}, 400, "reason: has characters that cannot stand there"),
        ({"opt": "optOut", "reason": "x" * 256}, 400, "reason: expected `str` of length <= 255"),
        ({"opt": "maybe"}, 400, "opt: invalid enum value 'maybe'"),
    ],
)
async def test_a_wrong_word_on_an_event_is_refused_in_a_sentence(
    tmp_path: Path, body: dict[str, object], status: int, sentence: str
) -> None:
    async with running(tmp_path, ven_settings()) as site:
        answer = await site.ask("PUT", "/opts/ev-1", body)

    assert answer.status == status
    assert answer.error.startswith(sentence)


async def test_a_vtn_that_is_not_above_cannot_be_left(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        answer = await site.ask("DELETE", "/upstreams/below/registration")

    assert (answer.status, answer.error) == (404, "there is no upstream 'below'; there is above")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_vtn_that_is_not_above_is_neither_asked_nor_registered_with(tmp_path: Path, method: str) -> None:
    async with running(tmp_path, ven_settings()) as site:
        answer = await site.ask(method, "/upstreams/below/registration")
    async with running(tmp_path, vtn_settings()) as site:
        nobody = await site.ask(method, "/upstreams/above/registration")

    assert (answer.status, answer.error) == (404, "there is no upstream 'below'; there is above")
    assert (nobody.status, nobody.error) == (404, "this node is no VEN: its settings have no [[upstream]]")


async def test_a_vtn_that_is_not_there_says_nothing_of_itself_and_that_is_502(tmp_path: Path) -> None:
    """It is registered with as soon as it is there."""
    async with running(tmp_path, ven_settings()) as site:
        said = await site.ask("GET", "/upstreams/above/registration")
        ordered = await site.ask("POST", "/upstreams/above/registration")

    assert said.status == 502
    assert "nothing listens on 127.0.0.1 port 9" in said.error
    assert ordered.status == 202


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN, and the console of a VEN that is registered there; `watch` has what the VEN said to it."""

    vtn: Vtn
    node: Node
    ven: Client
    watch: Watch

    async def asks(self, call: Callable[[], T]) -> T:
        """What the console says to a command; commands block."""
        return await asyncio.to_thread(call)

    async def phase(self) -> str:
        (one,) = await self.asks(self.ven.upstreams)
        return one.phase


@asynccontextmanager
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    watch, token = Watch(), tmp_path / "console.token"
    async with Vtn(vtn_settings("VEN1"), store=MemoryStore()).running() as vtn:
        above = Upstream(url=vtn.url, name="above", ven_id="VEN1")
        node = Node(NodeSettings(upstream=(above,)), store=MemoryStore(), tap=watch)
        async with node.running(), serve(node, listen="127.0.0.1:0", token_file=token) as url:
            made = Pair(vtn=vtn, node=node, ven=Client(url, token.read_text().strip()), watch=watch)

            async def registered() -> bool:
                return await made.phase() == "registered" and bool(watch.asked(RegisterReport))

            await until(registered, watch.changed)
            yield made


async def test_an_answered_event_is_qualified_with_a_reason_and_that_is_taken_back(tmp_path: Path) -> None:
    """By oadrCreateOpt, to the VTN of that name alone."""
    async with pair(tmp_path) as it:
        event = await it.vtn.publish(dispatch(start=soon(3600), every=HOUR, delta_kw=(-1,), to=("VEN1",)))
        before = await it.vtn.opts(event, within=PATIENCE)

        async def acknowledged() -> bool:
            held = await it.node.ven.upstream("above") if it.node.ven is not None else None
            return held is not None and held.agenda[event].answered == 0

        await until(acknowledged, it.watch.changed)
        word = OwnOpt(opt="optIn", reason="economic", upstream="above")
        assert await it.asks(lambda: it.ven.opt(event, word)) == word

        async def heard() -> bool:
            return await it.vtn.opts(event) == {"VEN1": "optIn"} and bool(it.watch.asked(CreateOpt))

        await until(heard, it.vtn.changed)
        (said,) = it.watch.asked(CreateOpt)
        back = OwnOpt(opt=None, upstream="above")
        assert await it.asks(lambda: it.ven.opt(event, back)) == back

        async def taken_back() -> bool:
            return bool(it.watch.asked(CancelOpt))

        await until(taken_back, it.watch.changed)

    # It has no devices, so there was nothing to opt in with.
    assert before == {"VEN1": "optOut"}
    assert (said.reason, said.opt, said.availability) == ("economic", "optIn", ())
    assert said.event is not None
    assert said.event.event_id == event


async def test_a_ven_leaves_its_vtn_and_says_so(tmp_path: Path) -> None:
    """Until the next start; leaving twice is leaving once."""
    async with pair(tmp_path) as it:
        left = await it.asks(lambda: it.ven.leave("above"))

        async def gone() -> bool:
            return await it.phase() == "ended"

        await until(gone, it.watch.changed)
        again = await it.asks(lambda: it.ven.leave("above"))
        (known,) = await it.vtn.vens()

    assert left == again == Leaving(upstream="above")
    assert not known.registered
    assert len(it.watch.asked(CancelPartyRegistration)) == 1


async def test_a_vens_operator_asks_its_vtn_what_it_offers(tmp_path: Path) -> None:
    async with pair(tmp_path) as it:
        said = await it.asks(lambda: it.ven.query("above"))
        (held,) = await it.asks(it.ven.upstreams)

    assert (said.upstream, said.vtn_id, said.poll_s) == ("above", held.vtn_id, held.poll_s)
    assert said.profiles == {"2.0b": ("simpleHttp",)}
    assert len(it.watch.asked(CreatePartyRegistration)) == 1


async def test_a_vens_operator_has_it_register_again_also_after_it_has_left(tmp_path: Path) -> None:
    """At first under its ids, then anew."""
    async with pair(tmp_path) as it:
        (held,) = await it.asks(it.ven.upstreams)
        ordered = await it.asks(lambda: it.ven.register_again("above"))

        async def renewed() -> bool:
            return len(it.watch.asked(CreatePartyRegistration)) == 2

        await until(renewed, it.watch.changed)
        await it.asks(lambda: it.ven.leave("above"))

        async def gone() -> bool:
            return await it.phase() == "ended"

        await until(gone, it.watch.changed)
        await it.asks(lambda: it.ven.register_again("above"))

        async def back() -> bool:
            return await it.phase() == "registered"

        await until(back, it.watch.changed)

    assert ordered == Registering(upstream="above")
    assert [one.registration_id for one in it.watch.asked(CreatePartyRegistration)] == [
        None,
        held.registration_id,
        None,
    ]
