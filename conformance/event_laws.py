"""What holds for every event in every oadrDistributeEvent of a VTN: each law yields what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

from conformance import clock
from conformance.case import Failed
from conformance.events_seen import EventSeen, SignalSeen, events_of
from conformance.message import Message, Path


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong in a message, and where."""

    expected: str
    actual: str
    path: Path


Law = Callable[[Message], Iterator[Fault]]


def hold(message: Message, *laws: Law) -> None:
    """Failed at the first fault."""
    for law in laws:
        for fault in law(message):
            raise Failed(fault.expected, fault.actual, message, fault.path)


EDGE_S = 2
"""So far from the edge of an interval two clocks, or a clock that counts whole seconds, may see either side of it."""


def around(moment: datetime) -> tuple[datetime, ...]:
    return tuple(moment + timedelta(seconds=shift) for shift in (-EDGE_S, 0, EDGE_S))


def uids(message: Message) -> Iterator[Fault]:
    """Rule 2, in signals and baselines."""
    for signal in _all_signals(message):
        found = [interval.uid for interval in signal.intervals]
        wanted = [str(number) for number in range(len(found))]
        if found != wanted:
            yield Fault(expected=f"uids {wanted}", actual=str(found), path=f"{signal.path}/strm:intervals")


def sums(message: Message) -> Iterator[Fault]:
    """Rule 8: each signal lasts as long as its event."""
    for event in events_of(message):
        for signal in event.signals:
            if signal.total_s != event.length_s:
                yield Fault(
                    expected=f"intervals of {event.length_s} s in all",
                    actual=f"{signal.total_s} s",
                    path=f"{signal.path}/strm:intervals",
                )


def levels(message: Message) -> Iterator[Fault]:
    """Rule 9."""
    for signal in _all_signals(message):
        bad = [value for value in signal.values if value not in (0.0, 1.0, 2.0, 3.0)]
        if signal.name.upper() == "SIMPLE" and bad:
            yield Fault(expected="levels 0, 1, 2 or 3", actual=str(bad), path=f"{signal.path}/strm:intervals")


def calm(message: Message) -> Iterator[Fault]:
    """Rule 14: a SIMPLE signal's currentValue is 0 while its event is not active."""
    for event in events_of(message):
        for signal in event.signals:
            if signal.name.upper() == "SIMPLE" and event.status != "active" and signal.current:
                yield Fault(
                    expected=f"currentValue 0 while {event.status}",
                    actual=f"{signal.current:g}",
                    path=f"{signal.path}/ei:currentValue",
                )


def running(message: Message) -> Iterator[Fault]:
    """X-EV-4: the currentValue of an active event is that of the interval that runs at createdDateTime."""
    for event in events_of(message):
        for signal in event.signals:
            wanted = {event.value_at(signal, moment) for moment in around(event.created)}
            if event.status == "active" and signal.current is not None and signal.current not in wanted:
                yield Fault(
                    expected=f"currentValue {' or '.join(sorted(str(one) for one in wanted))}",
                    actual=f"{signal.current:g}",
                    path=f"{signal.path}/ei:currentValue",
                )


def statuses(message: Message) -> Iterator[Fault]:
    """X-EV-11: eventStatus is what the clock says, unless the event is cancelled."""
    for event in events_of(message):
        wanted = {event.by_time(moment) for moment in around(event.created)} | {"cancelled"}
        if event.status not in wanted:
            yield Fault(
                expected=f"eventStatus {' or '.join(sorted(wanted))} at {event.created.isoformat()}",
                actual=event.status,
                path=f"{event.path}/ei:eventDescriptor/ei:eventStatus",
            )


def unique_events(message: Message) -> Iterator[Fault]:
    """X-EV-1."""
    seen: set[str] = set()
    for event in events_of(message):
        if event.id in seen:
            yield Fault(expected="each eventID once", actual=f"{event.id} again", path=event.path)
        seen.add(event.id)


def one_ven(message: Message) -> Iterator[Fault]:
    """X-EV-2."""
    for event in events_of(message):
        if len(event.vens) > 1:
            yield Fault(expected="one venID at most", actual=str(event.vens), path=f"{event.path}/ei:eiTarget")


def undated(message: Message) -> Iterator[Fault]:
    """X-EV-5, in signals and baselines."""
    for signal in _all_signals(message):
        if any(interval.dated for interval in signal.intervals):
            path = f"{signal.path}/strm:intervals/ei:interval/xcal:dtstart"
            yield Fault(expected="intervals without dtstart", actual="one has it", path=path)


def unique_signals(message: Message) -> Iterator[Fault]:
    """X-EV-6."""
    for event in events_of(message):
        ids = [signal.id for signal in event.signals]
        if len(set(ids)) < len(ids):
            yield Fault(expected="each signalID once", actual=str(ids), path=f"{event.path}/ei:eiEventSignals")


def single_values(message: Message) -> Iterator[Fault]:
    """X-EV-7."""
    for event in events_of(message):
        for signal in event.signals:
            counts = [len(interval.values) for interval in signal.intervals]
            if any(count != 1 for count in counts):
                path = f"{signal.path}/strm:intervals"
                yield Fault(expected="one payloadFloat in each interval", actual=str(counts), path=path)


def baselines(message: Message) -> Iterator[Fault]:
    """X-EV-8."""
    for event in events_of(message):
        base = event.baseline
        if base is not None and base.total_s != base.length_s:
            yield Fault(
                expected=f"baseline intervals of {base.length_s} s in all", actual=f"{base.total_s} s", path=base.path
            )


def ordered(message: Message) -> Iterator[Fault]:
    """Rule 15, as far as no event is so near an edge that either order would do."""
    events = events_of(message)
    if any(event.priority == 0 for event in events):
        # Nobody is sure whether 0 comes before 1 or stands for none.
        return
    if any(len({event.by_time(moment) for moment in around(event.created)} - {"near"}) > 1 for event in events):
        return
    ranks = [rank(event) for event in events]
    if ranks != sorted(ranks):
        wanted = ", ".join(event.id for event in sorted(events, key=rank))
        path = "./oadr:oadrEvent"
        yield Fault(expected=f"the order {wanted}", actual=", ".join(event.id for event in events), path=path)


def rank(event: EventSeen) -> tuple[int, float, float]:
    """Active ones by priority and start, those to come by start and priority, those that are over after them."""
    start = event.start.timestamp()
    match event.by_time(event.created):
        case "active":
            return 0, event.priority, start
        case "completed":
            return 2, 0, 0
        case _:
            return 1, start, event.priority


def _all_signals(message: Message) -> Iterator[SignalSeen]:
    for event in events_of(message):
        yield from event.signals
        if event.baseline is not None:
            yield event.baseline


FRESH_S = 300
"""So far may createdDateTime be from the clock."""


def age_s(text: str, now: datetime) -> float:
    """How far a createdDateTime is from the clock; 0 for what is no date-time, which the schema tells of."""
    try:
        return abs((now - datetime.fromisoformat(text)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def fresh(message: Message) -> Iterator[Fault]:
    """X-EV-3, of a message that has just come."""
    now = clock.now()
    for event in events_of(message):
        if abs((now - event.created).total_seconds()) > FRESH_S:
            path = f"{event.path}/ei:eventDescriptor/ei:createdDateTime"
            yield Fault(expected=f"createdDateTime about {now:%H:%M:%S}Z", actual=event.created.isoformat(), path=path)
