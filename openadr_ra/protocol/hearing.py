"""What a VEN makes of what its VTN says: replies to its own messages, and payloads that came with a poll."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from openadr_ra.errors import OK, InvalidId, NotAllowed, NotRegistered, OadrError
from openadr_ra.protocol import (
    agenda,
    declaring,
    declaring_judged,
    producer,
    registration,
    requester,
    ven_wanting,
    ven_words,
)
from openadr_ra.protocol.debts import Announce, Answer, Debt, Declare, Fetch, Leave, Register, Retract, Say, Update
from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CanceledReport,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedPartyRegistration,
    CreatedReport,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.protocol.node import NEVER_YET, EndNode, asking, checked, fetching, owe, paced, scope
from openadr_ra.protocol.pacing import dice
from openadr_ra.protocol.parts import ReportRequest, Result
from openadr_ra.protocol.refusal import refusal
from openadr_ra.protocol.report_feeds import Source, arrived
from openadr_ra.protocol.step import Mail, Moment, Outcome, Record

POLL_JITTER = 0.05
"""Polls are up to this much later than asked for, so that a fleet does not come in step; never earlier."""


def replied(state: EndNode, request: Message, answer: Message | None, moment: Moment) -> Outcome[EndNode]:
    """What our own message brought. An empty 200 counts as an acknowledgement."""
    if state.member.phase == "registered" and _disowned(request, answer):
        return _forgotten(state, moment)
    match request:
        case Poll() | RequestEvent() if state.member.phase != "registered":
            # The registration ended while this was asked: what was meant for it binds nobody any more.
            return Outcome(state=paid(state, request))
        case Poll():
            return _polled(state, answer, moment)
        case CreatePartyRegistration():
            return _registered(state, answer, moment)
        case CancelPartyRegistration():
            return gone(paid(state, request), moment)
        case RegisterReport():
            return _report_registered(paid(state, request), request, answer, moment)
        case RequestEvent():
            return hear(paid(state, request), answer, moment, limited=request.reply_limit is not None)
        case CreatedEvent():
            state = paid(state, request)
            state = replace(state, agenda=agenda.acknowledged(state.agenda, request))
            # What was decided while the answer travelled is owed still.
            still = agenda.owed(state.agenda) and not _answers(state)
            return Outcome(state=owe(state, Answer(), moment) if still else state)
        case UpdateReport():
            return _updated(paid(state, request), request, answer)
        case CreateOpt():
            kept = declaring.answered(paid(state, request), request, _code(answer))
            return ven_words.rejudged(kept, moment, anew=kept.opts is not state.opts)
        case CreateReport():
            return Outcome(state=asked(paid(state, request), request, answer, moment))
        case CancelReport():
            return Outcome(state=ven_wanting.confirmed(paid(state, request), request, answer, moment))
    return Outcome(state=paid(state, request))


def _disowned(request: Message, answer: Message | None) -> bool:
    """Does the VTN say that it does not know us? To whoever registers, asks about that or leaves that is no news.

    A poll and a request for events name nothing but us, so that 452 can mean nothing else.
    """
    if isinstance(request, CreatePartyRegistration | QueryRegistration | CancelPartyRegistration):
        return False
    code = _code(answer)
    return code == NotRegistered.code or (code == InvalidId.code and isinstance(request, Poll | RequestEvent))


def _code(answer: Message | None) -> str:
    result = getattr(answer, "result", None)
    return result.code if isinstance(result, Result) else OK


def paid(state: EndNode, request: Message) -> EndNode:
    """Without the debt that `request` paid."""
    return replace(state, debts=tuple(debt for debt in state.debts if not _pays(request, debt)))


def _pays(request: Message, debt: Debt) -> bool:
    match debt.work:
        case Say():
            return debt.work.message == request
        case Answer():
            # The refusal of a whole oadrDistributeEvent is an oadrCreatedEvent, too.
            answers = request.responses if isinstance(request, CreatedEvent) and request.result.code == OK else None
            return answers is not None and all(stray in answers for stray in debt.work.strays)
    return getattr(request, "request_id", None) == debt.id


def _forgotten(state: EndNode, moment: Moment) -> Outcome[EndNode]:
    """The VTN does not know us (any more): register anew, a poll's time later so that two who disagree do not race."""
    if any(isinstance(debt.work, Leave) for debt in state.debts):
        return gone(state, moment)
    member = state.member
    fresh = registration.Membership(phase=registration.moved(member.phase, "forgotten"), poll_s=member.poll_s)
    later = Moment(now=moment.now + timedelta(seconds=max(member.poll_s, 1)), token=moment.token)
    return Outcome(state=owe(replace(state, member=fresh, debts=()), Register(), later))


