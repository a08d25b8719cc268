"""How states move: a step takes a state and an input and returns an `Outcome`; it changes one row and posts mail.

def receive(state: S, given: Input, moment: Moment) -> Outcome[S]: ...
def wake(state: S, moment: Moment) -> Outcome[S]: ...
def deadline(state: S, after: datetime) -> datetime | None: ...
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Generic, NewType, Self, TypeVar

import msgspec

from openadr_ra.errors import OK, ResponseCode
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import EventId, OptType, ReportRequestId, ResourceId, ResponseRequired, Rid, VenId
from openadr_ra.protocol.parts import Event, ReportDescription, ReportRequest
from openadr_ra.protocol.schedule import Feed, Reading, Schedule
from openadr_ra.protocol.shape import Value

Key = NewType("Key", str)
"""The name of a stored row: `party/<venID>`, `node/<upstream>`, `fleet`, `event/<eventID>`."""


class State(Value, frozen=True, kw_only=True, gc=False):
    """Base of all that is stored as a row: JSON with the `format` it was written in."""

    format: ClassVar[int] = 1

    @classmethod
    def upgrade(cls, row: dict[str, object], written: int) -> dict[str, object]:
        """`row`, read from a store in format `written`, brought to the present one. New fields have defaults."""
        return row


S_co = TypeVar("S_co", bound=State, covariant=True)


class Moment(Value, frozen=True, kw_only=True, gc=False):
    """Now, and ids nobody used before: all that a step may know of the world. `token` is unique to the step."""

    now: datetime
    token: str

    def fresh(self, kind: str, number: int = 0) -> str:
        """An id, unique for each (kind, number) of one step; shorter than the 50 characters all peers take."""
        return f"{kind}-{self.token}-{number}" if number else f"{kind}-{self.token}"


class Letter(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """The body of a mail. Delivered at least once; a step that has seen it before changes nothing."""


class Publish(Letter, frozen=True, kw_only=True, gc=False):
    """Operator or fleet → party: this event, in this version, is yours; a cancelled one is to be withdrawn.

    `baseline_kw`: what the VEN does in each interval without it, where that is known. `reply_to` is told what the VEN says.
    """

    event: Event
    response_required: ResponseRequired
    baseline_kw: tuple[float, ...] = ()
    reply_to: Key | None = None


class AskReports(Letter, frozen=True, kw_only=True, gc=False):
    """Operator → party: request these reports, beside the standing ones."""

    requests: tuple[ReportRequest, ...]


class StopReports(Letter, frozen=True, kw_only=True, gc=False):
    """Operator → party: these requests end; with `to_follow` after one last report (rule 345)."""

    ids: tuple[ReportRequestId, ...]
    to_follow: bool = False


class Reregister(Letter, frozen=True, kw_only=True, gc=False):
    """Operator → party: our registration data changed; the VEN shall register again."""


class EndRegistration(Letter, frozen=True, kw_only=True, gc=False):
    """Operator → party: the VEN's registration ends."""


class Away(Value, frozen=True, kw_only=True, gc=False):
    """A resource that its owner declared not available from `start` to `end`."""

    resource: ResourceId
    start: datetime
    end: datetime


class Instruct(Letter, frozen=True, kw_only=True, gc=False):
    """End node → fleet: may this schedule be promised? The answer is a `Verdict` to `reply_to`.

    `priority` is the event's: 1 the most important, 0 none. Members that are `away` have no part in it for that time. A
    schedule of prices asks for nothing and is always taken.
    """

    schedule: Schedule
    modification: int
    reply_to: Key
    priority: int = 0
    away: tuple[Away, ...] = ()


class Release(Letter, frozen=True, kw_only=True, gc=False):
    """End node → fleet: the promise `event_id` ends at `at`."""

    event_id: EventId
    modification: int
    at: datetime
    reply_to: Key


class Opted(Letter, frozen=True, kw_only=True, gc=False):
    """Party → fleet: what its VEN says now of an event. `modification` is that of the letter that published it; `opt` None:
    nothing any more."""

    ven: VenId
    event_id: EventId
    modification: int
    opt: OptType | None
    code: ResponseCode = OK


class Responded(Letter, frozen=True, kw_only=True, gc=False):
    """Party → fleet: its VEN's response to an event has come for that time, or a correction of it; it stands in the series
    of `series_prefix`."""

    ven: VenId
    event_id: EventId
    start: datetime
    end: datetime


