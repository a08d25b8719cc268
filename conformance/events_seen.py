"""An oadrDistributeEvent read: each of its events as a value, with the path to it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from conformance.case import Failed
from conformance.message import Message, Path
from conformance.play_ven import event_path

NO_PRIORITY = 9999
"""What an absent priority counts as: the lowest."""

_DURATION = re.compile(
    r"^(?P<sign>[+-])?P(?:(?P<w>\d+)W)?(?:(?P<y>\d+)Y)?(?:(?P<mo>\d+)M)?(?:(?P<d>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<mi>\d+)M)?(?:(?P<s>\d+)S)?)?$"
)
_DAYS = {"w": 7, "y": 365, "mo": 30, "d": 1}


def length_s(text: str) -> int:
    """Seconds of an xcal duration; a year is 365 days and a month 30. ValueError for what is none."""
    found = _DURATION.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    days = sum(int(found[name] or 0) * count for name, count in _DAYS.items())
    length = ((days * 24 + int(found["h"] or 0)) * 60 + int(found["mi"] or 0)) * 60 + int(found["s"] or 0)
    return -length if found["sign"] == "-" else length


class IntervalSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An interval: its uid, what it lasts (None: it does not say), and its values."""

    uid: str | None
    length_s: int | None
    values: tuple[float, ...]
    dated: bool


class SignalSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A signal, or the baseline, which has a `length_s` of its own. `unit`: an element's local name, "" for none."""

    path: Path
    id: str
    name: str
    type: str = ""
    unit: str = ""
    intervals: tuple[IntervalSeen, ...]
    current: float | None = None
    device_classes: tuple[str, ...] = ()
    aimed_elsewhere: bool = False
    length_s: int = 0

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(value for interval in self.intervals for value in interval.values)

    @property
    def total_s(self) -> int:
        return sum(interval.length_s or 0 for interval in self.intervals)


class EventSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it was sent. `created`: when the VTN says that it wrote it. `length_s` 0: open-ended."""

    path: Path
    id: str
    number: int
    status: str
    created: datetime
    start: datetime
    length_s: int
    startafter_s: int
    ramp_up_s: int
    priority: int
    context: str
    test: str
    comment: str
    required: str
    vens: tuple[str, ...]
    resources: tuple[str, ...]
    signals: tuple[SignalSeen, ...]
    baseline: SignalSeen | None

    @property
    def end(self) -> datetime | None:
        """When its period is over; None for an open-ended one."""
        return self.start + timedelta(seconds=self.length_s) if self.length_s else None

    def by_time(self, moment: datetime) -> str:
        """The status that the clock gives it, whether cancelled or not."""
        if moment < self.start:
            return "near" if self.ramp_up_s > 0 and moment >= self.start - timedelta(seconds=self.ramp_up_s) else "far"
        return "active" if self.end is None or moment < self.end else "completed"

    def value_at(self, signal: SignalSeen, moment: datetime) -> float | None:
        """The signal's value then; None outside its intervals."""
        begins = self.start
        for interval in signal.intervals:
            ends = None if not interval.length_s else begins + timedelta(seconds=interval.length_s)
            if begins <= moment and (ends is None or moment < ends) and interval.values:
                return interval.values[0]
            begins = ends or begins
        return None


@lru_cache(maxsize=16)
def events_of(message: Message) -> tuple[EventSeen, ...]:
    """All events of an oadrDistributeEvent, in its order. Failed where one cannot be read."""
    ids = message.texts("./oadr:oadrEvent/ei:eiEvent/ei:eventDescriptor/ei:eventID")
    return tuple(_event(message, name, number) for number, name in enumerate(ids, 1))


def event_of(message: Message, event_id: str) -> EventSeen:
    """That event. Failed if the message has not got it."""
    for one in events_of(message):
        if one.id == event_id:
            return one
    raise Failed(f"event {event_id} in {message.kind}", "it is not there", message, event_path(event_id))


