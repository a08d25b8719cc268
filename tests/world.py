"""A VTN and a VEN in one thread and in virtual time, and makers of what they talk about.

    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON, duration=HOUR, delta_kw=-2.0))
    pair.clock_reaches(NOON + 2 * HOUR)

`Party` and `EndNode` are the real states: each is stored as JSON and loaded again after every step, and every message
passes the codec and the schema.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol import ven, vtn
from openadr_ra.protocol.instruction import Ask, Instruction
from openadr_ra.protocol.messages import DistributeEvent, Message, Poll, RegisterReport, RequestEvent
from openadr_ra.protocol.model import (
    ALWAYS,
    EventId,
    OptType,
    RequestId,
    ResourceId,
    ResponseRequired,
    VenId,
    VtnId,
)
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.parts import DistributedEvent, Event, Result
from openadr_ra.protocol.producer import Producer, Rates, metadata, offer
from openadr_ra.protocol.report import response_descriptions, status_description, usage_description
from openadr_ra.protocol.schedule import Feed, Reading
from openadr_ra.protocol.step import (
    AnyLetter,
    Effect,
    Entry,
    Fetched,
    Key,
    Mail,
    Moment,
    Offer,
    Outcome,
    Read,
    Record,
    Send,
    State,
)
from openadr_ra.protocol.ven import Answered, Chosen, Configured
from openadr_ra.protocol.vtn import Heard, Party, Terms
from openadr_ra.wire import codec
from tests.site import Site

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

VEN1 = VenId("VEN1")
VTN1 = VtnId("Vtn1")
BAT = ResourceId("bat")
E1 = EventId("E1")
TERMS = Terms(vtn_id=VTN1)
IDENTITY = Identity(ven_name="edge", preassigned=VEN1, resources=(BAT,))
FINGERPRINT = "0A:1B:2C:3D:4E:5F:60:71:82:93"

OFFER = Offer(
    usage=(usage_description(BAT, "kw", "m1"), usage_description(BAT, "kwh", "m1")),
    status=(status_description(BAT, "m1"),),
    response=response_descriptions(BAT, "m1", ("kw", "delta", "coverage", "revision")),
)
"""What a site with one battery can report."""

METADATA: RegisterReport = metadata(
    offer(Producer(), OFFER), Rates(), NOON, request_id=RequestId("md1"), ven_id=VEN1
)  # fmt: skip
"""The same as its VEN registers it."""

MOST_STEPS = 1000
"""Wakes at one instant; more of them make no progress."""


def shed(
    id: str = "E1", *, start: datetime = NOON, duration: timedelta = HOUR, delta_kw: float | tuple[float, ...] = -2.0
) -> Instruction:
    """An instruction for VEN1: intervals of equal length, one for each value."""
    values = delta_kw if isinstance(delta_kw, tuple) else (delta_kw,)
    return Instruction(id=EventId(id), start=start, every=duration / len(values), asks={VEN1: Ask(values=values)})


def event(id: str = "E1", *, start: datetime = NOON, duration: timedelta = HOUR, modification: int = 0) -> Event:
    """The event that `shed` becomes on its way to VEN1."""
    order = replace(shed(id, start=start, duration=duration), modification=modification)
    return instructions.event(order, VEN1, start)


def distributed(
    *events: Event, required: ResponseRequired = ALWAYS, request_id: str = "ev1", vtn_id: VtnId = VTN1
) -> DistributeEvent:
    """oadrDistributeEvent as any VTN may send it."""
    listed = tuple(DistributedEvent(event=each, response_required=required) for each in events)
    return DistributeEvent(request_id=RequestId(request_id), vtn_id=vtn_id, events=listed)


def reading(
    series: str = "live/bat.kw", *, start: datetime = NOON, span: timedelta = timedelta(0), value: float = 1.0
) -> Reading:
    """A good value; a sample unless it has a span."""
    return Reading(series=series, start=start, span=span, value=value)


def code_of(message: Message | None) -> str | None:
    """The responseCode of an answer; None where there is none."""
    result = getattr(message, "result", None)
    return result.code if isinstance(result, Result) else None


S = TypeVar("S", bound=State)


def stored(state: S) -> S:
    """The state as it is after it was saved and loaded again: the same."""
    loaded = msgspec.json.decode(msgspec.json.encode(state), type=type(state))
    assert loaded == state
    return loaded


def over_the_wire(message: Message) -> Message:
    """The message as the other end reads it: the same, and its bytes are schema-valid."""
    read = codec.decode(codec.encode_checked(message))
    assert read == message
    return read


def in_memory(message: Message) -> Message:
    """The message itself, for simulations of many hours."""
    return message


class Moments:
    """Moments with ids nobody used before. Their dice fall all over [0, 1), and the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def at(self, now: datetime) -> Moment:
        self._count += 1
        return Moment(now=now, token=f"{self._count:06x}{self._count * 2_654_435_761 % 2**32:08x}")


