"""What stands behind a VEN in scenarios that are about the protocol: it promises or refuses, and has meters.

A row like any other, so that its verdicts come by mail, and late.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, ResourceId
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import (
    AnyLetter,
    Instruct,
    Key,
    Mail,
    Moment,
    Offer,
    Outcome,
    Read,
    Release,
    State,
    Verdict,
)
from openadr_ra.protocol.times import FOREVER
from simulation.node import Node, Row
from simulation.timeline import HOUR, MINUTE, START, done

SITE = Key("fleet")
BAT = ResourceId("bat")
OFFER = Offer(usage=(usage_description(BAT, "kwh", "m1"),), status=(), response=())
WIDER = Offer(usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kwh", "m2")), status=(), response=())
"""The offer once there is a second resource."""

METERED_EVERY = 5 * MINUTE
METERED_KW = 2.0
"""The power behind each meter. It never changes, so that any reading can be checked by its time alone."""


class Followed(Value, frozen=True, kw_only=True, gc=False):
    """A version that was decided: followed until then, or refused."""

    modification: int
    reply_to: Key
    until: datetime
    follows: bool


class Site(State, frozen=True, kw_only=True, gc=False):
    """What it promised. While it is `unwilling` it refuses all."""

    promised: dict[EventId, Followed] = {}
    unwilling: bool = False


class Opened(Value, frozen=True, kw_only=True, gc=False):
    """An input, at each start and when the devices change: this is what can be reported to those."""

    report_to: tuple[Key, ...]
    offer: Offer


class Mood(Value, frozen=True, kw_only=True, gc=False):
    """An input: the site gives up what it promised, or is there again for what it had refused."""

    unwilling: bool


Input = Opened | Mood | AnyLetter


def receive(state: Site, given: Input, moment: Moment) -> Outcome[Site]:
    """Letters to others change nothing."""
    match given:
        case Opened(report_to=keys, offer=offer):
            return Outcome(state=state, mail=tuple(Mail(to=key, body=offer) for key in keys))
        case Mood(unwilling=unwilling):
            return _decided(replace(state, unwilling=unwilling), moment.now)
        case Instruct():
            return _instructed(state, given)
        case Release() if given.event_id in state.promised:
            held = state.promised[given.event_id]
            if given.modification < held.modification:
                return Outcome(state=state)
            promised = {name: item for name, item in state.promised.items() if name != given.event_id}
            return Outcome(state=replace(state, promised=promised))
    return Outcome(state=state)


def _instructed(state: Site, given: Instruct) -> Outcome[Site]:
    name, held = given.schedule.id, state.promised.get(given.schedule.id)
    if held is not None and given.modification <= held.modification:
        return Outcome(state=state, mail=(_verdict(name, held),))
    until = max((slot.end for slot in given.schedule.slots), default=FOREVER)
    made = Followed(modification=given.modification, reply_to=given.reply_to, until=until, follows=not state.unwilling)
    return Outcome(state=replace(state, promised=state.promised | {name: made}), mail=(_verdict(name, made),))


def _decided(state: Site, now: datetime) -> Outcome[Site]:
    """What is not over is decided anew; the VENs hear of each change."""
    changed = {
        name: replace(item, follows=not state.unwilling)
        for name, item in state.promised.items()
        if item.until > now and item.follows == state.unwilling
    }
    mail = tuple(_verdict(name, item) for name, item in changed.items())
    return Outcome(state=replace(state, promised=state.promised | changed), mail=mail)


def _verdict(name: EventId, item: Followed) -> Mail:
    opt = OPT_IN if item.follows else OPT_OUT
    return Mail(to=item.reply_to, body=Verdict(event_id=name, modification=item.modification, opt=opt))


def wake(state: Site, moment: Moment) -> Outcome[Site]:
    return Outcome(state=state)


class SiteSide:
    """The site of a node, and its meters."""

    def __init__(self, node: Node, report_to: tuple[Key, ...]) -> None:
        self.node = node
        self.offer = OFFER
        self._report_to = report_to
        self.row = self._made()
        node.starters.append(self._started)

    def _made(self) -> Row[Site, Input]:
        return Row(self.node, SITE, Site, new=Site, receive=receive, wake=wake, carry=lambda effect, resume: resume(()))

    def _started(self) -> None:
        self.row = self._made()
        self.node.tellers.append(lambda mail: self.row.poke() if any(item.to == SITE for item in mail) else None)
        self.row.step(Opened(report_to=self._report_to, offer=self.offer))

    def offers(self, offer: Offer) -> None:
        """There are other devices from now on."""
        self.offer = offer
        self.row.order(Opened(report_to=self._report_to, offer=offer))

    def state(self) -> Site:
        return self.row.state() or Site()

    def meters(self, read: Read) -> None:
        """Record what the meters showed in the time that is to be read of, as if they had been asked all the while."""
        since = read.start - (read.start - START) % METERED_EVERY
        until = min(read.end, self.node.clock.now())
        stamps = [since + number * METERED_EVERY for number in range(int((until - since) / METERED_EVERY) + 1)]
        readings = [
            Reading(series=series, start=at, span=timedelta(0), value=register_kwh(at))
            for series in read.series
            for at in stamps
        ]
        done(self.node.store.record(readings))


def register_kwh(at: datetime) -> float:
    """What each meter shows at that time."""
    return METERED_KW * ((at - START) / HOUR)
