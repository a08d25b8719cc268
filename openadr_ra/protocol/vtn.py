"""A VTN towards one VEN: each message is routed to its service, and answered by its natural reply."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidId, NotAllowed, NotRegistered, OadrError
from openadr_ra.protocol import distribution, opt, registration, reporting, requester
from openadr_ra.protocol.distribution import Distribution
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import (
    CanceledOpt,
    CanceledPartyRegistration,
    CanceledReport,
    CancelOpt,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedOpt,
    CreatedReport,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    Message,
    Poll,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import RegistrationId, ResourceId
from openadr_ra.protocol.outbox import distributed, next_payload, push_deadline, push_failed, pushed, quiet_until
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.party import Again, End, Metadata, Party, Stop, Terms, owe, paid
from openadr_ra.protocol.producer import Producer
from openadr_ra.protocol.refusal import refusal, refused_with
from openadr_ra.protocol.reporting import acknowledged, says
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import (
    AnyLetter,
    AskReports,
    EndRegistration,
    Entry,
    Fetched,
    Moment,
    Offer,
    Outcome,
    Publish,
    Record,
    Reregister,
    StopReports,
)

__all__ = [
    "Heard", "Lost", "Party", "Pushed", "Terms", "belongs", "filed", "is_creating", "is_plain", "is_poll", "is_registering",
    "quiet_until", "receive", "wake",
]  # fmt: skip


class Heard(Value, frozen=True, kw_only=True, gc=False):
    """An input: a message that came over a connection with that certificate (None on plain HTTP)."""

    message: Message
    fingerprint: str | None
    terms: Terms
    signed: bool = False


class Pushed(Value, frozen=True, kw_only=True, gc=False):
    """An input: `message` was posted to a push VEN and this came back; None is the empty 200 it may give (1.5)."""

    message: Message
    answer: Message | None
    terms: Terms


class Lost(Value, frozen=True, kw_only=True, gc=False):
    """An input: `message` could not be posted to a push VEN, or it `rejected` it with a status that is final (9.1.5)."""

    message: Message
    rejected: bool = False


def belongs(message: Message, service: str) -> bool:
    """May `message` be posted to `service`? An oadrResponse goes where its VEN thinks fit."""
    return message.service in (None, service)


def is_registering(message: Message) -> bool:
    """Does it come from a VEN that may be unknown yet?"""
    return isinstance(message, QueryRegistration | CreatePartyRegistration)


def is_creating(message: Message) -> bool:
    """Does it ask for a registration, new or renewed?"""
    return isinstance(message, CreatePartyRegistration)


def is_poll(message: Message) -> bool:
    """Is it the question whether there is anything?"""
    return isinstance(message, Poll)


def is_plain(message: Message) -> bool:
    """The oadrResponse that ends the draining of a queue (rule 500)."""
    return isinstance(message, Response)


def filed(state: Party, letters: tuple[AnyLetter, ...], moment: Moment) -> Party:
    """The party with what came by mail."""
    for letter in letters:
        match letter:
            case Publish():
                given = distribution.publish(state.events, letter, state.refused_signals)
                state = replace(state, events=given)
            case AskReports(requests=requests):
                state = replace(state, reports=requester.ask(state.reports, requests))
            case StopReports(ids=ids, to_follow=to_follow):
                reports, told = requester.ended(state.reports, ids)
                state = replace(state, reports=reports)
                state = owe(state, Stop(ids=told, to_follow=to_follow), moment) if told else state
            case Reregister():
                state = owe(state, Again(), moment)
            case EndRegistration():
                state = owe(state, End(), moment) if state.registration is not None else state
            case Offer():
                state = reporting.offer(state, letter, moment)
            case _:
                raise NotAllowed(f"a party takes no {type(letter).__name__}")
    return state


Input = Heard | Pushed | Lost | Fetched | AnyLetter


def receive(state: Party, given: Input, moment: Moment) -> Outcome[Party]:
    """A message's reply, or a letter's effect. An `OadrError` becomes the natural reply with its code.

    Whoever published an event is told what the VEN says of it.
    """
    outcome = _received(state, given, moment)
    if outcome.state.events is state.events:
        return outcome
    mail = distribution.tidings(state.events, outcome.state.events, state.ven_id)
    return replace(outcome, mail=(*outcome.mail, *mail)) if mail else outcome


def _received(state: Party, given: Input, moment: Moment) -> Outcome[Party]:
    if isinstance(given, Pushed):
        return _answered(state, given, moment)
    if isinstance(given, Fetched):
        return reporting.written(state, given, moment)
    if isinstance(given, Lost):
        return Outcome(state=push_failed(state, given.message, moment, rejected=given.rejected))
    if not isinstance(given, Heard):
        return Outcome(state=filed(state, (given,), moment))
    try:
        _admit(state, given)
        return _route(state, given, moment)
    except OadrError as error:
        reply = refusal(given.message, error, ven_id=state.ven_id, vtn_id=given.terms.vtn_id)
        return Outcome(state=state, replies=(reply,))


def wake(state: Party, terms: Terms, moment: Moment) -> Outcome[Party]:
    """What a push VEN is to be told now, one payload at a time; nothing for a pull VEN, which asks."""
    outcome = pushed(state, terms, moment)
    return outcome.with_due(push_deadline(outcome.state, terms, moment.now))


ANSWERS = (
    Response, CreatedEvent, RegisteredReport, CreatedReport, UpdatedReport, CanceledReport, CanceledPartyRegistration
)  # fmt: skip
"""What may come back with a post; an oadrCreatedEvent should not, but does from some VENs."""


def _answered(state: Party, given: Pushed, moment: Moment) -> Outcome[Party]:
    """A push VEN's answer came back with our post; to the rest it is as if it had been posted to us."""
    events = distribution.given_out(state.events, given.message)
    entries: tuple[Entry, ...] = ()
    if given.answer is None or refused_with(given.answer) is None:
        events, entries = distribution.received(events, given.message, state.ven_id, moment.now)
    state = replace(state, push_tries=0, push_due=None, events=events)
    effects = (Record(entries=entries),) if entries else ()
    if not isinstance(given.answer, ANSWERS):
        # An empty 200; or a request, whose own answer could go nowhere.
        return Outcome(state=state, effects=effects)
    # What a VEN answers amiss is told again after the retry time.
    outcome = _route(state, Heard(message=given.answer, fingerprint=None, terms=given.terms), moment)
    return replace(outcome, replies=(), effects=(*effects, *outcome.effects))