Fate = Literal["carried", "request lost", "reply lost", "carried twice", "slow", "late", "crash"]
"""What becomes of an exchange. carried twice: the VEN hears the first answer. late: the VTN hears it only after the VEN's
next one, and the answer reaches nobody. crash: the VEN dies with the message out, and starts again with what it stored."""

SLOWNESS = 3 * SECOND


Readings = dict[tuple[str, datetime, timedelta], Reading]
"""What an end has been told, by series, start and span."""


def record(held: Readings, readings: Iterable[Reading]) -> None:
    """Keep the readings as a store does: the higher revision stays, an equal one changes nothing."""
    for item in readings:
        old = held.get((item.series, item.start, item.span))
        if old is None or item.revision > old.revision:
            held[item.series, item.start, item.span] = item


def found(samples: Iterable[Reading], read: Read) -> Fetched:
    """What a store finds: spans that overlap, samples inside, by series as asked, then by start."""
    inside = [
        item
        for item in samples
        if item.start < read.end and (item.start >= read.start or item.start + item.span > read.start)
    ]
    ordered = sorted(inside, key=lambda item: item.start)
    return Fetched(
        tag=read.tag, readings=tuple(item for name in read.series for item in ordered if item.series == name)
    )


class Exchange(NamedTuple):
    """A request of the VEN's and its answer; None where none arrived."""

    at: datetime
    request: Message
    reply: Message | None


