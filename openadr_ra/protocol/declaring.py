"""EiOpt at the VEN: what it declares, until the VTN has it; an opt is declared again after each new registration."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import OK, NotAllowed
from openadr_ra.protocol import opt
from openadr_ra.protocol.debts import Debt, Declare, Retract
from openadr_ra.protocol.messages import CreateOpt
from openadr_ra.protocol.model import OptId, RequestId, VenId
from openadr_ra.protocol.node import EndNode, owe
from openadr_ra.protocol.opt import Opt
from openadr_ra.protocol.step import Moment


def declared(state: EndNode, item: Opt, moment: Moment) -> EndNode:
    """The opt is ours from now on, in place of one with its id, and owed to the VTN.

    Raises NotAllowed for a report-only VEN, which has no EiOpt, and what any VTN would refuse it for.
    """
    if state.identity.report_only:
        raise NotAllowed("a report-only VEN declares no opts")
    opt.check_form(opt.message(item, request_id=RequestId(""), ven_id=state.member.ven_id or VenId(""), now=moment.now))
    state = _without_unsaid(state, item.id)
    held = opt.forget(opt.without(state.opts, item.id), moment.now, state.agenda)
    return owe(replace(state, opts=held | {item.id: item}), Declare(opt_id=item.id), moment)


def retracted(state: EndNode, opt_id: OptId, moment: Moment) -> EndNode:
    """Raises InvalidId for an opt that was never declared."""
    state = _without_unsaid(replace(state, opts=opt.cancel(state.opts, opt_id)), opt_id)
    return owe(state, Retract(opt_id=opt_id), moment)


def _without_unsaid(state: EndNode, opt_id: OptId) -> EndNode:
    """What was never said of that opt need not be; what was may arrive yet, and its answer is awaited."""
    works = Declare(opt_id=opt_id), Retract(opt_id=opt_id)
    return replace(state, debts=tuple(debt for debt in state.debts if debt.tries or debt.work not in works))


def in_order(state: EndNode, debt: Debt) -> bool:
    """Is it its turn? Opts are told one after the other, each until it is answered: a late repetition of an earlier one
    must not undo a later one, and the newest schedule is the one that was declared last."""
    if not isinstance(debt.work, Declare | Retract):
        return True
    return next(each for each in state.debts if isinstance(each.work, Declare | Retract)) == debt


def again(state: EndNode, moment: Moment) -> EndNode:
    """A new registration knows no opts (rule 406): those that are not over are declared anew, those for events are not."""
    state = replace(state, opts=opt.forget(state.opts, moment.now, ()))
    for number, name in enumerate(state.opts, 1):
        state = owe(state, Declare(opt_id=name), moment, number)
    return state


def answered(state: EndNode, request: CreateOpt, code: str) -> EndNode:
    """An opt that the VTN refuses is given up, unless it was replaced meanwhile; otherwise nothing changes."""
    if code == OK or any(debt.work == Declare(opt_id=request.opt_id) for debt in state.debts):
        return state
    return replace(state, opts=opt.without(state.opts, request.opt_id))


def following(state: EndNode, moment: Moment) -> EndNode:
    """Where another word on an event counts now than the one that was declared for it, that is declared, too: an
    oadrCreatedEvent alone would not be taken (rule 206)."""
    for item in tuple(state.opts.values()):
        held = state.agenda.get(item.event.event_id) if item.event is not None else None
        if held is None or item.event is None or held.event.modification != item.event.modification:
            continue
        if held.opt not in (None, item.opt):
            state = declared(state, replace(item, opt=held.opt), moment)
    return state
