"""A VTN and a VEN that say all they ever have to say to each other, and the XML of it: first pulled, then pushed.

    heard = everything_said()
    for element in heard.vtn.find("//ei:eiEventSignal"):
        …

Nobody here says anything wrong: what either end does with the mistakes of the other is the business of other tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element
from msgspec.structs import replace

from openadr_ra.protocol.instruction import Beside, Instruction
from openadr_ra.protocol.makers import dispatch, level, price
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import LEVEL, OPT_OUT, SIMPLE, EventId, MarketContext, OptId, OptReason, QualifiedEventId
from openadr_ra.protocol.node import Identity
from openadr_ra.protocol.opt import SCHEDULED, Opt, period
from openadr_ra.protocol.parts import HISTORY_USAGE, TELEMETRY_USAGE
from openadr_ra.protocol.requester import Wanted as Standing
from openadr_ra.protocol.shape import NAMESPACES, Token
from openadr_ra.protocol.step import AskReports, EndRegistration, Offer, Reregister, StopReports
from openadr_ra.protocol.ven import Declared, Left, Retracted, Wanted
from openadr_ra.run.wanted import METADATA, WantedReport, requests
from openadr_ra.wire import codec
from tests.duplex import PUSHED, Duplex
from tests.world import HOUR, IDENTITY, MINUTE, NOON, OFFER, SECOND, TERMS, VEN1, Pair, reading, shed

MARKET = MarketContext(Token("http://market.example/prices"))


class Said(NamedTuple):
    """When a message was said, its bytes, and the XML that they are."""

    at: datetime
    body: bytes
    root: Element

    def find(self, path: str) -> tuple[Element, ...]:
        """The elements of the message at that XPath."""
        return elements(self.root, path)


class Speech(NamedTuple):
    """All that one end said."""

    messages: tuple[Said, ...]

    def find(self, path: str) -> tuple[Element, ...]:
        """The elements of all messages at that XPath; there is at least one, lest nothing be proved of nothing."""
        found = tuple(element for each in self.messages for element in each.find(path))
        assert found, f"nobody said {path}"
        return found

    def kinds(self) -> set[str]:
        """The payloads that were said, without their prefix."""
        return {etree.QName(each).localname for each in self.find("//oadr:oadrSignedObject/*")}


class Heard(NamedTuple):
    """What the VTN said and what the VEN said."""

    vtn: Speech
    ven: Speech


class Session(Duplex):
    """A pair whose words are kept."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity=identity, terms=replace(TERMS, poll_s=60, wanted=Standing(live_s=600)))
        self.by_vtn: list[Said] = []
        self.by_ven: list[Said] = []

    def vtn_hears(self, message: Message) -> Message:
        self.by_ven.append(said(self.now, message))
        reply = super().vtn_hears(message)
        self.by_vtn.append(said(self.now, reply))
        return reply

    def ven_is_called(self, message: Message) -> Message | None:
        self.by_vtn.append(said(self.now, message))
        reply = super().ven_is_called(message)
        if reply is not None:
            self.by_ven.append(said(self.now, reply))
        return reply


def said(at: datetime, message: Message) -> Said:
    """The message as it is written at that time, and as anybody else reads it."""
    body = codec.encode_checked(message)
    return Said(at, body, etree.fromstring(body))


def elements(parent: Element, path: str) -> tuple[Element, ...]:
    """The elements below `parent` at that XPath."""
    found = parent.xpath(path, namespaces=NAMESPACES)
    assert isinstance(found, list)
    return tuple(each for each in found if isinstance(each, Element))


def texts(parent: Element, path: str) -> tuple[str, ...]:
    """Their texts."""
    return tuple(each.text or "" for each in elements(parent, path))


def one(parent: Element, path: str) -> str:
    """The text of the only element below `parent` at that XPath."""
    (text,) = texts(parent, path)
    return text


@cache
def sessions() -> tuple[Heard, ...]:
    """Of a pull VEN and of a push VEN, from their first word to their last."""
    made = (_session(IDENTITY), _session(PUSHED))
    return tuple(Heard(vtn=Speech(tuple(each.by_vtn)), ven=Speech(tuple(each.by_ven))) for each in made)


