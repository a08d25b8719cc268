"""EndNode: a VEN's knowledge of itself towards one VTN. What it hears, what it owes, what it says next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import OK, NotAllowed, ResponseCode
from openadr_ra.protocol import agenda, declaring_judged, pacing, producer, registration, requester, saying, ven_wanting
from openadr_ra.protocol import ven_words as words
from openadr_ra.protocol.agenda import Agenda, Known
from openadr_ra.protocol.debts import Answer, Ask, Debt, Leave, Register
from openadr_ra.protocol.debts_turn import delivered, in_turn
from openadr_ra.protocol.hearing import gone, replied, without_events
from openadr_ra.protocol.hearing_called import called
from openadr_ra.protocol.messages import Message, Poll
from openadr_ra.protocol.model import (
    EventId,
    OptId,
    OptType,
    ReportRequestId,
)
from openadr_ra.protocol.node import EndNode, Identity, asking, by_clock, checking, checks, fetching, owe, paced
from openadr_ra.protocol.opt import Opt
from openadr_ra.protocol.pacing import backoff, dice
from openadr_ra.protocol.parts import ReportRequest
from openadr_ra.protocol.producer import Producer
from openadr_ra.protocol.report_feeds import FeedPoint
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import (
    AnyLetter,
    Changed,
    Delivered,
    Fetched,
    Moment,
    Offer,
    Outcome,
    Send,
    Verdict,
)
from openadr_ra.protocol.ven_rejected import hopeful, rejected

SOON = timedelta(milliseconds=1)


class Configured(Value, frozen=True, kw_only=True, gc=False):
    """An input: the node's settings, at each start."""

    identity: Identity


class Answered(Value, frozen=True, kw_only=True, gc=False):
    """An input: `request` was posted and this came back. A post that failed is silence, no input."""

    request: Message
    answer: Message | None


class Opinion(Value, frozen=True, kw_only=True, gc=False):
    """An input: what the embedding program says of an event; `opt` None leaves it to the fleet."""

    event_id: EventId
    modification: int
    opt: OptType | None = None
    code: ResponseCode = OK
    description: str = ""


class Chosen(Value, frozen=True, kw_only=True, gc=False):
    """An input: the operator's own opt for an event, now and for each later modification; None takes it back. Its `reason`
    is told with the answer."""

    event_id: EventId
    opt: OptType | None
    by: str
    reason: str = ""


class Declared(Value, frozen=True, kw_only=True, gc=False):
    """An input: when this VEN or a resource of it is (not) available, or its opt for one event, by EiOpt."""

    opt: Opt


class Retracted(Value, frozen=True, kw_only=True, gc=False):
    """An input: that opt is taken back."""

    opt_id: OptId


class Called(Value, frozen=True, kw_only=True, gc=False):
    """An input: the VTN posted `message` to this push VEN, at `service` (None: wherever it belongs). The outcome's reply is
    the answer; none is an empty 200."""

    message: Message
    service: str | None = None


class Broken(Value, frozen=True, kw_only=True, gc=False):
    """An input: the poll that the VTN might have held brought nothing; the connection broke, or it was no answer."""


class Rejected(Value, frozen=True, kw_only=True, gc=False):
    """An input: the VTN turned `request` away with an HTTP status that is not to be tried again (9.1.5), see `why`."""

    request: Message
    why: str


class Wanted(Value, frozen=True, kw_only=True, gc=False):
    """An input: reports of the VTN's that somebody here wants; METADATA may be asked for, too (rule 306)."""

    requests: tuple[ReportRequest, ...]


class Unwanted(Value, frozen=True, kw_only=True, gc=False):
    """An input: those requests for reports of the VTN's end; with `to_follow` after one last report (rule 345)."""

    ids: tuple[ReportRequestId, ...]
    to_follow: bool = False


class Shelved(Value, frozen=True, kw_only=True, gc=False):
    """An input: the feeds that the embedding program handed in so far; they are offered as HISTORY_GREENBUTTON."""

    feeds: tuple[FeedPoint, ...]


class Left(Value, frozen=True, kw_only=True, gc=False):
    """An input: the operator ends the registration."""


class Renewed(Value, frozen=True, kw_only=True, gc=False):
    """An input: the operator has this VEN register again, under its ids if it has some."""


Input = (
    Configured
    | Answered
    | Called
    | Broken
    | Rejected
    | Opinion
    | Chosen
    | Declared
    | Retracted
    | Wanted
    | Unwanted
    | Shelved
    | Left
    | Renewed
    | Fetched
    | AnyLetter
)


