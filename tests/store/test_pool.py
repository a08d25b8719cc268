"""What many rows have in common is in memory once, and every row is what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from openadr_ra.protocol.model import PowerReal, ReportRequestId, Rid, SpecifierId, VenId
from openadr_ra.protocol.parts import DIRECT_READ, Report, ReportDescription, ReportType, SamplingRate
from openadr_ra.protocol.party import Party
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import AnyLetter, Key, Outcome
from openadr_ra.protocol.times import duration
from openadr_ra.seams import Step
from openadr_ra.store import SqliteStore
from openadr_ra.store.pool import MOST_VALUES, Pool

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Drawer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    label: str = ""
    numbers: tuple[float, ...] = ()
    insets: dict[str, Drawer] = {}


class Shelf(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    label: str = ""
    numbers: tuple[float, ...] = ()
    drawers: tuple[Drawer, ...] = ()
    boards: dict[str, Shelf] = {}


class Point(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    label: str = ""


class Board(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    points: tuple[Point, ...] = ()
    boards: dict[str, Board] = {}


def party(ven: str, points: int = 3) -> Party:
    """A VEN that offers so many points; another's are equal to them."""
    described = tuple(
        ReportDescription(
            rid=Rid(f"meter-{number}"),
            type=ReportType(Token("usage")),
            unit=PowerReal(),
            reading_type=DIRECT_READ,
            sampling=SamplingRate(minimum=duration(timedelta(minutes=1)), maximum=duration(timedelta(hours=1))),
        )
        for number in range(points)
    )
    offered = Report(
        descriptions=described,
        request_id=ReportRequestId("0"),
        specifier_id=SpecifierId(f"live-{ven}"),
        created=NOON,
    )
    return Party(ven_id=VenId(ven), reports=Requester(offered=(offered,)))


def read_again(state: Party) -> Party:
    return msgspec.json.decode(msgspec.json.encode(state), type=Party)


def shelf(written: str) -> Shelf:
    return msgspec.json.decode(written, type=Shelf)


def test_rows_share_what_is_equal_in_them_and_stay_what_they_were() -> None:
    pool = Pool()
    one, other = (pool.share(read_again(party(ven))) for ven in ("ven-1", "ven-2"))

    assert (one, other) == (party("ven-1"), party("ven-2"))
    assert one.reports.offered[0].descriptions is other.reports.offered[0].descriptions
    assert one.reports.offered[0] is not other.reports.offered[0]


def test_rows_that_differ_in_a_part_share_the_rest() -> None:
    pool = Pool()
    one, other = (pool.share(read_again(party("ven-1", points))).reports.offered[0].descriptions for points in (3, 4))

    assert one == other[:3]
    assert [each is its for each, its in zip(one, other, strict=False)] == [True, True, True]


def test_numbers_that_are_equal_and_not_the_same_are_not_exchanged() -> None:
    pool = Pool()
    pool.share(Shelf(numbers=(1.0, 0.0)))

    assert repr(pool.share(Shelf(numbers=(1, -0.0))).numbers) == "(1, -0.0)"


def test_lists_in_a_dict_are_shared_and_the_dict_is_not() -> None:
    """A dict can change, so that neither it nor what holds it is ever another's."""
    pool = Pool()
    written = '{"boards": {"upper": {"drawers": [{"label": "left", "insets": {"a": {"label": "tray"}}}]}}}'
    one, other = (pool.share(shelf(written)) for _ in range(2))
    assert one == other == shelf(written)
    assert one.boards is not other.boards
    assert one.boards["upper"].drawers[0] is not other.boards["upper"].drawers[0]

    written = '{"boards": {"upper": {"points": [{"label": "left"}]}}}'
    this, that = (pool.share(msgspec.json.decode(written, type=Board)) for _ in range(2))
    assert this.boards["upper"].points is that.boards["upper"].points
    assert this.boards["upper"] is not that.boards["upper"]


def test_the_pool_is_bounded_and_what_is_in_use_stays_in_it() -> None:
    pool = Pool()
    first = pool.share(Board(points=(Point(label="in use"),))).points
    for number in range(2 * MOST_VALUES):
        pool.share(Board(points=(Point(label=f"only once {number}"),)))
        assert pool.share(Board(points=(Point(label="in use"),))).points is first
        assert len(pool) <= 2 * (MOST_VALUES + 1)

    assert len(pool) > MOST_VALUES


async def test_rows_that_stay_in_memory_share_what_they_have_in_common(tmp_path: Path) -> None:
    """Those that were stepped, if only to see whether there is something to do."""

    def look(held: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
        assert held is not None
        return Outcome(state=held)

    store = await SqliteStore.open(tmp_path / "rows.db")
    for ven in ("ven-1", "ven-2"):
        await store.update(Key(f"party/{ven}"), Party, registered(ven))
    await store.close()

    again = await SqliteStore.open(tmp_path / "rows.db")
    one, other = [(await again.update(Key(f"party/{ven}"), Party, look)).state for ven in ("ven-1", "ven-2")]
    await again.close()

    assert (one, other) == (party("ven-1"), party("ven-2"))
    assert one.reports.offered[0].descriptions is other.reports.offered[0].descriptions


def registered(ven: str) -> Step[Party]:
    def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
        return Outcome(state=party(ven))

    return step
