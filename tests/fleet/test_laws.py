"""What holds whatever happens."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from openadr_ra.fleet.fleet import deadline
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.step import Delivered
from tests.fleet.world import MINUTE, NOON, Plant, after, battery, genset, line, schedule

NAMES = ("a", "b", "press", "gen")

minutes = st.integers(1, 25)
Deed = tuple[str, str, list[int], int]

nothing: st.SearchStrategy[list[int]] = st.just([])
deeds: st.SearchStrategy[Deed] = st.one_of(
    st.tuples(
        st.just("instruct"),
        st.sampled_from(["E1", "E2"]),
        st.lists(st.integers(-300, 150), min_size=1, max_size=3),
        st.integers(-20, 40),
    ),
    st.tuples(st.just("release"), st.sampled_from(["E1", "E2"]), nothing, st.integers(-5, 20)),
    st.tuples(st.just("toggle"), st.sampled_from(NAMES), nothing, st.just(0)),
    st.tuples(st.just("sleep"), st.just(""), nothing, minutes),
    st.tuples(st.just("run"), st.just(""), nothing, minutes),
)


def plant() -> Plant:
    return Plant(
        battery("a", 50),
        battery("b", 80, kwh=30, plan_kw=5),
        line("press", 150),
        genset("gen", 50, 100),
        read_every=MINUTE,
    )


@settings(max_examples=40)
@given(st.lists(deeds, max_size=8))
def test_set_points_are_what_the_devices_can_and_every_promise_ends(
    story: list[Deed],
) -> None:
    """Deadlines lie ahead, limits and levels are kept, leases are short, sequences rise, control comes back."""
    one = plant()
    for number, (what, name, kw, amount) in enumerate(story):
        match what:
            case "instruct":
                start = one.now + amount * MINUTE
                one.instructs(schedule(*kw, start=start, every=10 * MINUTE, event=name), modification=number)
            case "release":
                one.releases(name, modification=number, at=one.now + amount * MINUTE)
            case "toggle":
                device = one.devices[ResourceId(name)]
                device.online = not device.online
            case "sleep":
                one.sleeps_to(one.now + amount * MINUTE)
                one.starts()
            case _:
                one.runs_to(one.now + amount * MINUTE)
    one.runs_to(one.now + timedelta(hours=2))

    assert list(one.fleet.promises) == []
    assert one.fleet.given == {}
    assert one.due is None
    held: dict[str, float | None] = {}
    sequences = [setpoint.sequence for _, setpoint in one.applied]
    assert sequences == sorted(set(sequences))
    for at, setpoint in one.applied:
        descriptor = one.devices[setpoint.resource].descriptor
        held[setpoint.resource] = setpoint.kw
        if setpoint.kw is None:
            continue
        assert at < setpoint.lease_until <= at + timedelta(seconds=one.terms.lease_s)
        assert descriptor.min_kw <= setpoint.kw <= descriptor.max_kw
        assert not descriptor.levels_kw or setpoint.kw in descriptor.levels_kw
        assert not descriptor.gap_kw or not descriptor.gap_kw[0] < setpoint.kw < descriptor.gap_kw[1]
    assert set(held.values()) <= {None}
    spans = [
        (letter.event_id, letter.start, letter.end, letter.revision)
        for letter in one.letters(Delivered)
        if isinstance(letter, Delivered)
    ]
    assert len(spans) == len(set(spans))


@given(st.integers(-3600, 3 * 3600), st.lists(st.integers(-60, 60), min_size=1, max_size=4))
def test_a_deadline_lies_ahead_of_whatever_instant_is_asked_about(seconds: int, kw: list[int]) -> None:
    one = plant()
    one.instructs(schedule(*kw))

    for when in (NOON + timedelta(seconds=seconds), after(0), after(30)):
        due = deadline(one.fleet, when)

        assert due is None or due > when