def receive(state: EndNode, given: Input, moment: Moment) -> Outcome[EndNode]:
    """One input's effect. Nothing is sent from here but what a `Fetched` completes; `wake` sends."""
    match given:
        case Configured():
            outcome = _configured(state, given, moment)
        case Answered():
            outcome = replied(state, given.request, given.answer, moment)
        case Called():
            outcome = called(state, given.message, given.service, moment)
        case Broken():
            outcome = Outcome(state=_broken(state, moment))
        case Rejected():
            outcome = rejected(state, given.request, given.why, moment)
        case Declared():
            outcome = words.declared(state, given.opt, moment)
        case Retracted():
            outcome = words.retracted(state, given.opt_id, moment)
        case Wanted():
            wanting = replace(state, requester=requester.ask(state.requester, given.requests))
            outcome = Outcome(state=asking(wanting, moment))
        case Unwanted(ids=ids, to_follow=to_follow):
            outcome = Outcome(state=ven_wanting.unwanted(state, ids, moment, to_follow=to_follow))
        case Verdict():
            outcome = Outcome(state=words.answering(_with(state, agenda.decide(state.agenda, given)), moment))
        case Opinion():
            outcome = words.opinion(
                state, given.event_id, given.modification, given.opt, given.code, given.description, moment
            )
        case Chosen():
            outcome = words.chosen(state, given.event_id, given.opt, given.by, moment, given.reason)
        case Offer():
            outcome = _offered(state, producer.offer(state.producer, given), moment)
        case Shelved(feeds=feeds):
            outcome = _offered(state, replace(state.producer, feeds=feeds), moment)
        case Changed(points=points):
            made = producer.changed(state.producer, points, moment.now, state.identity.rates)
            outcome = Outcome(state=replace(state, producer=made))
        case Delivered():
            outcome = Outcome(state=delivered(state, given, moment))
        case Fetched():
            outcome = saying.fetched(state, given, moment)
        case Left():
            outcome = _left(state, moment)
        case Renewed():
            outcome = Outcome(state=_renewed(state, moment))
        case _:
            raise NotAllowed(f"an end node takes no {type(given).__name__}")
    return outcome.with_due(deadline(outcome.state, moment.now))


def wake(state: EndNode, moment: Moment) -> Outcome[EndNode]:
    """Whatever is due: registration first; then debts in the order they arose; then the poll.

    Each attempt moves its debt's next one by the back-off; only a reply clears it.
    """
    state = by_clock(state, moment.now)
    judged = words.rejudged(_with(state, agenda.forget(state.agenda, moment.now)), moment, anew=False)
    state = judged.state
    if state.member.phase == "new" and not _owes(state, Register):
        state = owe(state, Register(), moment)
    if state.member.phase == "registered":
        state = saying.spans(state, moment)
    if checks(state) and state.check_due <= moment.now:
        state = checking(state, moment)
    turn = frozenset(debt.id for debt in in_turn(state))
    effects = list(judged.effects)
    debts: list[Debt] = []
    for debt in state.debts:
        if debt.due > moment.now or debt.id not in turn:
            debts.append(debt)
            continue
        if _is_moot(state, debt):
            continue
        effects.append(saying.said(state, debt, moment))
        tries = debt.tries + 1
        debts.append(replace(debt, tries=tries, due=moment.now + backoff(tries, dice(moment))))
    state = replace(state, debts=tuple(debts))
    if _polls(state) and state.poll_due <= moment.now:
        state, poll = _polled(state, moment)
        effects.append(poll)
    return Outcome(state=state, effects=tuple(effects), mail=judged.mail, due=deadline(state, moment.now))


def _is_moot(state: EndNode, debt: Debt) -> bool:
    """Was it overtaken: by a change on which nobody has decided yet, or by a refusal?"""
    match debt.work:
        case Answer(strays=()):
            return not agenda.owed(state.agenda)
        case Ask():
            return not requester.unasked(state.requester, datetime.max.replace(tzinfo=UTC), timedelta(0))
    return False


def _polls(state: EndNode) -> bool:
    """A VEN that is told by push never polls (X-POLL-1), nor does one that its VTN takes for such until it has heard
    otherwise."""
    return state.member.phase == "registered" and not state.identity.push_address and not _owes(state, Register)


