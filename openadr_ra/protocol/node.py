"""The row of a VEN towards one VTN, and the settings it carries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol import pacing, requester
from openadr_ra.protocol.agenda import Agenda
from openadr_ra.protocol.debts import Ask, Debt, Duty, Fetch
from openadr_ra.protocol.model import MarketContext, ResourceId, VenId
from openadr_ra.protocol.opt import Opts
from openadr_ra.protocol.producer import Producer, Rates
from openadr_ra.protocol.registration import Membership
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Key, Moment, State

NEVER_YET = datetime.min.replace(tzinfo=UTC)


class Identity(Value, frozen=True, kw_only=True, gc=False):
    """Who this VEN is and what it takes. `consult`: the embedding program is asked about each event.

    With a `push_address` the VTN posts to it; without, it polls, and lets its polls be held (`hold`) where that is offered.
    """

    ven_name: str
    preassigned: VenId | None = None
    resources: tuple[ResourceId, ...] = ()
    groups: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    market_contexts: tuple[MarketContext, ...] = ()
    rates: Rates = Rates()
    consult: bool = False
    report_only: bool = False
    xml_signature: bool = False
    push_address: str = ""
    one_point_per_interval: bool = False
    hold: bool = True


class EndNode(State, frozen=True, kw_only=True, gc=False):
    """A VEN towards one VTN. `key` is this row's own name, for answers by mail.

    `newest`: when the newest oadrDistributeEvent that was heard had been made. `draining`: the last poll brought something,
    so the next one is no regular one. `polls`: when the regular ones of the last minute were sent.
    """

    key: Key
    identity: Identity
    member: Membership = Membership()
    agenda: Agenda = {}
    producer: Producer = Producer()
    debts: tuple[Debt, ...] = ()
    opts: Opts = {}
    requester: Requester = Requester()
    newest: datetime = NEVER_YET
    draining: bool = False
    poll_due: datetime = NEVER_YET
    poll_sent: datetime = NEVER_YET
    poll_tries: int = 0
    polls: tuple[datetime, ...] = ()

    @property
    def holds(self) -> bool:
        """Are its polls held: does the VTN offer it, and does this VEN want it?"""
        return self.member.hold_s > 0 and self.identity.hold


def paced(state: EndNode, due: datetime) -> datetime:
    """When a poll that is due at `due` may be sent. Those that are never held are a period apart as it is."""
    return pacing.next_poll(state.polls, state.member.poll_s, due) if state.holds else due


def asking(state: EndNode, moment: Moment) -> EndNode:
    """With oadrCreateReport owed if there is a report of the VTN's still to be asked for, unless it is already."""
    if not requester.unasked(state.requester, moment.now, timedelta(0)):
        return state
    if any(isinstance(debt.work, Ask) for debt in state.debts):
        return state
    return owe(state, Ask(), moment)


def fetching(state: EndNode, moment: Moment) -> EndNode:
    """With oadrRequestEvent owed, unless it is already, or this VEN takes no events."""
    if state.identity.report_only or any(isinstance(debt.work, Fetch) for debt in state.debts):
        return state
    return owe(state, Fetch(), moment)


def owe(state: EndNode, work: Duty, moment: Moment, number: int = 0) -> EndNode:
    """The state with one more debt, due now. `number` keeps the ids of one step apart."""
    name = moment.fresh(type(work).__name__.lower(), number)
    return replace(state, debts=(*state.debts, Debt(id=name, work=work, due=moment.now)))
