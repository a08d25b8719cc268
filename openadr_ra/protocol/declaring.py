"""EiOpt at the VEN: what it declares, until the VTN has it; an opt is declared again after each new registration."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.protocol import event as events
from openadr_ra.protocol import opt
from openadr_ra.protocol.debts import Declare, Retract
from openadr_ra.protocol.messages import CreatedOpt, Message
from openadr_ra.protocol.model import OPT_OUT, OptId
from openadr_ra.protocol.node import EndNode, owe
from openadr_ra.protocol.opt import Opt
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.step import Moment


def declared(state: EndNode, item: Opt, moment: Moment) -> EndNode:
    """The opt is ours from now on, in place of one with its id, and owed to the VTN."""
    rest = tuple(debt for debt in state.debts if debt.work != Declare(opt_id=item.id))
    state = replace(state, opts=opt.forget(state.opts, moment.now) | {item.id: item}, debts=rest)
    return owe(state, Declare(opt_id=item.id), moment)


def retracted(state: EndNode, opt_id: OptId, moment: Moment) -> EndNode:
    """Raises InvalidId for an opt that was never declared."""
    rest = tuple(debt for debt in state.debts if debt.work != Declare(opt_id=opt_id))
    state = replace(state, opts=opt.cancel(state.opts, opt_id), debts=rest)
    return owe(state, Retract(opt_id=opt_id), moment)


def again(state: EndNode, moment: Moment) -> EndNode:
    """A new registration knows no opts (rule 406): those that are not over are declared anew, those for events are not."""
    kept = {name: item for name, item in opt.forget(state.opts, moment.now).items() if item.event is None}
    state = replace(state, opts=kept)
    for number, name in enumerate(kept, 1):
        state = owe(state, Declare(opt_id=name), moment, number)
    return state


def answered(state: EndNode, answer: Message | None) -> EndNode:
    """An opt that the VTN refuses is given up; otherwise nothing changes but the debt, which is paid."""
    if isinstance(answer, CreatedOpt) and answer.result.code != "200":
        return replace(state, opts={name: item for name, item in state.opts.items() if name != answer.opt_id})
    return state


def absent(state: EndNode, event: Event) -> bool:
    """Did we declare that we are not available while `event` runs?"""
    said = opt.spoken(state.opts, event.period.start, events.end(event), market_context=event.market_context)
    return said == OPT_OUT
