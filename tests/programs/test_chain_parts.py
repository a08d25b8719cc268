"""What the chain is put together from: its plant, its settings files, the sums and the verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.programs import chain
from openadr_ra.programs.chain_nodes import EDGES, write_ac, write_dras, write_edge, write_ra
from openadr_ra.programs.chain_plant import (
    AC,
    CHANGES_KW,
    EVENT,
    FEWEST_BATTERIES,
    KINDS,
    MOST_BATTERIES,
    RAS,
    plant,
)
from openadr_ra.programs.chain_story import Told
from openadr_ra.programs.chain_summary import Summary, summary
from openadr_ra.programs.chain_tiers import Part, Tier, TierSlot, mean_kw
from openadr_ra.programs.demo_summary import version
from openadr_ra.protocol.makers import dispatch
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, OptType, ResourceId, VenId
from openadr_ra.protocol.schedule import Reading, Slot
from openadr_ra.run.responses import ResponseRow
from openadr_ra.settings import read

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)
ASKED_KW = (-10.0, -10.0, -10.0, 0.0, 10.0)
ORDER = replace(dispatch(start=START, every=EVERY, delta_kw={AC: ASKED_KW}), id=EVENT)


def test_the_plant_is_that_of_the_proof_with_a_megawatt() -> None:
    full = plant(450, 15)

    assert full.count("home batteries") == 450
    assert all(full.count(kind) for kind in KINDS)
    assert min(kw for values in CHANGES_KW for kw in full.asked(values)) == -1000
    assert len({gateway.name for gateway in full.gateways}) == len(full.gateways)


@pytest.mark.parametrize("batteries", [FEWEST_BATTERIES, 11, 450, MOST_BATTERIES])
def test_a_plant_has_the_batteries_it_was_asked_for(batteries: int) -> None:
    made = plant(batteries, 15)

    assert made.count("home batteries") == batteries
    assert all(gateway.things for gateway in made.gateways)


@pytest.mark.parametrize("batteries", [FEWEST_BATTERIES - 1, MOST_BATTERIES + 1])
def test_a_plant_that_cannot_be_is_refused(batteries: int) -> None:
    with pytest.raises(SettingsError, match=f"{batteries} batteries cannot be"):
        plant(batteries, 15)


@pytest.mark.parametrize("interval_s", [chain.SHORTEST_INTERVAL_S - 1, chain.LONGEST_INTERVAL_S + 1])
def test_an_interval_that_the_chain_cannot_show_is_refused(tmp_path: Path, interval_s: int) -> None:
    with pytest.raises(SettingsError, match=f"interval of {interval_s} s"):
        chain.main(out=tmp_path / "out", interval_s=interval_s, batteries=10, json=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("interval_s", [chain.SHORTEST_INTERVAL_S, chain.LONGEST_INTERVAL_S])
def test_the_chains_settings_files_are_what_nodes_read(tmp_path: Path, interval_s: int) -> None:
    """Whoever is above waits longer for an interval than those below."""
    (tmp_path / EDGES).mkdir()
    made = plant(10, interval_s)
    dras = read(write_dras(tmp_path, made))
    ac = read(write_ac(tmp_path, made, "https://127.0.0.1:1/"))
    ras = [read(write_ra(tmp_path, made, ra, "https://127.0.0.1:2/")) for ra in made.ras]
    edges = [read(write_edge(tmp_path, made, one, "https://127.0.0.1:3/")) for one in made.gateways]

    assert dras.upstream == ()
    assert [node.name for node in (ac, *ras) if node.downstream is not None] == [AC, *RAS]
    assert all(edge.downstream is None and edge.upstream[0].ven_id == edge.name for edge in edges)
    for ra in ras:
        assert all(edge.fleet.settle_s < ra.fleet.grace_s < ac.fleet.grace_s for edge in edges)


def reading(start_s: float, length_s: float, kw: float) -> Reading:
    return Reading(series="x", start=START + timedelta(seconds=start_s), span=timedelta(seconds=length_s), value=kw)


@pytest.mark.parametrize(
    ("readings", "kw"),
    [
        ([], None),
        ([reading(0, 10, -4)], -4),
        ([reading(0, 4, -1), reading(4, 6, -2)], -1.6),
        ([reading(0, 4, -1), reading(2, 8, -2)], -1.6),
        ([reading(-5, 10, -1), reading(5, 10, -3)], -2),
        ([reading(0, 5, -1)], -1),
        ([reading(10, 5, -1)], None),
    ],
)
def test_the_mean_of_a_slot_is_that_of_what_was_answered_of_it(readings: list[Reading], kw: float | None) -> None:
    """Pieces count by their length; what is known twice counts once."""
    assert mean_kw(readings, Slot(start=START, end=START + EVERY, kw=0)) == pytest.approx(kw)


def part(kw: float, *, said_kw: float | None = None, own_kw: float | None = None) -> Part:
    return Part(asked_kw=kw, recorded_kw=kw, reported_kw=said_kw, of_its_own_kw=own_kw)


def node(name: str, kw: float, parts: dict[str, Part]) -> Tier:
    """One that holds in each slot that part of ASKED_KW."""
    return Tier(
        name=name,
        slots=tuple(
            TierSlot(
                asked_kw=kw * asked,
                reported_kw=kw * asked,
                promised_kw=kw * asked,
                accepted_below_kw=kw * asked,
                parts={
                    id: Part(
                        asked_kw=one.asked_kw * asked,
                        recorded_kw=None if one.recorded_kw is None else one.recorded_kw * asked,
                        reported_kw=None if one.reported_kw is None else one.reported_kw * asked,
                        of_its_own_kw=None if one.of_its_own_kw is None else one.of_its_own_kw * asked,
                    )
                    for id, one in parts.items()
                },
            )
            for asked in ASKED_KW
        ),
    )


ABOVE = node(AC, 1.0, {name: part(0.5, said_kw=0.5) for name in RAS})
BELOW = tuple(node(name, 0.5, {"v": part(0.3, said_kw=0.3, own_kw=0.3), "d": part(0.2)}) for name in RAS)


def told(delivered_kw: tuple[float | None, ...] = ASKED_KW, opt: OptType | None = OPT_IN) -> Told:
    rows = tuple(
        ResponseRow(
            event_id=EVENT,
            ven=VenId(AC),
            resource=ResourceId("*"),
            start=start,
            duration_s=10.0,
            asked_kw=asked,
            instructed_kw=asked,
            accepted=OPT_IN,
            delivered_kw=kw,
        )
        for (start, _), asked, kw in zip(ORDER.spans(), ASKED_KW, delivered_kw, strict=True)
    )
    versions = tuple(version(replace(ORDER, modification=number), {VenId(AC): opt}) for number in range(5))
    return Told(order=ORDER, versions=versions, rows=rows, happened=())


def judged(story: Told | None = None, ac: Tier = ABOVE, ras: tuple[Tier, ...] = BELOW) -> Summary:
    return summary(story or told(), plant(10, 10), ac, ras)


def changed(tier: Tier, slot: int, **figures: float | None) -> Tier:
    slots = list(tier.slots)
    slots[slot] = replace(slots[slot], **figures)
    return replace(tier, slots=tuple(slots))


def test_nothing_is_missing_from_a_whole_chain() -> None:
    made = judged()

    assert (made.missing, made.sums_agree) == ("", True)
    assert len(made.hops) == 5 * len(ASKED_KW)
    assert all(one.in_band and one.feasible for one in made.hops)


@pytest.mark.parametrize(("off_kw", "agrees"), [(0.0009, True), (0.0011, False)])
def test_sums_agree_to_the_watt(off_kw: float, agrees: bool) -> None:
    for made in (
        judged(told((-10.0 + off_kw, *ASKED_KW[1:]))),
        judged(ac=changed(ABOVE, 0, reported_kw=-10.0 + off_kw)),
        judged(ras=(changed(BELOW[0], 0, reported_kw=-5.0 + off_kw), BELOW[1])),
    ):
        assert made.sums_agree == agrees
        assert (made.missing == "") == agrees


def test_who_says_something_else_than_is_recorded_of_him_is_named() -> None:
    wrong = node(RAS[0], 0.5, {"v": part(0.3, said_kw=0.31, own_kw=0.31), "d": part(0.2)})
    parts = node(RAS[0], 0.5, {"v": part(0.3, said_kw=0.3, own_kw=0.29), "d": part(0.2)})

    assert "slot 1: v has -3.100 kW, ra-1 has -3.000 kW" in judged(ras=(wrong, BELOW[1])).disagree
    assert "slot 1: the resources of v has -2.900 kW, v has -3.000 kW" in judged(ras=(parts, BELOW[1])).disagree


def test_who_did_not_answer_adds_nothing_to_a_sum() -> None:
    silent = Part(asked_kw=0.0, recorded_kw=None, reported_kw=None, of_its_own_kw=None)
    with_silent = node(RAS[0], 0.5, {"v": part(0.5), "gone": silent})

    assert judged(ras=(with_silent, BELOW[1])).sums_agree


@pytest.mark.parametrize(("delivered_kw", "in_band"), [(-9.0, True), (-8.999, False), (-11.0, True), (-11.001, False)])
def test_a_slot_is_in_band_within_ten_per_cent(delivered_kw: float, in_band: bool) -> None:
    made = judged(told((*ASKED_KW[:2], delivered_kw, *ASKED_KW[3:])))

    assert made.hops[2].in_band == in_band


@pytest.mark.parametrize(("delivered_kw", "in_band"), [(1.0, True), (1.001, False)])
def test_a_slot_taken_back_has_the_band_of_the_largest_one(delivered_kw: float, in_band: bool) -> None:
    assert judged(told((*ASKED_KW[:3], delivered_kw, ASKED_KW[4]))).hops[3].in_band == in_band


def test_a_slot_that_nobody_could_fill_is_no_failure() -> None:
    """Less than nine tenths were accepted below: physics does not allow it."""
    below = tuple(changed(ra, 1, promised_kw=-4.0, accepted_below_kw=-4.0, reported_kw=-4.0) for ra in BELOW)
    made = judged(ac=changed(ABOVE, 1, promised_kw=-8.0), ras=below)

    assert [one.slot for one in made.hops if not one.feasible] == [2] * 5


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (told(opt=OPT_OUT), "ac answered optOut to version 3"),
        (told(opt=None), "ac answered nothing to version 3"),
        (told((None, *ASKED_KW[1:])), "the response of slot 1 is missing at dras→ac"),
        (told((-8.0, *ASKED_KW[1:])), "dras→ac: slot 1 is out of its band, -10.0 kW asked, -8.0 kW delivered"),
    ],
)
def test_what_keeps_the_chain_from_having_worked_is_said(story: Told, said: str) -> None:
    assert judged(story).missing == said
