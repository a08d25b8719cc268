"""Whom an event means (rule 22), which of the devices behind a VEN, and what nothing here can execute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import OK, DeploymentError, OadrError
from openadr_ra.protocol import event as events
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.protocol.makers import beside
from openadr_ra.protocol.model import (
    LEVEL,
    LOAD_DISPATCH,
    OPT_IN,
    OPT_OUT,
    SETPOINT,
    SIMPLE,
    MarketContext,
    PowerReal,
    ResourceId,
    Target,
    TransportInterface,
    VenId,
)
from openadr_ra.protocol.node import Identity
from openadr_ra.protocol.parts import Baseline, Event, Interval, Signal, SignalPayload
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.signals_table import DEVICE_CLASSES
from openadr_ra.protocol.signals_table import pair as named
from openadr_ra.protocol.step import Verdict
from openadr_ra.protocol.times import Duration
from tests.protocol.events import hears
from tests.world import E1, HOUR, IDENTITY, NOON, VEN1, Pair, distributed, event, shed

BAT, CAR, PRESS = ResourceId("bat"), ResourceId("car"), ResourceId("press")
HOME = replace(
    IDENTITY,
    resources=(BAT, CAR, PRESS),
    assets={
        BAT: Asset(classes=("RESU", "Storage"), meter="m1"),
        CAR: Asset(classes=("EVSE", "Electric_Vehicle"), meter="m2"),
        PRESS: Asset(classes=("Managed_Commercial_and_Industrial_Loads",), meter="m1"),
    },
    groups=("north",),
    parties=("p1",),
    nodes=("n1",),
)


def home(identity: Identity = HOME) -> Pair:
    """A VEN with a battery, a charger and a press, registered."""
    made = Pair(identity=identity)
    made.ven_starts()
    return made


ME = Target(vens=(VEN1,))


def aimed(*classes: str, target: Target = ME, name: str = "E1") -> Event:
    """A shedding that is aimed at these device classes."""
    made = event(name)
    return replace(made, target=target, signals=(replace(made.signals[0], target=Target(device_classes=classes)),))


def steered(pair: Pair) -> set[str]:
    """The resources that the fleet was asked for; all of them where it was not told which."""
    return set(pair.site.promised[E1].resources) or {BAT, CAR, PRESS}


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(vens=(VEN1,)),
        Target(vens=(VenId("VEN2"), VEN1)),
        Target(resources=(BAT,)),
        Target(groups=("south", "north")),
        Target(group_names=("north",)),
        Target(parties=("p1",)),
        Target(device_classes=("Thermostat", "Storage")),
        Target(meters=("m2",)),
        Target(aggregated_pnodes=("n1",)),
        Target(pnodes=("n1",)),
        Target(delivery_points=("n1",)),
        Target(vens=(VenId("VEN2"),), meters=("m1",)),
    ],
    ids=["empty", "me", "me among others", "resource", "group", "group name", "party", "device class", "meter",
         "aggregated node", "node", "delivery point", "another VEN or our meter"],
)  # fmt: skip
def test_rule_22_at_the_ven_one_of_several_criteria_is_enough(target: Target) -> None:
    assert hears(home(), replace(event(), target=target)) == [("E1", 0, "200", OPT_IN)]


@pytest.mark.parametrize(
    "target",
    [
        Target(vens=(VenId("ven1"),)),
        Target(resources=(ResourceId("other"),)),
        Target(groups=("south",)),
        Target(group_names=("south",)),
        Target(parties=("p2",)),
        Target(device_classes=("Thermostat",)),
        Target(meters=("m3",)),
        Target(meters=("",)),
        Target(aggregated_pnodes=("n2",)),
        Target(pnodes=("n2",)),
        Target(delivery_points=("n2",)),
        Target(transport_interfaces=(TransportInterface(receipt="n1", delivery="n1"),)),
        Target(vens=(VenId("VEN2"),), resources=(ResourceId("other"),), groups=("south",)),
    ],
)
def test_rule_22_at_the_ven_a_target_of_which_nothing_is_known_is_a_462(target: Target) -> None:
    assert hears(home(), replace(event(), target=target)) == [("E1", 0, "462", OPT_OUT)]


@pytest.mark.parametrize(
    ("target", "resources"),
    [
        (Target(vens=(VEN1,)), {BAT, CAR, PRESS}),
        (Target(groups=("north",)), {BAT, CAR, PRESS}),
        (Target(vens=(VEN1,), resources=(CAR,)), {CAR}),
        (Target(device_classes=("Storage",)), {BAT}),
        (Target(device_classes=("EVSE",), resources=(PRESS,)), {CAR, PRESS}),
        (Target(meters=("m1",)), {BAT, PRESS}),
    ],
)
def test_a_target_that_names_some_devices_means_these_alone(target: Target, resources: set[str]) -> None:
    pair = home()
    hears(pair, replace(event(), target=target))

    assert steered(pair) == resources


@pytest.mark.parametrize(
    ("classes", "resources"),
    [(("Storage",), {BAT}), (("EVSE", "RESU"), {BAT, CAR}), (("Thermostat", "Electric_Vehicle"), {CAR})],
)
def test_x_ev_10_at_both_ends_a_signal_for_a_device_class_moves_only_such_devices(
    classes: tuple[str, ...], resources: set[str]
) -> None:
    """As the VTN publishes it."""
    pair = home()
    pair.vtn_publishes(replace(shed(), device_classes=classes))
    pair.ven_polls()

    assert steered(pair) == resources
    assert pair.party.events[E1].opt == OPT_IN


def test_x_ev_10_at_the_ven_a_class_of_which_there_is_nothing_is_a_462_and_one_that_does_not_exist_a_459() -> None:
    pair = home()

    assert hears(pair, aimed("Thermostat", "Sauna")) == [("E1", 0, "462", OPT_OUT)]
    assert hears(pair, aimed("Storage", "Fridge", name="E2")) == [("E2", 0, "459", OPT_OUT)]
    assert hears(pair, aimed(name="E3")) == [("E3", 0, "200", OPT_IN)]
    foreign = replace(aimed(name="E4").signals[0], target=Target(device_classes=("Storage",), resources=(BAT,)))
    assert hears(pair, replace(event("E4"), signals=(foreign,))) == [("E4", 0, "459", OPT_OUT)]


def test_devices_that_the_events_own_target_leaves_out_cannot_execute_it() -> None:
    """469: it is for us, and nothing of what it names is of the class."""
    assert hears(home(), aimed("EVSE", target=Target(vens=(VEN1,), resources=(BAT,)))) == [("E1", 0, "469", OPT_OUT)]


def test_what_the_fleet_says_nobody_can_execute_is_a_469_at_the_vtn() -> None:
    """Though the VEN itself would take it: it may be chosen again once somebody can."""
    pair = home()
    pair.site.silent = True
    pair.vtn_publishes(shed())
    pair.ven_polls()
    verdict = Verdict(event_id=E1, modification=0, opt=OPT_OUT, reason="nobody is there", code=DeploymentError.code)
    pair.ven_receives(verdict)
    pair.settles()

    assert (pair.party.events[E1].opt, pair.party.events[E1].code) == (OPT_OUT, "469")
    pair.ven_receives(replace(verdict, opt=OPT_IN, code=OK, reason=""))
    pair.settles()
    assert (pair.party.events[E1].opt, pair.party.events[E1].code) == (OPT_IN, "200")


@pytest.mark.parametrize(("consult", "code"), [(False, "469"), (True, "200")])
def test_power_where_there_is_no_device_is_for_the_program_or_for_nobody(consult: bool, code: str) -> None:
    pair = home(replace(IDENTITY, resources=(), consult=consult))
    pair.ven_hears(distributed(event()))

    (held,) = pair.node.agenda.values()
    assert (held.code, held.consulted, pair.site.promised) == (code, not consult, {})


def test_rule_6_at_the_ven_a_test_is_acknowledged_where_nothing_could_execute_it() -> None:
    pair = home(replace(IDENTITY, resources=()))

    assert hears(pair, replace(event(), test="true")) == [("E1", 0, "200", OPT_IN)]


SETPOINTS = replace(shed(), kind=SETPOINT, device_classes=("Storage",))


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        (("LOAD_DISPATCH/delta", ("Storage",)), "200"),
        (("SIMPLE/level", ()), "200"),
        (("SIMPLE/level", ("Storage",)), "200"),
        (("ELECTRICITY_PRICE/price", ("EVSE",)), "200"),
        (("LOAD_DISPATCH/delta", ()), "469"),
        (("LOAD_DISPATCH/delta", ("EVSE",)), "469"),
        (("LOAD_DISPATCH/setpoint", ("EVSE",)), "469"),
        (("SIMPLE/level", ("EVSE",)), "469"),
        (("LOAD_DISPATCH/setpoint", ("Thermostat",)), "200"),
    ],
)
def test_several_signals_are_followed_together_or_not_at_all(signals: tuple[str, tuple[str, ...]], code: str) -> None:
    """Beside a set-point for batteries: the same less exactly, or what moves nothing; not another thing for others."""
    name, classes = signals
    pair = home()
    item = instructions.event(beside(SETPOINTS, name, (1.0,), device_classes=classes), VEN1, NOON)

    assert hears(pair, item)[0][2] == code
    assert (E1 in pair.site.promised) is (code == "200")
    if code == "200":
        assert (pair.site.promised[E1].mode, steered(pair)) == ("setpoint", {BAT})


def test_rule_18_at_the_ven_the_fleet_hears_of_the_priority() -> None:
    pair = home()
    pair.vtn_publishes(replace(shed(), priority=2))
    pair.ven_polls()

    assert pair.site.priorities == {E1: 2}


def interval(value: float = 1.0, *, seconds: int = 3600, uid: str | None = "0") -> Interval:
    return Interval(duration=Duration(seconds=seconds), uid=uid, payloads=(SignalPayload(value=value),))


def with_intervals(*intervals: Interval) -> Event:
    made = event()
    return replace(made, signals=(replace(made.signals[0], intervals=intervals),))


BASELINE = Baseline(start=NOON, duration=Duration(seconds=3600), intervals=(interval(),), id="b", name="b")


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (replace(event(), baseline=BASELINE), "200"),
        (replace(event(), baseline=replace(BASELINE, start=NOON - HOUR, unit=PowerReal())), "200"),
        (replace(event(), baseline=replace(BASELINE, duration=Duration(seconds=3599))), "459"),
        (replace(event(), baseline=replace(BASELINE, intervals=(interval(), interval(uid="1")))), "459"),
        (replace(event(), baseline=replace(BASELINE, intervals=(interval(uid="1"),))), "459"),
        (replace(event(), baseline=replace(BASELINE, intervals=(replace(interval(), payloads=()),))), "459"),
        (with_intervals(replace(interval(), payloads=())), "459"),
        (with_intervals(replace(interval(), payloads=interval().payloads * 2)), "459"),
        (with_intervals(replace(interval(), start=NOON)), "200"),
        (with_intervals(replace(interval(), start=NOON - HOUR)), "459"),
        (with_intervals(interval(seconds=1800), replace(interval(seconds=1800, uid="1"), start=NOON + HOUR / 2)), "200"),
        (with_intervals(interval(seconds=1800), replace(interval(seconds=1800, uid="1"), start=NOON)), "459"),
    ],
    ids=["a baseline", "of an earlier time", "too short", "too long", "wrong uids", "no value in a baseline", "no value",
         "two values", "dtstart as it is", "another dtstart", "a later dtstart as it is", "a later dtstart that is not"],
)  # fmt: skip
def test_x_ev_5_x_ev_7_x_ev_8_at_both_ends_intervals_say_one_thing_each_and_add_up(item: Event, code: str) -> None:
    """A dtstart that says what is known anyway is harmless; certification wants none sent."""
    if code == "200":
        assert hears(home(), item)[0][2] == "200"
        return
    with pytest.raises(OadrError) as caught:
        events.check(item)
    assert caught.value.code == code


@given(
    st.sets(st.sampled_from(DEVICE_CLASSES[:4] + DEVICE_CLASSES[-3:])),
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.sets(st.sampled_from(DEVICE_CLASSES[:4]), max_size=2), min_size=1
    ),
)
def test_x_ev_10_at_the_ven_whoever_is_moved_is_of_the_class_and_whoever_is_of_the_class_is_moved(
    classes: set[str], there: dict[str, set[str]]
) -> None:
    assets = {ResourceId(id): Asset(classes=tuple(sorted(of))) for id, of in there.items()}
    pair = home(replace(IDENTITY, resources=tuple(assets), assets=assets))
    meant = {id for id, asset in assets.items() if not classes or set(asset.classes) & classes}

    ((_, _, code, _),) = hears(pair, aimed(*sorted(classes)))

    assert code == ("200" if meant else "462")
    if meant:
        assert (set(pair.site.promised[E1].resources) or set(assets)) == meant


def test_x_signals_and_unknown_market_contexts_keep_their_codes() -> None:
    pair = home(replace(HOME, market_contexts=(MarketContext(Token("http://a.example")),)))
    x_signal = Signal(intervals=event().signals[0].intervals, name=named("x-A/level")[0], type=LEVEL, id="1")

    assert hears(pair, replace(event("E2"), signals=(x_signal,)))[0][2] == "460"
    assert hears(pair, event("E3"))[0][2] == "462"


def test_levels_beside_power_are_for_whoever_takes_no_power() -> None:
    """B-profile VTNs send SIMPLE along; a VEN that takes both follows the more exact one."""
    pair = home()
    item = instructions.event(beside(shed(), f"{SIMPLE}/{LEVEL}", (2.0,)), VEN1, NOON)
    hears(pair, item)

    assert pair.site.promised[E1].mode == "delta"
    assert item.signals[0].name == LOAD_DISPATCH
