"""What holds whatever an ECHONET device says of itself: what is made of it is possible, and its orders keep its limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.drivers.echonet import EchonetSettings
from openadr_ra.drivers.echonet.kind import Kind
from openadr_ra.drivers.echonet.pv import Pv
from openadr_ra.drivers.echonet.storage import BATTERY, V2H, Storage
from openadr_ra.drivers.orders import within
from openadr_ra.drivers.sanity import descriptor_faults, reading_faults
from openadr_ra.drivers.virtual_clock import START
from openadr_ra.seams import Measurement
from tests.drivers.makers import DEVICE

BYTES = st.one_of(
    st.binary(min_size=1, max_size=1),
    st.binary(min_size=2, max_size=2),
    st.integers(0, 12000).map(lambda number: number.to_bytes(4)),
    st.tuples(st.integers(0, 2000), st.integers(1000, 9000)).map(lambda two: two[0].to_bytes(4) + two[1].to_bytes(4)),
    st.binary(max_size=9),
)
LIMITS = st.one_of(st.none(), st.integers(0, 8000).map(lambda watts: watts / 1000))
SETTINGS = st.builds(
    EchonetSettings,
    host=st.just("127.0.0.2"),
    min_kw=LIMITS.map(lambda kw: None if kw is None else -kw),
    max_kw=LIMITS,
    reserve_percent=st.one_of(st.none(), st.integers(0, 100).map(float)),
    capacity_kwh=st.one_of(st.none(), st.integers(1, 100).map(float)),
)

KINDS: dict[str, Callable[[EchonetSettings], Kind]] = {
    "battery": lambda settings: Storage(settings, BATTERY),
    "v2h": lambda settings: Storage(settings, V2H),
    "pv": lambda settings: Pv(replace(settings, kind="pv")),
}


def said(kind: Kind, data: st.DataObject) -> dict[int, bytes]:
    """Anything for each property, or nothing."""
    found = {epc: data.draw(BYTES) for epc in {*kind.fixed, *kind.live} if data.draw(st.integers(0, 3))}
    return {epc: edt for epc, edt in found.items() if edt}


@pytest.mark.parametrize("name", KINDS)
@given(settings=SETTINGS, stepped=st.booleans(), data=st.data())
def test_whatever_an_echonet_device_says_its_reading_is_possible(
    name: str, settings: EchonetSettings, stepped: bool, data: st.DataObject
) -> None:
    kind = KINDS[name](settings)
    values = said(kind, data)
    facts = kind.facts(values, lambda epc: not stepped)
    look = kind.look(values, facts)

    reading = Measurement(
        at=START,
        kw=look.kw or 0.0,
        min_kw=look.low_kw,
        max_kw=look.high_kw,
        import_kwh=look.import_kwh,
        export_kwh=look.export_kwh,
        soc_percent=look.soc_percent,
        can_reduce_kwh=look.can_reduce_kwh,
        can_raise_kwh=look.can_raise_kwh,
    )
    assert not list(descriptor_faults(kind.descriptor(DEVICE, facts)))
    assert not list(reading_faults(reading, START))
    assert facts.low_kw <= look.low_kw <= look.high_kw <= facts.high_kw


@pytest.mark.parametrize("name", KINDS)
@given(settings=SETTINGS, stepped=st.booleans(), asked_kw=st.integers(-9000, 9000), data=st.data())
def test_no_order_to_an_echonet_device_is_beyond_its_limits(
    name: str, settings: EchonetSettings, stepped: bool, asked_kw: int, data: st.DataObject
) -> None:
    """What was written asks for the power that was reached for, and that is within the limits."""
    kind = KINDS[name](settings)
    values = said(kind, data)
    facts = kind.facts(values, lambda epc: not stepped)
    kw = kind.reach(within(asked_kw / 1000, facts.low_kw, facts.high_kw).kw, facts)
    phases = kind.order(kw, values, facts)
    written = {one.epc: one.edt for phase in phases for one in phase}

    assert facts.low_kw - 1e-6 <= kw <= facts.high_kw + 1e-6
    shown_kw = kind.asked_kw(written, facts)
    if not kind.look(values, facts).stuck:
        assert shown_kw is None or shown_kw == pytest.approx(kw, abs=1e-6)
    assert all(kind.same(epc, edt, edt) for epc, edt in written.items())
