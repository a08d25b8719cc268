"""What an operator is told of each version of an event at each VEN: sent, received, answered, in effect."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from openadr_ra import OPT_IN, OPT_OUT, Vtn, dispatch
from openadr_ra.drivers import VirtualClock
from openadr_ra.errors import InvalidId
from openadr_ra.programs.operate import event_text
from openadr_ra.programs.tables import moment
from openadr_ra.protocol.distribution_version import effect, version
from openadr_ra.protocol.messages import CreatedEvent
from openadr_ra.protocol.model import QualifiedEventId, VenId
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.step import Entry
from openadr_ra.run.orders import detail
from openadr_ra.run.versions import EventVersion, versions
from openadr_ra.settings import AdmittedVen, Downstream, NodeSettings
from openadr_ra.store import MemoryStore
from tests.run.peer import Peer
from tests.world import HOUR, MINUTE, NOON

ONE = VenId("VEN1")


def entry(minutes: int, what: str, number: int, follows: datetime | None = None, *, by: str = "VEN1") -> Entry:
    told = version(number, number) + effect(follows)
    return Entry(subject="event/E1", at=NOON + minutes * MINUTE, by=by, what=what, detail=told)


def at(minutes: int) -> datetime:
    return NOON + minutes * MINUTE


def test_each_version_has_its_times_at_each_ven() -> None:
    """A pull VEN has received what it answers; a push VEN says so before. What others did is no version of a VEN's."""
    journal = (
        Entry(subject="event/E1", at=NOON, by="operator", what="published", detail="modification 0"),
        entry(1, "sent", 0),
        entry(1, "sent", 0, by="VEN2"),
        entry(2, "received", 0, by="VEN2"),
        entry(2, "sent", 0),
        entry(3, "optIn", 0, at(60)),
        entry(4, "optOut", 0, by="VEN2"),
        Entry(subject="event/E1", at=NOON, by="fleet", what="promised", detail="modification 0"),
    )

    assert versions(journal) == (
        EventVersion(
            ven_id=ONE, modification=0, revision=0, sent_at=at(1), received_at=at(3), answered_at=at(3), opt=OPT_IN,
            effective_at=at(60),
        ),
        EventVersion(
            ven_id=VenId("VEN2"), modification=0, revision=0, sent_at=at(1), received_at=at(2), answered_at=at(4),
            opt=OPT_OUT,
        ),
    )  # fmt: skip


def effective(*journal: Entry) -> list[datetime | None]:
    return [one.effective_at for one in versions(journal)]


def test_a_version_that_was_overtaken_before_its_start_is_never_in_effect() -> None:
    accepted = (entry(0, "sent", 0), entry(1, "optIn", 0, at(60)))

    assert effective(*accepted, entry(2, "sent", 1)) == [at(60), None]
    assert effective(*accepted, entry(2, "sent", 1), entry(3, "optIn", 1, at(90))) == [None, at(90)]
    assert effective(*accepted, entry(2, "sent", 1), entry(3, "optOut", 1)) == [None, None]
    assert effective(*accepted, entry(2, "sent", 1, at(90))) == [None, at(90)]
    assert effective(*accepted, entry(70, "sent", 1), entry(71, "optIn", 1, at(71))) == [at(60), at(71)]
    assert effective(*accepted, entry(2, "sent", 1, by="VEN2"), entry(3, "optIn", 1, at(90), by="VEN2")) == [
        at(60),
        at(90),
    ]


def test_an_opt_out_ends_what_was_to_come_and_not_what_was() -> None:
    accepted = (entry(0, "sent", 0), entry(1, "optIn", 0, at(60)))

    assert effective(*accepted, entry(2, "optOut", 0)) == [None]
    assert effective(*accepted, entry(61, "optOut", 0)) == [at(60)]
    assert effective(*accepted, entry(61, "optIn", 0, at(61))) == [at(60)]
    assert effective(*accepted, entry(2, "optOut", 0), entry(3, "optIn", 0, at(60))) == [at(60)]
    assert effective(*accepted, entry(61, "optOut", 0), entry(62, "optIn", 0, at(62))) == [at(62)]
    assert effective(*accepted, entry(2, "optOut not counted", 0)) == [at(60)]


async def test_an_operator_sees_the_versions_of_an_event() -> None:
    """Over HTTP, with a VEN of few words."""
    clock = VirtualClock(NOON)
    settings = NodeSettings(downstream=Downstream(listen="127.0.0.1:0", admit="ca", ven=(AdmittedVen(id=ONE),)))
    order = dispatch(start=NOON + HOUR, every=HOUR, delta_kw=(-1,), to=(ONE,))
    async with Vtn(settings, clock=clock, store=MemoryStore()).running() as vtn:
        peer = Peer(url=vtn.url)
        await peer.register(ONE)
        event = await vtn.publish(order)
        for number in (0, 1):
            await clock.advance(clock.now() + MINUTE)
            await peer.drained(ONE)
            await clock.advance(clock.now() + MINUTE)
            about = QualifiedEventId(event_id=event, modification=number)
            response = EventResponse(event=about, opt=OPT_IN)
            await peer.say(CreatedEvent(result=Result(), responses=(response,), ven_id=ONE))
            if not number:
                await vtn.change(event, replace(order, start=NOON + 2 * HOUR))

        first, second = await vtn.versions(event)
        shown = detail(await vtn.event(event), clock.now(), await vtn.opts(event), await vtn.journal(f"event/{event}"))
        with pytest.raises(InvalidId, match="event none is unknown"):
            await vtn.versions("none")

    assert (first.modification, first.sent_at, first.answered_at, first.effective_at) == (0, at(1), at(2), None)
    assert (second.modification, second.sent_at, second.received_at, second.answered_at, second.effective_at) == (
        1, at(3), at(4), at(4), NOON + 2 * HOUR,
    )  # fmt: skip
    assert shown.versions == (first, second)
    text = " ".join(event_text(shown).split())
    times = " ".join(moment(when) for when in (at(3), at(4), at(4)))
    assert f"VEN1 1 {times} optIn {moment(NOON + 2 * HOUR)}" in text
