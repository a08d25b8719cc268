"""The tiny VTN's events: where each stands, in which order they go, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from conformance import template
from conformance.operator import EventWish, Refused, SignalWish
from conformance.play import seconds, utc
from tests.conformance.tiny_opts import CLASSES
from tests.conformance.tiny_party import TinyEvent

MARKET = "http://tiny.invalid/market"
LAST = 9999
RETRIES = 5

EventSwitch = Literal[
    "keeps the number",
    "counts by two",
    "counts once",
    "counts the clock",
    "starts at one",
    "no change",
    "changes are not told",
    "keeps both",
    "only what changed",
    "only the newest",
    "forgets the far",
    "keeps the completed",
    "drops the tail",
    "never sends the cancelled",
    "cancelled once",
    "active ones go on",
    "no cancellation of the open",
    "open ends at once",
    "open ends in a day",
    "backwards",
    "by age",
    "priority upside down",
    "pending by priority",
    "pending first",
    "active by start",
    "cancelled last",
    "limit from the front",
    "ignores the limit",
    "limits to one",
    "overlaps",
    "never overlaps",
    "takes any signal",
    "createdDateTime of the beginning",
    "old createdDateTime",
    "no near",
    "late active",
    "never completed",
    "current always",
    "current is the first",
    "current is the last",
    "sum too short",
    "uids from one",
    "same values",
    "values backwards",
    "twelve intervals at most",
    "cuts comments",
]

Wrong = Callable[[EventSwitch], bool]
"""Is the VTN wrong in that?"""


def check(wish: EventWish, others: Iterable[TinyEvent], wrong: Wrong) -> None:
    """Refused where the VTN will not have such an event (rules 9 and 18, X-EV-9, X-EV-10)."""
    for signal in wish.signals:
        if not wrong("takes any signal"):
            _check_signal(signal)
    if wrong("overlaps"):
        return
    first, last = _span(wish)
    for other in others:
        begins, over = _span(other.wish)
        same = _context(wish) == _context(other.wish) or wrong("never overlaps")
        mine = other.wish.ven_id == wish.ven_id and same
        if mine and not other.cancelled and first < over and begins < last:
            raise Refused(f"it overlaps {other.id}")


def _check_signal(signal: SignalWish) -> None:
    if signal.name == "SIMPLE" and (signal.type != "level" or not set(signal.values) <= {0, 1, 2, 3}):
        raise Refused("SIMPLE has levels, 0 to 3")
    if signal.device_class and signal.device_class not in CLASSES:
        raise Refused(f"there is no device class {signal.device_class}")


def _span(wish: EventWish) -> tuple[datetime, datetime]:
    length = wish.every_s * wish.count + wish.startafter_s
    return wish.start, wish.start + timedelta(seconds=length if wish.every_s else 10**8)


def _context(wish: EventWish) -> str:
    return wish.market_context or MARKET


def ends(wish: EventWish) -> datetime | None:
    """The end of the period, without the randomised tail."""
    return wish.start + timedelta(seconds=wish.every_s * wish.count) if wish.every_s else None


def by_time(wish: EventWish, now: datetime) -> str:
    """What the clock says of it."""
    end = ends(wish)
    if now < wish.start:
        near = wish.ramp_up_s and now >= wish.start - timedelta(seconds=wish.ramp_up_s)
        return "near" if near else "far"
    return "active" if end is None or now < end else "completed"


def status(event: TinyEvent, now: datetime, wrong: Wrong) -> str:
    found = by_time(event.wish, now)
    if event.cancelled and not (found == "active" and wrong("active ones go on")):
        return "cancelled"
    if found == "near" and wrong("no near"):
        return "far"
    if found == "active" and not event.wish.every_s and wrong("open ends at once"):
        over = now > event.wish.start + timedelta(seconds=1)
        return "completed" if over else found
    if found == "active" and wrong("late active"):
        return "near" if event.wish.ramp_up_s else "far"
    if found == "completed" and wrong("never completed"):
        return "active"
    return found


def listed(events: Iterable[TinyEvent], now: datetime, wrong: Wrong) -> list[TinyEvent]:
    """What belongs into a payload now, in its order (rules 15, 50, 52, 66)."""
    found = [one for one in events if _belongs(one, now, wrong)]
    if wrong("only the newest"):
        found = found[-1:]
    if wrong("by age"):
        return found
    found.sort(key=lambda one: _rank(one, now, wrong))
    return found[::-1] if wrong("backwards") else found


def _belongs(event: TinyEvent, now: datetime, wrong: Wrong) -> bool:
    found, end = by_time(event.wish, now), ends(event.wish)
    if event.cancelled:
        return _still_cancelled(event, now, wrong)
    if found == "far" and wrong("forgets the far"):
        return False
    if found != "completed" or end is None or wrong("keeps the completed") or wrong("never completed"):
        return True
    return now < end + timedelta(seconds=event.wish.startafter_s) and not wrong("drops the tail")


def _still_cancelled(event: TinyEvent, now: datetime, wrong: Wrong) -> bool:
    if wrong("never sends the cancelled"):
        return False
    if event.sent == 0:
        return True
    if wrong("cancelled once") or not event.wish.response_required or by_time(event.wish, now) == "completed":
        return False
    return not event.acknowledged and event.sent <= RETRIES


def _rank(event: TinyEvent, now: datetime, wrong: Wrong) -> tuple[int, float, float]:
    start = event.wish.start.timestamp()
    priority = LAST if event.wish.priority is None else event.wish.priority
    if wrong("priority upside down"):
        priority = -priority
    if event.cancelled and wrong("cancelled last"):
        return 3, 0, 0
    match by_time(event.wish, now):
        case "active":
            place = 2 if wrong("pending first") else 0
            return (place, start, priority) if wrong("active by start") else (place, priority, start)
        case "completed":
            return 2, start, priority
        case _:
            return (1, priority, start) if wrong("pending by priority") else (1, start, priority)


def limited(events: list[TinyEvent], limit: int | None, wrong: Wrong) -> list[TinyEvent]:
    """No more than were asked for, from the front."""
    if limit is None or wrong("ignores the limit"):
        return events[:1] if wrong("limits to one") else events
    return events[len(events) - min(limit, len(events)) :] if wrong("limit from the front") else events[:limit]


def written(event: TinyEvent, now: datetime, wrong: Wrong) -> str:
    """One oadrEvent."""
    wish = event.wish
    state = status(event, now, wrong)
    created = utc(now, plus_s=-900 if wrong("old createdDateTime") else 0)
    resources = "".join(f"<ei:resourceID>{one}</ei:resourceID>" for one in wish.resources)
    number = event.number + (int(now.timestamp()) % 1000 if wrong("counts the clock") else 0)
    return template.fill(
        "event",
        event_id=event.id,
        modification=number + (1 if wrong("starts at one") else 0),
        priority=wish.priority,
        market_context=_context(wish),
        created=utc(event.made) if wrong("createdDateTime of the beginning") else created,
        status=state,
        test="true" if wish.test else None,
        comment=(wish.comment[:100] if wrong("cuts comments") else wish.comment) or None,
        start=utc(wish.start),
        duration=seconds(wish.every_s * wish.count),
        startafter=seconds(wish.startafter_s) if wish.startafter_s else None,
        notification=seconds(wish.notification_s),
        ramp_up=seconds(wish.ramp_up_s) if wish.ramp_up_s else None,
        recovery=None,
        signals="".join(_signal(event, one, state, now, number, wrong) for number, one in enumerate(wish.signals)),
        baseline=_baseline(wish) if wish.baseline_w else "",
        target=resources + f"<ei:venID>{wish.ven_id}</ei:venID>",
        required="always" if wish.response_required else "never",
    )


def _signal(event: TinyEvent, signal: SignalWish, state: str, now: datetime, number: int, wrong: Wrong) -> str:
    wish = event.wish
    current = 0.0
    if state == "active":
        running = int((now - wish.start).total_seconds() // wish.every_s) if wish.every_s else 0
        current = signal.values[min(max(running, 0), len(signal.values) - 1)]
    if wrong("current always") or wrong("current is the first"):
        current = signal.values[0]
    if wrong("current is the last"):
        current = signal.values[-1] + 10
    return template.fill(
        "signal",
        intervals=_intervals(signal.values, wish.every_s, wrong),
        device_class=signal.device_class or None,
        name=signal.name,
        type=signal.type,
        signal_id=f"signal-{number}",
        unit=_unit(signal.unit),
        current=current,
    )


_SORTS = ("Real", "Apparent", "Reactive")
_MONEY = ("currency", "currencyPerKW", "currencyPerKWh", "currencyPerThm")
UNITS: dict[str, tuple[str, str, str]] = {
    **{f"power{sort}": ("power", f"{sort}Power", unit) for sort, unit in zip(_SORTS, ("W", "VA", "VAR"), strict=True)},
    **{
        f"energy{sort}": ("power", f"{sort}Energy", f"{unit}h")
        for sort, unit in zip(_SORTS, ("W", "VA", "VAR"), strict=True)
    },
    **{name: ("oadr", name, "JPY") for name in _MONEY},
    "temperature": ("oadr", "temperature", "celsius"),
}
_ALTERNATING = (
    "<power:powerAttributes><power:hertz>50</power:hertz><power:voltage>200</power:voltage><power:ac>true</power:ac>"
    "</power:powerAttributes>"
)


def _unit(name: str) -> str:
    """The itemBase of that name; "" for none. KeyError for one that there is none of."""
    if not name:
        return ""
    prefix, description, units = UNITS[name]
    return (
        f"<{prefix}:{name}><{prefix}:itemDescription>{description}</{prefix}:itemDescription><{prefix}:itemUnits>{units}"
        f"</{prefix}:itemUnits><scale:siScaleCode>none</scale:siScaleCode>"
        f"{_ALTERNATING if name.startswith('power') else ''}</{prefix}:{name}>"
    )


def _intervals(values: Iterable[float], every_s: int, wrong: Wrong) -> str:
    found = list(values)
    if wrong("same values"):
        found = [found[0]] * len(found)
    if wrong("values backwards"):
        found.reverse()
    if wrong("twelve intervals at most"):
        found = found[:12]
    first = 1 if wrong("uids from one") else 0
    length = max(every_s - 1, 1) if wrong("sum too short") else every_s
    if not every_s and wrong("open ends in a day"):
        length = 86400
    return "".join(
        template.fill(
            "interval",
            start=None,
            duration=seconds(length),
            uid=uid,
            payloads=template.fill("signal_payload", value=value),
        )
        for uid, value in enumerate(found, first)
    )


def _baseline(wish: EventWish) -> str:
    return template.fill(
        "baseline",
        start=utc(wish.start),
        duration=seconds(wish.every_s * len(wish.baseline_w)),
        intervals=_intervals(wish.baseline_w, wish.every_s, lambda _: False),
        baseline_id="baseline-0",
        name="baseline",
        unit=_unit("powerReal"),
    )
