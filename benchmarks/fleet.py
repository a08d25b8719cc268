"""A fleet that a VTN has long known: registered by the steps that its messages would make, without the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load_client import join, metadata
from openadr_ra.protocol import vtn
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId, VtnId
from openadr_ra.protocol.parts import Report
from openadr_ra.protocol.step import AnyLetter, Effect, Outcome
from openadr_ra.protocol.vtn import Heard, Party, Terms
from openadr_ra.run.clock import Moments, SystemClock
from openadr_ra.seams import Store
from openadr_ra.store import open_store

TERMS = Terms(vtn_id=VtnId("VTN"))
RIDS = 10
"""Points that each VEN offers to report."""


def name(number: int) -> str:
    return f"bench-{number:06}"


def ven_id(number: int) -> VenId:
    """What a VTN calls the VEN of that name where it brings no certificate."""
    return VenId(f"VEN-{name(number)}")


async def enrol(path: Path, count: int, fingerprints: Sequence[str] = ()) -> None:
    """Register `count` VENs in a new SQLite file, each with its fingerprint where there are any."""
    store = await open_store(f"sqlite:{path}")
    try:
        offer = (metadata(RIDS),)
        await asyncio.gather(
            *(_enrol(store, number, fingerprints[number] if fingerprints else None, offer) for number in range(count))
        )
    finally:
        await store.close()


async def _enrol(store: Store, number: int, fingerprint: str | None, offer: tuple[Report, ...]) -> None:
    moments = Moments(SystemClock())

    def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
        held = state or Party(ven_id=ven_id(number))
        effects: tuple[Effect, ...] = ()

        def say(message: Message) -> Message:
            nonlocal held, effects
            heard = Heard(message=message, fingerprint=fingerprint, terms=TERMS, signed=False)
            outcome = vtn.receive(held, heard, moments.next())
            held, effects = outcome.state, effects + outcome.effects
            return outcome.replies[-1]

        join(name(number), offer, say)
        return Outcome(state=held, effects=effects)

    await store.update(party(ven_id(number)), Party, step)
