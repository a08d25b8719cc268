"""A declared absence decides again on events that are known, when it is declared and when it ends (EiOpt, section 5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import DeploymentError
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, MarketContext, OptId, OptType, ResourceId, Target
from openadr_ra.protocol.opt import SCHEDULED, Opt
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.signals_table import MULTIPLIER
from openadr_ra.protocol.step import Away
from openadr_ra.protocol.ven import Declared, Opinion, Retracted
from tests.site import RELEASE
from tests.world import BAT, E1, HOUR, IDENTITY, MINUTE, NOON, Pair, distributed, event, in_memory, shed

CAR = ResourceId("car")
HOME = replace(IDENTITY, resources=(BAT, CAR), assets={BAT: Asset(classes=("Storage",)), CAR: Asset(classes=("EVSE",))})


def away(
    start: timedelta = timedelta(0),
    length: timedelta = HOUR,
    *,
    opt: OptType = OPT_OUT,
    id: str = "o1",
    resources: tuple[ResourceId, ...] = (),
    classes: tuple[str, ...] = (),
) -> Opt:
    """Not available from so long after noon, for so long."""
    return Opt(
        id=OptId(id),
        opt=opt,
        reason=SCHEDULED,
        created=NOON - HOUR,
        periods=(opts.period(NOON + start, length),),
        target=Target(resources=resources),
        device_class=Target(device_classes=classes) if classes else None,
    )


@pytest.fixture
def accepted() -> Pair:
    """E1 runs from noon to two o'clock, and was opted in."""
    pair = Pair(identity=HOME)
    pair.ven_starts()
    pair.vtn_publishes(shed(duration=2 * HOUR))
    pair.ven_polls()
    assert pair.party.events[E1].opt == OPT_IN
    return pair


def test_an_event_that_was_accepted_is_opted_out_by_an_absence(accepted: Pair) -> None:
    """The VTN hears why, and the devices are let go."""
    accepted.ven_receives(Declared(opt=away()))
    accepted.settles()

    assert accepted.party.events[E1].opt == OPT_OUT
    assert accepted.journal[-1].detail == "modification 0: not available then, as declared by oadrCreateOpt"
    assert [(entry.by, entry.what) for entry in accepted.journal if entry.by == "availability"] == [
        ("availability", "opted out")
    ]
    assert accepted.site.applied == []


def test_an_absence_that_is_taken_back_does_not_opt_in_to_what_nothing_here_can_do() -> None:
    """Such an event is refused (469) before and after."""
    pair = Pair(identity=replace(HOME, signals=("LOAD_DISPATCH/multiplier",)))
    pair.ven_starts()
    made = event(duration=2 * HOUR)
    half = replace(made.signals[0], type=MULTIPLIER, unit=None)
    pair.ven_hears(distributed(replace(made, signals=(half,))))
    pair.settles()
    before = pair.node.agenda[E1]
    pair.ven_receives(Declared(opt=away()))
    pair.ven_receives(Retracted(opt_id=OptId("o1")))
    pair.settles()

    after = pair.node.agenda[E1]
    assert [(one.opt, one.code) for one in (before, after)] == [(OPT_OUT, DeploymentError.code)] * 2


def test_an_absence_that_is_taken_back_opts_in_again(accepted: Pair) -> None:
    accepted.ven_receives(Declared(opt=away()))
    accepted.settles()
    accepted.ven_receives(Retracted(opt_id=OptId("o1")))
    accepted.settles()

    assert accepted.party.events[E1].opt == OPT_IN
    assert accepted.site.applied == [(NOON, -2.0), (NOON + 2 * HOUR, RELEASE)]


