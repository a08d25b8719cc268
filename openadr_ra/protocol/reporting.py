"""EiReport at the VTN, in both roles: what it asked of its VEN, and what its VEN asked of it."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import OK, InvalidId
from openadr_ra.protocol import delivery, producer, requester
from openadr_ra.protocol.messages import (
    CanceledReport,
    CancelReport,
    CreatedReport,
    CreateReport,
    Message,
    RegisteredReport,
    RegisterReport,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import EventId, ReportRequestId, RequestId
from openadr_ra.protocol.parts import X_RESPONSE, Result
from openadr_ra.protocol.party import Data, Metadata, Party, Stop, Terms, Told, owe, paid
from openadr_ra.protocol.producer import NO_REQUEST, Span, Standing
from openadr_ra.protocol.report import METADATA_REPORT, spans
from openadr_ra.protocol.report_feeds import Source, arrived
from openadr_ra.protocol.step import Fetched, Mail, Moment, Offer, Outcome, Read, Record, Responded, Send


def says(state: Party, reply: Message) -> Outcome[Party]:
    """The reply to what the VEN sent."""
    return Outcome(state=state, replies=(reply,))


def acknowledged(state: Party, request_id: RequestId) -> Outcome[Party]:
    """A pull VEN's answer to something it got with a poll is itself answered by oadrResponse."""
    return says(state, Response(result=Result(request_id=request_id), ven_id=state.ven_id))


def register_report(state: Party, message: RegisterReport, terms: Terms, moment: Moment) -> Outcome[Party]:
    """What the VEN offers; the answer carries what we want of it."""
    reports = requester.offered(state.reports, message.reports, terms.wanted, moment)
    requests = requester.next_to_ask(reports, moment.now, terms.retry)
    ended = requester.ending(state.reports, reports)
    state = replace(state, reports=requester.asked(reports, requests, moment.now, message.request_id))
    if message.report_request_id and message.report_request_id not in (NO_REQUEST, *reports.requests):
        # METADATA is welcome whatever it quotes, but a request that we do not know of would bring it for ever.
        ended = (*ended, message.report_request_id)
    if ended and sum(isinstance(debt.work, Stop) for debt in state.debts) < requester.MAX_ENDING:
        state = owe(state, Stop(ids=ended), moment)
    reply = RegisteredReport(result=Result(request_id=message.request_id), requests=requests, ven_id=state.ven_id)
    return says(state, reply)


def updated(state: Party, message: UpdateReport, moment: Moment) -> Outcome[Party]:
    """Values that we asked for."""
    reports, readings = requester.readings(state.reports, message, state.ven_id)
    answer = UpdatedReport(result=Result(request_id=message.request_id), ven_id=state.ven_id)
    outcome = says(replace(state, reports=reports), answer)
    mail = arrived(state.reports, message, Source(state.ven_id), moment.now) + _responded(state, message)
    return replace(outcome, effects=(Record(readings=readings),) if readings else (), mail=mail)


def _responded(state: Party, message: UpdateReport) -> tuple[Mail, ...]:
    """Whoever published an event is told that its VEN's response has come for some time."""
    return tuple(
        Mail(
            to=given.reply_to,
            body=Responded(ven=state.ven_id, event_id=given.event.id, start=start, end=start + length),
        )
        for report in message.reports
        if report.name == X_RESPONSE and report.report_id is not None
        if (given := state.events.get(EventId(report.report_id))) is not None and given.reply_to is not None
        for start, length, _ in spans(report)
    )


def created_report(state: Party, message: CreatedReport) -> Outcome[Party]:
    """The VEN serves what it lists. What it refused of an operator's requests is asked for no more."""
    reports = requester.running(state.reports, message.pending)
    if message.result.code != OK:
        reports = requester.refused(reports, message.result.request_id)
    return acknowledged(replace(state, reports=reports), message.result.request_id)


def canceled_report(state: Party, message: CanceledReport, moment: Moment) -> Outcome[Party]:
    """The VEN stopped what it no longer lists; what it lists goes on."""
    held = state
    state = paid(state, Stop, message.result.request_id)
    for debt in held.debts:
        if isinstance(debt.work, Stop) and debt not in state.debts:
            state = _stopped(state, debt.work, message, moment)
    return acknowledged(state, message.result.request_id)


