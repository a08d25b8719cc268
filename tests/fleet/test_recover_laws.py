"""What holds of recovery whatever happens: no peak, nobody's slot spoilt, nobody's energy taken, and an end."""

from __future__ import annotations

from datetime import timedelta
from math import fsum

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.fleet.member import Share
from openadr_ra.fleet.promise import owed
from openadr_ra.protocol.model import OPT_IN, ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Descriptor
from tests.fleet.world import HOUR, MINUTE, Plant, after, battery, schedule
from tests.fleet.yard import Yard

STORES = ("a", "b", "c")
EPS = 1e-6

Deed = tuple[str, str, list[int], int]

nothing: st.SearchStrategy[list[int]] = st.just([])
powers = st.lists(st.integers(-12, 12), min_size=1, max_size=3)
deeds: st.SearchStrategy[Deed] = st.one_of(
    st.tuples(st.just("instruct"), st.sampled_from(["E1", "E2", "E3"]), powers, st.integers(-5, 60)),
    st.tuples(st.just("ask one"), st.sampled_from(STORES), powers, st.integers(0, 90)),
    st.tuples(st.just("release"), st.sampled_from(["E1", "E2"]), nothing, st.integers(-5, 20)),
    st.tuples(st.just("lose"), st.sampled_from(STORES), nothing, st.just(0)),
    st.tuples(st.just("override"), st.sampled_from(STORES), nothing, st.just(0)),
    st.tuples(st.just("run"), st.just(""), nothing, st.integers(1, 40)),
)
terms = st.builds(
    FleetTerms,
    recover=st.just(True),
    recover_kw=st.none() | st.integers(1, 12).map(float),
    import_max_kw=st.integers(4, 25).map(float),
    export_max_kw=st.none() | st.integers(0, 20).map(float),
    recover_by_h=st.sampled_from([0.5, 2.0]),
    track_every_s=st.just(30.0),
    lease_s=st.just(90.0),
    settle_s=st.just(40.0),
    correct_s=st.just(60.0),
)


def pump() -> Descriptor:
    """Draws 6 kW of its own in every second half hour."""
    plan = tuple(Slot(start=after(60 * hour), end=after(60 * hour + 30), kw=6.0) for hour in range(-1, 24))
    return Descriptor(id=ResourceId("pump"), kind="consumer", min_kw=0, max_kw=6, levels_kw=(0, 6), plan=plan)


def yard(given: FleetTerms) -> Yard:
    return Yard(
        battery("a", 5, kwh=6),
        replace(battery("b", 10, kwh=20), ramp_kw_per_s=0.5, latency_s=10),
        battery("c", 8, kwh=8),
        pump(),
        terms=given,
        read_every=MINUTE / 2,
    )


def does(one: Yard, deed: Deed, number: int) -> None:
    """Anything but the time that goes by."""
    what, name, kw, amount = deed
    match what:
        case "instruct":
            asked = schedule(*kw, start=one.now + amount * MINUTE, every=10 * MINUTE, event=name)
            one.instructs(asked, modification=number)
        case "ask one":
            asked = schedule(*kw, start=one.now + amount * MINUTE, every=10 * MINUTE, to=(name,), event=f"to {name}")
            one.instructs(asked, modification=number)
        case "release":
            one.releases(name, modification=number, at=one.now + amount * MINUTE)
        case "lose":
            one.stores[name].online = not one.stores[name].online
        case "override" if one.stores[name].online:
            # What is done by hand to a device that is out of reach nobody can know.
            one.stores[name].override = not one.stores[name].override


def asked(one: Plant) -> list[tuple[float, float]]:
    """Seconds until each slot with a power begins and ends."""
    return [
        ((slot.start - one.now) / timedelta(seconds=1), (slot.end - one.now) / timedelta(seconds=1))
        for promise in one.fleet.promises
        for slot in promise.asks.slots
        if slot.kw
    ]


def ahead_kwh(shares: tuple[Share, ...], one: Yard, sign: int) -> float:
    """What they are still to give in that direction."""
    return fsum(
        max(sign * share.delta_kw, 0.0) * ((share.end - max(share.start, one.now)) / HOUR)
        for share in shares
        if share.end > one.now
    )