def _polled(state: EndNode, answer: Message | None, moment: Moment) -> Outcome[EndNode]:
    """Rule 500: poll again at once until a plain oadrResponse; then not before the period is over."""
    if state.poll_tries > 1:
        # An event may have been lost with an earlier answer, and not every VTN sends it again.
        state = fetching(state, moment)
    if _code(answer) == NotAllowed.code:
        # It takes us for a VEN that it has to post to (X-POLL-1), and is told once more what we are.
        state = owe(state, Register(), moment)
    if answer is None or isinstance(answer, Response):
        late = 1 + POLL_JITTER * dice(moment)
        wait = timedelta(seconds=max(state.member.poll_s, 1) * late)
        due = moment.now if _was_held(state, moment) else moment.now + wait
        return Outcome(state=replace(state, poll_tries=0, poll_due=paced(state, due), draining=False))
    state = replace(state, poll_tries=0, poll_due=moment.now, draining=True)
    return hear(state, answer, moment, limited=False)


def _was_held(state: EndNode, moment: Moment) -> bool:
    """Does the VTN hold our polls, so that the next may go out at once, to be held in its turn?

    Not if the last one came back early with nothing: then something between us does not wait.
    """
    if not state.holds:
        return False
    return state.draining or moment.now - state.poll_sent >= timedelta(seconds=state.member.hold_s / 2)


def _registered(state: EndNode, answer: Message | None, moment: Moment) -> Outcome[EndNode]:
    if not isinstance(answer, CreatedPartyRegistration) or state.member.phase == "ended":
        return Outcome(state=state)
    member, anew = registration.adopt(state.member, answer)
    if member.phase != "registered":
        # The debt stays, so that the pauses between attempts grow.
        return Outcome(state=replace(state, member=member))
    rest = tuple(debt for debt in state.debts if not isinstance(debt.work, Register))
    state = replace(state, member=member, debts=rest, poll_tries=0, check_due=checked(moment))
    state = replace(state, poll_due=paced(state, moment.now))
    if not anew:
        return Outcome(state=state)
    # Rules 405 and 406: nothing of an earlier registration holds; METADATA and events come first.
    mail = _releases(state, moment)
    state = _without_promises(replace(state, debts=()))
    state = fetching(owe(state, Announce(), moment), moment)
    state = asking(replace(state, requester=requester.anew(state.requester)), moment)
    return Outcome(state=declaring.again(state, moment), mail=mail)


def gone(state: EndNode, moment: Moment) -> Outcome[EndNode]:
    """We cancelled, and the VTN knows it or never knew us: nothing of the registration holds any more."""
    if state.member.phase == "ended":
        return Outcome(state=state)
    phase = registration.moved(state.member.phase, "cancelled by us")
    member = registration.Membership(phase=phase, poll_s=state.member.poll_s)
    return Outcome(state=_without_promises(replace(state, member=member, debts=())), mail=_releases(state, moment))


def without_events(state: EndNode, moment: Moment) -> Outcome[EndNode]:
    """A report-only VEN has none: whoever becomes one follows those it had no longer, and owes no answer to them."""
    debts = tuple(debt for debt in state.debts if not isinstance(debt.work, Answer | Fetch | Declare | Retract))
    return Outcome(state=replace(state, agenda={}, opts={}, debts=debts), mail=_releases(state, moment))


def _releases(state: EndNode, moment: Moment) -> tuple[Mail, ...]:
    letters = tuple(agenda.release(item, item.event.modification, moment.now) for item in state.agenda.values())
    return agenda.mailed(letters, state.key)


