"""The words of a VEN's debts: found when they are said, an update's from the readings."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from openadr_ra.protocol import agenda, delivery, opt, producer, registration, requester
from openadr_ra.protocol.debts import (
    Announce,
    Answer,
    Ask,
    Debt,
    Declare,
    Fetch,
    Leave,
    Register,
    Retract,
    Say,
    Stop,
    Update,
)
from openadr_ra.protocol.messages import CancelPartyRegistration, CancelReport, CreateReport, RequestEvent, UpdateReport
from openadr_ra.protocol.model import RegistrationId, ReportRequestId, RequestId, VenId
from openadr_ra.protocol.node import EndNode, owe
from openadr_ra.protocol.producer import Span, Standing
from openadr_ra.protocol.report import METADATA_REPORT
from openadr_ra.protocol.step import Effect, Fetched, Moment, Outcome, Read, Send


def ven_id(state: EndNode) -> VenId:
    """Ours as the VTN has it; empty while there is no registration."""
    return state.member.ven_id or VenId("")


def spans(state: EndNode, moment: Moment) -> EndNode:
    """Report periods that have ended become debts."""
    served = state.producer.requests
    made, ended = producer.due(state.producer, moment.now, busy(state))
    state = replace(state, producer=made)
    for number, span in enumerate(ended, 1):
        state = owe(state, _duty(served[span.request_id], span), moment, number)
    return state


def _duty(standing: Standing, span: Span) -> Announce | Update:
    """A request for METADATA is paid by METADATA (rule 306)."""
    if standing.name == METADATA_REPORT:
        return Announce(asked_by=standing.request.id)
    return Update(standing=standing, span=span)


def busy(state: EndNode) -> tuple[ReportRequestId, ...]:
    """The requests whose last update or METADATA is not acknowledged: while the VTN is away they do not pile up."""
    return tuple(name for debt in state.debts if (name := _about(debt)) is not None)


def _about(debt: Debt) -> ReportRequestId | None:
    match debt.work:
        case Update(event_id=None, span=span):
            return span.request_id
        case Announce(asked_by=asked_by):
            return asked_by
    return None


def said(state: EndNode, debt: Debt, moment: Moment) -> Effect:
    """The message that pays the debt; an update first needs its readings."""
    request_id = RequestId(debt.id)
    match debt.work:
        case Register():
            return Send(
                message=registration.request(
                    state.member,
                    request_id=request_id,
                    ven_name=state.identity.ven_name,
                    preassigned=state.identity.preassigned,
                    report_only=state.identity.report_only,
                    xml_signature=state.identity.xml_signature,
                    push_address=state.identity.push_address,
                )
            )
        case Announce():
            return Send(
                message=producer.metadata(
                    state.producer,
                    state.identity.rates,
                    moment.now,
                    request_id=request_id,
                    ven_id=ven_id(state),
                    asked_by=debt.work.asked_by,
                )
            )
        case Ask():
            wanted = requester.unasked(state.requester, moment.now, timedelta(0))
            return Send(message=CreateReport(request_id=request_id, requests=wanted, ven_id=ven_id(state)))
        case Stop(ids=ids, to_follow=to_follow):
            message = CancelReport(
                request_id=request_id, report_request_ids=ids, to_follow=to_follow, ven_id=ven_id(state)
            )
            return Send(message=message)
        case Fetch():
            return Send(message=RequestEvent(request_id=request_id, ven_id=ven_id(state)))
        case Answer():
            return Send(message=agenda.created(agenda.owed(state.agenda), debt.work.strays, ven_id(state)))
        case Leave():
            held = state.member.registration_id or RegistrationId("")
            return Send(
                message=CancelPartyRegistration(request_id=request_id, registration_id=held, ven_id=ven_id(state))
            )
        case Declare(opt_id=opt_id):
            item = state.opts.get(opt_id)
            if item is None:
                return Send(message=opt.withdrawal(opt_id, request_id=request_id, ven_id=ven_id(state)))
            return Send(message=opt.message(item, request_id=request_id, ven_id=ven_id(state), now=moment.now))
        case Retract(opt_id=opt_id):
            return Send(message=opt.withdrawal(opt_id, request_id=request_id, ven_id=ven_id(state)))
        case Update():
            return _reading(debt.id, debt.work)
        case Say():
            return Send(message=debt.work.message)


def _reading(tag: str, work: Update) -> Read:
    """What an update is written from."""
    return Read(
        tag=tag,
        series=delivery.wanted(work.standing, work.event_id),
        start=work.span.start - delivery.MARGIN,
        end=work.span.end + delivery.MARGIN,
        shelves=delivery.shelves(work.standing),
    )


def fetched(state: EndNode, given: Fetched, moment: Moment) -> Outcome[EndNode]:
    """The readings of an update have come: send it, or drop the debt if there is nothing to say."""
    debt = next((debt for debt in state.debts if debt.id == given.tag), None)
    if debt is None or not isinstance(debt.work, Update):
        return Outcome(state=state)
    work = debt.work
    report = delivery.written(work.standing, work.span, work.event_id, given, moment.now)
    if report is None:
        rest = tuple(other for other in state.debts if other.id != debt.id)
        return Outcome(state=replace(state, debts=rest))
    if state.identity.one_point_per_interval:
        report = delivery.split(report)
    message = UpdateReport(request_id=RequestId(debt.id), reports=(report,), ven_id=ven_id(state))
    return Outcome(state=state, effects=(Send(message=message),))
