"""EndNode: a VEN's knowledge of itself towards one VTN. What it hears, what it owes, what it says next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import OK, NotAllowed, ResponseCode
from openadr_ra.protocol import agenda, declaring, pacing, producer, registration, requester, saying
from openadr_ra.protocol.agenda import Agenda, Known
from openadr_ra.protocol.debts import Announce, Answer, Ask, Debt, Leave, Register, Say, Update
from openadr_ra.protocol.hearing import called, gone, replied, without_events
from openadr_ra.protocol.messages import Message, Poll
from openadr_ra.protocol.model import (
    CANCELLED,
    OPT_IN,
    OPT_OUT,
    EventId,
    OptId,
    OptType,
)
from openadr_ra.protocol.node import EndNode, Identity, asking, fetching, owe, paced
from openadr_ra.protocol.opt import Opt
from openadr_ra.protocol.pacing import backoff, dice
from openadr_ra.protocol.parts import X_RESPONSE, ReportRequest
from openadr_ra.protocol.producer import Span
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import (
    AnyLetter,
    Delivered,
    Effect,
    Entry,
    Fetched,
    Mail,
    Moment,
    Offer,
    Outcome,
    Record,
    Send,
    Verdict,
)

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
    """An input: the operator's own opt for an event, now and for each later modification; None takes it back."""

    event_id: EventId
    opt: OptType | None
    by: str


class Declared(Value, frozen=True, kw_only=True, gc=False):
    """An input: when this VEN or a resource of it is (not) available, or its opt for one event, by EiOpt."""

    opt: Opt


class Retracted(Value, frozen=True, kw_only=True, gc=False):
    """An input: that opt is taken back."""

    opt_id: OptId


class Called(Value, frozen=True, kw_only=True, gc=False):
    """An input: the VTN posted `message` to this push VEN. The outcome's reply is the answer; none is an empty 200."""

    message: Message


class Broken(Value, frozen=True, kw_only=True, gc=False):
    """An input: the poll that the VTN might have held brought nothing; the connection broke, or it was no answer."""


class Wanted(Value, frozen=True, kw_only=True, gc=False):
    """An input: reports of the VTN's that somebody here wants; METADATA may be asked for, too (rule 306)."""

    requests: tuple[ReportRequest, ...]


class Left(Value, frozen=True, kw_only=True, gc=False):
    """An input: the operator ends the registration."""


