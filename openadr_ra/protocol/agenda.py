"""EiEvent at the VEN: what it was told, what it decided, what it still owes as an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.errors import OK, ComplianceError, OadrError, OutOfSequence, ResponseCode
from openadr_ra.protocol import agenda_scope
from openadr_ra.protocol import event as events
from openadr_ra.protocol.agenda_scope import Scope
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    COMPLETED,
    OPT_IN,
    OPT_OUT,
    EventId,
    OptType,
    QualifiedEventId,
    RequestId,
    ResponseRequired,
    VenId,
)
from openadr_ra.protocol.parts import DistributedEvent, Event, EventResponse, Result
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Away, Instruct, Key, Letter, Mail, Release, Verdict
from openadr_ra.protocol.times import Duration, shift

RETENTION = timedelta(hours=1)
"""How long an ended event stays known once nothing more is heard of it: a late repetition of it is then no new one."""

ANSWERABLE = timedelta(days=1)
"""How long an ended event that wants an answer (rule 12) waits for it to be decided and acknowledged: longer than most
outages, and an event on which nobody decides does not stay for ever."""

SKEW = timedelta(seconds=2)
"""How far the VTN's clock may be ahead: an event that is missing this long before its end is over, not cancelled."""

FLEET = Key("fleet")

ABSENT = "not available then, as declared by oadrCreateOpt"
"""Why an event is opted out."""


class Known(Value, frozen=True, kw_only=True, gc=False):
    """An event as this VEN has it. `opt` None: not decided yet. `answered`: the newest modification acknowledged.

    `offset_s` is the randomised start within startafter, kept over modifications (rule 30). `consulted`: the embedding
    program has been heard, or need not be. `opinion`: what it said of this version. `local_opt`: an operator's word, given
    again to each modification; it beats the opinion. `absent`: opted out because we declared that we are not available.
    `sound`: it could be followed, as far as it says itself; `code` may be the fleet's or the program's, too. `heard_at`:
    when the VTN sent it last; None in older rows.
    """

    event: Event
    required: ResponseRequired = ALWAYS
    request_id: RequestId = RequestId("")
    opt: OptType | None = None
    code: ResponseCode = OK
    description: str = ""
    answered: int = -1
    offset_s: int = 0
    consulted: bool = True
    opinion: OptType | None = None
    local_opt: OptType | None = None
    absent: bool = False
    sound: bool = True
    heard_at: datetime | None = None

    @property
    def word(self) -> OptType | None:
        """What people here say of the event, whatever the fleet can do."""
        return self.local_opt or self.opinion

    @property
    def offset(self) -> timedelta:
        return timedelta(seconds=self.offset_s)

    @property
    def refused(self) -> bool:
        """Is there something wrong with the event itself, so that nobody here was asked to follow it?"""
        return not self.sound

    @property
    def unanswered(self) -> bool:
        """Is an answer to this version still wanted?"""
        return self.required == ALWAYS and self.answered < self.event.modification

    @property
    def owed(self) -> bool:
        """Is it due and decided?"""
        return self.unanswered and self.opt is not None and (self.consulted or self.absent)


Agenda = dict[EventId, Known]
"""Never changed in place."""


class Heard(Value, frozen=True, kw_only=True, gc=False):
    """What an oadrDistributeEvent did: the agenda, mail to the fleet, and answers that belong to no kept version."""

    agenda: Agenda
    letters: tuple[Letter, ...] = ()
    strays: tuple[EventResponse, ...] = ()


def hear(
    agenda: Agenda,
    message: DistributeEvent,
    now: datetime,
    scope: Scope,
    *,
    consult: bool,
    limited: bool,
    dice: float,
    absent: Callable[[Event], bool] = lambda event: False,
    away: Callable[[Event], tuple[Away, ...]] = lambda event: (),
) -> Heard:
    """Take every event of the message, one bad one never spoiling the others (rule 19). Those that share an eventID are
    refused, and what is held of that event stays (X-EV-1).

    A known event that is missing is cancelled, silently (rule 61); not so when we had asked for a limited reply, for then
    the tail was merely cut off. `dice` in [0, 1) chooses the start within startafter (rule 30). `absent` tells whether this
    VEN declared itself not available while an event runs, `away` which of its resources.
    """
    heard = Heard(agenda=agenda)
    here = Here(now=now, scope=scope, consult=consult, dice=dice, absent=absent, away=away)
    twice = _repeats(item.event.id for item in message.events)
    for item in message.events:
        if item.event.id in twice:
            heard = _ambiguous(heard, item, message.request_id)
        else:
            heard = _hear_one(heard, item, message.request_id, here)
    if limited:
        return heard
    named = {item.event.id for item in message.events}
    for name in tuple(heard.agenda):
        heard = heard if name in named else _drop(heard, name, now)
    return heard


