"""How long things are kept: what is older than the settings want goes, unless something that is not over still needs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import OadrRaError, StoreError
from openadr_ra.fleet import below
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol import event as events
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.debts import Update
from openadr_ra.protocol.instruction import Instruction, party
from openadr_ra.protocol.model import CANCELLED, EventId, VenId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.parts import TELEMETRY_USAGE, X_RESPONSE
from openadr_ra.protocol.requester import plain_name
from openadr_ra.protocol.step import AnyLetter, EndRegistration, Entry, Key, Mail, Outcome, Publish, State
from openadr_ra.protocol.times import FOREVER, shift
from openadr_ra.run.forgetting import EVER, LEAST_SAMPLES, NAMES, PAUSE_S, SLICE, forget
from openadr_ra.seams import Clock, S, Store
from openadr_ra.settings import NodeSettings

log = logging.getLogger(__name__)

EVERY = timedelta(hours=6)
"""How often it is looked for what is too old."""

KEY = Key("retention")
"""The row of `Ages`."""

MARK_EVERY = timedelta(days=1)

AGAIN = timedelta(days=1)
"""So far back it is looked again: a reading that reached out of what was looked at before may not have gone."""

LATE = timedelta(days=1)
"""For so long after an event what VENs report of it may still come late and change its response."""

BEFORE = timedelta(hours=1)
"""So long before its start an event's readings begin to count: a report of half an hour may hold the edge."""

LETTERS = 20
"""Letters that are looked at in one go: one with Green Button feeds may have megabytes."""

INSTRUCTIONS = ("event/", "own/")
"""What the keys of events begin with: those of a VTN's VENs, and those of its own fleet."""


class Ages(State, frozen=True, kw_only=True, gc=False):
    """When it was looked, and the highest number that a letter had that waited then: so letters need no date. Up to `swept`
    what VENs reported has been let go of, but for what was reported during events."""

    marks: tuple[tuple[datetime, int], ...] = ()
    swept: datetime = EVER


