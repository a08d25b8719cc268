"""Party: a VTN's knowledge of one VEN. Routes each message to its service; decides what a poll returns next."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import InvalidId, NotAllowed, NotRegistered, OadrError
from openadr_ra.protocol import distribution, registration, requester
from openadr_ra.protocol.distribution import Distribution
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CancelPartyRegistration,
    CreatedEvent,
    CreatedReport,
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
from openadr_ra.protocol.model import RegistrationId, RequestId, VenId, VtnId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import refusal
from openadr_ra.protocol.registration import Registration
from openadr_ra.protocol.requester import Requester, Wanted
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import AnyLetter, Entry, Moment, Outcome, Publish, Record, State

MIN_RETRY = timedelta(seconds=10)
"""A delivery counts as lost after two polls without an answer, but never sooner than this."""


METADATA = "metadata"
"""The debt of our own oadrRegisterReport, due once after each new registration (rule 301)."""


class Terms(Value, frozen=True, kw_only=True, gc=False):
    """What a VTN holds for all of its VENs; settings, so handed in with each message."""

    vtn_id: VtnId
    poll_s: int = 10
    wanted: Wanted = Wanted()


class Debt(Value, frozen=True, kw_only=True, gc=False):
    """A message the VTN owes this VEN besides events and report requests; written when it is sent."""

    kind: str
    sent_at: datetime | None = None


class Party(State, frozen=True, kw_only=True, gc=False):
    """One VEN. `fingerprints`: the certificates it may come with, several while one is being renewed; empty: any."""

    ven_id: VenId
    name: str = ""
    fingerprints: tuple[str, ...] = ()
    registration: Registration | None = None
    events: Distribution = {}
    reports: Requester = Requester()
    debts: tuple[Debt, ...] = ()


class Heard(Value, frozen=True, kw_only=True, gc=False):
    """An input: a message that came over a connection with that certificate (None on plain HTTP)."""

    message: Message
    fingerprint: str | None
    terms: Terms


def belongs(message: Message, service: str) -> bool:
    """May `message` be posted to `service`? An oadrResponse goes where its VEN thinks fit."""
    return message.service in (None, service)


def is_registering(message: Message) -> bool:
    """Does it come from a VEN that may be unknown yet?"""
    return isinstance(message, QueryRegistration | CreatePartyRegistration)


def is_poll(message: Message) -> bool:
    """Is it the question whether there is anything?"""
    return isinstance(message, Poll)


def is_plain(message: Message) -> bool:
    """The oadrResponse that ends the draining of a queue (rule 500)."""
    return isinstance(message, Response)


def filed(state: Party, letters: tuple[AnyLetter, ...]) -> Party:
    """The party with the events that came by mail."""
    for letter in letters:
        if isinstance(letter, Publish):
            state = replace(state, events=distribution.publish(state.events, letter))
    return state


def receive(state: Party, given: Heard | AnyLetter, moment: Moment) -> Outcome[Party]:
    """A message's reply, or a letter's effect. An `OadrError` becomes the natural reply with its code."""
    if isinstance(given, Publish):
        return Outcome(state=filed(state, (given,)))
    if not isinstance(given, Heard):
        raise NotAllowed(f"a party takes no {type(given).__name__}")
    try:
        _admit(state, given)
        return _route(state, given, moment)
    except OadrError as error:
        reply = refusal(given.message, error, ven_id=state.ven_id, vtn_id=given.terms.vtn_id)
        return Outcome(state=state, replies=(reply,))


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


def _route(state: Party, given: Heard, moment: Moment) -> Outcome[Party]:
    """One row per payload that a VEN may send."""
    message, terms = given.message, given.terms
    match message:
        case Poll():
            return _poll(state, terms, moment)
        case QueryRegistration():
            return _says(state, registration.confirmed(
                state.registration, request_id=message.request_id, ven_id=state.ven_id, vtn_id=terms.vtn_id,
                poll_s=terms.poll_s,
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
            return _register_report(state, message, terms, moment)
        case RegisteredReport():
            return _acknowledged(state, message.result.request_id, METADATA)
        case CreatedReport():
            reports = requester.running(state.reports, message.pending)
            return _acknowledged(replace(state, reports=reports), message.result.request_id)
        case UpdateReport():
            reports, readings = requester.readings(state.reports, message, state.ven_id)
            answer = UpdatedReport(result=Result(request_id=message.request_id), ven_id=state.ven_id)
            outcome = _says(replace(state, reports=reports), answer)
            return replace(outcome, effects=(Record(readings=readings),) if readings else ())
        case Response() | CanceledPartyRegistration():
            return _acknowledged(state, RequestId(""))
    raise NotAllowed(f"{message.xml.removeprefix('oadr:')} is nothing a VEN sends here")


def _says(state: Party, reply: Message) -> Outcome[Party]:
    return Outcome(state=state, replies=(reply,))


def _acknowledged(state: Party, request_id: RequestId, kind: str = "") -> Outcome[Party]:
    """A pull VEN's answer to something it got with a poll is itself answered by oadrResponse."""
    if kind:
        state = replace(state, debts=tuple(debt for debt in state.debts if debt.kind != kind))
    return _says(state, Response(result=Result(request_id=request_id), ven_id=state.ven_id))


