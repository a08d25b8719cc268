"""What a push VEN answers to what its VTN posts."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import NotRecognized, NotRegistered, OadrError
from openadr_ra.protocol.debts import Debt, Say
from openadr_ra.protocol.hearing import SAYABLE, foreign, hear
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent, Message, Response
from openadr_ra.protocol.model import VtnId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import refusal, requested
from openadr_ra.protocol.step import Moment, Outcome


def called(state: EndNode, message: Message, service: str | None, moment: Moment) -> Outcome[EndNode]:
    """The VTN posted to that service of ours. What it is to be answered with goes back at once as the reply; an
    oadrDistributeEvent gets none, and is answered later by our own oadrCreatedEvent (1.5).

    An oadrResponse, oadrCreatedOpt or oadrCanceledOpt has no service of its own. `service` None: wherever it belongs.
    """
    if service is not None and message.service not in (None, service):
        error = NotRecognized(f"{message} does not belong to {service}; post it to {message.service}")
        return Outcome(state=state, replies=(_no(state, message, error),))
    if state.member.phase != "registered":
        return Outcome(
            state=state, replies=(_no(state, message, NotRegistered("this VEN is not registered with you")),)
        )
    known = {debt.id for debt in state.debts}
    outcome = hear(state, message, moment, limited=False)
    debts: list[Debt] = []
    replies: list[Message] = []
    for debt in outcome.state.debts:
        if debt.id not in known and isinstance(debt.work, Say) and not isinstance(debt.work.message, CreatedEvent):
            replies.append(debt.work.message)
        else:
            debts.append(debt)
    if not replies and not isinstance(message, DistributeEvent | Response):
        replies.append(_no(state, message, foreign(message)))
    return replace(outcome, state=replace(outcome.state, debts=tuple(debts)), replies=tuple(replies[:1]))


def _no(state: EndNode, message: Message, error: OadrError) -> Message:
    """The refusal of a post: its natural reply if that is a VEN's to say, else an oadrResponse."""
    ven_id = state.member.ven_id
    reply = refusal(message, error, ven_id=ven_id, vtn_id=state.member.vtn_id or VtnId(""))
    if isinstance(reply, SAYABLE):
        return reply
    result = Result(code=error.code, description=str(error)[:250], request_id=requested(message))
    return Response(result=result, ven_id=ven_id)