def _without_promises(state: EndNode) -> EndNode:
    return replace(state, agenda={}, newest=NEVER_YET, producer=replace(state.producer, requests={}))


def _report_registered(
    state: EndNode, request: RegisterReport, answer: Message | None, moment: Moment
) -> Outcome[EndNode]:
    """Requests may come with the VTN's answer; they are acknowledged under our own requestID (1.4)."""
    if not isinstance(answer, RegisteredReport) or not answer.requests:
        return Outcome(state=state)
    return Outcome(state=_serve(state, answer.requests, request.request_id, moment))


def asked(state: EndNode, request: CreateReport, answer: Message | None, moment: Moment) -> EndNode:
    """The VTN will send what it was asked for; a refusal ends the asking. What was wanted meanwhile is asked for next."""
    ids = tuple(each.id for each in request.requests)
    if isinstance(answer, CreatedReport) and answer.result.code == OK:
        held = requester.running(state.requester, ids)
    else:
        held = requester.stopped(state.requester, ids)
    return asking(replace(state, requester=held), moment)


def _serve(state: EndNode, requests: tuple[ReportRequest, ...], request_id: RequestId, moment: Moment) -> EndNode:
    """Take the report requests and owe oadrCreatedReport, with 452 where one cannot be served."""
    result = Result(request_id=request_id)
    try:
        made = producer.create(state.producer, requests, moment.now, state.identity.rates)
        state = replace(state, producer=made)
    except OadrError as error:
        result = Result(code=error.code, description=str(error)[:250], request_id=request_id)
    reply = CreatedReport(result=result, pending=producer.pending(state.producer), ven_id=state.member.ven_id)
    return owe(state, Say(message=reply), moment)


def _updated(state: EndNode, request: UpdateReport, answer: Message | None) -> Outcome[EndNode]:
    """A VTN that does not know the request any more gets no further updates; one may be cancelled piggy-back (3.5)."""
    ids = {report.request_id for report in request.reports} & state.producer.requests.keys()
    if _code(answer) == InvalidId.code:
        return Outcome(state=replace(state, producer=producer.cancel(state.producer, tuple(ids))))
    if isinstance(answer, UpdatedReport) and answer.cancel is not None:
        named = tuple(name for name in answer.cancel.report_request_ids if name in ids)
        return Outcome(state=replace(state, producer=producer.cancel(state.producer, named)))
    return Outcome(state=state)


def hear(state: EndNode, message: Message | None, moment: Moment, *, limited: bool) -> Outcome[EndNode]:
    """A payload of the VTN's own. Its answer becomes a debt; an `OadrError` becomes a refusal that is owed."""
    try:
        _check_addressee(state, message)
        return _take(state, message, moment, limited)
    except OadrError as error:
        if message is None or state.member.vtn_id is None:
            return Outcome(state=state)
        reply = refusal(message, error, ven_id=state.member.ven_id, vtn_id=state.member.vtn_id)
        if isinstance(reply, SAYABLE):
            state = owe(state, Say(message=reply), moment)
        return Outcome(state=state)


SAYABLE = (
    Response, RegisteredReport, CreatedReport, CanceledReport, UpdatedReport, CanceledPartyRegistration
)  # fmt: skip


def _check_addressee(state: EndNode, message: Message | None) -> None:
    """Rule 21: what names another VEN is not for us. Most payloads of a VTN's may leave the name out."""
    named = getattr(message, "ven_id", None)
    if named and named != state.member.ven_id and not isinstance(message, Response):
        raise InvalidId(f"venID {named} is not ours")