def _register(state: Party, message: CreatePartyRegistration, given: Heard, moment: Moment) -> Outcome[Party]:
    fresh = RegistrationId(moment.fresh("reg"))
    held = registration.register(state.registration, message, ven_id=state.ven_id, fresh=fresh, now=moment.now)
    anew = state.registration is None or held.id != state.registration.id
    fingerprints = state.fingerprints or ((given.fingerprint,) if given.fingerprint else ())
    state = replace(state, registration=held, name=held.ven_name or state.name, fingerprints=fingerprints)
    if anew:
        # Rules 301 and 406: reports begin anew with METADATA from both sides; events are still its own.
        state = replace(state, reports=Requester(), debts=(Debt(kind=METADATA),), events=_undelivered(state.events))
    reply = registration.confirmed(
        held,
        request_id=message.request_id,
        ven_id=state.ven_id,
        vtn_id=given.terms.vtn_id,
        poll_s=given.terms.poll_s,
    )
    what = "registered" if anew else "registered again"
    entry = Entry(subject=party(state.ven_id), at=moment.now, by=state.ven_id, what=what, detail=held.ven_name)
    return Outcome(state=state, replies=(reply,), effects=(Record(entries=(entry,), aliases=fingerprints),))


def _undelivered(events: Distribution) -> Distribution:
    """Whatever the VEN was given under its former registration, it has forgotten."""
    return {
        name: replace(item, delivered=-1, delivered_at=None, answered=-1, opt=None) for name, item in events.items()
    }


def _cancel_registration(state: Party, message: CancelPartyRegistration, moment: Moment) -> Outcome[Party]:
    held = state.registration
    if held is None or message.registration_id != held.id:
        raise InvalidId(f"registrationID {message.registration_id} is unknown here")
    reply = CanceledPartyRegistration(
        result=Result(request_id=message.request_id), registration_id=held.id, ven_id=state.ven_id
    )
    entry = Entry(subject=party(state.ven_id), at=moment.now, by=state.ven_id, what="cancelled its registration")
    ended = replace(state, registration=None, events={}, reports=Requester(), debts=())
    return Outcome(state=ended, replies=(reply,), effects=(Record(entries=(entry,)),))


def _request_event(state: Party, message: RequestEvent, terms: Terms, moment: Moment) -> Outcome[Party]:
    return _distribute(state, terms, moment, message.request_id, message.reply_limit)