Span = tuple[datetime, datetime]


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What must stay, however old: all about these events, what was reported from `since` on, and what a VEN did that says
    no response itself in its spans: from that its response is derived. `over` are those events that need nothing any more.
    """

    events: frozenset[str]
    since: datetime
    spans: dict[str, list[Span]]
    over: tuple[Key, ...]


class Retention:
    """Sees to it that a store does not grow for ever. Every transaction is small, and others come between them."""

    def __init__(self, store: Store, clock: Clock, settings: NodeSettings) -> None:
        self._store = store
        self._clock = clock
        self._keep = timedelta(days=settings.store.keep_days)
        self._keep_readings = timedelta(days=settings.store.keep_readings_days)
        self._keep_samples = max(self._keep_readings, timedelta(hours=settings.fleet.keep_samples_h))
        self._read_here = frozenset([FLEET, *(Key(f"node/{upstream.name}") for upstream in settings.upstream)])

    async def run(self) -> None:
        """Look now and from time to time, until cancelled."""
        while True:
            now = self._clock.now()
            try:
                if await self._store.claim("retention", now, now + EVERY / 2):
                    await self.sweep()
            except OadrRaError as error:
                log.warning("! what is too old is not let go: %s", error)
            except Exception:
                log.exception("! what is too old is not let go")
            await self._clock.sleep_until(now + EVERY)

    async def sweep(self) -> None:
        """Let go of all that is too old by now."""
        now = self._clock.now()
        needs = await self._needs(now)
        for key in needs.over:
            # One by one: an event for thousands of VENs takes a while to read.
            held = await self._store.load(key, Instruction)
            if held is not None:
                await self._store.drop(rows=((key, held),))
                await asyncio.sleep(PAUSE_S)
        readings = await self._drop_readings(needs, now)
        entries = await self._drop_entries(needs, now)
        letters = await self._drop_letters(needs, now)
        if needs.over or readings or entries or letters:
            log.info(
                "= too old: %d events, %d readings, %d journal entries, %d letters",
                len(needs.over), readings, entries, letters,
            )  # fmt: skip

    async def _needs(self, now: datetime) -> Needs:
        needed: set[str] = set()
        starts = [now]
        spans: dict[str, list[Span]] = {}
        over: list[Key] = []
        for prefix in INSTRUCTIONS:
            for key in await self._store.keys(prefix):
                held = await self._readable(key, Instruction)
                if held is None:
                    # Whatever it is: what was said of it stays as well.
                    needed.add(key.removeprefix(prefix))
                    continue
                if shift(_ends(held), self._keep) < now:
                    over.append(key)
                    continue
                needed.add(held.id)
                if held.end == FOREVER:
                    continue
                if now < shift(held.end, LATE):
                    starts.append(held.start)
                for ven in held.asks:
                    spans.setdefault(ven, []).append((shift(held.start, -BEFORE), shift(held.end, BEFORE)))
        for name, start in await self._promised():
            needed.add(name)
            starts.append(start)
        needed.update(await self._owed())
        return Needs(events=frozenset(needed), since=shift(min(starts), -BEFORE), spans=spans, over=tuple(over))

    async def _readable(self, key: Key, kind: type[S]) -> S | None:
        """The row, None where it cannot be read: it stays, and must not keep the others; the log says so each time."""
        try:
            return await self._store.load(key, kind)
        except StoreError as error:
            log.error("! passed over while looking for what is too old: %s", error)
            return None

    async def _promised(self) -> tuple[tuple[EventId, datetime], ...]:
        """The events of the fleet's promises, also as its VENs know them, each with the start of what is not final."""
        fleet = await self._store.load(FLEET, Fleet)
        found: list[tuple[EventId, datetime]] = []
        for promise in fleet.promises if fleet is not None else ():
            starts = (one.start for one in promise.accounts if one.read_at is not None and one.end < FOREVER)
            start = min(starts, default=self._clock.now())
            found.append((promise.event_id, start))
            found += ((name, start) for id in promise.told for name in below.names(promise, id))
        return tuple(found)

    async def _owed(self) -> set[EventId]:
        """The events that VTNs above told us of, and those whose responses they have not acknowledged."""
        found: set[EventId] = set()
        for key in await self._store.keys("node/"):
            held = await self._store.load(key, EndNode)
            if held is not None:
                found.update(held.agenda)
                works = (debt.work for debt in held.debts)
                found.update(work.event_id for work in works if isinstance(work, Update) and work.event_id is not None)
        return found

    async def _drop_readings(self, needs: Needs, now: datetime) -> int:
        limit = min(now - self._keep_readings, needs.since)
        ages = await self._ages()
        count = 0
        after = ""
        while names := await self._store.next_series(after, NAMES):
            after = names[-1]
            responses = tuple(name for name in names if _is_response(name) and not _about(name) & needs.events)
            samples = tuple(name for name in names if name.startswith("live/"))
            others = tuple(name for name in names if not _is_response(name) and not name.startswith("live/"))
            spared = {name: spans for name in others if (spans := await self._spared(name, needs))}
            count += await forget(self._store, responses, now - self._keep, 0)
            count += await forget(self._store, samples, min(now - self._keep_samples, needs.since), LEAST_SAMPLES)
            count += await forget(self._store, [name for name in others if name not in spared], limit, 0)
            for name, spans in spared.items():
                count += await forget(self._store, (name,), min(limit, now - self._keep), 0)
                for start, end in between(spans, ages.swept - AGAIN, limit):
                    count += await forget(self._store, (name,), end, 0, since=start)
        if limit > ages.swept:
            await self._note(replace(ages, swept=limit))
        return count

    async def _spared(self, name: str, needs: Needs) -> list[Span]:
        """When what stands in that series must stay: a VEN's usage during its events, unless the VEN says its response."""
        source, _, report = name.partition("/")
        if source not in needs.spans or not report.startswith(f"{TELEMETRY_USAGE}/"):
            return []
        # Only a VTN comes here: a VEN need not carry in memory what a VTN knows.
        from openadr_ra.protocol.party import Party

        held = await self._readable(party(VenId(source)), Party)
        ours = held is not None and any(plain_name(one) == X_RESPONSE for one in held.reports.offered)
        return [] if ours else needs.spans[source]

    async def _drop_entries(self, needs: Needs, now: datetime) -> int:
        """Entries are written in order of time, or nearly: after a whole page of newer ones there are none."""
        count = 0
        after = 0
        while page := await self._store.entries(after, SLICE):
            after = page[-1][0]
            old = [(number, entry) for number, entry in page if entry.at < now - self._keep]
            gone = [number for number, entry in old if not _is_about(entry, needs.events)]
            if gone:
                await self._store.drop(entries=gone)
                await asyncio.sleep(PAUSE_S)
            count += len(gone)
            if not old:
                break
        return count

    async def _drop_letters(self, needs: Needs, now: datetime) -> int:
        marks = (await self._ages()).marks
        last = max((number for at, number in marks if at <= now - self._keep), default=0)
        count = 0
        after = 0
        while page := await self._store.letters(after, LETTERS):
            after = page[-1][0]
            gone = [(number, mail) for number, mail in page if number <= last and self._may_go(mail, needs, now)]
            if gone:
                await self._store.drop(letters=gone)
                await asyncio.sleep(PAUSE_S)
            count += len(gone)
        await self._mark(marks, after, now)
        return count

    def _may_go(self, mail: Mail, needs: Needs, now: datetime) -> bool:
        """What this node reads itself it will read, however long it was down."""
        if mail.to in self._read_here:
            return False
        match mail.body:
            case Publish(event=event):
                over = event.status == CANCELLED or shift(events.listed_until_or_never(event), self._keep) < now
                return over and event.id not in needs.events
            case EndRegistration():
                return False
            case _:
                return True

    async def _ages(self) -> Ages:
        return await self._store.load(KEY, Ages) or Ages()

    async def _mark(self, marks: tuple[tuple[datetime, int], ...], number: int, now: datetime) -> None:
        """Once a day; of the marks that are old enough the newest says as much as all of them."""
        if number == 0 or (marks and now - marks[-1][0] < MARK_EVERY):
            return
        old = [mark for mark in marks if mark[0] <= now - self._keep]
        await self._note(replace(await self._ages(), marks=(*old[-1:], *marks[len(old) :], (now, number))))

    async def _note(self, made: Ages) -> None:
        def step(state: Ages | None, letters: tuple[AnyLetter, ...]) -> Outcome[Ages]:
            return Outcome(state=made)

        await self._store.update(KEY, Ages, step)


