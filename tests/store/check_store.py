"""The contract of `Store`: a class of tests that every implementation must pass, with a fixture `store` of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidData, OutOfSequence, StoreError
from openadr_ra.protocol.model import OPT_IN, EventId
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD, Quality
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import AnyLetter, Effect, Entry, Key, Mail, Once, Outcome, Record, State, Verdict
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Due, Step, Store

NOON = datetime(2027, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)
MICROSECOND = timedelta(microseconds=1)

EVER = datetime(1970, 1, 1, tzinfo=UTC)

TANK, OTHER, THIRD = Key("tank/1"), Key("tank/2"), Key("tank/3")


class Tank(State, frozen=True, kw_only=True, gc=False):
    """A row of the tests: all that was ever poured into it, in order."""

    poured: tuple[str, ...] = ()
    level: float = 0.0


class Valve(State, frozen=True, kw_only=True, gc=False):
    """Another kind of row."""

    open: bool = False


def letter(words: str) -> AnyLetter:
    """A letter that says `words`."""
    return Verdict(event_id=EventId("e"), modification=0, opt=OPT_IN, reason=words)


def mail(to: Key, *words: str) -> tuple[Mail, ...]:
    """A mail to `to` for each of `words`."""
    return tuple(Mail(to=to, body=letter(word)) for word in words)


def words(letters: Iterable[AnyLetter]) -> tuple[str, ...]:
    """What the letters say."""
    return tuple(each.reason for each in letters if isinstance(each, Verdict))


def once(nonce: str) -> Record:
    """What makes a step one that is taken once."""
    return Record(once=Once(nonce=nonce, until=NOON + MINUTE, now=NOON))


def pour(
    *what: str, post: tuple[Mail, ...] = (), effects: tuple[Effect, ...] = (), due: datetime | None = None
) -> Step[Tank]:
    """A step that pours in first what its mail says, then `what`."""

    def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
        poured = (tank or Tank()).poured + words(letters) + what
        return Outcome(state=Tank(poured=poured), mail=post, effects=effects, due=due)

    return step


def burst(error: Exception) -> Step[Tank]:
    """A step that raises."""

    def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
        raise error

    return step


def reading(
    value: float = 1.0,
    *,
    series: str = "ven-1/power",
    start: datetime = NOON,
    span: timedelta = MINUTE,
    quality: Quality = GOOD,
    revision: int = 0,
) -> Reading:
    """A minute's mean at noon."""
    return Reading(series=series, start=start, span=span, value=value, quality=quality, revision=revision)


def entry(what: str = "opened", subject: str = "event/1") -> Entry:
    """A line of the journal."""
    return Entry(subject=subject, at=NOON, by="operator", what=what, detail="by hand")


async def poured(store: Store, key: Key = TANK) -> tuple[str, ...]:
    """All that is in that tank."""
    tank = await store.load(key, Tank)
    return () if tank is None else tank.poured