def test_the_end_of_an_absence_decides_on_what_is_left_of_the_event(accepted: Pair) -> None:
    """At that very instant, by the clock alone."""
    accepted.ven_receives(Declared(opt=away(-HOUR / 2, HOUR)))
    accepted.clock_reaches(NOON + 30 * MINUTE - timedelta(seconds=1))
    before = accepted.node.agenda[E1]

    accepted.clock_reaches(NOON + 30 * MINUTE)
    accepted.settles()

    assert (before.opt, before.absent) == (OPT_OUT, True)
    assert (accepted.node.agenda[E1].opt, accepted.node.agenda[E1].absent) == (OPT_IN, False)
    accepted.ven_polls()
    assert accepted.party.events[E1].opt == OPT_IN


def test_an_absence_that_is_replaced_by_another_time_opts_in_again(accepted: Pair) -> None:
    accepted.ven_receives(Declared(opt=away()))
    accepted.ven_receives(Declared(opt=away(3 * HOUR)))
    accepted.settles()

    assert accepted.party.events[E1].opt == OPT_IN


def test_an_older_absence_counts_again_when_a_newer_word_has_run_out(accepted: Pair) -> None:
    accepted.ven_receives(Declared(opt=away(timedelta(0), 2 * HOUR, id="older")))
    accepted.ven_receives(Declared(opt=away(-HOUR, 90 * MINUTE, opt=OPT_IN, id="newer")))
    accepted.settles()
    first = accepted.node.agenda[E1].opt

    accepted.clock_reaches(NOON + 31 * MINUTE)

    assert (first, accepted.node.agenda[E1].opt) == (OPT_IN, OPT_OUT)


@pytest.mark.parametrize("opt", [OPT_IN, OPT_OUT])
def test_an_operators_own_word_on_an_event_beats_an_absence(accepted: Pair, opt: OptType) -> None:
    """Whichever came first; taken back, the absence counts."""
    accepted.operator_opts("E1", opt)
    accepted.ven_receives(Declared(opt=away()))
    accepted.settles()
    during = accepted.party.events[E1].opt
    accepted.operator_opts("E1", None)
    accepted.settles()

    assert (during, accepted.party.events[E1].opt) == (opt, OPT_OUT)
    assert accepted.node.agenda[E1].absent


def test_the_fleets_late_word_does_not_undo_an_absence() -> None:
    pair = Pair(identity=HOME)
    pair.ven_starts()
    pair.site.silent = True
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.ven_receives(Declared(opt=away()))
    pair.site.silent = False
    pair.ven_receives(pair.site.verdict(E1))
    pair.settles()

    assert pair.party.events[E1].opt == OPT_OUT


def test_a_program_is_not_asked_about_what_falls_into_an_absence_and_is_when_it_ends() -> None:
    pair = Pair(identity=replace(HOME, consult=True))
    pair.ven_starts()
    pair.ven_receives(Declared(opt=away()))
    pair.vtn_publishes(shed())
    pair.ven_polls()
    held = pair.node.agenda[E1]
    assert (held.opt, held.absent, held.consulted, pair.party.events[E1].opt) == (OPT_OUT, True, False, OPT_OUT)

    pair.ven_receives(Retracted(opt_id=OptId("o1")))
    assert not pair.node.agenda[E1].owed
    pair.ven_receives(Opinion(event_id=E1, modification=0))
    pair.settles()

    assert pair.party.events[E1].opt == OPT_IN


