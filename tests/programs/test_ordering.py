"""From the options of `event create` and `event change` to an order, and every doubt that is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.programs.ordering import Wish, amended, ordered
from openadr_ra.run.orders import Order, Other

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
HELD = Order(
    start=NOW,
    every_s=1800,
    asks={"VEN1": (-5.0, -8.0)},
    kind="setpoint",
    market_context="http://example.org",
    priority=2,
    comment="first",
    test=True,
)
PRICED = replace(HELD, kind="price", asks={"VEN1": (12.0, 8.0)}, currency="EUR")
TWO_SIGNALS = replace(HELD, others=(Other(signal="SIMPLE/level", values=(1.0, 2.0)),))
TWO = replace(HELD, asks={"VEN1": (-5.0,), "VEN2": (-1.0,)})


def wish(**given: object) -> Wish:
    """A wish for half hours from now on."""
    return replace(Wish(start="now", every="30m"), **given)


def test_operator_orders_power_of_one_ven() -> None:
    """Against the baseline, unless something else is said."""
    order = ordered(wish(kw="-5,-8,-6", to=("VEN1",)), NOW)

    assert order == Order(start=NOW, every_s=1800, asks={"VEN1": (-5.0, -8.0, -6.0)}, kind="delta")


def test_operator_orders_the_same_of_each_of_several_vens() -> None:
    order = ordered(wish(kw="3", to=("VEN1", "VEN2"), each=True, power="setpoint"), NOW)

    assert (order.kind, order.asks) == ("setpoint", {"VEN1": (3.0,), "VEN2": (3.0,)})


def test_operator_orders_of_each_ven_its_own() -> None:
    order = ordered(wish(ask=("VEN1=-5,-8", "VEN2=-1,0")), NOW)

    assert (order.kind, order.asks) == ("delta", {"VEN1": (-5.0, -8.0), "VEN2": (-1.0, 0.0)})


@pytest.mark.parametrize("kind", ["price", "level"])
def test_prices_and_levels_are_for_each_ven_by_their_nature(kind: str) -> None:
    order = ordered(wish(**{kind: "1,2"}, to=("VEN1", "VEN2")), NOW)

    assert (order.kind, order.asks) == (kind, {"VEN1": (1.0, 2.0), "VEN2": (1.0, 2.0)})


def test_operator_orders_any_signal_with_its_unit_for_devices_of_a_class() -> None:
    said = wish(
        signal="CHARGE_STATE/setpoint",
        values="30,50",
        unit="energyReal",
        to=("VEN1", "VEN2"),
        device_class=("EVSE", "Storage"),
    )

    order = ordered(said, NOW)

    assert (order.kind, order.signal, order.unit) == ("signal", "CHARGE_STATE/setpoint", "energyReal")
    assert order.asks == {"VEN1": (30.0, 50.0), "VEN2": (30.0, 50.0)}
    assert order.device_classes == ("EVSE", "Storage")
    back = amended(order, wish(start=None, every=None, kw="1", to=("VEN1",)), NOW)
    assert (back.kind, back.signal, back.unit) == ("delta", "", "")
    other = amended(order, wish(start=None, every=None, signal="LOAD_DISPATCH/multiplier", values="0.5,1"), NOW)
    assert (other.kind, other.signal, other.unit) == ("signal", "LOAD_DISPATCH/multiplier", "")
    assert amended(order, wish(start=None, every=None, comment="x"), NOW) == replace(order, comment="x")


def test_operator_says_what_a_ven_does_without_the_event() -> None:
    """For each VEN the same, where there are several."""
    order = ordered(wish(kw="-5", to=("VEN1",), baseline="12"), NOW)
    assert order.baselines == {"VEN1": (12.0,)}

    both = ordered(wish(kw="-5", to=("VEN1", "VEN2"), each=True, baseline="12"), NOW)

    assert both.baselines == {"VEN1": (12.0,), "VEN2": (12.0,)}
    assert amended(both, wish(start=None, every=None, kw="-1", to=("VEN2",)), NOW).baselines == {"VEN2": (12.0,)}


def test_an_order_carries_all_that_was_said() -> None:
    said = wish(
        kw="1",
        to=("VEN1",),
        market_context="http://example.org",
        priority=2,
        comment="first",
        test=True,
        currency="USD",
    )
    order = ordered(said, NOW)

    assert (order.market_context, order.priority, order.comment) == ("http://example.org", 2, "first")
    assert (order.test, order.currency) == (True, "USD")


def test_an_order_carries_what_few_events_have() -> None:
    order = ordered(
        wish(
            kw="-5,-6",
            to=("VEN1",),
            baseline="12,13",
            baseline_name="plan",
            also=("SIMPLE/level=1,2", "x-OURS/price=3.5,4"),
            resource=("VEN1=battery, line",),
            startafter="5m",
            notification="1h",
            ramp_up="90s",
            answer=False,
        ),
        NOW,
    )

    assert order.others == (Other(signal="SIMPLE/level", values=(1, 2)), Other(signal="x-OURS/price", values=(3.5, 4)))
    assert (order.baseline, order.resources) == ("plan", {"VEN1": ("battery", "line")})
    assert (order.startafter_s, order.notification_s, order.ramp_up_s) == (300, 3600, 90)
    assert order.response_required == "never"
    assert amended(order, wish(start=None, every=None, comment="x"), NOW) == replace(order, comment="x")
    back = amended(
        order, wish(start=None, every=None, resource=("VEN1=",), startafter="0s", ramp_up="0s", answer=True), NOW
    )
    assert (back.resources, back.startafter_s, back.ramp_up_s) == ({"VEN1": ()}, 0, 0)
    assert (back.response_required, back.notification_s) == ("always", 3600)


def test_what_is_beside_the_figures_has_as_many_when_an_event_is_changed() -> None:
    held = replace(TWO_SIGNALS, baselines={"VEN1": (1.0, 2.0)})
    more = wish(start=None, every=None, kw="-1,-2,-3")
    with pytest.raises(SettingsError, match="has 3 intervals and SIMPLE/level beside it 2; give --also SIMPLE/level=…"):
        amended(held, more, NOW)
    with pytest.raises(SettingsError, match="3 intervals and the baseline of VEN1 2; give --baseline with 3 figures"):
        amended(held, replace(more, also=("SIMPLE/level=1,2,3",)), NOW)

    order = amended(held, replace(more, also=("SIMPLE/level=1,2,3",), baseline="1,2,3"), NOW)

    assert order.others == (Other(signal="SIMPLE/level", values=(1, 2, 3)),)


def test_an_event_without_an_end_is_ordered_by_an_interval_without_a_length() -> None:
    assert ordered(wish(every="0s", kw="-5", to=("VEN1",)), NOW).every_s == 0


DOUBTS: list[tuple[dict[str, object], str]] = [
    ({"also": ("SIMPLE/level",)}, "--also SIMPLE/level: write it like ELECTRICITY_PRICE/price=20,25"),
    ({"also": ("SIMPLE/level=1,2",)}, "the event has one interval and SIMPLE/level beside it 2"),
    ({"resource": ("battery",)}, "--resource battery: write it like VEN1=battery,line"),
    ({"resource": ("VEN2=battery",)}, "--resource VEN2=battery: write it like VEN1=battery,line, a VEN of the event"),
    ({"kw": None, "to": (), "ask": ("VEN1=1", "VEN2=1,2")}, "the VENs have different numbers of intervals"),
    ({"start": None}, "--start and --every are needed"),
    ({"every": None}, "--start and --every are needed"),
    ({"kw": None}, "say what is asked: --kw, --price, --level, or --signal with --values, and --to VEN; or --ask"),
    ({"to": ()}, "name at least one VEN: --to VEN; `openadr-ra ven list` shows those there are"),
    ({"to": ("VEN1", "VEN2")}, "is --kw for each of the 2 VENs? Then add --each; else give every VEN its own by --ask"),
    ({"price": "1"}, "--kw, --price, --level, --signal and --ask exclude one another"),
    ({"ask": ("VEN1=1",)}, "--kw, --price, --level, --signal and --ask exclude one another"),
    ({"kw": None, "ask": ("VEN1=1",)}, "--ask names its VEN itself; leave --to out"),
    ({"kw": None, "to": (), "ask": ("VEN1=1", "VEN1=2")}, "--ask VEN1=… is there twice"),
    ({"kw": None, "price": "1", "power": "delta"}, "--delta belongs to --kw and --ask"),
    ({"kw": None, "level": "1", "power": "setpoint"}, "--setpoint belongs to --kw and --ask"),
    (
        {"kw": None, "signal": "CHARGE_STATE/delta", "values": "1", "power": "delta"},
        "--delta belongs to --kw and --ask",
    ),
    ({"kw": None, "signal": "CHARGE_STATE/delta"}, "--signal NAME/TYPE and --values belong together"),
    ({"kw": None, "values": "1"}, "--signal NAME/TYPE and --values belong together"),
    ({"signal": "CHARGE_STATE/delta", "values": "1"}, "--kw, --price, --level, --signal and --ask exclude"),
    ({"unit": "energyReal"}, "--unit belongs to --signal"),
    (
        {"kw": None, "to": (), "ask": ("VEN1=1", "VEN2=1"), "baseline": "1"},
        "is --baseline that of each of the 2 VENs? Then add --each",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), DOUBTS, ids=range(len(DOUBTS)))
def test_a_doubtful_order_is_refused(change: dict[str, object], sentence: str) -> None:
    """Twice the power, or half of it, costs more than a second try."""
    with pytest.raises(SettingsError) as refused:
        ordered(replace(wish(kw="-5", to=("VEN1",)), **change), NOW)

    assert sentence in str(refused.value)


def test_a_change_without_words_changes_nothing() -> None:
    assert amended(HELD, Wish(), NOW) == HELD


def test_a_change_keeps_what_was_not_said() -> None:
    changed = amended(HELD, Wish(start="+1h", comment="", test=False), NOW)

    assert changed == replace(HELD, start=NOW + timedelta(hours=1), comment="", test=False)


def test_changed_figures_go_to_the_vens_that_the_event_has() -> None:
    """In the sense that they had, unless another one is said."""
    assert amended(HELD, Wish(kw="1,2,3"), NOW) == replace(HELD, asks={"VEN1": (1.0, 2.0, 3.0)})
    assert amended(HELD, Wish(kw="1", power="delta"), NOW).kind == "delta"
    assert amended(TWO, Wish(kw="1", each=True), NOW).asks == {"VEN1": (1.0,), "VEN2": (1.0,)}


def test_changed_figures_may_go_to_other_vens() -> None:
    assert amended(HELD, Wish(kw="1", to=("VEN2",)), NOW).asks == {"VEN2": (1.0,)}
    assert amended(HELD, Wish(ask=("VEN3=4",)), NOW).asks == {"VEN3": (4.0,)}


def test_a_price_may_become_an_order_of_power_and_the_reverse() -> None:
    assert amended(PRICED, Wish(kw="1"), NOW).kind == "delta"
    assert amended(PRICED, Wish(every="1h"), NOW).kind == "price"
    assert amended(HELD, Wish(price="9"), NOW).kind == "price"


@pytest.mark.parametrize(
    ("held", "said", "sentence"),
    [
        (TWO, Wish(kw="1"), "is --kw for each of the 2 VENs?"),
        (HELD, Wish(to=("VEN2",)), "--to needs the figures for those VENs too"),
        (HELD, Wish(power="delta"), "--delta says what --kw or --ask mean; give one of them too"),
    ],
)
def test_a_doubtful_change_is_refused(held: Order, said: Wish, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        amended(held, said, NOW)

    assert sentence in str(refused.value)


def test_an_order_for_the_fleet_names_nobody_else() -> None:
    order = ordered(wish(kw="-600,-500", fleet=True, id="peak", priority=1), NOW)

    assert (order.fleet, order.id, order.asks, order.kind) == (True, "peak", {"fleet": (-600.0, -500.0)}, "delta")
    assert ordered(wish(kw="5", fleet=True, power="setpoint"), NOW).kind == "setpoint"
    held = replace(order, id=None)
    assert amended(held, Wish(kw="-400"), NOW) == replace(held, asks={"fleet": (-400.0,)})
    assert amended(held, Wish(kw="-400", fleet=True), NOW) == replace(held, asks={"fleet": (-400.0,)})
    for said in ({"to": ("VEN1",)}, {"kw": None, "ask": ("VEN1=1",)}, {"each": True}):
        with pytest.raises(SettingsError, match="--fleet has the node's own fleet share out --kw; leave --to, --ask"):
            ordered(replace(wish(kw="-5", fleet=True), **said), NOW)
        with pytest.raises(SettingsError, match="--fleet has the node's own fleet share out --kw; leave --to, --ask"):
            amended(held, replace(Wish(kw="-5"), **said), NOW)


def test_an_event_keeps_its_name_and_whom_it_is_for() -> None:
    with pytest.raises(SettingsError, match="--id is for a new event; one that there is keeps its name"):
        amended(HELD, Wish(id="other"), NOW)
    with pytest.raises(SettingsError, match="the event is for VENs, and stays so"):
        amended(HELD, Wish(fleet=True), NOW)
