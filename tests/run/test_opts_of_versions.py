"""Opts of an event that its VENs' rows have forgotten: the journal is asked for that very version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from openadr_ra import OPT_IN, Vtn, dispatch
from openadr_ra.drivers import VirtualClock
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.step import AnyLetter, Entry, Outcome
from openadr_ra.protocol.vtn import Party
from openadr_ra.settings import AdmittedVen, Downstream, NodeSettings
from openadr_ra.store import MemoryStore


def forgetting(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
    """What a party does some time after the end of an event, with all that it had been given."""
    return Outcome(state=Party(ven_id=VenId("VEN1")))


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("what", "detail", "counts"),
    [
        ("optIn", "modification 1", True),
        ("optIn", "modification 1, in effect from 2026-11-21T13:00:00Z", True),
        ("optIn", "modification 1, code 469: half of it", True),
        ("optIn", "modification 1 by oadrCreateOpt, economic", True),
        ("optIn", "modification 4 (instruction 1)", True),
        ("optIn", "modification 1 (instruction 0)", False),
        ("optIn", "modification 0", False),
        ("optIn", "modification 10", False),
        ("optIn", "modification 12: so it is", False),
        ("optIn", "by the operator", False),
        ("optIn not counted", "modification 1", False),
        ("sent", "modification 1", False),
    ],
)
async def test_an_opt_counts_for_the_version_that_it_was_given_for(what: str, detail: str, counts: bool) -> None:
    """Each VEN's last word on it, and nobody else's."""
    settings = NodeSettings(downstream=Downstream(listen="127.0.0.1:0", admit="ca", ven=(AdmittedVen(id="VEN1"),)))
    order = dispatch(start=NOON + timedelta(hours=1), every=timedelta(hours=1), delta_kw=(-1,), to=("VEN1",))
    async with Vtn(settings, clock=VirtualClock(NOON), store=MemoryStore()).running() as vtn:
        event = await vtn.publish(order)
        await vtn.change(event, dispatch(start=NOON, every=timedelta(hours=1), delta_kw=(-2,), to=("VEN1",)))
        said = [
            Entry(subject=f"event/{event}", at=NOON, by=ven, what=what, detail=detail) for ven in ("VEN1", "STRANGER")
        ]
        await vtn.store.record((), said)
        await vtn.store.update(party(VenId("VEN1")), Party, forgetting)

        assert await vtn.opts(event) == {"VEN1": OPT_IN if counts else None}
