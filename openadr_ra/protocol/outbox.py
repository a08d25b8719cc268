"""What a VEN is told next: one payload at a time (rule 500), and when there will be something again."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol import distribution, requester
from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CancelReport,
    CreateReport,
    Message,
    RegisterReport,
    RequestReregistration,
)
from openadr_ra.protocol.model import RegistrationId, RequestId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.party import Again, Debt, End, Metadata, Party, Stop, Terms
from openadr_ra.protocol.step import Moment, Outcome, Record

QUIET = timedelta(days=1)
"""How long a VEN that owes us nothing is left alone before its row is looked at again."""


def next_payload(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    """The next payload as the outcome's reply: what ends or renews the registration, events, the rest; None: nothing.

    A debt that was told is not told again before `terms.retry`, so that a VEN may drain the queue before it answers.
    """
    for offer in (_registration, _events, _debts, _requests):
        outcome = offer(state, terms, moment)
        if outcome is not None:
            return outcome
    return None


def _registration(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    return _first(state, terms, moment, (End, Again))


def _debts(state: Party, terms: Terms, moment: Moment) -> Outcome[Party] | None:
    return _first(state, terms, moment, (Metadata, Stop))


def _first(
    state: Party, terms: Terms, moment: Moment, kinds: tuple[type[Metadata | Again | End | Stop], ...]
) -> Outcome[Party] | None:
    for debt in state.debts:
        if isinstance(debt.work, kinds) and _is_due(debt, terms, moment.now):
            told = replace(debt, sent_at=moment.now)
            debts = tuple(told if other is debt else other for other in state.debts)
            return Outcome(state=replace(state, debts=debts), replies=(_written(state, debt),))
    return None


def _is_due(debt: Debt, terms: Terms, now: datetime) -> bool:
    return debt.sent_at is None or now >= debt.sent_at + terms.retry


def _written(state: Party, debt: Debt) -> Message:
    request_id = RequestId(debt.id)
    match debt.work:
        case Metadata(asked_by=asked_by):
            # A VTN without reports of its own registers none, but it registers (rule 301).
            return RegisterReport(request_id=request_id, ven_id=state.ven_id, report_request_id=asked_by)
        case Again():
            return RequestReregistration(ven_id=state.ven_id)
        case End():
            held = state.registration.id if state.registration is not None else RegistrationId("")
            return CancelPartyRegistration(request_id=request_id, registration_id=held, ven_id=state.ven_id)
        case Stop(ids=ids, to_follow=to_follow):
            return CancelReport(request_id=request_id, report_request_ids=ids, to_follow=to_follow, ven_id=state.ven_id)


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
    requests = requester.unasked(state.reports, moment.now, terms.retry)
    if not requests:
        return None
    message = CreateReport(request_id=RequestId(moment.fresh("cr")), requests=requests, ven_id=state.ven_id)
    state = replace(state, reports=requester.asked(state.reports, requests, moment.now))
    return Outcome(state=state, replies=(message,))


def quiet_until(state: Party, now: datetime, terms: Terms) -> datetime | None:
    """Until when this VEN is told nothing if nothing else happens; None: there is something now, or no registration."""
    retry = terms.retry
    if state.registration is None:
        return None
    waits: list[datetime | None] = [debt.sent_at + retry if debt.sent_at else now for debt in state.debts]
    if not state.report_only:
        if distribution.wanting(state.events, now, retry):
            return None
        waits.append(distribution.next_wanting(state.events, now, retry))
    if requester.unasked(state.reports, now, retry):
        return None
    waits.append(requester.next_unasked(state.reports, now, retry))
    until = min((when for when in waits if when is not None), default=now + QUIET)
    return until if until > now else None
