"""The part of the contract of `Store` that is about letting go of rows, mail and journal entries."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Key, Record
from openadr_ra.seams import Store
from tests.store.check_store import (
    HALF_HOUR,
    MINUTE,
    NOON,
    OTHER,
    TANK,
    THIRD,
    Tank,
    entry,
    mail,
    pour,
    poured,
    reading,
)

FIRST = Key("tank/0")

SECOND = timedelta(seconds=1)


def sample(series: str, at_s: int, *, span_s: int = 0) -> Reading:
    """So many seconds after noon."""
    return reading(series=series, start=NOON + at_s * SECOND, span=span_s * SECOND)


async def left(store: Store, *series: str) -> list[int]:
    """When they were that are there, in seconds after noon."""
    return [(one.start - NOON) // SECOND for one in await store.readings(series, NOON, NOON + 24 * HALF_HOUR)]


class DropContract:
    """Nothing goes that is not as it was seen."""

    async def test_row_that_was_dropped_is_gone(self, store: Store) -> None:
        """Whoever steps its key begins with nothing, in the same batch, too."""
        for key in (TANK, OTHER):
            await store.update(key, Tank, pour("a", due=NOON))
        held = Tank(poured=("a",))
        await store.drop(rows=((TANK, held),))
        assert (await store.keys(""), await store.load(TANK, Tank), store.peek(TANK, Tank)) == ((OTHER,), None, None)
        assert [due.key for due in await store.due()] == [OTHER]
        await asyncio.gather(store.drop(rows=((OTHER, held), (THIRD, held))), store.update(OTHER, Tank, pour("b")))
        assert (await poured(store, OTHER), await store.keys("")) == (("b",), (OTHER,))

    async def test_names_of_a_row_go_with_it(self, store: Store) -> None:
        """All of them, those of others not; a row that stays keeps its own, and who begins anew is named anew."""
        await store.update(TANK, Tank, pour("a", effects=(Record(aliases=("one", "two")),)))
        await store.update(OTHER, Tank, pour("a", effects=(Record(aliases=("three",)),)))
        assert await store.resolve("one") == TANK
        await store.drop(rows=((TANK, Tank(poured=("a",))), (OTHER, Tank(poured=("b",)))))
        assert [await store.resolve(name) for name in ("one", "two", "three")] == [None, None, OTHER]
        await store.update(TANK, Tank, pour("b", effects=(Record(aliases=("two",)),)))
        assert [await store.resolve(name) for name in ("one", "two")] == [None, TANK]

    async def test_row_that_changed_meanwhile_stays(self, store: Store) -> None:
        """In the same batch, too; and one for which mail waits, unless that goes with it."""
        await store.update(TANK, Tank, pour("a"))
        seen = Tank(poured=("a",))
        await asyncio.gather(store.update(TANK, Tank, pour("b")), store.drop(rows=((TANK, seen),)))
        assert await poured(store) == ("a", "b")
        await store.post(mail(TANK, "c"))
        changed = Tank(poured=("a", "b"))
        await store.drop(rows=((TANK, changed),))
        assert await store.load(TANK, Tank) == changed
        await store.drop(rows=((TANK, changed),), letters=await store.letters(0, 10))
        assert (await store.load(TANK, Tank), await store.waiting()) == (None, ())

    async def test_letters_are_listed_by_their_numbers(self, store: Store) -> None:
        """To whomever; a page begins above the last number of the one before it."""
        await store.post((*mail(OTHER, "1"), *mail(TANK, "2"), *mail(OTHER, "3")))
        await store.update(THIRD, Tank, pour(post=mail(FIRST, "4")))
        found = await store.letters(0, 10)
        assert [one for _, one in found] == [*mail(OTHER, "1"), *mail(TANK, "2"), *mail(OTHER, "3"), *mail(FIRST, "4")]
        assert [number for number, _ in found] == sorted({number for number, _ in found})
        assert await store.letters(found[0][0], 2) == found[1:3]
        assert await store.letters(found[-1][0], 2) == ()
        await store.update(OTHER, Tank, pour())
        assert await store.letters(0, 10) == (found[1], found[3])

    async def test_letter_that_was_dropped_is_never_read(self, store: Store) -> None:
        """Those beside it are, in their order, also where they come in the same batch; what was read before is none."""
        await store.post(mail(TANK, "1", "2", "3"))
        first, second, third = await store.letters(0, 10)
        await asyncio.gather(
            store.post(mail(TANK, "4")),
            store.drop(letters=(second,)),
            store.post(mail(TANK, "5")),
        )
        assert [number for number, _ in await store.letters(0, 3)][:2] == [first[0], third[0]]
        await store.update(TANK, Tank, pour("end"))
        assert await poured(store) == ("1", "3", "4", "5", "end")
        await store.drop(letters=(first, third))
        assert (await store.waiting(), await poured(store)) == ((), ("1", "3", "4", "5", "end"))

    async def test_mail_that_is_dropped_to_the_last_leaves_nobody_waiting(self, store: Store) -> None:
        await store.update(TANK, Tank, pour("a"))
        await store.post((*mail(TANK, "1"), *mail(OTHER, "2")))
        await store.drop(letters=await store.letters(0, 10))
        assert (await store.waiting(), store.peek(TANK, Tank)) == ((), Tank(poured=("a",)))

    async def test_journal_is_listed_as_a_whole(self, store: Store) -> None:
        """In the order of writing, whatever the subject; a page begins above the last number of the one before it."""
        lines = [entry(str(number), subject=f"event/{number % 2}") for number in range(5)]
        await store.record((), lines)
        found = await store.entries(0, 10)
        assert [line for _, line in found] == lines
        assert await store.entries(found[1][0], 2) == found[2:4]
        assert await store.entries(found[-1][0], 2) == ()

    async def test_journal_entries_that_were_dropped_are_gone(self, store: Store) -> None:
        """Their numbers are never another's; those that are gone already are passed over."""
        await store.record((), [entry(str(number), subject=f"event/{number % 2}") for number in range(4)])
        found = await store.entries(0, 10)
        await store.drop(entries=(found[0][0], found[3][0], found[2][0]))
        await store.drop(entries=(found[3][0],))
        assert await store.entries(0, 10) == (found[1],)
        assert (await store.journal("event/0"), await store.journal("event/1")) == ((), (found[1],))
        await store.record((), (entry("new"),))
        assert (await store.entries(0, 10))[-1][0] > found[-1][0]

    async def test_readings_are_thinned_to_the_first_of_each_span(self, store: Store) -> None:
        """Spans are those of the clock, whatever the bounds; other series keep all they have."""
        seconds = [sample("a", 20 * number) for number in range(12)]
        others = sample("b", 0), sample("b", 1)
        await store.record([*seconds, *others])
        assert await store.thin(("a", "nobody"), NOON, NOON + HALF_HOUR, MINUTE, 100) == 8
        assert await left(store, "a", "b") == [0, 60, 120, 180, 0, 1]
        assert await store.thin(("a", "nobody"), NOON, NOON + HALF_HOUR, MINUTE, 100) == 0
        assert await store.thin(("a", "b"), NOON, NOON + HALF_HOUR, HALF_HOUR, 100) == 4
        assert await left(store, "a", "b") == [0, 0]
        assert await store.series("") == ("a", "b")

    async def test_readings_are_thinned_within_bounds(self, store: Store) -> None:
        """On both sides of both edges; what reaches out stays, and counts as the first as what stands before them does."""
        inside = [sample("a", at_s) for at_s in (30, 31, 119)]
        outside = [sample("a", at_s) for at_s in (0, 29, 120)]
        await store.record([*inside, *outside, sample("a", 118, span_s=3)])
        start, end = NOON + 30 * SECOND, NOON + 120 * SECOND
        assert await store.thin(("a",), start, end, MINUTE, 100) == 3
        assert await left(store, "a") == [0, 29, 118, 120]
        assert await store.thin(("a",), start, end, HALF_HOUR, 100) == 0
        assert await left(store, "a") == [0, 29, 118, 120]

    async def test_readings_are_thinned_in_slices_the_oldest_of_each_series_first(self, store: Store) -> None:
        """No more than asked for at once, over all series together; fewer when there are no more."""
        await store.record([sample(name, at_s) for name in "ab" for at_s in range(4)])
        went = [await store.thin(("a", "b", "a"), NOON, NOON + HALF_HOUR, MINUTE, 4) for _ in range(3)]
        assert (went, await left(store, "a", "b")) == ([4, 2, 0], [0, 0])
        await store.record([sample("a", at_s) for at_s in range(4)])
        assert await store.thin(("a",), NOON, NOON + HALF_HOUR, MINUTE, 1) == 1
        assert await left(store, "a") == [0, 2, 3]

    async def test_store_holds_less_when_readings_are_gone(self, store: Store) -> None:
        """What can be told of it, where it is this node's to bound."""
        before = await store.octets()
        await store.record([sample("a", at_s) for at_s in range(5000)])
        much = await store.octets()
        assert await store.thin(("a",), NOON, NOON + 24 * HALF_HOUR, HALF_HOUR, 5000) == 4997
        less = await store.octets()
        if before is not None and much is not None and less is not None:
            assert much - before > 50_000
            assert less - before < (much - before) / 2
