"""The row of a VEN towards one VTN, and the settings it carries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol import pacing, requester
from openadr_ra.protocol.agenda import Agenda
from openadr_ra.protocol.agenda_scope import Asset, Scope
from openadr_ra.protocol.debts import Ask, Debt, Duty, Fetch, Register
from openadr_ra.protocol.model import MarketContext, ResourceId, VenId
from openadr_ra.protocol.opt import Opts
from openadr_ra.protocol.producer import Producer, Rates
from openadr_ra.protocol.producer_clock import earlier
from openadr_ra.protocol.registration import Membership
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.signals_table import USUAL
from openadr_ra.protocol.step import Key, Moment, State

NEVER_YET = datetime.min.replace(tzinfo=UTC)


class Identity(Value, frozen=True, kw_only=True, gc=False):
    """Who this VEN is and what it takes. `consult`: the embedding program is asked about each event. `assets` tells what
    its resources are; `nodes` and `signals` as in `Scope`.

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
    assets: dict[ResourceId, Asset] = {}
    nodes: tuple[str, ...] = ()
    signals: tuple[str, ...] = USUAL


class GivenUp(Value, frozen=True, kw_only=True, gc=False):
    """A message that the VTN turned away for good: what it was, when, and what came back."""

    message: str
    at: datetime
    why: str


class EndNode(State, frozen=True, kw_only=True, gc=False):
    """A VEN towards one VTN. `key` is this row's own name, for answers by mail.

    `newest`: when the newest oadrDistributeEvent that was heard had been made. `draining`: the last poll brought something,
    so the next one is no regular one. `polls`: when the regular ones of the last minute were sent. `check_due`: when a push
    VEN asks next whether its VTN knows it still. `given_up`: what the VTN turned away since the start, the last of a kind.
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
    check_due: datetime = NEVER_YET
    given_up: tuple[GivenUp, ...] = ()

    @property
    def holds(self) -> bool:
        """Are its polls held: does the VTN offer it, and does this VEN want it?"""
        return self.member.hold_s > 0 and self.identity.hold


CLOCK_SET_BACK = timedelta(seconds=1)
"""By less the clock is only adjusted."""


def by_clock(state: EndNode, now: datetime) -> EndNode:
    """The end node by a clock that was set back; as it is where that was not so.

    Nothing was sent later than now, and no next attempt lies further ahead than the back-off. What seems to is due now:
    otherwise a VEN would be silent for as long as its clock was ahead.
    """
    latest = now + timedelta(seconds=pacing.LONGEST_BACKOFF_S) + CLOCK_SET_BACK
    if any(debt.due > latest for debt in state.debts):
        debts = tuple(replace(debt, due=min(debt.due, now)) for debt in state.debts)
        state = replace(state, debts=debts)
    producer = earlier(state.producer, now, CLOCK_SET_BACK)
    if producer is not state.producer:
        state = replace(state, producer=producer)
    if state.poll_sent <= now + CLOCK_SET_BACK:
        return state
    sent = tuple(at for at in state.polls if at <= now)
    return replace(state, polls=sent, poll_sent=now, poll_due=now)


def scope(state: EndNode) -> Scope:
    """Whom an event may concern here."""
    identity = state.identity
    return Scope(
        ven_id=state.member.ven_id or VenId(""),
        resources=identity.resources,
        assets=identity.assets,
        groups=identity.groups,
        parties=identity.parties,
        nodes=identity.nodes,
        market_contexts=identity.market_contexts,
        signals=identity.signals,
    )


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


CHECK = timedelta(hours=1)
"""How often a push VEN asks a VTN that may have lost its memory: often enough for an event of the next day, and next to no
traffic. A pull VEN is told with its next poll."""


def checks(state: EndNode) -> bool:
    """Does nobody tell this VEN, if it does not ask, that its VTN has forgotten it?"""
    return state.member.phase == "registered" and bool(state.identity.push_address)


def checked(moment: Moment) -> datetime:
    """When to ask again; a fleet is spread over some minutes."""
    return moment.now + CHECK * (1 - pacing.dice(moment) / 10)


def checking(state: EndNode, moment: Moment) -> EndNode:
    """With a message owed whose answer tells: oadrRequestEvent, or from a VEN without events its registration once more."""
    state = replace(state, check_due=checked(moment))
    if not state.identity.report_only:
        return fetching(state, moment)
    if any(isinstance(debt.work, Register) for debt in state.debts):
        return state
    return owe(state, Register(), moment)


def owe(state: EndNode, work: Duty, moment: Moment, number: int = 0) -> EndNode:
    """The state with one more debt, due now. `number` keeps the ids of one step apart."""
    name = moment.fresh(type(work).__name__.lower(), number)
    return replace(state, debts=(*state.debts, Debt(id=name, work=work, due=moment.now)))
