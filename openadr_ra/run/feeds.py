"""Green Button feeds where they are kept: those that a program hands in, and those that came from the other side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from openadr_ra.errors import InvalidData
from openadr_ra.protocol import report_feeds
from openadr_ra.protocol.model import ResourceId, Rid
from openadr_ra.protocol.report_feeds import OWN, FeedPoint, Shelf, Source
from openadr_ra.protocol.schedule import Feed
from openadr_ra.protocol.step import AnyLetter, Fetched, Key, Outcome, Read
from openadr_ra.seams import Store

Feeds = dict[str, tuple[Feed, ...]]
"""By point, each in order of start."""


async def fetched(store: Store, read: Read) -> Fetched:
    """What a `Read` asks for."""
    feeds = [feed for key in read.shelves for feed in await _on(store, key)]
    return Fetched(tag=read.tag, readings=await store.readings(read.series, read.start, read.end), feeds=tuple(feeds))


async def _on(store: Store, key: Key) -> tuple[Feed, ...]:
    held = await store.load(key, Shelf)
    return held.feeds if held is not None else ()


async def hand_in(store: Store, resource: ResourceId, text: str | None, start: datetime, end: datetime) -> None:
    """Keep the feed of a resource in place of the one before; None takes it back.

    Raises InvalidData for a time that cannot be, and for what is no feed that a message could hold.
    """
    # An edge that has no feeds does not carry what reads them.
    from openadr_ra.wire.feeds import checked

    if start.tzinfo is None or end.tzinfo is None:
        raise InvalidData("start, end: a time has no time zone; use aware datetimes")
    if end <= start:
        raise InvalidData("end: must be after start")
    begin = start.astimezone(UTC).replace(microsecond=0)
    feeds = () if text is None else (Feed(start=begin, span=end - begin, text=checked(text, begin)),)

    def step(state: Shelf | None, letters: tuple[AnyLetter, ...]) -> Outcome[Shelf]:
        return Outcome(state=Shelf(feeds=feeds))

    await store.update(report_feeds.shelf(OWN, report_feeds.point(resource)), Shelf, step)


async def handed_in(store: Store, resources: Iterable[ResourceId]) -> tuple[FeedPoint, ...]:
    """What can be offered of it, resource by resource."""
    found: list[FeedPoint] = []
    for resource in resources:
        for feed in await _on(store, report_feeds.shelf(OWN, report_feeds.point(resource))):
            from openadr_ra.wire.feeds import described

            found.append(report_feeds.offered(resource, feed, described(resource, feed.start)))
    return tuple(found)


async def came(store: Store, source: str, points: Iterable[str]) -> Feeds:
    """What came of these points of `source` last; nothing of those of which nothing came."""
    found: Feeds = {}
    for point in points:

        def step(state: Shelf | None, letters: tuple[AnyLetter, ...]) -> Outcome[Shelf]:
            return report_feeds.kept(state, letters)

        key = report_feeds.shelf(Source(source), Rid(point))
        outcome = await store.update(key, Shelf, step)
        if outcome.state.feeds:
            found[point] = tuple(sorted(outcome.state.feeds, key=lambda feed: feed.start))
    return found