Input = (
    Configured
    | Answered
    | Called
    | Broken
    | Opinion
    | Chosen
    | Declared
    | Retracted
    | Wanted
    | Left
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
            outcome = called(state, given.message, moment)
        case Broken():
            outcome = Outcome(state=_broken(state, moment))
        case Declared():
            outcome = _declared(state, given, moment)
        case Retracted():
            outcome = _retracted(state, given, moment)
        case Wanted():
            wanting = replace(state, requester=requester.ask(state.requester, given.requests))
            outcome = Outcome(state=asking(wanting, moment))
        case Verdict():
            outcome = Outcome(state=_answering(_with(state, agenda.decide(state.agenda, given)), moment))
        case Opinion():
            outcome = _opinion(state, given, moment)
        case Chosen():
            outcome = _chosen(state, given, moment)
        case Offer():
            outcome = _offered(state, given, moment)
        case Delivered():
            outcome = Outcome(state=_delivered(state, given, moment))
        case Fetched():
            outcome = saying.fetched(state, given, moment)
        case Left():
            outcome = _left(state, moment)
        case _:
            raise NotAllowed(f"an end node takes no {type(given).__name__}")
    return outcome.with_due(deadline(outcome.state, moment.now))


def wake(state: EndNode, moment: Moment) -> Outcome[EndNode]:
    """Whatever is due: registration first; then debts in the order they arose; then the poll.

    Each attempt moves its debt's next one by the back-off; only a reply clears it.
    """
    state = _with(state, agenda.forget(state.agenda, moment.now))
    if state.member.phase == "new" and not _owes(state, Register):
        state = owe(state, Register(), moment)
    if state.member.phase == "registered":
        state = saying.spans(state, moment)
    effects: list[Effect] = []
    debts: list[Debt] = []
    for debt in state.debts:
        if debt.due > moment.now or not _sayable(state, debt):
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
    return Outcome(state=state, effects=tuple(effects), due=deadline(state, moment.now))


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
    if state.member.phase == "new" and not _owes(state, Register):
        return after + SOON
    times = [debt.due for debt in state.debts if _sayable(state, debt)]
    if _polls(state):
        times.append(state.poll_due)
    if state.member.phase == "registered":
        due = producer.next_due(state.producer, saying.busy(state))
        times += [due] if due is not None else []
    return max(min(times), after + SOON) if times else None


def unconsulted(state: EndNode) -> tuple[Known, ...]:
    """Events on which the embedding program is still to be heard."""
    return tuple(item for item in state.agenda.values() if not item.consulted)


def _with(state: EndNode, events: Agenda) -> EndNode:
    return state if events is state.agenda else replace(state, agenda=events)


def _owes(state: EndNode, kind: type) -> bool:
    return any(isinstance(debt.work, kind) for debt in state.debts)


def _sayable(state: EndNode, debt: Debt) -> bool:
    """Before registration only registration can be said; after its end only what ends it."""
    match state.member.phase:
        case "new":
            return isinstance(debt.work, Register)
        case "ended":
            return isinstance(debt.work, Say)
    return declaring.in_order(state, debt)


def _configured(state: EndNode, given: Configured, moment: Moment) -> Outcome[EndNode]:
    """After a start: what is owed is tried again at once, and events are asked for, for deliveries may have been lost."""
    # That something was said already, and may arrive yet, is not forgotten.
    debts = tuple(replace(debt, due=moment.now, tries=min(debt.tries, 1)) for debt in state.debts)
    moved = _transport(state.identity) != _transport(given.identity)
    state = replace(state, identity=given.identity, debts=debts, poll_tries=0, draining=False)
    state = replace(state, poll_due=paced(state, moment.now))
    if moved and state.member.phase == "registered" and not _owes(state, Register):
        # What the VTN knows of us has changed: it is told by a re-registration with unchanged ids.
        state = owe(state, Register(), moment)
    if state.member.phase == "ended":
        state = replace(state, member=registration.Membership(poll_s=state.member.poll_s))
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


def _declared(state: EndNode, given: Declared, moment: Moment) -> Outcome[EndNode]:
    """An opt for one event is also our own word on it."""
    state = declaring.declared(state, given.opt, moment)
    if given.opt.event is None:
        return Outcome(state=state)
    return _chosen(state, Chosen(event_id=given.opt.event.event_id, opt=given.opt.opt, by="operator"), moment)


def _retracted(state: EndNode, given: Retracted, moment: Moment) -> Outcome[EndNode]:
    gone = state.opts.get(given.opt_id)
    state = declaring.retracted(state, given.opt_id, moment)
    if gone is None or gone.event is None:
        return Outcome(state=state)
    return _chosen(state, Chosen(event_id=gone.event.event_id, opt=None, by="operator"), moment)


def _answering(state: EndNode, moment: Moment) -> EndNode:
    """With a debt for the answers that are decided, unless there is one."""
    state = declaring.following(state, moment)
    if not agenda.owed(state.agenda) or _owes(state, Answer):
        return state
    return owe(state, Answer(), moment)


def _opinion(state: EndNode, given: Opinion, moment: Moment) -> Outcome[EndNode]:
    held = state.agenda.get(given.event_id)
    if held is None or held.event.modification != given.modification or held.consulted:
        return Outcome(state=state)
    item = replace(held, consulted=True)
    mail: tuple[Mail, ...] = ()
    if given.opt == OPT_OUT or (given.opt is not None and held.opt != OPT_OUT):
        # Whichever comes first, opinion or verdict: what the fleet cannot follow is opted out.
        item = replace(item, opt=given.opt, code=given.code, description=given.description, opinion=given.opt)
    if given.opt == OPT_OUT:
        mail = agenda.mailed((agenda.release(held, held.event.modification, moment.now),), state.key)
    state = _with(state, state.agenda | {given.event_id: item})
    return Outcome(state=_answering(state, moment), mail=mail)


def _chosen(state: EndNode, given: Chosen, moment: Moment) -> Outcome[EndNode]:
    """An operator beats the event; taking it back asks the fleet anew. There is no word on a bad or cancelled event."""
    held = state.agenda.get(given.event_id)
    if held is None or held.refused or held.event.status == CANCELLED:
        return Outcome(state=state)
    item = replace(held, local_opt=given.opt, consulted=held.consulted or given.opt is not None)
    out = item.word == OPT_OUT
    letter = agenda.release(held, held.event.modification, moment.now) if out else agenda.instruct(held, moment.now)
    opt = OPT_OUT if out else given.opt if letter is not None else OPT_IN
    item = replace(item, opt=opt, code=OK, description="", answered=-1)
    mail = agenda.mailed((letter,), state.key) if letter is not None else ()
    what = given.opt or "opt withdrawn"
    entry = Entry(subject=f"event/{given.event_id}", at=moment.now, by=given.by, what=what, detail="by the operator")
    state = _with(state, state.agenda | {given.event_id: item})
    return Outcome(state=_answering(state, moment), mail=mail, effects=(Record(entries=(entry,)),))


def _offered(state: EndNode, given: Offer, moment: Moment) -> Outcome[EndNode]:
    made = producer.offer(state.producer, given)
    if made == state.producer:
        return Outcome(state=state)
    state = replace(state, producer=made)
    if state.member.phase == "registered" and not _owes(state, Announce):
        state = owe(state, Announce(), moment)
    return Outcome(state=state)


def _delivered(state: EndNode, given: Delivered, moment: Moment) -> EndNode:
    """The interval's response goes out by every x-RESPONSE request."""
    number = 0
    for standing in state.producer.requests.values():
        if standing.name == X_RESPONSE:
            number += 1
            span = Span(request_id=standing.request.id, start=given.start, end=given.end)
            state = owe(state, Update(standing=standing, span=span, event_id=given.event_id), moment, number)
    return state