class StoreContract:
    """What whoever steps rows may rely on."""

    async def test_store_begins_a_row_with_nothing(self, store: Store) -> None:
        """A step on a key that was never stored gets None and no mail."""
        seen: list[tuple[Tank | None, int]] = []

        def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
            seen.append((tank, len(letters)))
            return Outcome(state=Tank(level=2.5))

        assert await store.load(TANK, Tank) is None
        outcome = await store.update(TANK, Tank, step)
        assert seen == [(None, 0)]
        assert outcome.state == await store.load(TANK, Tank) == Tank(level=2.5)

    async def test_store_steps_on_one_row_chain(self, store: Store) -> None:
        """Of many steps at once each sees what the one before it left; none is lost."""
        names = [str(number) for number in range(100)]
        outcomes = await asyncio.gather(*(store.update(TANK, Tank, pour(name)) for name in names))
        assert await poured(store) == tuple(names)
        assert [len(outcome.state.poured) for outcome in outcomes] == list(range(1, 101))

    async def test_store_hands_back_the_whole_outcome(self, store: Store) -> None:
        """Effects, mail and deadline come back as the step gave them, for the caller to carry out."""
        effects = (Record(entries=(entry(),)),)
        step = pour("a", post=mail(OTHER, "b"), effects=effects, due=NOON)
        assert await store.update(TANK, Tank, step) == step(None, ())

    async def test_store_changes_nothing_when_a_step_raises(self, store: Store) -> None:
        """The error reaches its caller alone; row, mail and the steps beside it are unharmed."""
        await store.post(mail(TANK, "letter"))
        done = await asyncio.gather(
            store.update(OTHER, Tank, pour("before")),
            store.update(TANK, Tank, burst(OutOfSequence("too old"))),
            store.update(OTHER, Tank, pour("after")),
            store.update(TANK, Tank, burst(ZeroDivisionError("a mistake"))),
            return_exceptions=True,
        )
        assert [type(each) for each in done] == [Outcome, OutOfSequence, Outcome, ZeroDivisionError]
        assert await store.load(TANK, Tank) is None
        assert await store.waiting() == (TANK,)
        assert await poured(store, OTHER) == ("before", "after")

    async def test_store_survives_a_step_that_raises_stop_iteration(self, store: Store) -> None:
        """No error of a step is too odd: this one Python itself turns into a RuntimeError."""
        with pytest.raises(RuntimeError):
            await store.update(TANK, Tank, burst(StopIteration()))
        await store.update(TANK, Tank, pour("a"))
        assert await poured(store) == ("a",)

    async def test_store_refuses_a_row_of_another_kind(self, store: Store) -> None:
        """A key names one kind of row for ever."""
        await store.update(TANK, Tank, pour("a"))
        with pytest.raises(StoreError, match="tank/1 holds a Tank, not a Valve"):
            await store.update(TANK, Valve, lambda valve, letters: Outcome(state=Valve()))
        with pytest.raises(StoreError, match="tank/1 holds a Tank, not a Valve"):
            await store.load(TANK, Valve)
        assert store.peek(TANK, Valve) is None
        assert await poured(store) == ("a",)

    async def test_store_does_a_cancelled_update_wholly_or_not_at_all(self, store: Store) -> None:
        """A caller that goes away takes nobody with it."""
        gone = asyncio.ensure_future(store.update(TANK, Tank, pour("a", post=mail(OTHER, "b"))))
        others = [asyncio.ensure_future(store.update(THIRD, Tank, pour(str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, *others, return_exceptions=True)
        await store.update(TANK, Tank, pour("c"))
        assert (await poured(store), await store.waiting()) in [(("a", "c"), (OTHER,)), (("c",), ())]
        assert await poured(store, THIRD) == ("0", "1", "2")


class MailContract:
    """What rows tell one another."""

    async def test_mail_reaches_one_step_once_in_the_order_of_posting(self, store: Store) -> None:
        """The step that reads it removes it."""
        await store.post((*mail(TANK, "1", "2"), *mail(OTHER, "x"), *mail(TANK, "3")))
        await store.update(TANK, Tank, pour())
        await store.update(TANK, Tank, pour("end"))
        assert await poured(store) == ("1", "2", "3", "end")
        assert await store.waiting() == (OTHER,)

    async def test_mail_is_removed_even_when_the_row_stays_as_it_was(self, store: Store) -> None:
        """A letter seen before changes nothing, but it has been read."""
        await store.update(TANK, Tank, pour("a"))
        await store.post(mail(TANK, "again"))
        await store.update(TANK, Tank, lambda tank, letters: Outcome(state=tank or Tank()))
        assert await store.waiting() == ()
        assert await poured(store) == ("a",)

    async def test_mail_of_a_step_is_there_for_the_next_step_of_its_row(self, store: Store) -> None:
        await store.update(TANK, Tank, pour(post=mail(OTHER, "1")))
        await store.update(OTHER, Tank, pour(post=mail(TANK, "2")))
        await store.update(TANK, Tank, pour(post=mail(OTHER, "3")))
        assert await poured(store) == ("2",)
        await store.update(OTHER, Tank, pour("end"))
        assert await poured(store, OTHER) == ("1", "3", "end")
        assert await store.waiting() == ()

    async def test_mail_of_a_row_to_itself_waits_for_its_next_step(self, store: Store) -> None:
        """What a step posts it does not read itself."""
        await store.update(TANK, Tank, pour("a", post=mail(TANK, "b")))
        assert await poured(store) == ("a",)
        assert await store.waiting() == (TANK,)
        await store.update(TANK, Tank, pour("c"))
        assert await poured(store) == ("a", "b", "c")

    async def test_mail_of_a_step_that_raises_is_never_posted(self, store: Store) -> None:
        """The whole outcome is refused for one reading in it that is no number."""
        step = pour("a", post=mail(OTHER, "b"), effects=(Record(readings=(reading(float("nan")),)),))
        with pytest.raises(InvalidData, match="ven-1/power"):
            await store.update(TANK, Tank, step)
        assert await store.waiting() == ()
        assert await store.load(TANK, Tank) is None

    async def test_mail_waits_for_rows_that_do_not_exist_yet(self, store: Store) -> None:
        """Its key is named, sorted, once."""
        await store.update(TANK, Tank, pour("a"))
        await store.post((*mail(THIRD, "x"), *mail(TANK, "y"), *mail(THIRD, "z")))
        assert await store.waiting() == (TANK, THIRD)

    async def test_peek_shows_a_row_unless_mail_waits_for_it(self, store: Store) -> None:
        """So that a reply made from it leaves nothing unread."""
        assert store.peek(TANK, Tank) is None
        outcome = await store.update(TANK, Tank, pour("a"))
        assert store.peek(TANK, Tank) is outcome.state
        await store.post(mail(TANK, "b"))
        assert store.peek(TANK, Tank) is None
        await store.update(TANK, Tank, pour())
        assert store.peek(TANK, Tank) == Tank(poured=("a", "b"))


class NamesContract:
    """Finding rows."""

    async def test_due_rows_come_soonest_first(self, store: Store) -> None:
        """A deadline alone is a change; without one a row is not named."""
        await store.update(TANK, Tank, pour(due=NOON + MICROSECOND))
        await store.update(OTHER, Tank, pour(due=NOON))
        await store.update(THIRD, Tank, pour())
        assert await store.due() == (Due(key=OTHER, at=NOON), Due(key=TANK, at=NOON + MICROSECOND))
        await store.update(OTHER, Tank, pour())
        await store.update(TANK, Tank, pour(due=FOREVER))
        assert await store.due() == (Due(key=TANK, at=FOREVER),)

    async def test_keys_are_found_by_their_beginning(self, store: Store) -> None:
        """Letter for letter, case and all; sorted."""
        names = ["party/b", "party/a", "party/", "Party/a", "party0", "party/%", "party/\U0010ffff", "a"]
        for name in names:
            await store.update(Key(name), Tank, pour())
        found = ("party/", "party/%", "party/a", "party/b", "party/\U0010ffff")
        assert await store.keys("party/") == found
        assert await store.keys("") == tuple(sorted(names))
        assert await store.keys("party/%") == ("party/%",)
        assert await store.keys("nobody") == ()

    async def test_alias_leads_to_the_row_that_recorded_it_last(self, store: Store) -> None:
        """A certificate that moves to another party is found there."""
        named = (Record(aliases=("fingerprint", "registration")),)
        assert await store.resolve("fingerprint") is None
        await store.update(TANK, Tank, pour(effects=named))
        assert await store.resolve("fingerprint") == await store.resolve("registration") == TANK
        await store.update(OTHER, Tank, pour(effects=(Record(aliases=("fingerprint",)),)))
        assert await store.resolve("fingerprint") == OTHER
        assert await store.resolve("registration") == TANK


class SeenContract:
    """When somebody was heard of last."""

    async def test_newest_time_of_each_stays(self, store: Store) -> None:
        """Whoever is told of an older one later, and in the same batch, too. Nobody is there until somebody was seen."""
        assert await store.seen() == {}
        await store.see({})
        await store.see({TANK: NOON, OTHER: NOON + MICROSECOND})
        await asyncio.gather(
            store.see({TANK: NOON + MINUTE}), store.see({TANK: NOON}), store.see({OTHER: NOON, THIRD: NOON})
        )
        assert await store.seen() == {TANK: NOON + MINUTE, OTHER: NOON + MICROSECOND, THIRD: NOON}

    async def test_being_seen_is_no_change_of_a_row(self, store: Store) -> None:
        """Nothing is to be looked at because of it, and there need be no row."""
        state = (await store.update(TANK, Tank, pour("a", due=NOON))).state
        await store.see({TANK: NOON, OTHER: NOON})
        assert store.peek(TANK, Tank) is state
        assert (await store.keys(""), await store.waiting()) == ((TANK,), ())


class RecordsContract:
    """Readings, the journal, nonces."""

    async def test_readings_that_touch_a_span_are_found(self, store: Store) -> None:
        """A span that overlaps it, a sample inside it; on both sides of both edges."""
        start, end = NOON, NOON + HALF_HOUR
        inside = (
            reading(1, start=start - MINUTE, span=MINUTE + MICROSECOND),
            reading(2, start=start - 100 * MINUTE, span=200 * MINUTE),
            reading(3, start=start, span=timedelta(0)),
            reading(4, start=end - MICROSECOND, span=timedelta(0)),
            reading(5, start=end - MICROSECOND, span=MINUTE),
        )
        outside = (
            reading(6, start=start - MINUTE, span=MINUTE),
            reading(7, start=start - MICROSECOND, span=timedelta(0)),
            reading(8, start=end, span=timedelta(0)),
            reading(9, start=end, span=MINUTE),
        )
        await store.record(outside + inside)
        found = await store.readings(["ven-1/power"], start, end)
        assert sorted(each.value for each in found) == [1, 2, 3, 4, 5]
        assert list(found) == sorted(found, key=lambda each: each.start)
        assert await store.readings(["ven-1/power"], end, start) == ()
        assert await store.readings(["ven-1/power"], end, end) == ()

    async def test_readings_come_by_series_as_asked_then_by_time(self, store: Store) -> None:
        """Each series once, those that nobody recorded not at all."""
        first, second = reading(1, series="b/power"), reading(2, series="b/power", start=NOON + MINUTE)
        other = reading(3, series="a/power")
        await store.record((second, other, first))
        asked = ["b/power", "nobody/power", "a/power", "b/power"]
        assert await store.readings(asked, NOON, NOON + HALF_HOUR) == (first, second, other)

    async def test_readings_are_kept_exactly(self, store: Store) -> None:
        """Every bit of the value, every microsecond, any quality, also one of the peer's own, and how sure it is."""
        exact = (
            reading(0.1 + 0.2, start=NOON + MICROSECOND, quality=COMM_FAILURE),
            reading(-5e-324, start=NOON + 2 * MICROSECOND, span=MICROSECOND, quality=Quality(Token("x-odd"))),
            reading(1.7976931348623157e308, start=NOON + MINUTE, span=timedelta(days=400), revision=2**31),
            replace(reading(2.0, start=NOON + 2 * MINUTE), confidence=0, accuracy=0.1 + 0.2),
            replace(reading(2.0, start=NOON + 3 * MINUTE), accuracy=0.0),
        )
        await store.record(exact)
        assert await store.readings(["ven-1/power"], NOON, FOREVER) == exact

    async def test_readings_sent_again_change_nothing(self, store: Store) -> None:
        """Only a higher revision of the same series, start and span replaces."""
        await store.record((reading(1, revision=1), reading(1, span=HALF_HOUR)))
        await store.record((reading(2, revision=1), reading(3, revision=0)))
        kept = reading(1, revision=1), reading(1, span=HALF_HOUR)
        assert await store.readings(["ven-1/power"], NOON, NOON + MINUTE) == kept
        corrected = replace(reading(4, revision=2, quality=COMM_FAILURE), confidence=80, accuracy=0.5)
        await store.record((corrected, reading(5, revision=1)))
        kept = corrected, reading(1, span=HALF_HOUR)
        assert await store.readings(["ven-1/power"], NOON, NOON + MINUTE) == kept

    async def test_old_readings_are_forgotten_but_for_the_newest_of_each_series(self, store: Store) -> None:
        """Those that ended before then; of a series with no more than the least that is to stay, none."""
        many = [reading(float(number), start=NOON + number * MINUTE) for number in range(6)]
        other, foreign = reading(series="ven-1/energy"), reading(series="ven-2/power")
        reaching = reading(9.0, start=NOON, span=10 * MINUTE)
        await store.record([*many, reaching, other, foreign])
        names = ("ven-1/power", "ven-1/energy", "ven-2/power")

        own = names[:2]
        assert await store.forget(own, EVER, NOON + 4 * MINUTE, 1, 100) == 4
        assert await store.readings(names, NOON, NOON + HALF_HOUR) == (reaching, *many[4:], other, foreign)
        assert await store.forget(own, EVER, NOON + HALF_HOUR, 2, 100) == 1
        assert await store.readings(names, NOON, NOON + HALF_HOUR) == (*many[4:], other, foreign)
        assert await store.forget(own, EVER, NOON + HALF_HOUR, 3, 100) == 0
        assert await store.readings(names, NOON, NOON + HALF_HOUR) == (*many[4:], other, foreign)

    async def test_readings_are_forgotten_in_slices_the_oldest_of_each_series_first(self, store: Store) -> None:
        """No more than asked for at once, over all series together; fewer when there are no more."""
        many = [
            reading(float(number), series=name, start=NOON + number * MINUTE) for name in "ab" for number in range(5)
        ]
        await store.record(many)
        end = NOON + 4 * MINUTE

        assert await store.forget(("a", "b", "a"), EVER, end, 0, 3) == 3
        assert await store.readings(("a", "b"), NOON, NOON + HALF_HOUR) == tuple(many[3:])
        assert await store.forget(("nobody", "a", "b"), EVER, end, 0, 3) == 3
        assert await store.readings(("a", "b"), NOON, NOON + HALF_HOUR) == (many[4], *many[7:])
        assert await store.forget(("a", "b"), EVER, end, 0, 3) == 2
        assert await store.readings(("a", "b"), NOON, NOON + HALF_HOUR) == (many[4], many[9])
        assert await store.series("") == ("a", "b")

    async def test_readings_of_a_span_are_forgotten_and_those_that_reach_out_of_it_stay(self, store: Store) -> None:
        """On both sides of both edges."""
        start, end = NOON, NOON + HALF_HOUR
        within = reading(1, start=start), reading(2, start=end - MINUTE), reading(3, start=start, span=HALF_HOUR)
        beside = (
            reading(4, start=start - MICROSECOND, span=timedelta(0)),
            reading(5, start=start - MINUTE, span=2 * MINUTE),
            reading(6, start=end - MINUTE, span=MINUTE + MICROSECOND),
            reading(7, start=end, span=timedelta(0)),
        )
        await store.record(within + beside)
        assert await store.forget(("ven-1/power",), start, end, 0, 10) == 3
        left = await store.readings(("ven-1/power",), start - HALF_HOUR, end + HALF_HOUR)
        assert sorted(each.value for each in left) == [4, 5, 6, 7]

    async def test_series_of_which_nothing_is_left_is_gone_by_name(self, store: Store) -> None:
        """And begins anew, under whatever number another may have got meanwhile."""
        await store.record((reading(1, series="a"), reading(2, series="b"), reading(3, series="c", span=HALF_HOUR)))
        assert await store.forget(("a", "c"), EVER, NOON + MINUTE, 0, 10) == 1
        assert await store.series("") == ("b", "c")
        assert await store.forget(("b", "c"), EVER, NOON + HALF_HOUR, 0, 10) == 2
        assert await store.series("") == ()
        again = reading(4, series="d"), reading(5, series="c"), reading(6, series="a", span=HALF_HOUR)
        await store.record(again)
        assert await store.readings(("d", "c", "a"), NOON, NOON + HALF_HOUR) == again
        assert await store.readings(("b",), NOON, NOON + HALF_HOUR) == ()

    @pytest.mark.parametrize(
        "bad",
        [
            reading(float("inf")),
            reading(float("nan")),
            reading(span=-MICROSECOND),
            replace(reading(), accuracy=float("inf")),
        ],
    )
    async def test_readings_that_make_no_sense_are_refused(self, store: Store, bad: Reading) -> None:
        """With all that was recorded beside them."""
        with pytest.raises(InvalidData, match="ven-1/power at 2027-07-01"):
            await store.record((reading(series="good/power"), bad), (entry(),))
        assert await store.series("") == ()
        assert await store.journal("event/1") == ()

    async def test_series_are_found_by_their_beginning(self, store: Store) -> None:
        """Sorted; a series is there from its first reading on."""
        await store.record(tuple(reading(series=name) for name in ("ven-2/kw", "ven-1/kwh", "ven-1/kw", "ven-10/kw")))
        assert await store.series("ven-1/") == ("ven-1/kw", "ven-1/kwh")
        assert len(await store.series("")) == 4

    async def test_series_are_listed_in_pages(self, store: Store) -> None:
        """Sorted; a page begins after the last name of the one before it."""
        names = ["a/kw", "a/kwh", "b/\U00010400", "b/kw"]
        await store.record(tuple(reading(series=name) for name in reversed(names)))
        assert await store.next_series("", 3) == tuple(sorted(names)[:3])
        assert await store.next_series(sorted(names)[2], 3) == tuple(sorted(names)[3:])
        assert await store.next_series(sorted(names)[3], 3) == ()

    async def test_step_records_with_its_row(self, store: Store) -> None:
        """State, readings and journal are one whole."""
        records = (Record(readings=(reading(7),)), Record(entries=(entry("filled"),)))
        await store.update(TANK, Tank, pour("a", effects=records))
        assert await store.readings(["ven-1/power"], NOON, NOON + MINUTE) == (reading(7),)
        assert [line for _, line in await store.journal("event/1")] == [entry("filled")]

    async def test_journal_is_numbered_upward(self, store: Store) -> None:
        """One subject's lines in the order of writing; those above a number are the news."""
        await store.record((), (entry("1"), entry("other", subject="event/10"), entry("2")))
        await store.record((), (entry("3"),))
        lines = await store.journal("event/1")
        assert [line.what for _, line in lines] == ["1", "2", "3"]
        numbers = [number for number, _ in lines]
        assert numbers == sorted(set(numbers))
        assert await store.journal("event/1", after=numbers[1]) == lines[2:]
        assert await store.journal("event/1", after=numbers[2]) == ()

    async def test_nonce_is_new_only_once(self, store: Store) -> None:
        """Until the time it was given has passed, whoever's clock says so."""
        until = NOON + MINUTE
        assert await store.remember("n", until, NOON)
        assert not await store.remember("n", until + MINUTE, until)
        assert await store.remember("l", until + MINUTE, until)
        assert not await store.remember("n", until + MINUTE, until)
        assert await store.remember("m", until + HALF_HOUR, until + MICROSECOND)
        assert not await store.remember("m", until + HALF_HOUR, NOON)
        assert await store.remember("n", until + HALF_HOUR, NOON)
        assert not await store.remember("n", until + HALF_HOUR, NOON)

    async def test_nonce_asked_for_twice_at_once_is_new_to_one(self, store: Store) -> None:
        """A replay that races its original loses."""
        asked = [store.remember("n", NOON + MINUTE, NOON) for _ in range(10)]
        assert sorted(await asyncio.gather(*asked)) == [False] * 9 + [True]

    async def test_nonce_of_a_step_is_stored_with_what_the_step_does(self, store: Store) -> None:
        """And if it is known, by whatever way, nothing of the step is."""
        await store.update(TANK, Tank, pour("a", effects=(once("n"),)))
        assert not await store.remember("n", NOON + MINUTE, NOON)
        assert await store.remember("m", NOON + MINUTE, NOON)
        for known in ("n", "m"):
            with pytest.raises(ComplianceError, match="was said before"):
                await store.update(TANK, Tank, pour("b", effects=(once(known),), post=mail(OTHER, "b")))
        assert await poured(store) == ("a",)
        assert await store.waiting() == ()

    async def test_nonce_of_a_step_that_raises_is_not_stored(self, store: Store) -> None:
        nan = Record(readings=(reading(value=float("nan")),))
        with pytest.raises(InvalidData):
            await store.update(TANK, Tank, pour("a", effects=(once("n"), nan)))
        await store.update(TANK, Tank, pour("b", effects=(once("n"),)))
        assert await poured(store) == ("b",)

    async def test_steps_with_one_nonce_at_once_are_taken_once(self, store: Store) -> None:
        """A replay that races its original loses, on whichever row."""
        asked = [store.update(key, Tank, pour("a", effects=(once("n"),))) for key in (TANK, OTHER, TANK)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(each, ComplianceError) for each in done] == [False, True, True]


class Contract(StoreContract, MailContract, NamesContract, SeenContract, RecordsContract):
    """All of it."""

    async def test_rows_are_loaded_together(self, store: Store) -> None:
        """In the order that they were asked for, and those that there are not are left out."""
        for key, what in ((TANK, "a"), (OTHER, "b")):
            await store.update(key, Tank, pour(what))
        await store.post(mail(TANK, "c"))
        found = await store.load_all((OTHER, THIRD, TANK), Tank)
        assert [one.poured for one in found] == [("b",), ("a",)]
        assert await store.load_all((), Tank) == ()


class AloneContract:
    """What a store promises beside that if it is one process's own."""

    async def test_names_of_a_row_that_begins_anew_at_once_are_the_new_ones_alone(self, store: Store) -> None:
        """Also when all of that was asked for at once."""
        await asyncio.gather(
            store.update(TANK, Tank, pour("a", effects=(Record(aliases=("one", "two")),))),
            store.drop(rows=((TANK, Tank(poured=("a",))),)),
            store.update(TANK, Tank, pour("b", effects=(Record(aliases=("two",)),))),
        )
        assert [await store.resolve(name) for name in ("one", "two")] == [None, TANK]

    async def test_mail_of_a_step_is_there_for_the_next_step_of_its_row_at_once(self, store: Store) -> None:
        """Also when all of them were asked for at once."""
        await asyncio.gather(
            store.update(TANK, Tank, pour(post=mail(OTHER, "1"))),
            store.update(OTHER, Tank, pour(post=mail(TANK, "2"))),
            store.update(TANK, Tank, pour(post=mail(OTHER, "3"))),
            store.update(OTHER, Tank, pour("end")),
        )
        assert await poured(store) == ("2",)
        assert await poured(store, OTHER) == ("1", "3", "end")
        assert await store.waiting() == ()