def everything_said() -> Heard:
    """Both sessions together."""
    return Heard(
        vtn=Speech(tuple(each for heard in sessions() for each in heard.vtn.messages)),
        ven=Speech(tuple(each for heard in sessions() for each in heard.ven.messages)),
    )


def _session(identity: Identity) -> Session:
    pair = Session(identity)
    pair.vtn_takes(Offer(usage=OFFER.usage, status=OFFER.status, response=()))
    pair.samples = [reading(start=NOON - 3 * HOUR + n * 10 * SECOND, value=6.0) for n in range(3000)]
    pair.vtn_samples = list(pair.samples)
    pair.ven_starts()
    for order in orders():
        pair.vtn_publishes(order)
    pair.clock_reaches(NOON - 50 * MINUTE)
    pair.vtn_changes(replace(shed(delta_kw=(-1.0, -3.0)), startafter=5 * MINUTE))
    _opts(pair)
    _reports(pair)
    pair.vtn_cancels("E2")
    pair.clock_reaches(NOON + 10 * MINUTE)
    pair.vtn_takes(Reregister())
    pair.vtn_cancels("E1")
    pair.clock_reaches(NOON + 3 * HOUR)
    if identity.push_address:
        pair.vtn_takes(EndRegistration())
    else:
        pair.ven_receives(Left())
    pair.clock_reaches(pair.now + 2 * MINUTE)
    return pair


def orders() -> Iterator[Instruction]:
    """One of each kind that an operator has, two of them running already."""
    start, every, to = NOON - HOUR, 30 * MINUTE, (VEN1,)
    yield replace(shed(delta_kw=(-1.0, -2.0)), ramp_up=10 * MINUTE, notification=HOUR, priority=1)
    makers = (
        dispatch(start=NOON + 2 * HOUR, setpoint_kw=(3.0, 0.0), comment="second", test=True, every=every, to=to),
        price(start=start, per_kwh=(20.0, 31.5, 12.0), market_context=MARKET, every=every, to=to),
        level(start=NOON + HOUR, levels=(3.0, 1.0), every=every, to=to),
        dispatch(start=start, delta_kw=(-0.5,), market_context="http://market.example/other", every=every, to=to),
        told(dispatch(start=NOON + 4 * HOUR, delta_kw=(-1.0, -2.0, 0.0), every=every, to=to)),
    )
    for number, made in enumerate(makers, 2):
        yield replace(made, id=EventId(f"E{number}"))


def told(order: Instruction) -> Instruction:
    """The same with its baseline, and with levels for the water heaters beside it."""
    levels = Beside(signal=SIMPLE, kind=LEVEL, values=(1.0, 2.0, 0.0), device_classes=("Water_Heater",))
    asks = {ven: replace(ask, baseline_kw=(4.0, 5.0, 6.0)) for ven, ask in order.asks.items()}
    return replace(order, asks=asks, baseline="declared", device_classes=("Storage", "EVSE"), beside=(levels,))


def _opts(pair: Pair) -> None:
    reason = OptReason(Token("economic"))
    away = Opt(
        id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=pair.now, periods=(period(NOON + 20 * HOUR, HOUR),)
    )
    version = QualifiedEventId(event_id=EventId("E5"), modification=0)
    for item in (away, Opt(id=OptId("o2"), opt=OPT_OUT, reason=reason, created=pair.now, event=version)):
        pair.ven_receives(Declared(opt=item))
    pair.clock_reaches(pair.now + MINUTE)
    pair.ven_receives(Retracted(opt_id=OptId("o1")))
    pair.clock_reaches(pair.now + MINUTE)


def _reports(pair: Pair) -> None:
    wanted = (
        WantedReport(name=TELEMETRY_USAGE, granularity=MINUTE, back=2 * MINUTE),
        WantedReport(name=METADATA),
        WantedReport(name=HISTORY_USAGE, start=NOON - 2 * HOUR, duration=HOUR),
    )
    by_vtn = requests(wanted, pair.party.reports, pair.now)
    by_ven = requests(wanted, pair.node.requester, pair.now)
    pair.vtn_takes(AskReports(requests=by_vtn))
    pair.ven_receives(Wanted(requests=by_ven))
    pair.clock_reaches(pair.now + 5 * MINUTE)
    pair.vtn_takes(StopReports(ids=(by_vtn[0].id,), to_follow=True))
    pair.clock_reaches(pair.now + 3 * MINUTE)
