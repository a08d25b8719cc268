"""What a VEN is told next: one payload at a time (rule 500), and when there will be something again."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import InvalidData
from openadr_ra.protocol import distribution, producer, reporting, requester
from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CancelReport,
    CreateReport,
    Message,
    RequestReregistration,
)
from openadr_ra.protocol.model import RegistrationId, RequestId
from openadr_ra.protocol.pacing import LAST_TRY, LONGEST_BACKOFF_S, awaited, backoff, dice
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.party import Again, Data, Debt, End, Metadata, Party, Stop, Terms, Told
from openadr_ra.protocol.step import Moment, Outcome, Record, Send

QUIET = timedelta(days=1)
"""How long a VEN that owes us nothing is left alone before its row is looked at again."""


def next_payload(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    """The next payload as the outcome's reply: what ends or renews the registration, events, the rest; None: nothing.

    A debt that was told is not told again before `terms.retry`, so that a VEN may drain the queue before it answers.
    """
    for offer in (_registration,) if _ends(state) else (_registration, _events, _debts, _requests):
        outcome = offer(state, terms, moment)
        if outcome is not None:
            return outcome
    return None


def _ends(state: Party) -> tuple[Debt, ...]:
    """The order to end the registration: nothing but it is said until the VEN has confirmed it."""
    return tuple(debt for debt in state.debts if isinstance(debt.work, End))


def _registration(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    return _first(state, terms, moment, (End,) if _ends(state) else (Again,))


def _debts(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    return _first(state, terms, moment, (Metadata, Stop, Data))


def _first(state: Party, terms: Terms, moment: Moment, kinds: tuple[type[Told], ...]) -> Outcome[Party] | None:
    for debt in state.debts:
        if isinstance(debt.work, kinds) and _is_due(debt, terms, moment.now):
            told = replace(debt, sent_at=moment.now)
            debts = tuple(told if other is debt else other for other in state.debts)
            told_state = replace(state, debts=debts)
            if isinstance(debt.work, Data):
                # Its values are read first; what they make comes as the reply to the reading.
                return Outcome(state=told_state, effects=(reporting.wanted(debt.id, debt.work),))
            return Outcome(state=told_state, replies=(_written(state, debt, moment),))
    return None


def _is_due(debt: Debt, terms: Terms, now: datetime) -> bool:
    return not awaited(debt.sent_at, now, terms.retry)


def _written(state: Party, debt: Debt, moment: Moment) -> Message:
    request_id = RequestId(debt.id)
    match debt.work:
        case Metadata(asked_by=asked_by):
            # A VTN without reports of its own registers none, but it registers (rule 301).
            return producer.metadata(
                state.producer,
                producer.ANY_RATE,
                moment.now,
                request_id=request_id,
                ven_id=state.ven_id,
                asked_by=asked_by,
            )
        case Again():
            return RequestReregistration(ven_id=state.ven_id)
        case End():
            held = state.registration.id if state.registration is not None else RegistrationId("")
            return CancelPartyRegistration(request_id=request_id, registration_id=held, ven_id=state.ven_id)
        case Stop(ids=ids, to_follow=to_follow):
            return CancelReport(request_id=request_id, report_request_ids=ids, to_follow=to_follow, ven_id=state.ven_id)
        case Data():
            raise InvalidData("a report is written from its readings")


def _events(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    if state.report_only or not distribution.wanting(state.events, moment.now, terms.retry):
        return None
    return distributed(state, terms, moment, answers=RequestId(""))


def distributed(
    state: Party, terms: Terms, moment: Moment, *, answers: RequestId, limit: int | None = None
) -> Outcome[Party]:
    """oadrDistributeEvent with all that is to be listed, in answer to the request of that id."""
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


def _requests(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    requests = requester.next_to_ask(state.reports, moment.now, terms.retry)
    if not requests:
        return None
    message = CreateReport(request_id=RequestId(moment.fresh("cr")), requests=requests, ven_id=state.ven_id)
    state = replace(state, reports=requester.asked(state.reports, requests, moment.now, message.request_id))
    return Outcome(state=state, replies=(message,))


def pushed(state: Party, terms: Terms, moment: Moment) -> Outcome[Party]:
    """What to post to a push VEN now, as an effect; the next is told when this one is answered or has failed."""
    if not state.pushed or _push_due(state, moment.now, terms) > moment.now:
        return Outcome(state=state)
    state = reporting.collected(state, moment)
    outcome = next_payload(state, terms, moment)
    if outcome is None:
        return Outcome(state=replace(state, push_due=None))
    sends = tuple(Send(message=message) for message in outcome.replies)
    # Should we die before the answer, it is told again; so nothing counts as delivered until then.
    events = outcome.state.events
    for message in outcome.replies:
        events = distribution.undelivered(events, message)
    held = replace(outcome.state, events=events, push_due=moment.now + terms.retry)
    return Outcome(state=held, effects=(*outcome.effects, *sends))


def push_failed(state: Party, message: Message, moment: Moment, *, rejected: bool = False) -> Party:
    """The post did not reach the VEN: nothing of it counts as told, and the next attempt waits (reference 6.2).

    A VEN that turns it away at its HTTP end is tried as slowly as the back-off gets: its operator may mend that, and an
    event must not be lost to it.
    """
    tries = max(state.push_tries + 1, LAST_TRY if rejected else 0)
    debts = tuple(
        replace(debt, sent_at=None) if debt.sent_at is not None and _is_about(debt, message) else debt
        for debt in state.debts
    )
    return replace(
        state,
        debts=debts,
        events=distribution.undelivered(state.events, message),
        reports=requester.unsent(state.reports, message),
        push_tries=tries,
        push_due=moment.now + backoff(tries, dice(moment)),
    )


def _is_about(debt: Debt, message: Message) -> bool:
    if isinstance(message, RequestReregistration):
        return isinstance(debt.work, Again)
    return debt.id == getattr(message, "request_id", None)


def push_deadline(state: Party, terms: Terms, after: datetime) -> datetime | None:
    """When there is something to post to a push VEN; None for others."""
    if not state.pushed:
        return None
    until = quiet_until(state, after, terms)
    return max(until or after, _push_due(state, after, terms), after + timedelta(microseconds=1))


def _push_due(state: Party, now: datetime, terms: Terms) -> datetime:
    """When the next post may go out: now, if that seems further ahead than any pause, for then the clock was set back."""
    longest = max(terms.retry, timedelta(seconds=LONGEST_BACKOFF_S))
    if state.push_due is None or state.push_due > now + 2 * longest:
        return now
    return state.push_due


def quiet_until(state: Party, now: datetime, terms: Terms) -> datetime | None:
    """Until when this VEN is told nothing if nothing else happens; None: there is something now, or no registration."""
    retry = terms.retry
    if state.registration is None:
        return None
    waits: list[datetime | None] = [
        debt.sent_at + retry if debt.sent_at and awaited(debt.sent_at, now, retry) else now
        for debt in _ends(state) or state.debts
    ]
    if _ends(state):
        return _later(waits, now)
    if not state.report_only:
        if distribution.wanting(state.events, now, retry):
            return None
        waits.append(distribution.next_wanting(state.events, now, retry))
    if requester.unasked(state.reports, now, retry):
        return None
    waits.append(requester.next_unasked(state.reports, now, retry))
    waits.append(producer.next_due(state.producer, reporting.busy(state)))
    return _later(waits, now)


def _later(waits: list[datetime | None], now: datetime) -> datetime | None:
    """The first of those moments; None if it has come."""
    until = min((when for when in waits if when is not None), default=now + QUIET)
    return until if until > now else None
