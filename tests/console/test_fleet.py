"""The fleet of a node over its console: who is there, what each could give, and an operator's word on one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from openadr_ra.console.api import serve
from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.step import Entry
from openadr_ra.run.fleet_orders import FleetView, MemberOrder, MemberView, WordView
from openadr_ra.run.node import Node
from openadr_ra.settings import NodeSettings, from_table
from tests.console.site import NOON, Site, running, ven_settings, vtn_settings

HOUR = timedelta(hours=1)
ABOVE = {"url": "http://127.0.0.1:9/OpenADR2/Simple/2.0b", "name": "above"}
SIDES: dict[str, dict[str, object]] = {
    "a VEN": {"upstream": [ABOVE]},
    "a VTN": {"downstream": {"listen": "127.0.0.1:0", "admit": "ca"}},
    "both": {"upstream": [ABOVE], "downstream": {"listen": "127.0.0.1:0", "admit": "ca"}},
}


def batteries(*names: str, side: str = "a VEN", **more: object) -> NodeSettings:
    """A node with these batteries: 5 kW each, 10 kWh, half full, idle by themselves."""
    devices = [{"id": name, "driver": "simulated-battery"} | more for name in names]
    return from_table({"name": "edge", "device": devices, **SIDES[side]}, Path("node.toml"))


async def fleet(site: Site) -> FleetView:
    """The fleet, when its devices have been read."""
    await site.clock.advance(site.clock.now())
    answer = await site.ask("GET", "/fleet")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=FleetView)


async def member(site: Site, name: str) -> MemberView:
    return next(one for one in (await fleet(site)).members if one.id == name)


async def says(site: Site, name: str, **order: object) -> MemberView:
    answer = await site.ask("PUT", f"/fleet/members/{name}/word", order)
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=MemberView)


async def journal(site: Site, name: str) -> list[tuple[str, str, str]]:
    answer = await site.ask("GET", f"/fleet/members/{name}/journal")
    assert answer.status == 200, answer.body
    return [(one.by, one.what, one.detail) for one in msgspec.json.decode(answer.body, type=tuple[Entry, ...])]


def rooms(members: Sequence[MemberView]) -> list[tuple[str, bool, float, float]]:
    return [(one.id, one.available, one.can_reduce_kw, one.can_raise_kw) for one in members]


@pytest.mark.parametrize("side", SIDES)
async def test_whatever_a_node_is_its_fleet_shows_members_and_sums(tmp_path: Path, side: str) -> None:
    settings = batteries("b1", "b2", side=side, price_per_kwh=12, weight=2, notice_s=60)
    async with running(tmp_path, settings) as site:
        found = await fleet(site)

    assert (found.name, found.at, found.promises) == ("edge", NOON, ())
    assert rooms(found.members) == [("b1", True, 5.0, 5.0), ("b2", True, 5.0, 5.0)]
    (one, _) = found.members
    assert (one.what, one.kind, one.online, one.local_override, one.kw) == ("device", "battery", True, False, 0.0)
    assert (one.held_kw, one.asked_kw, one.events, one.word) == (None, 0.0, (), None)
    assert (one.price_per_kwh, one.weight, one.notice_s, one.soc_percent) == (12, 2, 60, 50)
    total = found.total
    assert (total.members, total.available, total.kw, total.can_reduce_kw, total.can_raise_kw) == (2, 2, 0, 10, 10)
    assert total.can_reduce_kwh is not None
    assert one.can_reduce_kwh is not None
    assert total.can_reduce_kwh == pytest.approx(2 * one.can_reduce_kwh)


async def test_a_fleet_without_members_is_empty(tmp_path: Path) -> None:
    for settings in (ven_settings(), vtn_settings()):
        async with running(tmp_path, settings) as site:
            found = await fleet(site)

        assert (found.members, found.total.members, found.total.can_reduce_kwh) == ((), 0, None)


async def test_a_node_that_does_not_run_has_no_fleet(tmp_path: Path) -> None:
    node = Node(batteries("b1"))
    token = tmp_path / "console.token"
    async with serve(node, listen="127.0.0.1:0", token_file=token) as url:
        with pytest.raises(
            SettingsError, match="this node has no fleet: it is neither a VTN nor a VEN, or does not run"
        ):
            await asyncio.to_thread(Client(url, token.read_text().strip()).fleet)


async def test_a_withdrawn_device_has_no_part_until_it_is_given_back(tmp_path: Path) -> None:
    """And each word is in the journal, with who, until when and why."""
    async with running(tmp_path, batteries("b1", "b2")) as site:
        await fleet(site)
        told = await says(site, "b1", until="2026-11-21T14:00:00Z", reason="maintenance")
        without = await fleet(site)
        answer = await site.ask("DELETE", "/fleet/members/b1/word")
        back = await fleet(site)
        entries = await journal(site, "b1")
        nothing = await journal(site, "b2")

    assert told.word == WordView(kw=None, until=NOON + 2 * HOUR, by="operator", reason="maintenance")
    assert rooms(without.members) == [("b1", False, 0.0, 0.0), ("b2", True, 5.0, 5.0)]
    assert without.total.available == 1
    assert answer.status == 200
    assert rooms(back.members) == [("b1", True, 5.0, 5.0), ("b2", True, 5.0, 5.0)]
    assert entries == [
        ("operator", "withdrawn", "until 2026-11-21T14:00:00Z: maintenance"),
        ("operator", "given back", ""),
    ]
    assert nothing == []


async def test_an_overridden_device_holds_the_operators_power_until_then(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        await fleet(site)
        told = await says(site, "b1", kw=-2, until="2026-11-21T12:30:00Z")
        await site.clock.advance(NOON + timedelta(minutes=5))
        during = await member(site, "b1")
        await site.clock.advance(NOON + timedelta(minutes=31))
        after = await member(site, "b1")

    assert (told.word is not None and told.word.kw, told.held_kw) == (-2, -2)
    assert (during.held_kw, during.available, during.events) == (-2, False, ())
    assert during.kw == pytest.approx(-2)
    assert (after.word, after.held_kw, after.available) == (None, None, True)
    assert after.kw == pytest.approx(0)


async def test_a_word_without_an_end_stands_until_it_is_taken_back(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        await fleet(site)
        told = await says(site, "b1")
        await site.clock.advance(NOON + 10 * timedelta(minutes=1))
        later = await member(site, "b1")
        entries = await journal(site, "b1")

    assert told.word == later.word == WordView(kw=None, until=None, by="operator", reason="")
    assert entries == [("operator", "withdrawn", "until given back")]


@pytest.mark.parametrize(
    ("name", "order", "status", "sentence"),
    [
        ("b9", {}, 404, "resource b9 is none of the fleet's; `openadr-ra fleet show` lists them"),
        ("b1", {"until": "2026-11-21T12:00:00Z"}, 400, "until: 2026-11-21T12:00:00Z is past"),
        ("b1", {"until": "2026-11-21T13:00:00"}, 400, "until: expected `datetime` with a timezone component"),
        ("b1", {"kw": "much"}, 400, "kw: expected `float | null`, got `str`"),
        ("b1", {"reason": "x" * 501}, 400, "reason: expected `str` of length <= 500"),
        ("b1", {"until_s": 5}, 400, "until_s: there is no such field"),
    ],
)
async def test_a_wrong_word_on_a_member_is_refused_in_a_sentence(
    tmp_path: Path, name: str, order: dict[str, object], status: int, sentence: str
) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        answer = await site.ask("PUT", f"/fleet/members/{name}/word", order)
        found = await fleet(site)

    assert (answer.status, answer.error) == (status, sentence)
    assert found.members[0].word is None


async def test_a_moment_ahead_is_no_past(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        await fleet(site)
        told = await says(site, "b1", until="2026-11-21T12:00:01Z", reason="x" * 500)

    assert told.word is not None


async def test_nothing_is_taken_back_and_nothing_told_of_a_resource_that_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        answers = [
            await site.ask("DELETE", "/fleet/members/b9/word"),
            await site.ask("GET", "/fleet/members/b9/journal"),
        ]

    for answer in answers:
        assert (answer.status, answer.error) == (
            404,
            "resource b9 is none of the fleet's; `openadr-ra fleet show` lists them",
        )


async def test_a_client_says_what_a_command_says(tmp_path: Path) -> None:
    """Also of a resource whose name is no plain word."""
    async with running(tmp_path, batteries("b 1/é")) as site:
        await fleet(site)
        client = Client(site.url, site.token)
        shown = await asyncio.to_thread(client.fleet)
        held = await asyncio.to_thread(client.member_order, "b 1/é", MemberOrder(kw=1.0, reason="下げ"))
        back = await asyncio.to_thread(client.give_back, "b 1/é")
        entries = await asyncio.to_thread(client.member_journal, "b 1/é")

    assert [one.id for one in shown.members] == ["b 1/é"]
    assert (held.held_kw, back.word) == (1.0, None)
    assert [(one.what, one.detail) for one in entries] == [
        ("held at 1 kW", "until given back: 下げ"),
        ("given back", ""),
    ]