class Verdict(Letter, frozen=True, kw_only=True, gc=False):
    """Fleet → end node: what became of an instruction. `short_kw` is the largest uncovered share, 0 when covered.

    `code` is 469 where there is nobody who could follow it at all.
    """

    event_id: EventId
    modification: int
    opt: OptType
    short_kw: float = 0.0
    reason: str = ""
    code: ResponseCode = OK


class Offer(Letter, frozen=True, kw_only=True, gc=False):
    """Fleet → end node: the data points that can be reported from now on, one group per report name."""

    usage: tuple[ReportDescription, ...]
    status: tuple[ReportDescription, ...]
    response: tuple[ReportDescription, ...]
    availability: tuple[ReportDescription, ...] = ()


class Changed(Letter, frozen=True, kw_only=True, gc=False):
    """Fleet → end node: these points stand otherwise than when they were last told; their values stand in `live/…`."""

    points: tuple[Rid, ...]


class Delivered(Letter, frozen=True, kw_only=True, gc=False):
    """Fleet → end node: an interval of an event is over; its response stands in the series `response/<event>/…`."""

    event_id: EventId
    start: datetime
    end: datetime
    revision: int = 0


class Shelve(Letter, frozen=True, kw_only=True, gc=False):
    """Party or end node → shelf: Green Button feeds that came."""

    feeds: tuple[Feed, ...]
    at: datetime


ToParty = Publish | AskReports | StopReports | Reregister | EndRegistration
ToNode = Verdict | Offer | Changed | Delivered
ToFleet = Instruct | Release | Opted | Responded
ToShelf = Shelve
AnyLetter = ToParty | ToNode | ToFleet | ToShelf


class Mail(Value, frozen=True, kw_only=True, gc=False):
    """A letter and the row it is for."""

    to: Key
    body: AnyLetter


class Entry(Value, frozen=True, kw_only=True, gc=False):
    """A line of the journal: something that must be answered for later. `subject` is what it is about, `by` who did it."""

    subject: str
    at: datetime
    by: str
    what: str
    detail: str = ""


class Send(Value, frozen=True, kw_only=True, gc=False):
    """Post `message` to the peer; what it answers comes back as an input. `wait_s`: it may be held for so long."""

    message: Message
    wait_s: int = 0


class Apply(Value, frozen=True, kw_only=True, gc=False):
    """Give a device its power until `lease_until`; `kw` None gives control back."""

    resource: ResourceId
    event_id: EventId
    sequence: int
    kw: float | None
    lease_until: datetime


class Read(Value, frozen=True, kw_only=True, gc=False):
    """Fetch the readings of `series` within [start, end), and the feeds on `shelves`, and hand them in under `tag`."""

    tag: str
    series: tuple[str, ...]
    start: datetime
    end: datetime
    shelves: tuple[Key, ...] = ()


class Fetched(Value, frozen=True, kw_only=True, gc=False):
    """An input: what a `Read` of this tag found, ordered by series as asked, then start; feeds by shelf as asked."""

    tag: str
    readings: tuple[Reading, ...]
    feeds: tuple[Feed, ...] = ()


class Once(Value, frozen=True, kw_only=True, gc=False):
    """What may be said once: a nonce that nobody has stored, or whose `until` was before `now`."""

    nonce: str
    until: datetime
    now: datetime


class Record(Value, frozen=True, kw_only=True, gc=False):
    """Store with the state, in the same transaction. `aliases` are other names by which the row can be found.

    With a nonce in `once` that is known already the whole step is refused.
    """

    readings: tuple[Reading, ...] = ()
    entries: tuple[Entry, ...] = ()
    aliases: tuple[str, ...] = ()
    once: Once | None = None


Effect = Send | Apply | Read | Record


class Outcome(msgspec.Struct, Generic[S_co], frozen=True, kw_only=True):
    """All that a step does: the row's new state, replies to who asked, effects, mail, and when to be woken (`due`)."""

    state: S_co
    replies: tuple[Message, ...] = ()
    effects: tuple[Effect, ...] = ()
    mail: tuple[Mail, ...] = ()
    due: datetime | None = None

    def with_due(self, due: datetime | None) -> Self:
        """The same outcome with its deadline set."""
        return msgspec.structs.replace(self, due=due)
