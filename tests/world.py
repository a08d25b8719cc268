"""A VTN and a VEN in one thread and in virtual time, and makers of what they talk about.

    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON, duration=HOUR, delta_kw=-2.0))
    pair.clock_reaches(NOON + 2 * HOUR)

Nothing here is a stand-in for a part of ours: `Party` and `EndNode` are the real states, every state is stored as JSON
and loaded again after each step, and every message passes the codec and the schema.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol import ven, vtn
from openadr_ra.protocol.instruction import Ask, Instruction
from openadr_ra.protocol.messages import DistributeEvent, Message, Poll, RegisterReport
from openadr_ra.protocol.model import ALWAYS, OPT_IN, OPT_OUT, EventId, ResourceId, ResponseRequired, VenId, VtnId
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.parts import DistributedEvent, Event
from openadr_ra.protocol.producer import Producer, Rates, metadata, offer
from openadr_ra.protocol.report import response_descriptions, status_description, usage_description
from openadr_ra.protocol.schedule import Reading, Schedule
from openadr_ra.protocol.step import (
    AnyLetter,
    Effect,
    Entry,
    Fetched,
    Instruct,
    Key,
    Mail,
    Moment,
    Offer,
    Outcome,
    Publish,
    Read,
    Record,
    Release,
    Send,
    State,
    Verdict,
)
from openadr_ra.protocol.ven import Answered, Chosen, Configured
from openadr_ra.protocol.vtn import Heard, Party, Terms
from openadr_ra.wire import codec

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

VEN1 = VenId("VEN1")
VTN = VtnId("Vtn1")
NODE = Key("node/upstream")
TERMS = Terms(vtn_id=VTN)
IDENTITY = Identity(ven_name="edge", preassigned=VEN1, resources=(ResourceId("bat"),))
FINGERPRINT = "0A:1B:2C:3D:4E:5F:60:71:82:93"

OFFER = Offer(
    usage=(usage_description(ResourceId("bat"), "kw", "m1"), usage_description(ResourceId("bat"), "kwh", "m1")),
    status=(status_description(ResourceId("bat"), "m1"),),
    response=response_descriptions(ResourceId("bat"), "m1", ("kw", "delta", "coverage", "revision")),
)
"""What a site with one battery can report."""

METADATA: RegisterReport = metadata(
    offer(Producer(), OFFER), Rates(), NOON, request_id=vtn.RequestId("md1"), ven_id=VEN1
)
"""The same, as the VEN registers it."""

RELEASE: Final = "release"
MOST_STEPS = 500
"""Wakes at one instant; more is a loop that makes no progress."""


def shed(
    id: str = "E1", *, start: datetime = NOON, duration: timedelta = HOUR, delta_kw: float | tuple[float, ...] = -2.0
) -> Instruction:
    """An instruction for VEN1: intervals of equal length, one for each value."""
    values = delta_kw if isinstance(delta_kw, tuple) else (delta_kw,)
    every = duration / len(values)
    return Instruction(id=EventId(id), start=start, every=every, asks={VEN1: Ask(values=values)})


def event(id: str = "E1", *, start: datetime = NOON, duration: timedelta = HOUR, modification: int = 0) -> Event:
    """The event that `shed` becomes on its way to VEN1."""
    order = replace(shed(id, start=start, duration=duration), modification=modification)
    return instructions.event(order, VEN1, start)


def distributed(
    *events: Event, required: ResponseRequired = ALWAYS, request_id: str = "ev1", vtn_id: VtnId = VTN
) -> DistributeEvent:
    """oadrDistributeEvent as any VTN may send it."""
    return DistributeEvent(
        request_id=vtn.RequestId(request_id),
        vtn_id=vtn_id,
        events=tuple(DistributedEvent(event=each, response_required=required) for each in events),
    )


def reading(
    series: str = "live/bat.kw", *, start: datetime = NOON, span: timedelta = timedelta(0), value: float = 1.0
) -> Reading:
    """A good value; a sample unless it has a span."""
    return Reading(series=series, start=start, span=span, value=value)


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


class Moments:
    """Moments with ids nobody used before. Their dice fall all over [0, 1), and the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def at(self, now: datetime) -> Moment:
        self._count += 1
        return Moment(now=now, token=f"{self._count:04x}{self._count * 2_654_435_761 % 2**32:08x}")


class Site:
    """What stands behind the VEN. It agrees to whatever `refused` does not name, and follows what it agreed to."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.promised: dict[EventId, Schedule] = {}

    def hears(self, letter: AnyLetter) -> Verdict | None:
        match letter:
            case Instruct(schedule=schedule, modification=modification) if schedule.id in self.refused:
                self.promised.pop(schedule.id, None)
                reason = self.refused[schedule.id]
                return Verdict(event_id=schedule.id, modification=modification, opt=OPT_OUT, reason=reason)
            case Instruct(schedule=schedule, modification=modification):
                self.promised[schedule.id] = schedule
                return Verdict(event_id=schedule.id, modification=modification, opt=OPT_IN)
            case Release(event_id=event_id, at=at) if event_id in self.promised:
                held = self.promised[event_id]
                slots = tuple(replace(slot, end=min(slot.end, at)) for slot in held.slots if slot.start < at)
                self.promised[event_id] = replace(held, slots=slots)
        return None

    @property
    def applied(self) -> list[tuple[datetime, float | str]]:
        """Every change of the load over time: the kW of each slot from its start, RELEASE where nothing follows."""
        slots = sorted((slot for held in self.promised.values() for slot in held.slots), key=lambda slot: slot.start)
        changes: list[tuple[datetime, float | str]] = []
        for slot, following in zip(slots, [*slots[1:], None], strict=True):
            changes.append((slot.start, slot.kw))
            if following is None or following.start > slot.end:
                changes.append((slot.end, RELEASE))
        return changes


Fate = Literal["carried", "request lost", "reply lost", "carried twice", "slow", "late", "crash"]
"""What becomes of an exchange. late: the VTN hears it only after the VEN's next one, and its reply reaches nobody.
crash: the VEN dies when the message is out, and starts again with what was stored."""

SLOWNESS = 3 * SECOND


class Exchange(NamedTuple):
    """A request of the VEN's and what it was answered; None where no answer arrived."""

    at: datetime
    request: Message
    reply: Message | None


class Pair:
    """A VTN's party, a VEN's end node, and the wire between them."""

    def __init__(
        self,
        *,
        now: datetime = NOON - HOUR,
        terms: Terms = TERMS,
        identity: Identity = IDENTITY,
        party: Party | None = None,
        fates: Iterable[Fate] = (),
        wire: Callable[[Message], Message] = over_the_wire,
    ) -> None:
        self.now = now
        self.terms = terms
        self.identity = identity
        self.party = party or Party(ven_id=VEN1)
        self.node = EndNode(key=NODE, identity=identity)
        self.orders: dict[EventId, Instruction] = {}
        self.site = Site()
        self.fates: Iterator[Fate] = iter(fates)
        self.fingerprint: str | None = FINGERPRINT
        self.said: list[Exchange] = []
        self.samples: list[Reading] = []
        self.recorded: dict[tuple[str, datetime, timedelta], Reading] = {}
        self.journal: list[Entry] = []
        self.to_others: list[Mail] = []
        self.wakes = 0
        self._wire = wire
        self._moments = Moments()
        self._late: list[Message] = []

    # What people do.

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

    def operator_opts(self, event_id: str, opt: vtn_opt | None) -> None:
        """Somebody at the VEN has a word of his own about an event."""
        self.ven_receives(Chosen(event_id=EventId(event_id), opt=opt, by="operator"))
