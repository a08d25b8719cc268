"""What a VEN makes of bad events: each is refused by its own code, and the good one beside them is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra import OPT_IN, OPT_OUT, Ven, dispatch
from openadr_ra.net.server import Listener, Reply, Request, serve
from openadr_ra.protocol import instruction
from openadr_ra.protocol.messages import (
    PROFILES,
    CreatedEvent,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import EventId, MarketContext, RegistrationId, RequestId, VenId, VtnId
from openadr_ra.protocol.parts import DistributedEvent, Event, EventResponse, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.wire import codec
from tests.run.site import BATTERY, PATIENCE, Site, Table, new_site

VEN, VTN = VenId("EDGE-1"), VtnId("AC-VTN")


class Vtn:
    """A VTN that has just these events to distribute, and keeps what it is answered."""

    def __init__(self, *events: Event) -> None:
        self._events = events
        self.answer: asyncio.Future[CreatedEvent] = asyncio.get_running_loop().create_future()

    async def __call__(self, request: Request) -> Reply:
        return Reply(body=codec.encode(self._said(codec.decode(request.body))))

    def _said(self, message: Message) -> Message:
        match message:
            case CreatePartyRegistration():
                result = Result(request_id=message.request_id)
                return CreatedPartyRegistration(
                    result=result, registration_id=RegistrationId("r"), ven_id=VEN, vtn_id=VTN, profiles=PROFILES
                )
            case RegisterReport():
                return RegisteredReport(result=Result(request_id=message.request_id), ven_id=VEN)
            case RequestEvent():
                return DistributeEvent(
                    result=Result(request_id=message.request_id),
                    request_id=RequestId("d1"),
                    vtn_id=VTN,
                    events=tuple(DistributedEvent(event=event) for event in self._events),
                )
            case CreatedEvent() if not self.answer.done():
                self.answer.set_result(message)
        return Response(result=Result(), ven_id=VEN)


@asynccontextmanager
async def listening(vtn: Vtn) -> AsyncIterator[Listener]:
    async with serve(vtn, host="127.0.0.1", port=0) as listener:
        yield listener


def event(name: str) -> Event:
    """An event of two half hours, an hour ahead, in a market context of its own."""
    order = dispatch(
        start=datetime.now(UTC) + timedelta(hours=1), every=timedelta(minutes=30), delta_kw=(-1, -2), to=(VEN,)
    )
    made = instruction.event(replace(order, id=EventId(name)), VEN, datetime.now(UTC))
    return replace(made, market_context=MarketContext(Token(f"http://{name}.invalid/")))


MONTH = Duration(months=1)


def a_month_long(name: str) -> Event:
    """P1M, in the period and in an interval: nobody knows how many seconds that are."""
    made = event(name)
    (signal,) = made.signals
    (first, _) = signal.intervals
    only = replace(signal, intervals=(replace(first, duration=MONTH),))
    return replace(made, period=replace(made.period, duration=MONTH), signals=(only,))


def of_another(name: str) -> Event:
    made = event(name)
    return replace(made, target=replace(made.target, vens=(VenId("EDGE-2"),)))


def too_short(name: str) -> Event:
    made = event(name)
    return replace(made, period=replace(made.period, duration=Duration(seconds=1800)))


def unknown_signal(name: str) -> Event:
    made = event(name)
    (signal,) = made.signals
    return replace(made, signals=(replace(signal, name=Token("x-CUSTOM_SIGNAL")),))


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


async def answered(site: Site, *events: Event) -> CreatedEvent:
    """What a VEN with a battery answers to these events, over plain HTTP."""
    vtn = Vtn(*events)
    async with listening(vtn) as at:
        table: Table = {
            "name": "edge",
            "store": {"url": "memory"},
            "upstream": [{"url": at.url}],
            "device": [BATTERY],
        }
        async with Ven(site.settings(table)).running():
            return await asyncio.wait_for(vtn.answer, PATIENCE.total_seconds())


async def test_rules_19_33_48_at_the_ven_each_bad_event_is_opted_out_with_its_own_code(site: Site) -> None:
    """Rule 19. The message as a whole is in order, so its own code is 200 (rule 25); its requestID is empty (rule 42)."""
    said = await answered(
        site,
        a_month_long("month"),
        event("good"),
        of_another("other"),
        too_short("short"),
        unknown_signal("custom"),
    )

    assert (said.result.code, said.result.request_id) == ("200", "")
    assert {answer.event.event_id: (answer.code, answer.opt) for answer in said.responses} == {
        "month": ("454", OPT_OUT),
        "good": ("200", OPT_IN),
        "other": ("462", OPT_OUT),
        "short": ("459", OPT_OUT),
        "custom": ("460", OPT_OUT),
    }


async def test_rule_42_at_the_ven_every_answer_quotes_the_distribution_and_says_what_is_wrong(site: Site) -> None:
    said = await answered(site, a_month_long("month"), event("good"))

    assert [answer.request_id for answer in said.responses] == ["d1", "d1"]
    assert "P1M" in described(said.responses, "month")
    assert described(said.responses, "good") == ""


def described(answers: tuple[EventResponse, ...], event_id: str) -> str:
    (answer,) = (each for each in answers if each.event.event_id == event_id)
    return answer.description or ""
