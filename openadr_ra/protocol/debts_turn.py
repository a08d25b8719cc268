"""Whose turn it is among a VEN's debts, so that a VTN that is away is not called for each of them."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.protocol import declaring
from openadr_ra.protocol.debts import Debt, Register, Say, Update
from openadr_ra.protocol.node import EndNode, owe
from openadr_ra.protocol.parts import X_RESPONSE
from openadr_ra.protocol.producer import Span
from openadr_ra.protocol.step import Delivered, Moment

AT_A_TIME = 4
"""Responses of event intervals that are posted before the first of them is acknowledged. A VTN that was away for a day has
dozens to hear: it hears them one after the other, and is tried with these few meanwhile."""


def in_turn(state: EndNode) -> tuple[Debt, ...]:
    """Those that may be said. Before registration only registration can be; after its end only what ends it."""
    match state.member.phase:
        case "new":
            return tuple(debt for debt in state.debts if isinstance(debt.work, Register))
        case "ended":
            return tuple(debt for debt in state.debts if isinstance(debt.work, Say))
    responses = [debt.id for debt in state.debts if isinstance(debt.work, Update) and debt.work.event_id is not None]
    behind = frozenset(responses[AT_A_TIME:])
    return tuple(debt for debt in state.debts if debt.id not in behind and declaring.in_order(state, debt))


def delivered(state: EndNode, given: Delivered, moment: Moment) -> EndNode:
    """The interval's response goes out by every x-RESPONSE request, once: its words are found when it is said.

    So there is never more owed than the event has intervals, and a provisional value gives way to the final one. What was
    said already may have been an earlier revision, and is owed anew in its place.
    """
    number = 0
    for standing in state.producer.requests.values():
        if standing.name != X_RESPONSE:
            continue
        number += 1
        span = Span(request_id=standing.request.id, start=given.start, end=given.end)
        same = [debt for debt in state.debts if _is_of(debt, given, span)]
        if any(not debt.tries for debt in same):
            continue
        state = replace(state, debts=tuple(debt for debt in state.debts if debt not in same))
        state = owe(state, Update(standing=standing, span=span, event_id=given.event_id), moment, number)
    return state


def _is_of(debt: Debt, given: Delivered, span: Span) -> bool:
    return isinstance(debt.work, Update) and debt.work.event_id == given.event_id and debt.work.span == span