def _distribute(
    state: Party, terms: Terms, moment: Moment, answers: RequestId, limit: int | None = None
) -> Outcome[Party]:
    reply, given = distribution.distribute(
        distribution.forget(state.events, moment.now),
        moment.now,
        vtn_id=terms.vtn_id,
        request_id=RequestId(moment.fresh("ev")),
        result=Result(request_id=answers),
        limit=limit,
    )
    entries = tuple(distribution.delivered(state.events, given, state.ven_id, moment.now))
    effects = (Record(entries=entries),) if entries else ()
    return Outcome(state=replace(state, events=given), replies=(reply,), effects=effects)


def _created_event(state: Party, message: CreatedEvent, terms: Terms, moment: Moment) -> Outcome[Party]:
    events, entries, error = distribution.answer(state.events, message, moment.now)
    reply: Message = Response(result=Result(request_id=message.result.request_id), ven_id=state.ven_id)
    if error is not None:
        reply = refusal(message, error, ven_id=state.ven_id, vtn_id=terms.vtn_id)
    effects = (Record(entries=entries),) if entries else ()
    return Outcome(state=replace(state, events=events), replies=(reply,), effects=effects)


def _register_report(state: Party, message: RegisterReport, terms: Terms, moment: Moment) -> Outcome[Party]:
    reports = requester.offered(state.reports, message.reports, terms.wanted, moment)
    requests = requester.unasked(reports, moment.now, _retry(terms))
    reports = requester.asked(reports, requests, moment.now)
    reply = RegisteredReport(result=Result(request_id=message.request_id), requests=requests, ven_id=state.ven_id)
    return _says(replace(state, reports=reports), reply)


def _retry(terms: Terms) -> timedelta:
    return max(MIN_RETRY, 2 * timedelta(seconds=terms.poll_s))


def _poll(state: Party, terms: Terms, moment: Moment) -> Outcome[Party]:
    """The next payload, one per poll (rule 500): events, our METADATA, report requests; else oadrResponse."""
    for offer in (_offer_events, _offer_metadata, _offer_requests):
        outcome = offer(state, terms, moment)
        if outcome is not None:
            return outcome
    return _says(state, Response(result=Result(), ven_id=state.ven_id))


def _offer_events(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    if not distribution.wanting(state.events, moment.now, _retry(terms)):
        return None
    return _distribute(state, terms, moment, RequestId(""))


def _offer_metadata(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    for debt in state.debts:
        if debt.sent_at is None or moment.now >= debt.sent_at + _retry(terms):
            others = tuple(other for other in state.debts if other != debt)
            # A VTN without reports of its own registers none, but it registers (rule 301).
            message = RegisterReport(request_id=RequestId(moment.fresh("md")), ven_id=state.ven_id)
            return _says(replace(state, debts=(*others, replace(debt, sent_at=moment.now))), message)
    return None


def _offer_requests(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    requests = requester.unasked(state.reports, moment.now, _retry(terms))
    if not requests:
        return None
    message = CreateReport(request_id=RequestId(moment.fresh("cr")), requests=requests, ven_id=state.ven_id)
    return _says(replace(state, reports=requester.asked(state.reports, requests, moment.now)), message)


def quiet_until(state: Party, now: datetime, terms: Terms) -> datetime | None:
    """Until when a poll of this VEN is answered by a plain oadrResponse if nothing else happens; None: not even now.

    Beyond it lies the next repetition of something unanswered. A VEN that owes us nothing is quiet for a day.
    """
    retry = _retry(terms)
    if state.registration is None or distribution.wanting(state.events, now, retry):
        return None
    if requester.unasked(state.reports, now, retry):
        return None
    waits: list[datetime | None] = [debt.sent_at + retry if debt.sent_at else now for debt in state.debts]
    waits.append(distribution.next_wanting(state.events, now, retry))
    waits.append(requester.next_unasked(state.reports, now, retry))
    until = min((when for when in waits if when is not None), default=now + timedelta(days=1))
    return until if until > now else None