def test_a_program_that_opted_out_is_not_overruled_by_the_end_of_an_absence() -> None:
    pair = Pair(identity=replace(HOME, consult=True))
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.ven_receives(Opinion(event_id=E1, modification=0, opt=OPT_OUT))
    for said in (Declared(opt=away()), Retracted(opt_id=OptId("o1"))):
        pair.ven_receives(said)
        pair.settles()

    assert pair.party.events[E1].opt == OPT_OUT


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (away(resources=(BAT,)), (Away(resource=BAT, start=NOON, end=NOON + HOUR),)),
        (away(classes=("Storage",)), (Away(resource=BAT, start=NOON, end=NOON + HOUR),)),
        (away(classes=("Thermostat",)), ()),
        (away(resources=(BAT,), classes=("EVSE",)), ()),
        (away(-HOUR, 90 * MINUTE, resources=(BAT,)), (Away(resource=BAT, start=NOON, end=NOON + 30 * MINUTE),)),
        (away(3 * HOUR, resources=(BAT,)), ()),
        (replace(away(resources=(BAT,)), market_context=MarketContext(Token("http://other.example"))), ()),
    ],
    ids=[
        "a resource",
        "its class",
        "a class that is not here",
        "a class it is not of",
        "in part",
        "later",
        "elsewhere",
    ],
)
def test_the_fleet_hears_which_resources_are_away_and_when(
    accepted: Pair, said: Opt, expected: tuple[Away, ...]
) -> None:
    """The event itself stands."""
    accepted.ven_receives(Declared(opt=said))
    accepted.settles()

    assert accepted.site.away[E1] == expected
    assert accepted.party.events[E1].opt == OPT_IN
    accepted.vtn_changes(shed(duration=2 * HOUR, delta_kw=-1.0))
    accepted.ven_polls()
    assert accepted.site.away[E1] == expected
    accepted.ven_receives(Retracted(opt_id=OptId("o1")))
    assert accepted.site.away[E1] == ()


def test_an_absence_that_the_vtn_refuses_is_no_absence(accepted: Pair) -> None:
    """It has never been told of that resource (452), and so nobody is away."""
    accepted.ven_receives(Declared(opt=away(resources=(CAR,))))
    before = accepted.site.away[E1]
    accepted.settles()

    assert (len(before), accepted.site.away[E1], accepted.node.opts) == (1, (), {})


def test_a_newer_word_on_a_resource_replaces_an_older_one_where_it_speaks(accepted: Pair) -> None:
    accepted.ven_receives(Declared(opt=away(timedelta(0), 2 * HOUR, id="older", resources=(BAT,))))
    accepted.ven_receives(Declared(opt=away(HOUR / 2, HOUR, opt=OPT_IN, id="newer", resources=(BAT,))))

    assert [(one.start - NOON, one.end - NOON) for one in accepted.site.away[E1]] == [
        (timedelta(0), HOUR / 2),
        (3 * HOUR / 2, 2 * HOUR),
    ]


spans = st.tuples(st.integers(-90, 150), st.integers(1, 120))
steps = st.one_of(
    st.tuples(st.just("declare"), st.sampled_from(["a", "b"]), spans, st.sampled_from([OPT_IN, OPT_OUT])),
    st.tuples(st.just("retract"), st.sampled_from(["a", "b"]), spans, st.just(OPT_OUT)),
    st.tuples(st.just("wait"), st.just(""), spans, st.just(OPT_OUT)),
)


@settings(max_examples=60)
@given(st.lists(steps, max_size=8))
def test_an_event_is_opted_out_exactly_while_what_is_left_of_it_falls_into_an_absence(
    story: list[tuple[str, str, tuple[int, int], OptType]],
) -> None:
    """At both ends, whatever was declared, replaced, taken back or ran out in between."""
    pair = Pair(identity=HOME, wire=in_memory)
    pair.ven_starts()
    pair.vtn_publishes(shed(duration=2 * HOUR))
    pair.ven_polls()
    for what, name, (start, length), opt in story:
        if what == "declare":
            said = away(start * MINUTE, length * MINUTE, opt=opt, id=name)
            pair.ven_receives(Declared(opt=replace(said, created=pair.now)))
        elif what == "retract" and name in pair.node.opts:
            pair.ven_receives(Retracted(opt_id=OptId(name)))
        elif what == "wait":
            pair.clock_reaches(pair.now + length * MINUTE / 4)
        pair.settles()
        first, last = max(pair.now, NOON), NOON + 2 * HOUR
        if first >= last or E1 not in pair.node.agenda:
            return
        word = opts.spoken(pair.node.opts, first, last, market_context=event().market_context)
        assert pair.node.agenda[E1].absent is (word == OPT_OUT)
        assert pair.party.events[E1].opt == (OPT_OUT if word == OPT_OUT else OPT_IN)
