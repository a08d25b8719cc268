"""EiEvent at the VTN: what one VEN has been given, when, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import OK, InvalidId, OadrError, OutOfSequence, ResponseCode, SignalNotSupported
from openadr_ra.protocol import event as events
from openadr_ra.protocol import signals
from openadr_ra.protocol.distribution_version import effect, version
from openadr_ra.protocol.messages import CreatedEvent, CreateOpt, DistributeEvent, Message
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    OPT_IN,
    EventId,
    OptType,
    QualifiedEventId,
    RequestId,
    ResponseRequired,
    VenId,
    VtnId,
)
from openadr_ra.protocol.pacing import awaited
from openadr_ra.protocol.parts import DistributedEvent, Event, EventResponse, Result
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Entry, Key, Mail, Opted, Publish
from openadr_ra.protocol.times import shift

RETENTION = timedelta(hours=1)
"""How long after its end, or after its acknowledged cancellation, a version can still be answered without 452."""


class Given(Value, frozen=True, kw_only=True, gc=False):
    """An event in its newest version, and how far the VEN is with it. -1: no version yet. `delivered_at` is when any version
    was sent last, even if it may not have arrived.

    `revision` is the instruction's own number; the event's modification is ahead of it once the VEN was offered another
    signal. `received` is the newest version that a push VEN is known to have. `baseline_kw` is what it does without the
    event, where the operator knows. `by_opt`: the opt was given by oadrCreateOpt and stands against later
    oadrCreatedEvents (rule 206). `reply_to` is told what the VEN says of it.
    """

    event: Event
    revision: int = 0
    response_required: ResponseRequired = ALWAYS
    delivered: int = -1
    delivered_at: datetime | None = None
    received: int = -1
    answered: int = -1
    opt: OptType | None = None
    code: str = ""
    by_opt: bool = False
    baseline_kw: tuple[float, ...] = ()
    reply_to: Key | None = None

    @property
    def unanswered(self) -> bool:
        return self.response_required == ALWAYS and self.answered < self.event.modification


Distribution = dict[EventId, Given]
"""Never changed in place."""


def publish(given: Distribution, letter: Publish, refused: tuple[str, ...] = ()) -> Distribution:
    """The new version in place of the old; an older or equal one changes nothing, as mail may come twice.

    `refused`: signals that this VEN answered with 460 before; it is offered the next it may take.
    """
    held = given.get(letter.event.id)
    event = signals.instead(letter.event, refused, letter.baseline_kw) or letter.event
    if held is None:
        made = Given(
            event=event,
            revision=letter.event.modification,
            response_required=letter.response_required,
            baseline_kw=letter.baseline_kw,
            reply_to=letter.reply_to,
        )
        return given | {letter.event.id: made}
    if letter.event.modification <= held.revision:
        return given
    event = replace(event, modification=max(held.event.modification + 1, letter.event.modification))
    # Rule 206: an oadrCreateOpt qualifies one version of an event; the next one is a new question.
    newer = replace(
        held,
        event=event,
        revision=letter.event.modification,
        response_required=letter.response_required,
        by_opt=False,
        baseline_kw=letter.baseline_kw,
        reply_to=letter.reply_to,
    )
    return given | {letter.event.id: newer}


def fallen_back(given: Distribution, refused: tuple[str, ...]) -> Distribution:
    """With another signal, under the next number, in each event that the VEN has refused for its signal (rule 109)."""
    changed: Distribution = {}
    for name, item in given.items():
        other = signals.instead(item.event, refused, item.baseline_kw)
        if other is not None and item.code == SignalNotSupported.code and item.event.status != CANCELLED:
            changed[name] = replace(item, event=replace(other, modification=item.event.modification + 1))
    return given | changed if changed else given


def refused_signals(message: CreatedEvent, given: Distribution) -> tuple[str, ...]:
    """The signals of the event versions that this message answers with 460.

    A late answer to an earlier version says nothing of the signal that is offered since.
    """
    return tuple(
        name
        for item in message.responses
        if item.code == SignalNotSupported.code
        and (held := given.get(item.event.event_id)) is not None
        and held.event.modification == item.event.modification
        for name in signals.names(held.event)
    )


def forget(given: Distribution, now: datetime) -> Distribution:
    """Without the events that are over for good, and without cancelled ones that the VEN was never sent."""
    kept = {name: item for name, item in given.items() if not _over(item, now)}
    return given if len(kept) == len(given) else kept


def _over(item: Given, now: datetime) -> bool:
    if item.event.status == CANCELLED and item.delivered_at is None:
        return True
    if item.delivered_at is not None and _withdrawn(item):
        return now > shift(item.delivered_at, RETENTION)
    return now > shift(events.listed_until(item.event), RETENTION)


def wanting(given: Distribution, now: datetime, retry: timedelta) -> bool:
    """Is there anything that the VEN has not been given, or has not acknowledged for `retry`?"""
    return any(_wants(item, now, retry) for item in given.values())


def _wants(item: Given, now: datetime, retry: timedelta) -> bool:
    if not _listed(item, now):
        return False
    if item.delivered < item.event.modification:
        return True
    return item.unanswered and item.delivered_at is not None and not awaited(item.delivered_at, now, retry)


def next_wanting(given: Distribution, after: datetime, retry: timedelta) -> datetime | None:
    """When, without anything else happening, `wanting` becomes true next."""
    times = (
        shift(item.delivered_at, retry)
        for item in given.values()
        if item.delivered_at is not None and item.unanswered and _listed(item, after)
    )
    return min((when for when in times if when > after), default=None)


def _listed(item: Given, now: datetime) -> bool:
    """Rules 50, 52 and 66: all that is far, near or active; a cancelled one until it is acknowledged or over.

    A version that is over before its VEN was given it is listed once: the VEN would go on with the one it has.
    """
    overtaken = 0 <= item.delivered < item.event.modification
    return not _withdrawn(item) and (overtaken or now < events.listed_until(item.event))


def _withdrawn(item: Given) -> bool:
    """Does the VEN know of the cancellation, and has it said so if it had to?"""
    return item.event.status == CANCELLED and not item.unanswered and item.delivered >= item.event.modification


def distribute(
    given: Distribution,
    now: datetime,
    *,
    vtn_id: VtnId,
    request_id: RequestId,
    result: Result,
    limit: int | None,
) -> tuple[DistributeEvent, Distribution]:
    """Every event of this VEN as it stands at `now`, in order, at most `limit` of them (from the front)."""
    listed = {name: item for name, item in given.items() if _listed(item, now)}
    ordered = events.order(iter([item.event for item in listed.values()]), now)[:limit]
    message = DistributeEvent(
        result=result,
        request_id=request_id,
        vtn_id=vtn_id,
        events=tuple(
            DistributedEvent(event=events.at(event, now), response_required=listed[event.id].response_required)
            for event in ordered
        ),
    )
    sent = {event.id: replace(listed[event.id], delivered=event.modification, delivered_at=now) for event in ordered}
    return message, given | sent


def undelivered(given: Distribution, message: Message) -> Distribution:
    """After `message` did not reach the VEN: its events are to be told again, but for those that it has answered.

    Any of them may have reached it all the same, so that a cancellation is still told, and its answer awaited (rule 52).
    """
    if not isinstance(message, DistributeEvent):
        return given
    lost: Distribution = {}
    for name, number in ((item.event.id, item.event.modification) for item in message.events):
        held = given.get(name)
        if held is not None and held.answered < held.delivered == number:
            lost[name] = replace(held, delivered=number - 1)
    return given | lost


def given_out(given: Distribution, message: Message) -> Distribution:
    """After `message` has reached a push VEN, whatever that says to it."""
    if not isinstance(message, DistributeEvent):
        return given
    there: Distribution = {}
    for name, number in ((item.event.id, item.event.modification) for item in message.events):
        held = given.get(name)
        if held is not None and held.delivered < number:
            there[name] = replace(held, delivered=number)
    return given | there


def delivered(before: Distribution, after: Distribution, ven: str, now: datetime) -> Iterator[Entry]:
    """Journal entries for the versions that were handed out for the first time between two distributions."""
    for name, item in after.items():
        if name not in before or before[name].delivered < item.delivered:
            # Where no answer is wanted, it is in effect with nothing more said.
            follows = None if item.response_required == ALWAYS else _effective(item.event, now)
            detail = version(item.delivered, item.revision) + effect(follows)
            yield Entry(subject=f"event/{name}", at=now, by=ven, what="sent", detail=detail)


def received(given: Distribution, message: Message, ven: str, now: datetime) -> tuple[Distribution, tuple[Entry, ...]]:
    """After a push VEN has taken `message`: what it had not received before, as the journal keeps it."""
    if not isinstance(message, DistributeEvent):
        return given, ()
    taken = {
        item.event.id: replace(held, received=item.event.modification)
        for item in message.events
        if (held := given.get(item.event.id)) is not None
        and held.received < item.event.modification == held.event.modification
    }
    entries = tuple(
        Entry(subject=f"event/{name}", at=now, by=ven, what="received", detail=version(item.received, item.revision))
        for name, item in taken.items()
    )
    return given | taken, entries


def tidings(before: Distribution, after: Distribution, ven: VenId) -> tuple[Mail, ...]:
    """What whoever published an event is to know of it since `before`: the VEN's answer to the newest version, each time it
    answers and each time it thinks otherwise."""
    return tuple(
        Mail(
            to=item.reply_to,
            body=Opted(ven=ven, event_id=name, modification=item.revision, opt=item.opt, code=ResponseCode(item.code)),
        )
        for name, item in after.items()
        if item.reply_to is not None and item.answered >= item.event.modification
        if name not in before or _said(before[name]) != _said(item)
    )


def _said(item: Given) -> tuple[int, OptType | None, str]:
    return item.answered, item.opt, item.code


def answer(
    given: Distribution, message: CreatedEvent, now: datetime
) -> tuple[Distribution, tuple[Entry, ...], OadrError | None]:
    """What the VEN said, item by item: good ones are kept even beside bad ones (rule 25); the first error is returned.

    A later, unsolicited opt replaces the earlier one (rule 17).
    """
    entries: list[Entry] = []
    error: OadrError | None = None
    for item in message.responses:
        try:
            taken = _take(given, item)
        except OadrError as problem:
            error = error or problem
            continue
        if given[item.event.event_id] == taken and item.opt == taken.opt:
            # The same answer once more, as rule 62 wants it of a VEN that was told again.
            continue
        given = given | {item.event.event_id: taken}
        entries.append(
            Entry(
                subject=f"event/{item.event.event_id}",
                at=now,
                by=message.ven_id,
                # Rule 206: the journal is asked for the opt that counts once the event is forgotten here.
                what=item.opt if item.opt == taken.opt else f"{item.opt} not counted",
                detail=_detail(item, taken, now),
            )
        )
    return given, tuple(entries), error


def _detail(item: EventResponse, held: Given, now: datetime) -> str:
    text = version(item.event.modification, held.revision)
    if item.code != OK:
        text += f", code {item.code}"
    if item.opt == held.opt == OPT_IN:
        text += effect(_effective(held.event, now))
    return f"{text}: {item.description[:200]}" if item.description else text


def _effective(event: Event, now: datetime) -> datetime | None:
    """From when on a VEN that agrees at `now` follows this version: its start, or at once; None if that is over by then.

    How it spreads its start or its end by startafter (rules 30, 65) nobody tells us.
    """
    if event.status == CANCELLED:
        return now
    return max(event.period.start, now) if now < events.listed_until(event) else None


def _take(given: Distribution, item: EventResponse) -> Given:
    held = given.get(item.event.event_id)
    if held is None:
        raise InvalidId(f"event {item.event.event_id} is unknown here")
    if item.event.modification > held.event.modification:
        raise InvalidId(
            f"event {held.event.id} has no modification {item.event.modification}; the latest is {held.event.modification}"
        )
    if item.event.modification < held.event.modification:
        raise OutOfSequence(
            f"modification {item.event.modification} of event {held.event.id} was overtaken by {held.event.modification}"
        )
    if held.by_opt:
        return replace(held, answered=item.event.modification)
    return replace(held, answered=item.event.modification, opt=item.opt, code=item.code)


def qualify(
    given: Distribution, event: QualifiedEventId, message: CreateOpt, now: datetime
) -> tuple[Distribution, Entry]:
    """The opt that oadrCreateOpt gives `event`. Raises InvalidId for an event or a modification that is not held."""
    held = given.get(event.event_id)
    if held is None or held.event.modification != event.modification:
        raise InvalidId(f"event {event.event_id} has no modification {event.modification} here")
    item = replace(held, answered=held.event.modification, opt=message.opt, code=OK, by_opt=True)
    follows = effect(_effective(held.event, now)) if message.opt == OPT_IN else ""
    entry = Entry(
        subject=f"event/{held.event.id}",
        at=now,
        by=message.ven_id,
        what=message.opt,
        detail=f"{version(held.event.modification, held.revision)}{follows} by oadrCreateOpt, {message.reason}",
    )
    return given | {held.event.id: item}, entry


def unqualify(given: Distribution, event: QualifiedEventId, standing: OptType | None, now: datetime) -> Distribution:
    """After the cancellation of an opt for `event`: `standing` is what another oadrCreateOpt says of it.

    Without one the opt stays as it is, but a later oadrCreatedEvent counts again, and one is asked for.
    """
    held = given.get(event.event_id)
    if held is None or not held.by_opt or held.event.modification != event.modification:
        return given
    if standing is not None:
        return given | {held.event.id: replace(held, opt=standing)}
    answered = -1 if _listed(held, now) else held.answered
    return given | {held.event.id: replace(held, by_opt=False, answered=answered)}