def _repeats(names: Iterable[EventId]) -> set[EventId]:
    """Those that come more than once."""
    seen: set[EventId] = set()
    twice: set[EventId] = set()
    for name in names:
        (twice if name in seen else seen).add(name)
    return twice


class Here(NamedTuple):
    """How this VEN takes events at this moment; see `hear`."""

    now: datetime
    scope: Scope
    consult: bool
    dice: float
    absent: Callable[[Event], bool]
    away: Callable[[Event], tuple[Away, ...]]


def _hear_one(heard: Heard, item: DistributedEvent, request_id: RequestId, here: Here) -> Heard:
    held = heard.agenda.get(item.event.id)
    if held is not None and item.event.modification < held.event.modification:
        return _stale(heard, held, item, request_id)
    stops = item.event.status == CANCELLED and (held is None or held.event.status != CANCELLED)
    if held is not None and item.event.modification == held.event.modification and not stops:
        return _repeated(heard, held, item, request_id, here.now)
    if item.event.status == CANCELLED:
        # Rule 5 wants a higher number; a VTN that forgets to count means to stop the event all the same.
        return _cancelled(heard, held, item, request_id, here.now)
    return _new(heard, held, item, request_id, here)


def _ambiguous(heard: Heard, item: DistributedEvent, request_id: RequestId) -> Heard:
    """X-EV-1: which of them is meant nobody knows."""
    error = ComplianceError(f"eventID {item.event.id} is in this oadrDistributeEvent more than once")
    return _stray(heard, item, request_id, error, OPT_OUT)


def _stale(heard: Heard, held: Known, item: DistributedEvent, request_id: RequestId) -> Heard:
    """Rule 58: the held version stays, a cancelled one too."""
    error = OutOfSequence(
        f"modification {item.event.modification} of event {item.event.id} came after {held.event.modification}"
    )
    return _stray(heard, item, request_id, error, held.opt or OPT_OUT)


def _stray(heard: Heard, item: DistributedEvent, request_id: RequestId, error: OadrError, opt: OptType) -> Heard:
    """With the refusal of a version that is not kept, where an answer is wanted."""
    if item.response_required != ALWAYS:
        return heard
    stray = EventResponse(
        code=error.code,
        description=str(error),
        request_id=request_id,
        event=QualifiedEventId(event_id=item.event.id, modification=item.event.modification),
        opt=opt,
    )
    return replace(heard, strays=(*heard.strays, stray))


def _repeated(heard: Heard, held: Known, item: DistributedEvent, request_id: RequestId, now: datetime) -> Heard:
    """Rules 12 and 62: an unchanged event is answered again whenever an answer is asked for."""
    again = replace(held, required=item.response_required, request_id=request_id, answered=-1, heard_at=now)
    if item.response_required != ALWAYS:
        again = replace(again, answered=held.answered)
    return _keep(heard, again)


def _cancelled(heard: Heard, held: Known | None, item: DistributedEvent, request_id: RequestId, now: datetime) -> Heard:
    """Rules 36, 59 and 60: what is known ends, what is unknown is merely acknowledged.

    An operator's word stays: whom an event was withdrawn from may be asked again by its next version.
    """
    gone = Known(
        event=item.event,
        required=item.response_required,
        request_id=request_id,
        opt=OPT_IN,
        offset_s=held.offset_s if held else 0,
        local_opt=held.local_opt if held else None,
        heard_at=now,
    )
    letters = (release(held, item.event.modification, now),) if held is not None else ()
    return _keep(heard, gone, *letters)


def _new(heard: Heard, held: Known | None, item: DistributedEvent, request_id: RequestId, here: Here) -> Heard:
    now = here.now
    base = Known(
        event=item.event,
        required=item.response_required,
        request_id=request_id,
        consulted=not here.consult,
        local_opt=held.local_opt if held else None,
        heard_at=now,
    )
    try:
        events.check(item.event, here.scope.signals)
        agenda_scope.check(item.event, here.scope, heard=here.consult)
        base = replace(base, offset_s=_offset(item.event, held, here.dice))
    except OadrError as problem:
        refused = replace(base, opt=OPT_OUT, code=problem.code, description=str(problem), consulted=True, sound=False)
        letters = (release(held, item.event.modification, now),) if held is not None else ()
        return _keep(heard, refused, *letters)
    if here.absent(item.event) and base.local_opt is None:
        gone = replace(base, opt=OPT_OUT, absent=True, description=ABSENT)
        letters = (release(held, item.event.modification, now),) if held is not None else ()
        return _keep(heard, gone, *letters)
    if base.local_opt == OPT_OUT:
        return _keep(heard, replace(base, opt=OPT_OUT, consulted=True, description="withdrawn by the operator"))
    letter = instruct(base, now, here.scope, here.away(item.event))
    if letter is None:
        # An earlier version may have been promised; this one asks for nothing.
        ended = (release(held, item.event.modification, now),) if held is not None else ()
        return _keep(heard, replace(base, opt=OPT_IN), *ended)
    return _keep(heard, base, letter)