def _polled(state: EndNode, moment: Moment) -> tuple[EndNode, Send]:
    """The poll, and the state in which its answer is awaited. A draining one is never held."""
    tries = state.poll_tries + 1
    hold_s = state.member.hold_s if state.identity.hold and not state.draining and tries == 1 else 0
    wait = max(backoff(tries, dice(moment)), timedelta(seconds=min(state.member.poll_s, 60)))
    due = moment.now + wait + timedelta(seconds=hold_s)
    # One further poll comes with each payload; if it has to be repeated, the repetition is a regular one.
    polls = state.polls if state.draining and tries == 1 else pacing.with_poll(state.polls, moment.now)
    state = replace(state, poll_tries=tries, poll_sent=moment.now, polls=polls)
    return replace(state, poll_due=paced(state, due)), Send(message=Poll(ven_id=saying.ven_id(state)), wait_s=hold_s)


def _broken(state: EndNode, moment: Moment) -> EndNode:
    """The time for which the poll might have been held is not waited for; the period and the back-off are."""
    rest = state.poll_sent + timedelta(seconds=min(state.member.poll_s, 60)) - moment.now
    due = moment.now + max(backoff(max(state.poll_tries, 1), dice(moment)), rest)
    return replace(state, poll_due=paced(state, min(due, state.poll_due)))


def deadline(state: EndNode, after: datetime) -> datetime | None:
    """When `wake` has something to do; None once the registration has ended."""
    state = by_clock(state, after)
    if state.member.phase == "new" and not _owes(state, Register):
        return after + SOON
    times = [debt.due for debt in in_turn(state)]
    if _polls(state):
        times.append(state.poll_due)
    if checks(state):
        times.append(state.check_due)
    if state.member.phase == "registered":
        more = producer.next_due(state.producer, saying.busy(state)), declaring_judged.next_end(state, after)
        times += [due for due in more if due is not None]
    return max(min(times), after + SOON) if times else None


def unconsulted(state: EndNode) -> tuple[Known, ...]:
    """Events on which the embedding program is still to be heard."""
    return tuple(item for item in state.agenda.values() if not item.consulted and not item.absent)


def _with(state: EndNode, events: Agenda) -> EndNode:
    return state if events is state.agenda else replace(state, agenda=events)


def _owes(state: EndNode, kind: type) -> bool:
    return any(isinstance(debt.work, kind) for debt in state.debts)


def _configured(state: EndNode, given: Configured, moment: Moment) -> Outcome[EndNode]:
    """After a start: what is owed is tried again at once, and events are asked for, for deliveries may have been lost."""
    # That something was said already, and may arrive yet, is not forgotten.
    debts = tuple(replace(debt, due=moment.now, tries=min(debt.tries, 1)) for debt in state.debts)
    moved = _transport(state.identity) != _transport(given.identity)
    rated = state.identity.rates != given.identity.rates
    state = replace(state, identity=given.identity, debts=debts, poll_tries=0, draining=False)
    state = replace(state, poll_due=paced(state, moment.now))
    if moved and state.member.phase == "registered" and not _owes(state, Register):
        # What the VTN knows of us has changed: it is told by a re-registration with unchanged ids.
        state = owe(state, Register(), moment)
    state = ven_wanting.announcing(state, moment) if rated else state
    if state.member.phase == "ended":
        state = replace(state, member=registration.Membership(poll_s=state.member.poll_s))
    state = hopeful(state, moment)
    if state.member.phase == "registered":
        state = fetching(state, moment)
    if state.identity.report_only:
        return without_events(state, moment)
    return Outcome(state=state)


def _transport(identity: Identity) -> tuple[str, str, bool, bool]:
    """What a registration says of a VEN."""
    return identity.ven_name, identity.push_address, identity.report_only, identity.xml_signature


def _left(state: EndNode, moment: Moment) -> Outcome[EndNode]:
    """What the VTN does not know of ends at once, else when it has been told."""
    match state.member.phase:
        case "new":
            return gone(state, moment)
        case "registered" if not _owes(state, Leave):
            return Outcome(state=owe(state, Leave(), moment))
    return Outcome(state=state)


def _renewed(state: EndNode, moment: Moment) -> EndNode:
    """Raises NotAllowed while the VTN is being told that the registration ends."""
    if state.member.phase == "ended":
        return replace(state, member=registration.Membership(poll_s=state.member.poll_s))
    if _owes(state, Leave):
        raise NotAllowed("the registration is being ended; register again when it has ended")
    if not _owes(state, Register):
        return owe(state, Register(), moment)
    # It is tried already; whoever orders it does not want to wait for the next attempt.
    debts = tuple(
        replace(debt, due=min(debt.due, moment.now)) if isinstance(debt.work, Register) else debt
        for debt in state.debts
    )
    return replace(state, debts=debts)


def _offered(state: EndNode, made: Producer, moment: Moment) -> Outcome[EndNode]:
    if made == state.producer:
        return Outcome(state=state)
    return Outcome(state=ven_wanting.announcing(replace(state, producer=made), moment))
