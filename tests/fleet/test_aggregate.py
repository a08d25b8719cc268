"""Asked, accepted, delivered, deviation, in band or not: per VEN, resource and interval, and in sum."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.fleet.aggregate import EVERY_VEN, ResponseRow, is_in_band, response_rows, sums_agree
from openadr_ra.fleet.known import Derived, Said
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN, Quality
from openadr_ra.protocol.report import RESPONSE_QUANTITIES, TOTAL, Mean, Quantity, response_series
from openadr_ra.protocol.schedule import Mode, Reading, Slot
from tests.fleet.world import E1, HALF_HOUR, NOON, Plant, after, battery, line, schedule

V1, V2 = VenId("V1"), VenId("V2")
R1, R2 = ResourceId("r1"), ResourceId("r2")


def slots(*kw: float) -> tuple[Slot, ...]:
    return schedule(*kw).slots


def said(
    ven: VenId,
    resource: ResourceId,
    *,
    start: datetime = NOON,
    span: timedelta = HALF_HOUR,
    quality: Quality = GOOD,
    revision: int = 0,
    **figures: float,
) -> tuple[Said, ...]:
    """What a VEN of ours says of one interval of one resource."""
    return tuple(
        Said(
            ven=ven,
            resource=resource,
            quantity=quantity,
            reading=Reading(
                series=response_series(E1, resource, quantity),
                start=start,
                span=span,
                value=figures[quantity],
                quality=quality if quantity in ("kw", "delta", "coverage") else GOOD,
                revision=revision,
            ),
        )
        for quantity in RESPONSE_QUANTITIES
        if quantity in figures
    )


def ours(ven: VenId, kw: float, baseline: float = 0, asked: float = 0) -> tuple[Said, ...]:
    """One resource and the total."""
    return (
        *said(ven, R1, kw=kw, baseline=baseline, asked=asked, coverage=100),
        *said(ven, TOTAL, kw=kw, baseline=baseline, asked=asked, coverage=100, revision=0, final=1),
    )


def derived(ven: VenId, kw: float | None, baseline_kw: float | None = None, resource: ResourceId = TOTAL) -> Derived:
    quality = GOOD if kw is not None else NO_VALUE
    return Derived(
        ven=ven,
        resource=resource,
        start=NOON,
        end=NOON + HALF_HOUR,
        mean=Mean(kw=kw, coverage=1.0 if kw is not None else 0.0, quality=quality),
        baseline_kw=baseline_kw,
    )


def only(rows: tuple[ResponseRow, ...], ven: VenId, resource: ResourceId = TOTAL) -> ResponseRow:
    (row,) = (row for row in rows if (row.ven, row.resource) == (ven, resource))
    return row


def test_rows_are_of_resources_then_of_the_ven_and_last_of_all() -> None:
    readings = (
        *said(V1, R1, asked=-60, kw=40, baseline=102, coverage=100),
        *said(V1, R2, asked=-40, kw=-40, baseline=1, coverage=90, quality=UNCERTAIN),
        *said(V1, TOTAL, asked=-100, kw=0, baseline=103, coverage=95, quality=UNCERTAIN),
        *said(V1, TOTAL, revision=2, final=1),
    )
    rows = response_rows(E1, {V1: slots(-100)}, opts={V1: OPT_IN}, said=readings)

    assert [(row.ven, row.resource) for row in rows] == [(V1, R1), (V1, R2), (V1, TOTAL), (EVERY_VEN, TOTAL)]
    assert only(rows, V1, R1) == ResponseRow(
        event_id=E1,
        ven=V1,
        resource=R1,
        start=NOON,
        duration_s=1800,
        asked_kw=-60,
        instructed_kw=-60,
        accepted=OPT_IN,
        baseline_kw=102,
        mean_kw=40,
        delivered_kw=-62,
        deviation_kw=-2,
        in_band=True,
        coverage_percent=100,
        quality=GOOD,
        revision=2,
        final=True,
        source="x-RESPONSE",
    )
    whole = only(rows, V1)
    assert (whole.asked_kw, whole.delivered_kw, whole.deviation_kw, whole.in_band) == (-100, -103, -3, True)
    assert (whole.coverage_percent, whole.quality) == (95, UNCERTAIN)
    assert only(rows, EVERY_VEN) == replace(whole, ven=EVERY_VEN)
    assert sums_agree(rows)


@pytest.mark.parametrize(
    ("delivered", "asked", "base", "inside"),
    [
        (-90, -100, None, True),
        (-89.999999, -100, None, False),
        (-110, -100, None, True),
        (-110.000001, -100, None, False),
        (0.3, 0.1 + 0.2, None, True),
        (0, 0, None, None),
        (10, 0, 100, True),
        (-10, 0, -100, True),
        (10.1, 0, 100, False),
        (500, 400, 1000, False),
    ],
)
def test_the_edge_of_the_band_is_inside_it(
    delivered: float, asked: float, base: float | None, inside: bool | None
) -> None:
    """Where nothing was asked the band is that of the base, and without one there is none."""
    assert is_in_band(delivered, asked, 0.1, base) is inside


def test_the_band_can_be_another() -> None:
    rows = response_rows(E1, {V1: slots(-100)}, said=ours(V1, -80), band=0.2)
    assert only(rows, V1).in_band is True
    rows = response_rows(E1, {V1: slots(-100)}, said=ours(V1, -80), band=0.19)
    assert only(rows, V1).in_band is False


def test_an_absolute_instruction_is_compared_with_the_power_itself() -> None:
    """A resource is asked its baseline and its share."""
    rows = response_rows(E1, {V1: slots(-7)}, mode="setpoint", said=ours(V1, -6.5, baseline=3, asked=-10))

    assert (only(rows, V1).delivered_kw, only(rows, V1).deviation_kw) == (-6.5, 0.5)
    assert (only(rows, V1, R1).asked_kw, only(rows, V1, R1).in_band) == (-7, True)


def test_of_a_level_the_ven_says_what_it_made_of_it() -> None:
    rows = response_rows(E1, {V1: slots(2), V2: slots(2)}, mode="level", said=ours(V1, 1, baseline=7, asked=-6.2))

    assert (only(rows, V1).asked_kw, only(rows, V1).delivered_kw, only(rows, V1).in_band) == (-6.2, -6, True)
    assert only(rows, V2).asked_kw is None
    assert only(rows, EVERY_VEN).asked_kw is None


def test_a_strangers_mean_needs_its_baseline_to_count_as_delivered() -> None:
    rows = response_rows(E1, {V1: slots(-10), V2: slots(-10)}, derived=(derived(V1, 5, 15), derived(V2, 5)))

    assert (only(rows, V1).delivered_kw, only(rows, V1).in_band, only(rows, V1).source) == (-10, True, "derived")
    assert (only(rows, V2).mean_kw, only(rows, V2).delivered_kw, only(rows, V2).in_band) == (5, None, None)
    whole = only(rows, EVERY_VEN)
    assert (whole.mean_kw, whole.delivered_kw, whole.deviation_kw, whole.in_band) == (10, -10, None, None)
    assert sums_agree(rows)


def test_a_stranger_whose_resources_are_known_is_their_sum() -> None:
    parts = (derived(V1, -4, 1, R1), derived(V1, -6, 0, R2))
    rows = response_rows(E1, {V1: slots(-11)}, derived=parts)

    assert [row.resource for row in rows] == [R1, R2, TOTAL, TOTAL]
    assert only(rows, V1, R1).asked_kw is None
    assert (only(rows, V1).delivered_kw, only(rows, V1).in_band) == (-11, True)
    assert sums_agree(rows)


def test_the_word_of_a_ven_of_ours_goes_before_what_was_worked_out() -> None:
    rows = response_rows(E1, {V1: slots(-10)}, said=ours(V1, -9.5), derived=(derived(V1, -5, 0),))

    assert (only(rows, V1).mean_kw, only(rows, V1).source) == (-9.5, "x-RESPONSE")


def test_what_is_not_known_is_none_and_never_zero() -> None:
    rows = response_rows(E1, {V1: slots(-10), V2: slots(-10)}, said=ours(V1, -10))

    silent = only(rows, V2)
    assert (silent.mean_kw, silent.delivered_kw, silent.deviation_kw, silent.in_band) == (None, None, None, None)
    assert silent.quality == NO_VALUE
    whole = only(rows, EVERY_VEN)
    assert (whole.asked_kw, whole.delivered_kw, whole.in_band) == (-20, -10, None)
    assert (whole.quality, whole.coverage_percent) == (UNCERTAIN, 50)
    assert sums_agree(rows)


def test_an_event_nobody_has_answered_for_has_rows_all_the_same() -> None:
    rows = response_rows(E1, {V1: slots(-10, -20)}, derived=(derived(V1, None),))

    assert [(row.ven, row.asked_kw, row.delivered_kw) for row in rows] == [
        (V1, -10, None),
        (EVERY_VEN, -10, None),
        (V1, -20, None),
        (EVERY_VEN, -20, None),
    ]
    assert sums_agree(rows)


def test_a_ven_that_opted_out_keeps_its_row_and_leaves_the_sum() -> None:
    """The sum is of what was accepted; what was instructed is said beside it. Who has not answered counts."""
    rows = response_rows(
        E1,
        {V1: slots(-10), V2: slots(-30)},
        opts={V2: OPT_OUT},
        said=ours(V1, -10),
        derived=(derived(V2, 4, 0),),
    )

    out = only(rows, V2)
    assert (out.asked_kw, out.accepted, out.counted) == (-30, OPT_OUT, False)
    assert (out.mean_kw, out.delivered_kw, out.deviation_kw, out.in_band) == (4, 4, None, None)
    whole = only(rows, EVERY_VEN)
    assert (whole.asked_kw, whole.instructed_kw, whole.delivered_kw, whole.in_band) == (-10, -40, -10, True)
    assert whole.accepted is None
    assert sums_agree(rows)


def test_where_all_opted_out_nothing_was_accepted() -> None:
    rows = response_rows(E1, {V1: slots(-10)}, opts={V1: OPT_OUT})

    whole = only(rows, EVERY_VEN)
    assert (whole.asked_kw, whole.instructed_kw, whole.accepted) == (0, -10, OPT_OUT)
    assert (whole.delivered_kw, whole.in_band, whole.final) == (None, None, False)


def test_a_ven_that_opted_out_later_counts_where_it_answered() -> None:
    rows = response_rows(E1, {V1: slots(-10, -10)}, opts={V1: OPT_OUT}, said=ours(V1, -10))

    assert [(row.ven, row.counted, row.asked_kw) for row in rows if row.resource == TOTAL] == [
        (V1, True, -10),
        (EVERY_VEN, True, -10),
        (V1, False, -10),
        (EVERY_VEN, True, 0),
    ]


def test_an_interval_cut_short_has_the_length_of_its_response() -> None:
    short = said(V1, TOTAL, span=timedelta(minutes=10), kw=-9, baseline=0, coverage=100)
    rows = response_rows(E1, {V1: slots(-10)}, said=short)
    assert (only(rows, V1).duration_s, only(rows, V1).delivered_kw) == (600, -9)

    both = (*short, *said(V1, TOTAL, kw=-5, baseline=0, coverage=100))
    rows = response_rows(E1, {V1: slots(-10)}, said=both)
    assert (only(rows, V1).duration_s, only(rows, V1).delivered_kw) == (1800, -5)


def test_an_open_ended_interval_has_a_row_once_it_is_over() -> None:
    endless = {V1: (Slot(start=NOON, kw=-10),)}

    assert response_rows(E1, endless) == ()
    rows = response_rows(E1, endless, said=ours(V1, -10))
    assert [row.duration_s for row in rows] == [1800, 1800, 1800]


@pytest.mark.parametrize("swap", [False, True])
def test_of_several_revisions_the_highest_counts(swap: bool) -> None:
    revisions = [
        said(V1, TOTAL, kw=-9, baseline=0, revision=0),
        said(V1, TOTAL, kw=-10, baseline=0, revision=1),
    ]
    readings = tuple(one for some in (reversed(revisions) if swap else revisions) for one in some)

    row = only(response_rows(E1, {V1: slots(-10)}, said=readings), V1)

    assert (row.delivered_kw, row.revision) == (-10, 1)


def test_what_belongs_to_no_interval_of_the_event_is_left_out() -> None:
    elsewhere = said(V1, TOTAL, start=after(17), kw=-9, baseline=0)
    too_long = said(V1, TOTAL, span=2 * HALF_HOUR, kw=-9, baseline=0)

    rows = response_rows(E1, {V1: slots(-10)}, said=(*elsewhere, *too_long))

    assert only(rows, V1).mean_kw is None


@pytest.mark.parametrize(("error_kw", "agree"), [(0.001, True), (0.0011, False)])
@pytest.mark.parametrize("figure", ["mean_kw", "baseline_kw", "delivered_kw"])
@pytest.mark.parametrize("place", [0, 1])
def test_sums_agree_to_the_watt(error_kw: float, agree: bool, figure: str, place: int) -> None:
    """Of resources and their VEN, of VENs and their sum."""
    readings = (*ours(V1, -10, baseline=2), *ours(V2, -5, baseline=1))
    rows = list(response_rows(E1, {V1: slots(-10), V2: slots(-5)}, said=readings))
    rows[place] = replace(rows[place], **{figure: getattr(rows[place], figure) + error_kw})
    if place == 1:
        rows[0] = replace(rows[0], **{figure: getattr(rows[1], figure)})

    assert sums_agree(rows) is agree


def test_sums_do_not_agree_where_the_sum_counts_less_than_was_asked() -> None:
    rows = list(response_rows(E1, {V1: slots(-10), V2: slots(-5)}, said=(*ours(V1, -10), *ours(V2, -5))))
    rows[-1] = replace(rows[-1], asked_kw=-10)

    assert not sums_agree(rows)


figures = st.floats(-1e4, 1e4)


@given(
    st.dictionaries(st.sampled_from(["V1", "V2", "V3"]), st.tuples(figures, figures, figures), min_size=1),
    st.sampled_from(["delta", "setpoint"]),
    st.sets(st.sampled_from(["V1", "V2", "V3"])),
)
def test_whatever_is_said_the_sums_agree(
    figures_of: dict[str, tuple[float, float, float]], mode: Mode, out: set[str]
) -> None:
    rows = response_rows(
        E1,
        {VenId(ven): slots(asked) for ven, (asked, _, _) in figures_of.items()},
        mode=mode,
        opts={VenId(ven): OPT_OUT for ven in out},
        said=(one for ven, (asked, kw, base) in figures_of.items() for one in ours(VenId(ven), kw, base, asked)),
    )

    assert sums_agree(rows)
    for row in rows:
        if row.deviation_kw is not None and row.delivered_kw is not None and row.asked_kw is not None:
            assert row.deviation_kw == row.delivered_kw - row.asked_kw


def test_what_a_fleet_recorded_is_what_the_vtn_reads() -> None:
    """From the set-points of two edges to the rows of their event."""
    plants = {V1: Plant(battery("bat", plan_kw=2), line("press", 150)), V2: Plant(battery("ev", 20))}
    asked = {V1: slots(-155, -5), V2: slots(-10, 15)}
    readings: list[Said] = []
    for ven, plant in plants.items():
        plant.instructs(replace(schedule(), slots=asked[ven]))
        plant.runs_to(after(61))
        for name in (*plant.devices, TOTAL):
            found = {quantity: response_series(E1, name, quantity) for quantity in RESPONSE_QUANTITIES}
            readings += heard(plant, ven, name, found)

    rows = response_rows(E1, asked, opts={V1: OPT_IN, V2: OPT_IN}, said=readings)

    assert [row.in_band for row in rows if row.asked_kw] == [True] * 11
    assert [row.delivered_kw for row in rows if row.ven == EVERY_VEN] == pytest.approx([-165, 10])
    assert sums_agree(rows)


def heard(plant: Plant, ven: VenId, resource: ResourceId, series: dict[Quantity, str]) -> list[Said]:
    return [
        Said(ven=ven, resource=resource, quantity=quantity, reading=reading)
        for quantity, name in series.items()
        for reading in plant.readings.values()
        if reading.series == name
    ]
