"""What holds for any sequence of set-points, however time is cut: energy is power over time, and limits are limits."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.drivers.simulated import battery, ev, generator, line, load, pv, thermal, v2h, wind
from openadr_ra.drivers.simulated.physics import HOUR_S, Device, Order, State, advance, order

# Whole numbers are drawn more evenly than floats, of which every other one is 0: then nothing would happen.
RAMPS = st.sampled_from([None, 0.005, 0.02, 0.1, 1.0])
EFFICIENCIES = st.sampled_from([0.5, 0.9, 1.0])

# Two things that happen at the same instant happen in one order or the other, and a rounding error decides which.
# Fractions that never add up to whole seconds keep them apart.
ON_TIMES = st.integers(0, 1000).map(lambda whole_s: whole_s + 0.137)
OFF_TIMES = st.integers(0, 1000).map(lambda whole_s: whole_s + 0.291)
LEASES = st.integers(60, 7200).map(lambda whole_s: whole_s + 0.5)

BATTERIES = st.builds(
    battery.BatterySettings,
    capacity_kwh=st.sampled_from([0.2, 1.0, 3.0]),
    reserve_percent=st.integers(0, 40),
    soc_percent=st.integers(40, 100),
    charge_efficiency=EFFICIENCIES,
    discharge_efficiency=EFFICIENCIES,
    ramp_kw_per_s=RAMPS,
).map(battery.physics)

CHARGERS = st.builds(
    ev.EvSettings,
    discharge_kw=st.sampled_from([0.0, 6.0]),
    battery_kwh=st.just(4.0),
    need_kwh=st.sampled_from([0.0, 1.0, 2.0]),
    arrives_after_h=st.sampled_from([0.0, 0.25]),
    departs_after_h=st.sampled_from([None, 1.2, 1.5]),
    discharge_efficiency=EFFICIENCIES,
    ramp_kw_per_s=RAMPS,
).map(ev.physics)

GENERATORS = st.builds(
    generator.GeneratorSettings,
    base_kw=st.sampled_from([0.0, 150.0]),
    start_up_s=st.integers(0, 100),
    ramp_kw_per_min=st.sampled_from([20.0, 60.0, 6000.0]),
    min_run_s=ON_TIMES,
    min_off_s=OFF_TIMES,
).map(generator.physics)

LINES = st.builds(
    line.LineSettings,
    levels_kw=st.just((0.0, 50.0, 150.0)),
    min_on_s=ON_TIMES,
    min_off_s=OFF_TIMES,
).map(line.physics)

PLANTS = st.builds(
    pv.PvSettings,
    profile_kw=st.lists(st.sampled_from([0.0, 1.0, 3.0, 5.0]), min_size=1, max_size=5).map(tuple),
    step_h=st.sampled_from([0.05, 0.1, 0.5]),
).map(pv.physics)

LOADS = st.builds(
    load.LoadSettings,
    circuits_kw=st.sampled_from([(20.0,), (20.0, 30.0), (10.0, 20.0, 70.0)]),
    longest_s=ON_TIMES.map(lambda seconds: seconds + 1),
    recovery_s=OFF_TIMES,
).map(load.physics)

TURBINES = st.builds(
    wind.WindSettings,
    mean_m_per_s=st.sampled_from([2.0, 8.0, 24.0]),
    step_h=st.sampled_from([0.1, 0.5]),
    steps=st.integers(1, 20),
    seed=st.integers(0, 100),
).map(wind.physics)

COMMUTERS = st.builds(
    v2h.V2hSettings,
    battery_kwh=st.just(4.0),
    need_percent=st.sampled_from([50, 80]),
    trip_kwh=st.sampled_from([0.0, 0.5, 1.5]),
    arrives_h=st.sampled_from([(0.0, 1.0), (0.2, 1.1)]),
    departs_h=st.sampled_from([(0.8, 1.9), (0.9, 100.0)]),
    discharge_efficiency=EFFICIENCIES,
    ramp_kw_per_s=RAMPS,
).map(v2h.physics)

# Small stores, so that their edges are met.
MODULATING = st.builds(
    thermal.ThermalSettings,
    heat_kwh_per_k=st.sampled_from([0.1, 0.5]),
    start_c=st.sampled_from([19.0, 21.0, 23.0]),
    outside_c=st.sampled_from([-10.0, 19.0, 23.0, 40.0]),
    profile_kw=st.sampled_from([(), (0.0,), (3.0, 0.0)]),
).map(thermal.physics)

SWITCHED = st.builds(
    thermal.ThermalSettings,
    modulates=st.just(False),
    heat_kwh_per_k=st.sampled_from([1.0, 2.0]),
    start_c=st.sampled_from([19.0, 21.0, 23.0]),
    outside_c=st.sampled_from([-10.0, 19.0, 40.0]),
    profile_kw=st.sampled_from([(0.0,), (3.0, 0.0), (0.0, 3.0, 0.0)]),
    step_h=st.just(0.1),
    min_on_s=st.integers(60, 600).map(lambda whole_s: whole_s + 0.137),
    min_off_s=st.integers(60, 600).map(lambda whole_s: whole_s + 0.291),
).map(thermal.physics)

DEVICES = st.one_of(BATTERIES, CHARGERS, COMMUTERS, GENERATORS, LINES, LOADS, MODULATING, PLANTS, SWITCHED, TURBINES)
STORES = st.one_of(BATTERIES, CHARGERS)

# Of the device's range, up to twice its largest power; None gives control back.
SHARES = st.sampled_from([None, -2.0, -1.0, -0.7, -0.3, 0.0, 0.2, 0.5, 1.0, 2.0])
Script = list[tuple[float | None, float, int]]
SCRIPTS = st.lists(st.tuples(SHARES, LEASES, st.integers(1, 1500)), min_size=1, max_size=6)
"""Set-points: how much, for how long a lease, and how long until the next one."""

SECONDS = 1e-3
"""What a step of no less than a microsecond may put off."""


def ordered(device: Device, state: State, share: float | None, lease_s: float) -> State:
    kw = None if share is None else share * max(abs(device.min_kw), abs(device.max_kw))
    return order(state, Order(from_s=state.t_s, until_s=state.t_s + lease_s, kw=kw))


def lived(device: Device, script: Script, step_s: float) -> list[State]:
    """The states of `device` under `script`, one each `step_s` at most."""
    states = [device.first()]
    for share, lease_s, pause_s in script:
        state = ordered(device, states[-1], share, lease_s)
        steps = max(math.ceil(pause_s / step_s), 1)
        for _ in range(steps):
            state = advance(device, state, pause_s / steps)
            states.append(state)
    return states


@given(device=DEVICES, script=SCRIPTS)
def test_power_stays_in_the_envelope_and_registers_never_fall(device: Device, script: Script) -> None:
    states = lived(device, script, 100.0)

    assert all(device.min_kw <= state.kw <= device.max_kw for state in states)
    for before, later in pairwise(states):
        assert later.import_kwh >= before.import_kwh
        assert later.export_kwh >= before.export_kwh


@given(device=DEVICES, script=SCRIPTS)
def test_registers_are_the_integral_of_power(device: Device, script: Script) -> None:
    """Power seen at each second, added up: exact but in the seconds in which it bends or jumps, of which there are few."""
    states = lived(device, [(share, lease_s, min(pause_s, 300)) for share, lease_s, pause_s in script], 1.0)

    summed_kwh = sum(
        (before.kw + later.kw) / 2 * (later.t_s - before.t_s) / HOUR_S for before, later in pairwise(states)
    )
    metered_kwh = states[-1].import_kwh - states[-1].export_kwh
    bends = 12 * len(script)
    assert abs(metered_kwh - summed_kwh) <= bends * (device.max_kw - device.min_kw) * 1.0 / HOUR_S


@given(device=DEVICES, script=SCRIPTS)
def test_it_makes_no_difference_in_how_many_pieces_time_is_cut(device: Device, script: Script) -> None:
    once, often = (lived(device, script, step_s)[-1] for step_s in (math.inf, 37.0))

    tolerance_kwh = (device.max_kw - device.min_kw) * SECONDS / HOUR_S
    assert often.import_kwh == pytest.approx(once.import_kwh, rel=1e-6, abs=tolerance_kwh)
    assert often.export_kwh == pytest.approx(once.export_kwh, rel=1e-6, abs=tolerance_kwh)
    assert often.stored_kwh == pytest.approx(once.stored_kwh, rel=1e-6, abs=2 * tolerance_kwh)


@given(device=STORES, script=SCRIPTS)
def test_our_set_points_keep_the_state_of_charge_between_the_reserve_and_full(
    device: battery.BatteryPhysics | ev.EvPhysics, script: Script
) -> None:
    for state in lived(device, script, 100.0):
        assert device.reserve_kwh - 1e-6 <= state.stored_kwh <= device.capacity_kwh + 1e-6


@given(device=STORES, script=SCRIPTS)
def test_what_is_stored_is_what_was_charged_less_what_was_discharged(
    device: battery.BatteryPhysics | ev.EvPhysics, script: Script
) -> None:
    """With the losses of both ways."""
    last = lived(device, script, 100.0)[-1]

    charged_kwh = last.import_kwh * device.charge_efficiency
    discharged_kwh = last.export_kwh / device.discharge_efficiency
    assert last.stored_kwh == pytest.approx(device.first_kwh + charged_kwh - discharged_kwh, abs=1e-5)


@given(device=CHARGERS, script=SCRIPTS)
def test_a_car_has_what_it_needs_when_it_leaves(device: ev.EvPhysics, script: Script) -> None:
    """Whatever was asked for meanwhile, unless its stay is too short for a ramp so slow."""
    ramp_s = (device.max_kw - device.min_kw) / device.ramp_kw_per_s
    lost_kwh = device.min_kw**2 / device.ramp_kw_per_s / 2 / device.discharge_efficiency / HOUR_S
    stay_s = device.departs_s - device.arrives_s - ramp_s
    possible_kwh = stay_s * device.max_kw * device.charge_efficiency / HOUR_S - lost_kwh
    enough = possible_kwh >= device.target_kwh - device.first_kwh
    states = [state for state in lived(device, script, 10.0) if state.t_s < device.departs_s]
    last = states[-1]

    leaving = advance(device, last, device.departs_s - last.t_s) if math.isfinite(device.departs_s) else None

    if enough and leaving is not None:
        assert leaving.stored_kwh >= device.target_kwh - 1e-5


@given(device=GENERATORS, script=SCRIPTS)
def test_a_generator_stays_out_of_its_gap(device: generator.GeneratorPhysics, script: Script) -> None:
    """It passes through on its ramp, and where it stays it is at rest or at its minimum at least."""
    for before, later in pairwise(lived(device, script, 20.0)):
        if before.kw == later.kw and later.t_s > before.t_s:
            assert later.kw == 0.0 or later.kw <= -device.minimum_kw


@given(device=LINES, script=SCRIPTS)
def test_a_line_is_on_one_of_its_levels_and_switched_only_so_often(device: line.LinePhysics, script: Script) -> None:
    states = lived(device, script, 5.0)
    switched = [later for before, later in pairwise(states) if before.on != later.on]

    assert all(state.kw in device.levels_kw for state in states)
    for before, later in pairwise(switched):
        assert later.since_s - before.since_s >= (device.min_on_s if before.on else device.min_off_s) - SECONDS


@given(device=LOADS, script=SCRIPTS)
def test_an_interruptible_load_is_off_only_so_long_and_then_whole_only_so_long(
    device: load.LoadPhysics, script: Script
) -> None:
    states = lived(device, script, 5.0)
    changed = [later for before, later in pairwise(states) if before.on != later.on]

    assert all(state.kw in device.levels_kw for state in states)
    assert all(state.t_s - state.since_s <= device.longest_s + SECONDS for state in states if not state.on)
    for before, later in pairwise(changed):
        assert later.on or later.since_s - before.since_s >= device.recovery_s - SECONDS


@given(device=TURBINES, script=SCRIPTS)
def test_a_turbine_gives_no_more_than_the_wind(device: wind.WindPhysics, script: Script) -> None:
    assert all(device.own_kw(state) <= state.kw <= 0 for state in lived(device, script, 50.0))


@given(device=COMMUTERS, script=SCRIPTS)
def test_a_commuter_has_what_it_needs_at_each_departure_and_its_reserve_is_nobody_s_but_its_own(
    device: v2h.V2hPhysics, script: Script
) -> None:
    """On the way it may use the reserve, too."""
    states = lived(device, script, 10.0)
    stay = device.stays[0]
    ramp_s = (device.max_kw - device.min_kw) / device.ramp_kw_per_s
    lowest = min(device.reserve_kwh, *(one.target_kwh - device.trip_kwh for one in device.stays))

    for before, later in pairwise(states):
        assert 0 <= later.stored_kwh <= device.capacity_kwh + 1e-6
        used = later.stored_kwh < before.stored_kwh and later.export_kwh > before.export_kwh
        assert not used or later.stored_kwh >= lowest - 1e-6
        left = before.t_s < stay.departs_s <= later.t_s
        if left and ramp_s < 60:
            leaving = advance(device, before, stay.departs_s - before.t_s)
            assert leaving.stored_kwh >= stay.target_kwh - 1e-5


@given(device=st.one_of(MODULATING, SWITCHED), script=SCRIPTS)
def test_the_temperature_stays_in_its_band(device: thermal.ThermalPhysics, script: Script) -> None:
    for state in lived(device, script, 20.0):
        assert -1e-6 <= state.stored_kwh <= device.capacity_kwh + 1e-6


@given(device=MODULATING, script=SCRIPTS)
def test_what_a_thermal_store_holds_is_what_was_put_in_less_what_leaked(
    device: thermal.ThermalPhysics, script: Script
) -> None:
    """The leak is summed up here from second to second, there it is exact."""
    short = [(share, lease_s, min(pause_s, 200)) for share, lease_s, pause_s in script]
    states = lived(device, short, 1.0)
    leaked_kwh = sum(
        (device.base_kw + device.leak_per_h * (before.stored_kwh + later.stored_kwh) / 2)
        * (later.t_s - before.t_s)
        / HOUR_S
        for before, later in pairwise(states)
    )

    expected_kwh = device.first_kwh + states[-1].import_kwh * device.cop - leaked_kwh
    assert states[-1].stored_kwh == pytest.approx(expected_kwh, abs=1e-4)


@given(device=SWITCHED, script=SCRIPTS)
def test_a_switched_heat_pump_keeps_its_minimum_times(device: thermal.ThermalPhysics, script: Script) -> None:
    states = lived(device, script, 5.0)
    switched = [later for before, later in pairwise(states) if before.on != later.on]

    assert all(state.kw in (0.0, device.max_kw) for state in states)
    for before, later in pairwise(switched):
        assert later.since_s - before.since_s >= (device.min_on_s if before.on else device.min_off_s) - SECONDS
