"""The table "Sizing" of docs/scaling.md is computed from docs/performance.json, and its sums are right."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import sizing
from benchmarks.performance import DOCS, kept
from benchmarks.sizing import (
    BEGIN,
    COMMITS,
    CONNECTIONS,
    END,
    FLEETS,
    HELD_S,
    LIVE_REPORTS,
    LIVE_VALUES,
    PAGE,
    SLOT_VALUES,
    Costs,
    costs,
    drawn,
    need,
    short,
    table,
)  # fmt: skip

COST = Costs(
    poll_s=0.0,
    held_poll_s=0.0001,
    tls_s=0.0,
    handshake_s=0.002,
    report_s=0.001,
    event_s=0.0005,
    shared_report_s=0.002,
    shared_event_s=0.0009,
    database_report_s=0.0001,
    database_event_s=0.0002,
    ven_bytes=5_000,
    connection_bytes=40_000,
)
FREE = Costs(**dict.fromkeys(Costs.__struct_fields__, 0.0))


def test_the_sizing_table_is_that_of_the_committed_figures() -> None:
    """`python -m benchmarks.performance` draws it anew where only its words have changed."""
    page = (DOCS / PAGE).read_text("utf-8")

    assert f"{BEGIN}\n{table(kept())}\n{END}" in page
    assert drawn(page, table(kept())) == page


def test_ten_times_the_vens_need_ten_times_as_much() -> None:
    few, many = (need(vens, COST) for vens in (1_000, 10_000))

    for name in ("requests_per_s", "changes_per_s", "cores", "database_cores", "readings_per_day", "memory_bytes"):
        assert getattr(many, name) == pytest.approx(10 * getattr(few, name)), name
    assert few.memory_bytes == 5_000_000
    assert few.connection_bytes == CONNECTIONS * 40_000_000


def test_one_process_serves_as_many_as_one_core_and_workers_are_whole() -> None:
    """Polls alone: at 60 % of a core six in a millisecond."""
    polls = replace(FREE, held_poll_s=0.0001, shared_event_s=-0.0001)
    most = HELD_S * 6_000

    assert need(most - 1, polls).fits_one
    assert not need(most + 1, polls).fits_one
    assert [need(vens, polls).workers for vens in (1, most - 1, most + 1)] == [1, 1, 2]


def test_new_connections_are_counted_once_a_minute_and_after_an_outage() -> None:
    """Where VENs keep their second connection a minute costs nothing."""
    one = need(60_000, replace(FREE, handshake_s=0.002))

    assert one.workers == ceil(2.0 / 0.6)
    assert one.workers_connected == 1
    assert (one.minute_s, one.handshakes_s) == pytest.approx((120.0, 120.0))
    assert one.event_s == one.shared_event_s == 0


def test_a_minute_s_reports_and_an_event_take_what_they_take_of_each_ven() -> None:
    one = need(1_000, replace(COST, handshake_s=0.0))

    assert one.minute_s == pytest.approx(1_000 * LIVE_REPORTS * 0.002)
    assert one.event_s == pytest.approx(0.5)
    assert one.shared_event_s == pytest.approx(1.0)


def test_there_are_no_more_commits_than_changes_and_than_workers_can_make() -> None:
    few, many = need(1_000, COST), need(1_000_000, replace(FREE, shared_report_s=0.0001))

    assert few.commits_per_s == few.changes_per_s
    assert many.commits_per_s == many.workers * COMMITS < many.changes_per_s


def test_readings_are_those_of_the_reports() -> None:
    a_day = LIVE_VALUES * 1440 + SLOT_VALUES * 48

    assert need(1, COST).readings_per_day == a_day
    assert need(1_000, COST).kept_gb(100) == pytest.approx(1_000 * a_day * 35 * 100 / 1e9)


@pytest.mark.parametrize(
    ("value", "said"), [(0.00123, "0.0012"), (0.5, "0.5"), (9.96, "10"), (12.3, "12"), (17_222, "17,000")]
)
def test_what_was_computed_has_two_digits(value: float, said: str) -> None:
    assert short(value) == said


def test_every_figure_of_the_table_has_to_have_been_measured() -> None:
    left = tuple(one for one in kept() if one.name != "held")

    with pytest.raises(LookupError, match="python -m benchmarks held"):
        costs(left)


def test_only_what_is_between_the_marks_is_drawn_anew(tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    sizing.write(kept(), tmp_path)
    page = (tmp_path / PAGE).read_text("utf-8")

    assert page == f"before\n{BEGIN}\n{table(kept())}\n{END}\nafter\n"
    assert all(f"{vens:,}" in page for vens in FLEETS)
    with pytest.raises(LookupError, match="lacks"):
        drawn("no marks", "table")
