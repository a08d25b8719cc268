"""A row's loop ends when it is cancelled, at whichever of its awaits that finds it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from openadr_ra.protocol.step import AnyLetter, Effect, Key, Moment, Outcome, State
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.row import Row
from openadr_ra.store import MemoryStore

LONG = timedelta(hours=1)


class Nothing(State, frozen=True, kw_only=True, gc=False):
    """A row that only waits."""


def receive(state: Nothing, given: AnyLetter, moment: Moment) -> Outcome[Nothing]:
    return Outcome(state=state, due=moment.now + LONG)


def wake(state: Nothing, moment: Moment) -> Outcome[Nothing]:
    return Outcome(state=state, due=moment.now + LONG)


@pytest.mark.parametrize("turns", range(12))
async def test_a_row_ends_when_it_is_cancelled_just_after_it_was_poked(turns: int) -> None:
    """The node stops by cancelling its rows once; one that took no notice would keep it from ever ending."""
    row = Row(
        Key("row"), Nothing, store=MemoryStore(), clock=SystemClock(), new=Nothing, receive=receive, wake=wake, tell=ignored
    )  # fmt: skip
    running = asyncio.ensure_future(row.run(carry))
    await turned(20)
    row.poke()
    await turned(turns)

    running.cancel()

    done, _ = await asyncio.wait({running}, timeout=5)
    assert done


async def turned(turns: int) -> None:
    """Let everybody else run, so many times; nothing is waited for."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def carry(effect: Effect) -> None:
    raise AssertionError(f"nothing is to be carried out: {effect}")


def ignored(mail: object) -> None:
    """No other row is here."""
