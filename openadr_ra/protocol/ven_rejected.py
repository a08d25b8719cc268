"""What a VEN makes of a VTN that turns a message away below OpenADR, with a status that is not to be tried again (9.1.5)."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import NotAllowed
from openadr_ra.protocol import declaring
from openadr_ra.protocol.debts import Announce, Debt, Register
from openadr_ra.protocol.hearing import asked, gone, paid
from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    Message,
    Poll,
    RegisterReport,
)
from openadr_ra.protocol.node import EndNode, GivenUp, owe, paced
from openadr_ra.protocol.pacing import LAST_TRY, backoff, dice
from openadr_ra.protocol.step import Moment, Outcome


def rejected(state: EndNode, request: Message, why: str, moment: Moment) -> Outcome[EndNode]:
    """The message is given up, and the operator sees which, and why: the last of each kind.

    Registration and polls are what a VEN lives by: they go on, as slowly as the back-off gets.
    """
    slowly = moment.now + backoff(LAST_TRY, dice(moment))
    match request:
        case Poll():
            return Outcome(state=replace(state, poll_due=paced(state, max(slowly, state.poll_due))))
        case CreatePartyRegistration():
            late = tuple(
                replace(debt, due=slowly, tries=LAST_TRY) if isinstance(debt.work, Register) else debt
                for debt in state.debts
            )
            return Outcome(state=replace(state, debts=late, member=replace(state.member, refusal=why)))
    state = paid(_with_given_up(state, request, why, moment), request)
    match request:
        case CancelPartyRegistration():
            # Whoever wanted to leave has left; the VTN will find nobody here.
            return gone(state, moment)
        case CreateOpt():
            return Outcome(state=declaring.answered(state, request, NotAllowed.code))
        case CreateReport():
            return Outcome(state=asked(state, request, None, moment))
    return Outcome(state=state)


def _with_given_up(state: EndNode, request: Message, why: str, moment: Moment) -> EndNode:
    kind = type(request).__name__
    others = tuple(item for item in state.given_up if item.message != kind)
    return replace(state, given_up=(*others, GivenUp(message=kind, at=moment.now, why=why)))


def hopeful(state: EndNode, moment: Moment) -> EndNode:
    """After a start nothing counts as given up, and what the VTN should know of our reports is told once more."""
    lost = any(item.message == RegisterReport.__name__ for item in state.given_up)
    state = replace(state, given_up=())
    if not lost or state.member.phase != "registered" or any(_announces(debt) for debt in state.debts):
        return state
    return owe(state, Announce(), moment)


def _announces(debt: Debt) -> bool:
    return isinstance(debt.work, Announce)