def _admit(state: Party, given: Heard) -> None:
    """The certificate must be one of the party's (463), the venID its own (452), and only registration is open to a
    VEN without one (463, X-ACT-1)."""
    if state.fingerprints and given.fingerprint not in state.fingerprints:
        raise NotRegistered("this certificate does not belong to the venID")
    named = getattr(given.message, "ven_id", None)
    creating = is_registering(given.message)
    if named not in (None, state.ven_id) and not creating:
        raise InvalidId(f"venID {named} is unknown here")
    if state.registration is None and not creating:
        raise NotRegistered("there is no registration; send oadrCreatePartyRegistration first")
    if state.signs and not given.signed and not creating:
        raise ComplianceError("this VEN registered with oadrXmlSignature, and the message is not signed")
    if state.report_only and isinstance(given.message, RequestEvent | CreatedEvent | CreateOpt | CancelOpt):
        raise NotAllowed("a report-only VEN uses neither EiEvent nor EiOpt")


def _route(state: Party, given: Heard, moment: Moment) -> Outcome[Party]:
    """One row per payload that a VEN may send."""
    message, terms = given.message, given.terms
    match message:
        case Poll() if state.pushed:
            raise NotAllowed("a VEN that registered for push does not poll (X-POLL-1)")
        case Poll():
            return _poll(state, terms, moment)
        case QueryRegistration():
            return says(state, registration.confirmed(
                state.registration, request_id=message.request_id, ven_id=state.ven_id, vtn=terms
            ))  # fmt: skip
        case CreatePartyRegistration():
            return _register(state, message, given, moment)
        case CancelPartyRegistration():
            return _cancel_registration(state, message, moment)
        case RequestEvent():
            return _request_event(state, message, terms, moment)
        case CreatedEvent():
            return _created_event(state, message, terms, moment)
        case RegisterReport():
            return reporting.register_report(state, message, terms, moment)
        case CreateOpt():
            return _create_opt(state, message, moment)
        case CancelOpt():
            return _cancel_opt(state, message, moment)
        case RegisteredReport():
            return acknowledged(paid(state, Metadata, message.result.request_id), message.result.request_id)
        case CreatedReport():
            return reporting.created_report(state, message)
        case UpdateReport():
            return reporting.updated(state, message, moment)
        case CreateReport():
            return reporting.create_report(state, message, moment)
        case CancelReport():
            return reporting.cancel_report(state, message, moment)
        case CanceledReport():
            return reporting.canceled_report(state, message, moment)
        case CanceledPartyRegistration():
            return _ended(state, message, moment)
        case Response():
            return acknowledged(paid(state, Again, message.result.request_id), message.result.request_id)
        case UpdatedReport():
            return reporting.data_acknowledged(state, message)
    raise NotAllowed(f"{message.xml.removeprefix('oadr:')} is nothing a VEN sends here")


def _register(state: Party, message: CreatePartyRegistration, given: Heard, moment: Moment) -> Outcome[Party]:
    fresh = RegistrationId(moment.fresh("reg"))
    held = registration.register(state.registration, message, ven_id=state.ven_id, fresh=fresh, now=moment.now)
    anew = state.registration is None or held.id != state.registration.id
    fingerprints = state.fingerprints or ((given.fingerprint,) if given.fingerprint else ())
    state = replace(state, registration=held, name=held.ven_name or state.name, fingerprints=fingerprints)
    if anew:
        # Rules 301 and 406: reports begin anew with METADATA from both sides, opts are gone; events are its own still.
        state = replace(
            state, reports=Requester(), producer=_idle(state), opts={}, debts=(), events=_undelivered(state.events)
        )
        state = owe(state, Metadata(), moment)
    elif held.report_only:
        # It gives up what it had of events and opts; should it take them again, it is told anew.
        state = replace(state, opts={}, events=_undelivered(state.events))
    state = paid(state, Again, "")
    reply = registration.confirmed(held, request_id=message.request_id, ven_id=state.ven_id, vtn=given.terms)
    what = "registered" if anew else "registered again"
    entry = Entry(subject=party(state.ven_id), at=moment.now, by=state.ven_id, what=what, detail=held.ven_name)
    return Outcome(state=state, replies=(reply,), effects=(Record(entries=(entry,), aliases=fingerprints),))


