"""HISTORY_GREENBUTTON, both ends: feeds that are handed in, offered, asked for, sent, and kept where they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NewType

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.messages import UpdateReport
from openadr_ra.protocol.model import GreenButtonUnit, Period, ResourceId, Rid, Target
from openadr_ra.protocol.parts import (
    DIRECT_READ,
    HISTORY_GREENBUTTON,
    GreenButtonPayload,
    Interval,
    ReportDescription,
    ReportType,
)
from openadr_ra.protocol.report import spans
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.schedule import Feed
from openadr_ra.protocol.shape import Opaque, Token, Value
from openadr_ra.protocol.step import AnyLetter, Key, Mail, Outcome, Shelve, State
from openadr_ra.protocol.times import FOREVER, duration, shift

Source = NewType("Source", str)
"""Whose feeds they are: a venID, at a VEN the vtnID; `OWN` those that its program handed in."""

OWN = Source("")

MAX_SENT_CHARACTERS = 3 * 1024 * 1024
"""Of all feeds of one report: a message of more than 4 MiB is refused by most VTNs, ours included."""


class Shelf(State, frozen=True, kw_only=True, gc=False):
    """The feeds of one point, as they were handed in or as they came last."""

    feeds: tuple[Feed, ...] = ()
    since: datetime | None = None


class FeedPoint(Value, frozen=True, kw_only=True, gc=False):
    """A point of HISTORY_GREENBUTTON: which time its feed is about, and how long that is."""

    description: ReportDescription
    start: datetime
    end: datetime
    characters: int


def shelf(source: Source, point: Rid) -> Key:
    """The row of that point's feeds."""
    return Key(f"greenbutton/{source}/{point}")


def point(resource: ResourceId) -> Rid:
    """`bat-1.greenbutton`: the rID of a resource's feed."""
    return Rid(f"{resource}.greenbutton")


def offered(resource: ResourceId, feed: Feed, described: Opaque) -> FeedPoint:
    """The point as METADATA has it; `described` is a feed that says what it is, without values."""
    description = ReportDescription(
        rid=point(resource),
        source=Target(resources=(resource,)),
        type=ReportType(Token("usage")),
        unit=GreenButtonUnit(feed=described),
        reading_type=DIRECT_READ,
    )
    end = shift(feed.start, feed.span)
    return FeedPoint(description=description, start=feed.start, end=end, characters=len(feed.text))


def kept(state: Shelf | None, letters: Iterable[AnyLetter]) -> Outcome[Shelf]:
    """The shelf with the newest that came by mail."""
    held = state or Shelf()
    for letter in letters:
        if isinstance(letter, Shelve):
            held = Shelf(feeds=letter.feeds, since=letter.at)
    return Outcome(state=held)


def check(points: Iterable[FeedPoint], interval: Period | None) -> None:
    """Raises InvalidData where no feed is about that time, or where they are too long for one message."""
    meant = [each for each in points if touches(interval, each.start, each.end)]
    if not meant:
        raise InvalidData("no feed is about that time; the METADATA says which time there is")
    if sum(each.characters for each in meant) > MAX_SENT_CHARACTERS:
        raise InvalidData("the feeds are too long for one report; ask for one point at a time")


def touches(interval: Period | None, start: datetime, end: datetime) -> bool:
    """Is something of [start, end) asked for? Everything is without an interval; one of no length goes on for ever."""
    if interval is None:
        return True
    length = interval.duration.length
    until = shift(interval.start, length) if length else FOREVER
    return start < until and end > interval.start


def intervals(interval: Period | None, feeds: Iterable[Feed]) -> Iterator[Interval]:
    """A report's interval for each feed that is asked for, with the time that the feed is about."""
    meant = [feed for feed in feeds if touches(interval, feed.start, shift(feed.start, feed.span))]
    for uid, feed in enumerate(meant):
        payload = GreenButtonPayload(feed=feed.text)
        whole = timedelta(seconds=feed.span // timedelta(seconds=1))
        yield Interval(start=feed.start, duration=duration(whole), uid=str(uid), payloads=(payload,))


def arrived(requester: Requester, message: UpdateReport, source: Source, now: datetime) -> tuple[Mail, ...]:
    """What a first report of each request for feeds brings to its shelf; `requester` is as it was before it came.

    A feed names no rID, so each point is asked for by a request of its own. Of what was served nothing further is kept:
    whoever sends must not fill our store.
    """
    found: list[Mail] = []
    for report in message.reports:
        item = requester.requests.get(report.request_id)
        if item is None or item.came or item.name != HISTORY_GREENBUTTON:
            continue
        feeds = tuple(
            Feed(start=start, span=length, text=payload.feed)
            for start, length, interval in spans(report)
            for payload in interval.payloads
            if isinstance(payload, GreenButtonPayload)
        )
        to = shelf(source, Rid("+".join(each.rid for each in item.request.points)))
        found.append(Mail(to=to, body=Shelve(feeds=feeds, at=now)))
    return tuple(found)
