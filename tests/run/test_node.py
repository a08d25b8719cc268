"""A node is a VTN, a VEN or both, on one store and one clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from openadr_ra.errors import InvalidId, SettingsError
from openadr_ra.protocol.makers import dispatch
from openadr_ra.protocol.model import OPT_OUT
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.node import Node
from openadr_ra.settings import Downstream, NodeSettings, Upstream
from openadr_ra.store import MemoryStore

DOWN = Downstream(listen="127.0.0.1:0", admit="ca")
SLOT = timedelta(minutes=30)
UP = Upstream(url="http://127.0.0.1:9/OpenADR2/Simple/2.0b")


@pytest.mark.parametrize(
    ("settings", "has_vtn", "has_ven"),
    [
        (NodeSettings(downstream=DOWN), True, False),
        (NodeSettings(upstream=(UP,)), False, True),
        (NodeSettings(downstream=DOWN, upstream=(UP,)), True, True),
    ],
)
async def test_what_is_present_is_the_role(settings: NodeSettings, has_vtn: bool, has_ven: bool) -> None:
    node = Node(settings, store=MemoryStore())
    async with node.running():
        roles = (node.vtn is not None, node.ven is not None)

    assert roles == (has_vtn, has_ven)
    assert (node.vtn, node.ven) == (None, None)


def test_a_node_that_would_be_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"a node needs \[downstream\] .*, \[\[upstream\]\] .* or both"):
        Node(NodeSettings())


async def test_both_sides_share_store_and_clock(tmp_path: Path) -> None:
    """The store of the settings, opened once: a second opening would be refused."""
    file = tmp_path / "ra.toml"
    file.write_text(
        f'[downstream]\nlisten = "127.0.0.1:0"\nadmit = "ca"\n[[upstream]]\nurl = "{UP.url}"\n'
        '[store]\nurl = "sqlite:ra.db"\n'
    )
    async with Node.from_toml(file).running() as node:
        assert node.vtn is not None
        assert node.ven is not None
        assert node.vtn.store is node.ven.store
        assert isinstance(node.clock, SystemClock)

    assert (tmp_path / "ra.db").exists()


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    """Not in groups within groups: it is the embedding program's own."""

    async def block() -> None:
        async with Node(NodeSettings(downstream=DOWN, upstream=(UP,)), store=MemoryStore()).running() as node:
            assert node.vtn is not None
            await node.vtn.publish(dispatch(start=node.clock.now(), every=SLOT, delta_kw=(1,), to=("VEN1",)))

    with pytest.raises(InvalidId, match="VEN VEN1 is unknown here"):
        await block()


async def test_an_error_at_the_start_of_one_side_ends_the_other() -> None:
    node = Node(NodeSettings(downstream=DOWN, upstream=(UP,), device=({"id": "a"},)), store=MemoryStore())
    with pytest.raises(SettingsError, match="needs id and driver"):
        await node.run()

    assert node.vtn is None


async def test_a_node_runs_until_it_is_cancelled() -> None:
    node = Node(NodeSettings(downstream=DOWN), store=MemoryStore())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await node.run()

    assert node.vtn is None


async def test_a_node_says_what_it_waits_for() -> None:
    node = Node(NodeSettings(downstream=DOWN, upstream=(UP,)), store=MemoryStore())
    before = await node.missing()
    async with node.running():
        during = await node.missing()

    assert before == ("the node is not running",)
    assert during == ("upstream upstream has not registered us",)


async def test_an_opt_needs_a_ven_and_its_event() -> None:
    async with Node(NodeSettings(downstream=DOWN), store=MemoryStore()).running() as node:
        with pytest.raises(InvalidId, match="this node is no VEN"):
            await node.opt("ev-1", OPT_OUT)
    async with Node(NodeSettings(upstream=(UP,)), store=MemoryStore()).running() as node:
        with pytest.raises(InvalidId, match="event ev-1 is unknown here"):
            await node.opt("ev-1", OPT_OUT)