@asynccontextmanager
async def bounded(store: Store, clock: Clock, settings: NodeSettings) -> AsyncIterator[None]:
    """The store is kept within the bounds of the settings until the block is left."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Retention(store, clock, settings).run())
        try:
            yield
        finally:
            task.cancel()


def between(spans: Iterable[Span], start: datetime, end: datetime) -> Iterator[Span]:
    """What lies between `spans`, from `start` to `end`."""
    at = start
    for begins, ends in sorted(spans):
        if begins >= end:
            break
        if begins > at:
            yield at, begins
        at = max(at, ends)
    if at < end:
        yield at, end


def _ends(held: Instruction) -> datetime:
    """When nothing can come of the event any more."""
    changed = held.modified or held.created or held.start
    if held.cancelled:
        return changed if held.end == FOREVER else max(changed, held.end)
    return held.end


def _is_response(name: str) -> bool:
    """`response/<event>/…` of our own fleet, `<ven>/x-RESPONSE/<event>/…` of a VEN's."""
    return name.startswith("response/") or "/x-RESPONSE/" in name


def _about(name: str) -> frozenset[str]:
    """The event of a response's series: what stands before its last part, or before an earlier one, for there may be
    slashes in a name."""
    rest = name.removeprefix("response/") if name.startswith("response/") else name.partition("/x-RESPONSE/")[2]
    return frozenset(_beginnings(rest))


def _beginnings(text: str) -> Iterator[str]:
    parts = text.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _is_about(entry: Entry, names: frozenset[str]) -> bool:
    return entry.subject.startswith("event/") and entry.subject.removeprefix("event/") in names
