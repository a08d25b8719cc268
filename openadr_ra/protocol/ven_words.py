"""What people and programs at a VEN say of events: their own word on one, and when they are not available."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.errors import OK, ResponseCode
from openadr_ra.protocol import agenda, declaring, declaring_judged
from openadr_ra.protocol.debts import Answer
from openadr_ra.protocol.model import CANCELLED, OPT_IN, OPT_OUT, EventId, OptId, OptType
from openadr_ra.protocol.node import EndNode, owe, scope
from openadr_ra.protocol.opt import Opt
from openadr_ra.protocol.step import Entry, Mail, Moment, Outcome, Record


def declared(state: EndNode, item: Opt, moment: Moment) -> Outcome[EndNode]:
    """An opt for one event is also our own word on it; a schedule decides anew on the events that are known."""
    state = declaring.declared(state, item, moment)
    if item.event is None:
        return rejudged(state, moment, anew=True)
    return chosen(state, item.event.event_id, item.opt, "operator", moment)


def retracted(state: EndNode, opt_id: OptId, moment: Moment) -> Outcome[EndNode]:
    """The opt is taken back, and with it what it said of events."""
    gone = state.opts.get(opt_id)
    state = declaring.retracted(state, opt_id, moment)
    if gone is None or gone.event is None:
        return rejudged(state, moment, anew=True)
    return chosen(state, gone.event.event_id, None, "operator", moment)


def rejudged(state: EndNode, moment: Moment, *, anew: bool) -> Outcome[EndNode]:
    """With the answers owed that declared absences have changed; see `declaring_judged.rejudged`."""
    if not state.opts and not anew and not any(held.absent for held in state.agenda.values()):
        return Outcome(state=state)
    outcome = declaring_judged.rejudged(state, moment, anew=anew)
    if outcome.state is state:
        return outcome
    return Outcome(state=answering(outcome.state, moment), mail=outcome.mail, effects=outcome.effects)


def answering(state: EndNode, moment: Moment) -> EndNode:
    """With a debt for the answers that are decided, unless there is one."""
    state = declaring.following(state, moment)
    if not agenda.owed(state.agenda) or any(isinstance(debt.work, Answer) for debt in state.debts):
        return state
    return owe(state, Answer(), moment)


def opinion(
    state: EndNode,
    event_id: EventId,
    modification: int,
    opt: OptType | None,
    code: ResponseCode,
    description: str,
    moment: Moment,
) -> Outcome[EndNode]:
    """What the embedding program says of an event; None leaves it to the fleet."""
    held = state.agenda.get(event_id)
    if held is None or held.event.modification != modification or held.consulted:
        return Outcome(state=state)
    item = replace(held, consulted=True)
    mail: tuple[Mail, ...] = ()
    if opt == OPT_OUT or (opt is not None and held.opt != OPT_OUT):
        # Whichever comes first, opinion or verdict: what the fleet cannot follow is opted out.
        item = replace(item, opt=opt, code=code, description=description, opinion=opt)
    if opt == OPT_OUT:
        mail = agenda.mailed((agenda.release(held, held.event.modification, moment.now),), state.key)
    state = replace(state, agenda=state.agenda | {event_id: item})
    return Outcome(state=answering(state, moment), mail=mail)


def chosen(
    state: EndNode, event_id: EventId, opt: OptType | None, by: str, moment: Moment, reason: str = ""
) -> Outcome[EndNode]:
    """An operator beats the event; taking it back asks the fleet anew. There is no word on a bad or cancelled event."""
    held = state.agenda.get(event_id)
    if held is None or held.refused or held.event.status == CANCELLED:
        return Outcome(state=state)
    item = replace(held, local_opt=opt, consulted=held.consulted or opt is not None)
    gone = opt is None and declaring_judged.absent(state, held.event, moment.now)
    item = replace(item, absent=gone, code=OK, description=agenda.ABSENT if gone else reason, answered=-1)
    out = gone or item.word == OPT_OUT
    known = replace(state, agenda=state.agenda | {event_id: item})
    letter = (
        agenda.release(held, held.event.modification, moment.now)
        if out
        else agenda.instruct(held, moment.now, scope(state), declaring_judged.away(known, held.event))
    )
    word = OPT_OUT if out else opt if letter is not None else OPT_IN
    mail = agenda.mailed((letter,), state.key) if letter is not None else ()
    detail = f"by the operator: {reason}" if reason else "by the operator"
    entry = Entry(subject=f"event/{event_id}", at=moment.now, by=by, what=opt or "opt withdrawn", detail=detail)
    state = replace(state, agenda=state.agenda | {event_id: replace(item, opt=word)})
    return Outcome(state=answering(state, moment), mail=mail, effects=(Record(entries=(entry,)),))
