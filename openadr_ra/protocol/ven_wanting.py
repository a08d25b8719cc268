"""What a VEN has to report from now on, and the reports of the VTN's that it no longer wants."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import InvalidId
from openadr_ra.protocol import requester
from openadr_ra.protocol.debts import Announce, Stop
from openadr_ra.protocol.messages import CanceledReport, CancelReport, Message
from openadr_ra.protocol.model import ReportRequestId
from openadr_ra.protocol.node import EndNode, owe
from openadr_ra.protocol.step import Moment


def announcing(state: EndNode, moment: Moment) -> EndNode:
    """With METADATA owed to a VTN that we are registered with. What was said of it before is out of date: its
    acknowledgement must not pay for this."""
    if state.member.phase != "registered":
        return state
    rest = tuple(debt for debt in state.debts if debt.work != Announce())
    return owe(replace(state, debts=rest), Announce(), moment)


def unwanted(state: EndNode, ids: tuple[ReportRequestId, ...], moment: Moment, *, to_follow: bool) -> EndNode:
    """Those requests end; the VTN is told of what it knows or may know of."""
    held, told = requester.ended(state.requester, ids)
    state = replace(state, requester=held)
    return owe(state, Stop(ids=told, to_follow=to_follow), moment) if told else state


def confirmed(state: EndNode, request: CancelReport, answer: Message | None, moment: Moment) -> EndNode:
    """What the VTN answered. One of several that it does not know may have kept it from ending the rest."""
    ids = request.report_request_ids
    result = answer.result if isinstance(answer, CanceledReport) else None
    if result is not None and result.code == InvalidId.code and len(ids) > 1:
        for number, name in enumerate(ids, 1):
            state = owe(state, Stop(ids=(name,), to_follow=request.to_follow), moment, number)
        return state
    pending = answer.pending if isinstance(answer, CanceledReport) else ()
    return replace(state, requester=requester.confirmed(state.requester, ids, pending, to_follow=request.to_follow))