def _idle(state: Party) -> Producer:
    """What we offer stays, what was asked of it does not (rule 406)."""
    return replace(state.producer, requests={})


def _undelivered(events: Distribution) -> Distribution:
    """Whatever the VEN was given under its former registration, it has forgotten."""
    return {
        name: replace(item, delivered=-1, delivered_at=None, received=-1, answered=-1, opt=None, by_opt=False)
        for name, item in events.items()
    }


def _cancel_registration(state: Party, message: CancelPartyRegistration, moment: Moment) -> Outcome[Party]:
    held = state.registration
    if held is None or message.registration_id != held.id:
        raise InvalidId(f"registrationID {message.registration_id} is unknown here")
    reply = CanceledPartyRegistration(
        result=Result(request_id=message.request_id), registration_id=held.id, ven_id=state.ven_id
    )
    return replace(_without_registration(state, moment, state.ven_id), replies=(reply,))


def _ended(state: Party, message: CanceledPartyRegistration, moment: Moment) -> Outcome[Party]:
    """The VEN confirms that we cancelled its registration. Unasked for, it changes nothing."""
    answer = acknowledged(state, message.result.request_id)
    if not any(isinstance(debt.work, End) for debt in state.debts):
        return answer
    return replace(_without_registration(state, moment, "operator"), replies=answer.replies)


def _without_registration(state: Party, moment: Moment, by: str) -> Outcome[Party]:
    """Nothing is due to a VEN without registration, and nothing of it holds; its certificates stay admitted."""
    entry = Entry(subject=party(state.ven_id), at=moment.now, by=by, what="registration cancelled")
    ended = replace(state, registration=None, events={}, reports=Requester(), producer=_idle(state), opts={}, debts=())
    return Outcome(state=ended, effects=(Record(entries=(entry,)),))


def _request_event(state: Party, message: RequestEvent, terms: Terms, moment: Moment) -> Outcome[Party]:
    return distributed(state, terms, moment, answers=message.request_id, limit=message.reply_limit)


def _created_event(state: Party, message: CreatedEvent, terms: Terms, moment: Moment) -> Outcome[Party]:
    events, entries, error = distribution.answer(state.events, message, moment.now)
    refused = set(distribution.refused_signals(message, state.events))
    if refused:
        learned = sorted(refused - set(state.refused_signals))
        state = replace(state, refused_signals=(*state.refused_signals, *learned))
        events = distribution.fallen_back(events, state.refused_signals)
    reply: Message = Response(result=Result(request_id=message.result.request_id), ven_id=state.ven_id)
    if error is not None:
        reply = refusal(message, error, ven_id=state.ven_id, vtn_id=terms.vtn_id)
    effects = (Record(entries=entries),) if entries else ()
    return Outcome(state=replace(state, events=events), replies=(reply,), effects=effects)


def _create_opt(state: Party, message: CreateOpt, moment: Moment) -> Outcome[Party]:
    opt.check(message, _resources(state))
    entries: tuple[Entry, ...] = ()
    if message.event is not None:
        events, entry = distribution.qualify(state.events, message.event, message, moment.now)
        state, entries = replace(state, events=events), (entry,)
    state = replace(state, opts=opt.create(opt.forget(state.opts, moment.now, state.events), message))
    reply = CreatedOpt(result=Result(request_id=message.request_id), opt_id=message.opt_id)
    return Outcome(state=state, replies=(reply,), effects=(Record(entries=entries),) if entries else ())


def _resources(state: Party) -> tuple[ResourceId, ...]:
    """Those that the VEN's METADATA names."""
    points = (point for report in state.reports.offered for point in report.descriptions)
    return tuple(name for point in points if point.source is not None for name in point.source.resources)


def _cancel_opt(state: Party, message: CancelOpt, moment: Moment) -> Outcome[Party]:
    gone = state.opts.get(message.opt_id)
    state = replace(state, opts=opt.cancel(state.opts, message.opt_id))
    if gone is not None and gone.event is not None:
        standing = [item.opt for item in state.opts.values() if item.event == gone.event]
        events = distribution.unqualify(state.events, gone.event, standing[-1] if standing else None, moment.now)
        state = replace(state, events=events)
    reply = CanceledOpt(result=Result(request_id=message.request_id), opt_id=message.opt_id)
    return says(state, reply)


def _poll(state: Party, terms: Terms, moment: Moment) -> Outcome[Party]:
    """The next payload, else a plain oadrResponse (rule 500)."""
    state = reporting.collected(state, moment)
    outcome = next_payload(state, terms, moment)
    return outcome or says(state, Response(result=Result(), ven_id=state.ven_id))
