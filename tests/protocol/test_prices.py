"""Prices on their way from the event to the fleet."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import beside
from openadr_ra.protocol.model import (
    ELECTRICITY_PRICE,
    OPT_IN,
    OPT_OUT,
    PRICE,
    CurrencyPerKwh,
    ResourceId,
    ScaleCode,
    Target,
)
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.signals_table import ENERGY_PRICE, PRICE_MULTIPLIER, PRICE_RELATIVE
from openadr_ra.protocol.ven import Chosen
from tests.protocol.events import hears
from tests.world import E1, HOUR, NOON, VEN1, Pair, shed

SECOND_HALF = NOON + HOUR / 2


def tariff() -> Instruction:
    """30 for half an hour, then 10."""
    return replace(shed(delta_kw=(30.0, 10.0)), signal=ELECTRICITY_PRICE, kind=PRICE)


def told() -> Event:
    return instructions.event(tariff(), VEN1, NOON)


def named(event: Event, **changed: object) -> Event:
    """Its one signal otherwise."""
    return replace(event, signals=(replace(event.signals[0], **changed),))


def test_the_fleet_is_told_the_prices_of_each_interval_and_they_are_opted_in(pair: Pair) -> None:
    pair.vtn_publishes(tariff())
    pair.ven_polls()
    pair.settles()

    asked = pair.site.promised[E1]
    assert (asked.mode, asked.resources) == ("price", ())
    assert [(slot.start, slot.kw) for slot in asked.slots] == [(NOON, 30.0), (SECOND_HALF, 10.0)]
    assert pair.party.events[E1].opt == OPT_IN


def test_the_price_is_per_kwh_whatever_its_scale(pair: Pair) -> None:
    """3000 thousandths are 3."""
    milli = CurrencyPerKwh(units=Token("EUR"), scale=ScaleCode(Token("m")))
    hears(pair, named(told(), unit=milli))

    assert [slot.kw for slot in pair.site.promised[E1].slots] == pytest.approx([0.03, 0.01])


def test_energy_price_tells_the_same_where_it_is_taken(pair: Pair) -> None:
    pair.node = replace(pair.node, identity=replace(pair.node.identity, signals=("ENERGY_PRICE/price",)))
    hears(pair, named(told(), name=ENERGY_PRICE))

    assert pair.site.promised[E1].mode == "price"


@pytest.mark.parametrize(("kind", "unit"), [(PRICE_RELATIVE, CurrencyPerKwh()), (PRICE_MULTIPLIER, None)])
def test_relative_prices_lead_nobody(pair: Pair, kind: str, unit: CurrencyPerKwh | None) -> None:
    """They are acknowledged; to what they are relative only a program may know."""
    taken = (f"ELECTRICITY_PRICE/{kind}",)
    pair.node = replace(pair.node, identity=replace(pair.node.identity, signals=taken))

    assert hears(pair, named(told(), type=kind, unit=unit)) == [("E1", 0, "200", OPT_IN)]
    assert pair.site.promised == {}


def test_power_beside_prices_is_what_counts(pair: Pair) -> None:
    hears(pair, instructions.event(beside(shed(), "ELECTRICITY_PRICE/price", (30.0,)), VEN1, NOON))

    assert pair.site.promised[E1].mode == "delta"


def test_rule_6_at_the_ven_the_prices_of_a_test_lead_nobody(pair: Pair) -> None:
    hears(pair, replace(told(), test="true"))

    assert pair.site.promised == {}


def test_prices_for_one_resource_are_for_that_alone(pair: Pair) -> None:
    (resource, *_) = pair.node.identity.resources
    hears(pair, replace(told(), target=Target(resources=(resource,))))

    assert pair.site.promised[E1].resources == (ResourceId(resource),)


def test_an_operator_that_opts_out_of_prices_ends_them_and_may_come_back(pair: Pair) -> None:
    hears(pair, told())
    pair.ven_receives(Chosen(event_id=E1, opt=OPT_OUT, by="operator"))
    assert pair.site.promised[E1].slots == ()
    pair.ven_receives(Chosen(event_id=E1, opt=None, by="operator"))

    assert len(pair.site.promised[E1].slots) == 2


def test_rule_61_at_the_ven_prices_that_are_listed_no_more_are_over(pair: Pair) -> None:
    pair.vtn_publishes(tariff())
    pair.ven_polls()
    pair.vtn_cancels(E1)
    pair.ven_polls()

    assert pair.site.promised[E1].slots == ()