class Pair:
    """A VTN's party, a VEN's end node, and the wire between them. Read its attributes; change them before the start."""

    def __init__(
        self,
        *,
        now: datetime = NOON - HOUR,
        terms: Terms = TERMS,
        identity: Identity = IDENTITY,
        fingerprint: str | None = FINGERPRINT,
        fates: Iterable[Fate] = (),
        wire: Callable[[Message], Message] = over_the_wire,
    ) -> None:
        self.now = now
        self.terms = terms
        self.identity = identity
        self.fingerprint = fingerprint
        self.fates: Iterator[Fate] = iter(fates)
        self.party = Party(ven_id=VEN1)
        self.node = EndNode(key=Key("node/upstream"), identity=identity)
        self.orders: dict[EventId, Instruction] = {}
        self.site = Site()
        self.samples: list[Reading] = []
        self.said: list[Exchange] = []
        self.vtn_samples: list[Reading] = []
        self.recorded: Readings = {}
        self.journal: list[Entry] = []
        self.of_the_vtn: list[Reading] = []
        self.to_others: list[Mail] = []
        self.feeds: dict[Key, Feed] = {}
        self.shelved: list[Mail] = []
        self.wakes = 0
        self._wire = wire
        self._moments = Moments()
        self._effects: deque[Effect] = deque()
        self._late: list[Message] = []

    # The VTN and its operator.

    def vtn_publishes(self, order: Instruction) -> None:
        """The operator gives the event to its VENs."""
        self._instructed(instructions.publish(self.orders.get(order.id), order, self.now, "operator"))

    def vtn_changes(self, order: Instruction) -> None:
        """The operator replaces what the event of that id asks for."""
        held = self.orders.get(order.id)
        self._instructed(instructions.change(held, order.id, order, self.now, "operator"))

    def vtn_cancels(self, event_id: str) -> None:
        """The operator withdraws the event."""
        name = EventId(event_id)
        self._instructed(instructions.cancel(self.orders.get(name), name, self.now, "operator"))

    def vtn_takes(self, letter: AnyLetter) -> None:
        """An order of the operator's about this VEN alone."""
        self._kept(vtn.receive(self.party, letter, self._moments.at(self.now)))

    def _instructed(self, outcome: Outcome[Instruction]) -> None:
        self.orders[outcome.state.id] = stored(outcome.state)
        for mail in outcome.mail:
            if mail.to == instructions.party(self.party.ven_id):
                self.vtn_takes(mail.body)
            else:
                self.to_others.append(mail)

    def vtn_hears(self, message: Message) -> Message:
        """The VTN's answer to a message of its VEN."""
        heard = Heard(message=self._wire(message), fingerprint=self.fingerprint, terms=self.terms)
        outcome = vtn.receive(self.party, heard, self._moments.at(self.now))
        while self._kept(outcome):
            # A report of the VTN's own: first its values are read.
            (read,) = (effect for effect in outcome.effects if isinstance(effect, Read))
            outcome = vtn.receive(self.party, found(self.vtn_samples, read), self._moments.at(self.now))
        (reply,) = outcome.replies
        return self._wire(reply)

    def vtn_is_polled(self) -> Message:
        """What a poll brings at this moment."""
        return self.vtn_hears(Poll(ven_id=self.party.ven_id))

    def _kept(self, outcome: Outcome[Party]) -> bool:
        """Is the outcome's reply still to be read from somewhere?"""
        self.party = stored(outcome.state)
        self.shelved.extend(outcome.mail)
        for effect in outcome.effects:
            if isinstance(effect, Record):
                self.journal.extend(effect.entries)
                record(self.recorded, effect.readings)
        return any(isinstance(effect, Read) for effect in outcome.effects)

    # The VEN, its operator and its site.

    def ven_starts(self, offered: Offer | None = OFFER) -> None:
        """The VEN's process begins, says all it has to say, and registers if it has to."""
        if offered is not None:
            self.ven_receives(offered)
        self.ven_receives(Configured(identity=self.identity))
        self.settles()

    def ven_receives(self, given: ven.Input) -> None:
        """An input to the end node, and what comes of it."""
        self._stepped(ven.receive(self.node, given, self._moments.at(self.now)))
        self._carry()

    def ven_hears(self, message: Message) -> None:
        """A poll of the VEN's is answered by `message`, whatever the VTN here would have said."""
        self.ven_receives(Answered(request=Poll(ven_id=VEN1), answer=self._wire(message)))

    def ven_fetches(self, message: DistributeEvent, *, reply_limit: int | None = None) -> None:
        """An oadrRequestEvent of the VEN's is answered by `message`."""
        request = RequestEvent(request_id=RequestId("re1"), ven_id=VEN1, reply_limit=reply_limit)
        self.ven_receives(Answered(request=request, answer=self._wire(message)))

    def operator_opts(self, event_id: str, opt: OptType | None) -> None:
        """Somebody at the VEN has a word of his own on an event; None takes it back."""
        self.ven_receives(Chosen(event_id=EventId(event_id), opt=opt, by="operator"))

    def ven_wakes(self) -> None:
        """The VEN's clock speaks, whether or not it should."""
        self.wakes += 1
        self._stepped(ven.wake(self.node, self._moments.at(self.now)))
        self._carry()

    def ven_polls(self) -> None:
        """Time passes until the VEN polls, and until all that follows from it is said."""
        self.clock_reaches(max(self.node.poll_due, self.now))
        self.settles()

    def settles(self) -> None:
        """Everything that is due at this moment happens."""
        self.clock_reaches(self.now)

    def clock_reaches(self, when: datetime) -> None:
        """Time passes, and the VEN wakes whenever it wants to."""
        steps = 0
        while (due := ven.deadline(self.node, self.now)) is not None:
            # An end node that is late asks for the next millisecond.
            late, before = due - self.now <= ven.SOON, self.node
            if not late and due > when:
                break
            steps = steps + 1 if late else 0
            assert steps < MOST_STEPS, f"no progress at {self.now}: {self.node.debts}"
            self.now = self.now if late else due
            self.ven_wakes()
            if late and self.node == before:
                if due > when:
                    break
                self.now = due
        self.now = max(self.now, when)

    def _stepped(self, outcome: Outcome[EndNode]) -> None:
        self.node = stored(outcome.state)
        for mail in outcome.mail:
            verdict = self.site.hears(mail.body)
            if verdict is not None and not self.site.silent:
                self._stepped(ven.receive(self.node, verdict, self._moments.at(self.now)))
        self._effects.extend(outcome.effects)

    def _carry(self) -> None:
        while self._effects:
            match self._effects.popleft():
                case Send(message=message):
                    self._exchange(message)
                case Read() as read:
                    given = found(self.samples, read)
                    shelved = tuple(self.feeds[key] for key in read.shelves if key in self.feeds)
                    self._stepped(ven.receive(self.node, replace(given, feeds=shelved), self._moments.at(self.now)))
                case Record(entries=entries, readings=readings):
                    self.journal.extend(entries)
                    self.of_the_vtn.extend(readings)

    # Between them.

    def _exchange(self, message: Message) -> None:
        fate = next(self.fates, "carried")
        late, self._late = self._late, []
        reply: Message | None = None
        if fate == "late":
            self._late.append(message)
        elif fate != "request lost":
            reply = self.vtn_hears(message)
        if fate == "carried twice":
            self.vtn_hears(message)
        for overtaken in late:
            self.vtn_hears(overtaken)
        if fate == "slow":
            self.now += SLOWNESS
        arrived = fate in ("carried", "carried twice", "slow")
        self.said.append(Exchange(self.now, message, reply if arrived else None))
        if fate == "crash":
            self._effects.clear()
            self._stepped(ven.receive(self.node, Configured(identity=self.identity), self._moments.at(self.now)))
        elif arrived:
            self._stepped(ven.receive(self.node, Answered(request=message, answer=reply), self._moments.at(self.now)))