def _take(state: EndNode, message: Message | None, moment: Moment, limited: bool) -> Outcome[EndNode]:
    match message:
        case None | Response():
            return Outcome(state=state)
        case DistributeEvent() if state.identity.report_only:
            raise NotAllowed("a report-only VEN takes no events")
        case DistributeEvent():
            return _distributed(state, message, moment, limited)
        case RegisterReport():
            # What the VTN offers is remembered; whoever embeds us may ask for it.
            state = replace(state, requester=replace(state.requester, offered=message.reports))
            registered = RegisteredReport(result=Result(request_id=message.request_id), ven_id=state.member.ven_id)
            return Outcome(state=owe(state, Say(message=registered), moment))
        case CreateReport():
            return Outcome(state=_serve(state, message.requests, message.request_id, moment))
        case UpdateReport():
            return _received(state, message, moment)
        case CancelReport():
            return Outcome(state=_cancel_report(state, message, moment))
        case RequestReregistration():
            noted = Response(result=Result(), ven_id=state.member.ven_id)
            return Outcome(state=owe(owe(state, Say(message=noted), moment), Register(), moment))
        case CancelPartyRegistration():
            member, answer = registration.cancelled(state.member, message)
            mail = _releases(state, moment)
            state = _without_promises(replace(state, member=member, debts=()))
            return Outcome(state=owe(state, Say(message=answer), moment), mail=mail)
    raise foreign(message)


def _cancel_report(state: EndNode, message: CancelReport, moment: Moment) -> EndNode:
    """Rule 345: with reportToFollow, what was collected since the last update goes out once more."""
    last = producer.last_spans(state.producer, message.report_request_ids, moment.now) if message.to_follow else ()
    made = producer.cancel(state.producer, message.report_request_ids)
    reply = CanceledReport(
        result=Result(request_id=message.request_id),
        pending=producer.pending(made),
        ven_id=state.member.ven_id,
    )
    state = owe(replace(state, producer=made), Say(message=reply), moment)
    for number, (standing, span) in enumerate(last, 1):
        state = owe(state, Update(standing=standing, span=span), moment, number)
    return state


def _received(state: EndNode, message: UpdateReport, moment: Moment) -> Outcome[EndNode]:
    """A report of the VTN's own, which somebody here asked for; kept under the VTN's name."""
    source = VenId(state.member.vtn_id or "")
    held, found = requester.readings(state.requester, message, source)
    reply = UpdatedReport(result=Result(request_id=message.request_id), ven_id=state.member.ven_id)
    mail = arrived(state.requester, message, Source(source), moment.now)
    state = owe(replace(state, requester=held), Say(message=reply), moment)
    return Outcome(state=state, effects=(Record(readings=found),) if found else (), mail=mail)


def _distributed(state: EndNode, message: DistributeEvent, moment: Moment, limited: bool) -> Outcome[EndNode]:
    if message.vtn_id != state.member.vtn_id:
        # The whole message is refused, so its events are not mentioned (rule 35).
        error = InvalidId(f"vtnID {message.vtn_id} is not ours")
        refused = Result(code=error.code, description=str(error), request_id=message.request_id)
        reply = CreatedEvent(result=refused, ven_id=state.member.ven_id or VenId(""))
        return Outcome(state=owe(state, Say(message=reply), moment))
    if _code(message) != OK:
        # A refusal of our request has no events; that does not cancel those we know.
        return Outcome(state=state)
    made = max((item.event.created for item in message.events), default=state.newest)
    # One that was overtaken on its way does not know of the events that were published since.
    limited = limited or made < state.newest
    state = replace(state, newest=max(made, state.newest))
    found = agenda.hear(
        state.agenda,
        message,
        moment.now,
        scope(state),
        consult=state.identity.consult,
        limited=limited,
        dice=dice(moment),
        absent=lambda event: declaring_judged.absent(state, event, moment.now),
        away=lambda event: declaring_judged.away(state, event),
    )
    state = replace(state, agenda=found.agenda)
    if found.strays or (agenda.owed(state.agenda) and not _answers(state)):
        state = owe(state, Answer(strays=found.strays), moment)
    return Outcome(state=state, mail=agenda.mailed(found.letters, state.key))


def foreign(message: Message) -> NotAllowed:
    """Rule 23: what only a VEN may say is no message to one."""
    return NotAllowed(f"{message.xml.removeprefix('oadr:')} is nothing a VTN sends here")


def _answers(state: EndNode) -> bool:
    return any(isinstance(debt.work, Answer) for debt in state.debts)