def _stopped(state: Party, work: Stop, message: CanceledReport, moment: Moment) -> Party:
    if message.result.code == InvalidId.code and len(work.ids) > 1:
        # One of them is unknown there, and none may have been cancelled: each is told by itself.
        for name in work.ids:
            state = owe(state, Stop(ids=(name,), to_follow=work.to_follow), moment)
        return state
    reports = requester.confirmed(state.reports, work.ids, message.pending, to_follow=work.to_follow)
    return replace(state, reports=reports)


def offer(state: Party, letter: Offer, moment: Moment) -> Party:
    """The VTN's own points for this VEN; a registered one is told of them."""
    made = producer.offer(state.producer, letter)
    if made == state.producer:
        return state
    state = replace(state, producer=made)
    if state.registration is None:
        return state
    # What was told before is out of date: its acknowledgement must not pay for this.
    rest = tuple(debt for debt in state.debts if debt.work != Metadata())
    return owe(replace(state, debts=rest), Metadata(), moment)


def create_report(state: Party, message: CreateReport, moment: Moment) -> Outcome[Party]:
    """The VEN asks for reports of ours, or for our METADATA (rule 306)."""
    state = replace(state, producer=producer.create(state.producer, message.requests, moment.now))
    pending = producer.pending(state.producer)
    reply = CreatedReport(result=Result(request_id=message.request_id), pending=pending, ven_id=state.ven_id)
    return says(state, reply)


def cancel_report(state: Party, message: CancelReport, moment: Moment) -> Outcome[Party]:
    """Rule 345: with reportToFollow, what was collected since the last update goes out once more."""
    last = producer.last_spans(state.producer, message.report_request_ids, moment.now) if message.to_follow else ()
    state = replace(state, producer=producer.cancel(state.producer, message.report_request_ids))
    for standing, span in last:
        state = owe(state, Data(standing=standing, span=span), moment)
    pending = producer.pending(state.producer)
    reply = CanceledReport(result=Result(request_id=message.request_id), pending=pending, ven_id=state.ven_id)
    return says(state, reply)


def data_acknowledged(state: Party, message: UpdatedReport) -> Outcome[Party]:
    """The VEN has our report; it may have cancelled the request with its answer (3.5)."""
    held = state
    state = paid(state, Data, message.result.request_id)
    named = message.cancel.report_request_ids if message.cancel is not None else ()
    if message.result.code == InvalidId.code:
        # A VEN that does not know the request any more gets no further reports on it.
        named = tuple(
            debt.work.span.request_id for debt in held.debts if isinstance(debt.work, Data) and debt not in state.debts
        )
    known = tuple(name for name in named if name in state.producer.requests)
    state = replace(state, producer=producer.cancel(state.producer, known))
    return acknowledged(state, message.result.request_id)


def collected(state: Party, moment: Moment) -> Party:
    """Periods of our own reports that have ended become debts."""
    served = state.producer.requests
    made, ended = producer.due(state.producer, moment.now, busy(state))
    if made is state.producer:
        return state
    state = replace(state, producer=made)
    for span in ended:
        state = owe(state, _told(served[span.request_id], span), moment)
    return state


def _told(standing: Standing, span: Span) -> Told:
    if standing.name == METADATA_REPORT:
        return Metadata(asked_by=standing.request.id)
    return Data(standing=standing, span=span)


def busy(state: Party) -> tuple[ReportRequestId, ...]:
    """The requests whose last report the VEN has not acknowledged: while it is away they do not pile up."""
    return tuple(debt.work.span.request_id for debt in state.debts if isinstance(debt.work, Data))


def wanted(tag: str, work: Data) -> Read:
    """The readings that a report of ours is written from."""
    return Read(
        tag=tag,
        series=delivery.wanted(work.standing, None),
        start=work.span.start - delivery.MARGIN,
        end=work.span.end + delivery.MARGIN,
    )


def written(state: Party, given: Fetched, moment: Moment) -> Outcome[Party]:
    """The report whose readings came: the reply to a poll, or what is posted to a push VEN. One with nothing to say is
    owed no more, and the poll is answered by a plain oadrResponse.
    """
    debt = next((debt for debt in state.debts if debt.id == given.tag), None)
    if debt is None or not isinstance(debt.work, Data):
        return says(state, Response(result=Result(), ven_id=state.ven_id))
    report = delivery.written(debt.work.standing, debt.work.span, None, given, moment.now)
    if report is None:
        state = paid(state, Data, debt.id)
        return says(state, Response(result=Result(), ven_id=state.ven_id))
    message = UpdateReport(request_id=RequestId(debt.id), reports=(report,), ven_id=state.ven_id)
    if state.pushed:
        return Outcome(state=state, effects=(Send(message=message),))
    return says(state, message)