def _event(message: Message, name: str, number: int) -> EventSeen:
    whole = f"./oadr:oadrEvent[{number}]"
    path = f"{whole}/ei:eiEvent"
    try:
        return _read(message, name, whole, path)
    except ValueError as error:
        raise Failed("an event that can be read", str(error), message, path) from error


def _read(message: Message, name: str, whole: Path, path: Path) -> EventSeen:
    about, period = f"{path}/ei:eventDescriptor", f"{path}/ei:eiActivePeriod/xcal:properties"
    signals = f"{path}/ei:eiEventSignals"
    count = len(message.all(f"{signals}/ei:eiEventSignal"))
    baseline = f"{signals}/ei:eiEventBaseline"
    return EventSeen(
        path=path,
        id=name,
        number=int(message.text(f"{about}/ei:modificationNumber") or "-1"),
        status=message.text(f"{about}/ei:eventStatus") or "",
        created=_time(message.text(f"{about}/ei:createdDateTime")),
        start=_time(message.text(f"{period}/xcal:dtstart/xcal:date-time")),
        length_s=length_s(message.text(f"{period}/xcal:duration/xcal:duration") or ""),
        startafter_s=_length(message.text(f"{period}/xcal:tolerance/xcal:tolerate/xcal:startafter")),
        ramp_up_s=_length(message.text(f"{period}/ei:x-eiRampUp/xcal:duration")),
        priority=int(message.text(f"{about}/ei:priority") or NO_PRIORITY),
        context=message.text(f"{about}/ei:eiMarketContext/emix:marketContext") or "",
        test=message.text(f"{about}/ei:testEvent") or "",
        comment=message.text(f"{about}/ei:vtnComment") or "",
        required=message.text(f"{whole}/oadr:oadrResponseRequired") or "",
        vens=message.texts(f"{path}/ei:eiTarget/ei:venID"),
        resources=message.texts(f"{path}/ei:eiTarget/ei:resourceID"),
        signals=tuple(_signal(message, f"{signals}/ei:eiEventSignal[{one}]") for one in range(1, count + 1)),
        baseline=_signal(message, baseline) if message.has(baseline) else None,
    )


def _signal(message: Message, path: Path) -> SignalSeen:
    count = len(message.all(f"{path}/strm:intervals/ei:interval"))
    current = message.text(f"{path}/ei:currentValue/ei:payloadFloat/ei:value")
    unit = message.all(f"{path}/*[*[local-name()='itemDescription' or local-name()='pulseFactor']]")
    return SignalSeen(
        path=path,
        id=message.text(f"{path}/ei:signalID") or message.text(f"{path}/ei:baselineID") or "",
        name=message.text(f"{path}/ei:signalName") or message.text(f"{path}/ei:baselineName") or "",
        type=message.text(f"{path}/ei:signalType") or "",
        unit=str(unit[0].tag).rpartition("}")[2] if unit else "",
        intervals=tuple(_interval(message, f"{path}/strm:intervals/ei:interval[{one}]") for one in range(1, count + 1)),
        current=None if current is None else float(current),
        device_classes=message.texts(f"{path}/ei:eiTarget/power:endDeviceAsset/power:mrid"),
        aimed_elsewhere=message.has(f"{path}/ei:eiTarget/*[not(self::power:endDeviceAsset)]"),
        length_s=_length(message.text(f"{path}/xcal:duration/xcal:duration")),
    )


def _interval(message: Message, path: Path) -> IntervalSeen:
    length = message.text(f"{path}/xcal:duration/xcal:duration")
    return IntervalSeen(
        uid=message.text(f"{path}/xcal:uid/xcal:text"),
        length_s=None if length is None else length_s(length),
        values=tuple(float(text) for text in message.texts(f"{path}/ei:signalPayload/ei:payloadFloat/ei:value")),
        dated=message.has(f"{path}/xcal:dtstart"),
    )


def _length(text: str | None) -> int:
    return 0 if text is None else length_s(text)


def _time(text: str | None) -> datetime:
    """ValueError where there is none, or one without a zone."""
    moment = datetime.fromisoformat(text or "")
    if moment.tzinfo is None:
        raise ValueError(f"{text} says no time zone")
    return moment
