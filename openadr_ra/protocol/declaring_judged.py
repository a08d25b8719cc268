"""What a declared absence does to events that are known: they are decided again when it is declared, and when it ends."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from msgspec.structs import replace

from openadr_ra.errors import OK
from openadr_ra.protocol import agenda, opt
from openadr_ra.protocol import event as events
from openadr_ra.protocol.agenda import ABSENT, Known
from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.protocol.model import CANCELLED, OPT_IN, OPT_OUT
from openadr_ra.protocol.node import EndNode, scope
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.step import Away, Entry, Letter, Mail, Moment, Outcome, Record
from openadr_ra.protocol.times import Duration, joined, shift


def absent(state: EndNode, event: Event, now: datetime) -> bool:
    """Did we declare that we are not available while `event` runs, as far as it is still to run?"""
    start, end = max(event.period.start, now), events.end(event)
    return start < end and opt.spoken(state.opts, start, end, market_context=event.market_context) == OPT_OUT


def away(state: EndNode, event: Event) -> tuple[Away, ...]:
    """When during `event` which of our resources were declared not available. An operator's optIn beats that."""
    held = state.agenda.get(event.id)
    if not state.opts or (held is not None and held.local_opt == OPT_IN):
        return ()
    start, end = event.period.start, shift(events.end(event), (event.period.startafter or Duration()).length)
    edges = sorted({start, end, *(edge for edge in opt.edges(state.opts) if start < edge < end)})
    return tuple(
        Away(resource=resource, start=first, end=last)
        for resource in state.identity.resources
        for first, last in joined(
            (first, last)
            for first, last in pairwise(edges)
            if opt.spoken(
                state.opts,
                first,
                last,
                resource=resource,
                classes=state.identity.assets.get(resource, Asset()).classes,
                market_context=event.market_context,
            )
            == OPT_OUT
        )
    )


def next_end(state: EndNode, after: datetime) -> datetime | None:
    """When something that was declared ends, so that an event may have to be decided again."""
    if not any(_is_open(held, after) for held in state.agenda.values()):
        return None
    return min((end for end in opt.ends(state.opts) if end > after), default=None)


def _is_open(held: Known, now: datetime) -> bool:
    """Is it for us to say, and still to run?"""
    settled = held.event.status == CANCELLED or held.refused or held.local_opt is not None
    return not settled and events.listed_until_or_never(held.event) > now


def rejudged(state: EndNode, moment: Moment, *, anew: bool) -> Outcome[EndNode]:
    """Events that fall into an absence are opted out, those that do no longer are decided as if they had just come.

    `anew`: something was declared or taken back just now, so that the fleet is told who is away.
    """
    letters: list[Letter] = []
    entries: list[Entry] = []
    for held in state.agenda.values():
        if not _is_open(held, moment.now):
            continue
        gone = absent(state, held.event, moment.now)
        if gone != held.absent:
            item, letter = _left(held, moment.now) if gone else _returned(state, held, moment.now)
            state = replace(state, agenda=state.agenda | {held.event.id: item})
            entries.append(_entry(held, moment.now, gone))
        elif anew and not gone and held.word != OPT_OUT:
            letter = agenda.instruct(held, moment.now, scope(state), away(state, held.event))
        else:
            continue
        letters += [letter] if letter is not None else []
    effects = (Record(entries=tuple(entries)),) if entries else ()
    mail: tuple[Mail, ...] = agenda.mailed(tuple(letters), state.key)
    return Outcome(state=state, mail=mail, effects=effects)


def _left(held: Known, now: datetime) -> tuple[Known, Letter | None]:
    answered = held.answered if held.opt == OPT_OUT else -1
    item = replace(held, opt=OPT_OUT, code=OK, description=ABSENT, absent=True, answered=answered)
    return item, agenda.release(held, held.event.modification, now)


def _returned(state: EndNode, held: Known, now: datetime) -> tuple[Known, Letter | None]:
    back = replace(held, absent=False, description="", answered=-1)
    if held.opinion == OPT_OUT:
        return replace(back, answered=held.answered), None
    letter = agenda.instruct(back, now, scope(state), away(state, held.event))
    return replace(back, opt=OPT_IN if letter is None else None), letter


def _entry(held: Known, now: datetime, gone: bool) -> Entry:
    what = "opted out" if gone else "decided again"
    detail = ABSENT if gone else "the declared absence is over"
    return Entry(subject=f"event/{held.event.id}", at=now, by="availability", what=what, detail=detail)