def _offset(event: Event, held: Known | None, dice: float) -> int:
    if held is not None and held.event.period.startafter == event.period.startafter:
        return held.offset_s
    return int(dice * ((event.period.startafter or Duration()).length.total_seconds() + 1))


def instruct(held: Known, now: datetime, scope: Scope, away: tuple[Away, ...] = ()) -> Letter | None:
    """What the fleet is asked for a sound event, or what prices it is told.

    None if there is neither, for a test (rule 6) and for what is over.
    """
    asked = agenda_scope.schedule(held.event, scope, held.offset)
    if asked is None or events.is_test(held.event) or events.status(held.event, now) == COMPLETED:
        return None
    return Instruct(
        schedule=asked,
        modification=held.event.modification,
        reply_to=Key(""),
        priority=held.event.priority or 0,
        away=away,
    )


def release(held: Known, modification: int, now: datetime) -> Letter:
    """The end of what was promised for the event; the recipient's reply goes where `mailed` says."""
    return Release(event_id=held.event.id, modification=modification, at=_stop(held, now), reply_to=Key(""))


def _stop(held: Known, now: datetime) -> datetime:
    """A running event with startafter ends a random time later (rule 65), else at once."""
    if not held.offset_s or held.refused:
        return now
    running = events.schedule(held.event, held.offset)
    if running is not None and running.start <= now < running.end:
        return shift(now, held.offset)
    return now


def _drop(heard: Heard, name: EventId, now: datetime) -> Heard:
    held = heard.agenda[name]
    end = events.listed_until_or_never(held.event)
    over = held.event.status == CANCELLED or now >= shift(end, -SKEW)
    rest = {key: item for key, item in heard.agenda.items() if key != name}
    if over:
        return replace(heard, agenda=rest)
    gone = release(held, held.event.modification + 1, now)
    return replace(heard, agenda=rest, letters=(*heard.letters, gone))


def _keep(heard: Heard, item: Known, *letters: Letter) -> Heard:
    return replace(heard, agenda=heard.agenda | {item.event.id: item}, letters=(*heard.letters, *letters))


def decide(agenda: Agenda, verdict: Verdict) -> Agenda:
    """The fleet's word on a version; overtaken ones are ignored. An opt-out already spoken here stands."""
    held = agenda.get(verdict.event_id)
    if held is None or held.event.modification != verdict.modification:
        return agenda
    if held.refused or held.word == OPT_OUT or held.event.status == CANCELLED:
        return agenda
    if held.absent:
        return agenda
    changed = held.opt != verdict.opt
    item = replace(
        held,
        opt=verdict.opt,
        code=verdict.code,
        description=verdict.reason,
        answered=-1 if changed else held.answered,
    )
    return agenda | {verdict.event_id: item}


def owed(agenda: Agenda) -> tuple[Known, ...]:
    """The decided versions that the VTN has not acknowledged an answer for."""
    return tuple(item for item in agenda.values() if item.owed)


def created(items: tuple[Known, ...], strays: tuple[EventResponse, ...], ven_id: VenId) -> CreatedEvent:
    """One oadrCreatedEvent for all of them; its eiResponse has an empty requestID (rule 42)."""
    responses = tuple(
        EventResponse(
            code=item.code,
            description=item.description or None,
            request_id=item.request_id,
            event=QualifiedEventId(event_id=item.event.id, modification=item.event.modification),
            opt=item.opt or OPT_OUT,
        )
        for item in items
    )
    return CreatedEvent(result=Result(), responses=responses + strays, ven_id=ven_id)


def acknowledged(agenda: Agenda, message: CreatedEvent) -> Agenda:
    """After the VTN answered `message`: its versions are owed no more, unless the opt changed meanwhile."""
    for response in message.responses:
        held = agenda.get(response.event.event_id)
        if held is None or held.event.modification != response.event.modification or held.opt != response.opt:
            continue
        agenda = agenda | {held.event.id: replace(held, answered=response.event.modification)}
    return agenda


def forget(agenda: Agenda, now: datetime) -> Agenda:
    """Without the events that ended long ago, unless one came just now or is still to be answered (rule 12)."""
    kept = {name: item for name, item in agenda.items() if now <= _known_until(item)}
    return agenda if len(kept) == len(agenda) else kept


def _known_until(item: Known) -> datetime:
    end = events.listed_until_or_never(item.event)
    return shift(max(end, item.heard_at or end), ANSWERABLE if item.unanswered else RETENTION)


def mailed(letters: tuple[Letter, ...], reply_to: Key) -> tuple[Mail, ...]:
    """The letters addressed to the fleet, to be answered to `reply_to`."""
    return tuple(
        Mail(to=FLEET, body=replace(letter, reply_to=reply_to))
        for letter in letters
        if isinstance(letter, Instruct | Release)
    )