def check(one: Yard) -> None:
    """The laws, of this instant."""
    recovering = one.recovering()
    if not recovering:
        return
    assert not any(start <= 0 < end for start, end in asked(one))
    reachable = {name for name in recovering if one.stores[name].online and not one.stores[name].override}
    for name in reachable:
        told = one.stores[name].told
        assert told is not None
        assert told.kw is not None
        left_s = (told.lease_until - one.now) / timedelta(seconds=1)
        assert all(left_s <= start or end <= 0 for start, end in asked(one))
        assert spare_kwh(one, name, 1 if told.kw > 0 else -1) >= -EPS
    moved = {name: one.stores[name].held_kw(one.now) for name in reachable}
    total_kw = fsum(store.held_kw(one.now) for store in one.stores.values()) + one.kw("pump")
    if any(kw > 0 for kw in moved.values()):
        assert total_kw <= (one.terms.import_max_kw or 0.0) + EPS
    if any(kw < 0 for kw in moved.values()):
        assert total_kw >= -(one.terms.export_max_kw or 0.0) - EPS or one.terms.export_max_kw is None
    if one.terms.recover_kw is not None:
        assert fsum(kw for kw in moved.values() if kw > 0) <= one.terms.recover_kw + EPS
        assert fsum(-kw for kw in moved.values() if kw < 0) <= one.terms.recover_kw + EPS


def spare_kwh(one: Yard, name: str, sign: int) -> float:
    """What it has in that direction beyond what it owes."""
    store = one.stores[name]
    store.runs_to(one.now)
    measured = store.measures(one.now)
    has_kwh = measured.can_raise_kwh if sign > 0 else measured.can_reduce_kwh
    return (has_kwh or 0.0) - ahead_kwh(owed(one.fleet.promises, ResourceId(name)), one, sign)


@settings(max_examples=40)
@given(terms, powers, st.lists(deeds, max_size=8))
def test_recovery_makes_no_peak_spoils_no_slot_and_takes_nobodys_energy(
    wanted: FleetTerms, kw: list[int], story: list[Deed]
) -> None:
    """At every half minute: nothing while anything is asked, limits kept, and in the end control back everywhere."""
    one = yard(wanted)
    story = [("instruct", "E0", kw, 10), ("run", "", [], 10 * len(kw) + 13), *story]
    for number, deed in enumerate(story):
        does(one, deed, number)
        for _ in range(2 * deed[3] if deed[0] == "run" else 1):
            check(one)
            one.runs_to(one.now + MINUTE / 2)
    for _ in range(60 * 5):
        if one.due is None:
            break
        check(one)
        one.runs_to(one.now + MINUTE)

    assert one.fleet.stores == {}
    assert one.fleet.given == {}
    assert one.due is None


@settings(max_examples=20)
@given(st.lists(st.integers(-8, 8), min_size=1, max_size=4), st.integers(4, 10))
def test_a_store_left_in_peace_ends_where_it_began(kw: list[int], recover_kw: int) -> None:
    """Whatever it was used for, by whatever power it is brought back."""
    wanted = FleetTerms(recover=True, recover_kw=float(recover_kw), track_every_s=30, lease_s=90)
    one = Yard(battery("a"), terms=wanted, read_every=MINUTE / 2)
    one.instructs(schedule(*kw))

    one.runs_to(after(30 * len(kw) + 60 * (3 + 16 / recover_kw)))

    assert abs(one.soc("a") - 50) <= 0.2
    assert one.fleet.stores == {}


@settings(max_examples=30)
@given(
    st.sampled_from([-7, -4, 4, 7]),
    st.lists(st.integers(-9, 9), min_size=1, max_size=3),
    st.integers(31, 45),
    st.integers(5, 60),
)
def test_the_next_promise_keeps_its_room_and_its_energy(first_kw: int, kw: list[int], known: int, ahead: int) -> None:
    """From when it is given to its beginning, whatever comes back meanwhile; of 10 kWh, half of them at first.

    A promise counts on what was read last: what recovery took since then may be missing to it already, but nothing more.
    """
    wanted = FleetTerms(recover=True, recover_kw=10, track_every_s=30, lease_s=90)
    one = Yard(battery("a", kwh=10), terms=wanted, read_every=MINUTE / 2)
    one.instructs(schedule(first_kw))
    one.runs_to(after(known))
    verdict = one.instructs(schedule(*kw, start=after(known + ahead), event="E2"))

    missing_kwh = {sign: min(spare_kwh(one, "a", sign), 0.0) for sign in (1, -1)}

    for _ in range(2 * ahead - 1):
        one.runs_to(one.now + MINUTE / 2)
        if verdict.opt == OPT_IN:
            assert all(spare_kwh(one, "a", sign) >= kwh - EPS for sign, kwh in missing_kwh.items())
