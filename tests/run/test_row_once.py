"""The nonce of a signed message and what the message does are one commit, at a row of a VEN as at the VTN."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidData
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import AnyLetter, Key, Moment, Once, Outcome, State
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.row import Row
from openadr_ra.seams import Store
from openadr_ra.store import MemoryStore, open_store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONCE = Once(nonce="n-1", until=NOW + timedelta(minutes=1), now=NOW)


class Count(State, frozen=True, kw_only=True, gc=False):
    """A row that counts what it was given."""

    total: int = 0


class Add(Value, frozen=True, kw_only=True, gc=False):
    number: int


def receive(state: Count, given: Add | AnyLetter, moment: Moment) -> Outcome[Count]:
    if not isinstance(given, Add) or given.number < 0:
        raise InvalidData("this cannot be counted")
    return Outcome(state=replace(state, total=state.total + given.number))


def wake(state: Count, moment: Moment) -> Outcome[Count]:
    return Outcome(state=state)


def row(store: Store) -> Row[Count, Add]:
    return Row(
        Key("row"), Count, store=store, clock=SystemClock(), new=Count, receive=receive, wake=wake, tell=lambda mail: None
    )  # fmt: skip


async def total(store: Store) -> int:
    held = await store.load(Key("row"), Count)
    return held.total if held is not None else 0


async def test_what_comes_with_a_known_nonce_has_no_effect() -> None:
    store = MemoryStore()
    counting = row(store)
    await counting.give(Add(number=1), once=ONCE)

    for again in (counting.give, counting.ask):
        with pytest.raises(ComplianceError, match="was said before"):
            await again(Add(number=1), once=ONCE)

    assert await total(store) == 1


async def test_a_nonce_whose_message_had_no_effect_is_not_spent() -> None:
    """Whoever says it again after a crash, or after a store that was full, is heard."""
    store = MemoryStore()
    counting = row(store)
    with pytest.raises(InvalidData):
        await counting.give(Add(number=-1), once=ONCE)

    await counting.give(Add(number=1), once=ONCE)

    assert await total(store) == 1


async def test_both_outlive_the_process(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:{tmp_path / 'node.db'}")
    await row(store).give(Add(number=1), once=ONCE)
    await store.close()
    store = await open_store(f"sqlite:{tmp_path / 'node.db'}")
    try:
        with pytest.raises(ComplianceError):
            await row(store).give(Add(number=1), once=ONCE)
        assert await total(store) == 1
    finally:
        await store.close()
