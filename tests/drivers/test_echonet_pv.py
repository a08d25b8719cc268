"""The driver `echonet` on home PV: a set-point is a limit, and only what the sun gives can be had below it."""

from __future__ import annotations

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.protocol.parts import NO_VALUE, UNCERTAIN
from openadr_ra.seams import Ack
from tests.drivers.echonet_site import PvSite
from tests.drivers.makers import HOUR_S, MINUTE_S

SUNRISE = {"profile_kw": (1.0, 3.0, 2.0), "step_h": 1.0}


async def test_set_to_minus_one_kw_echonet_pv_generates_no_more() -> None:
    async with PvSite() as site:
        ack = await site.apply(-1.0)
        later = await site.reach(HOUR_S)

    assert ack == Ack(outcome="accepted", effective_kw=-1.0)
    assert site.device.settings[codes.LIMIT_W] == (1000).to_bytes(2)
    assert (site.device.kw, later.kw) == (-1.0, -1.0)
    assert later.export_kwh == pytest.approx(1.0)
    assert later.import_kwh is None


async def test_echonet_pv_describes_its_rated_output_or_what_it_is_clipped_to() -> None:
    async with PvSite() as site:
        rated = await site.driver.describe()
    async with PvSite() as site:
        site.device.readings[codes.CLIP_W] = (4500).to_bytes(2)
        clipped = await site.driver.describe()

    assert (rated.kind, rated.subtype, rated.min_kw, rated.max_kw) == ("generator", "pv", -5.0, 0.0)
    assert clipped.min_kw == -4.5


@pytest.mark.parametrize(
    ("asked_kw", "given_kw"), [(-3.0, -3.0), (-2.999, -2.999), (-3.1, -3.0), (-9.0, -3.0), (0.0, 0.0), (0.1, 0.0)]
)
async def test_echonet_pv_gives_what_the_sun_gives_and_consumes_nothing(asked_kw: float, given_kw: float) -> None:
    async with PvSite() as site:
        ack = await site.apply(asked_kw)

    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert ack.effective_kw == given_kw
    assert site.device.kw == given_kw


async def test_a_limit_above_the_sun_holds_when_the_sun_rises() -> None:
    async with PvSite(plant=SUNRISE) as site:
        ack = await site.apply(-2.0)
        risen = await site.reach(HOUR_S + MINUTE_S)

    assert ack.effective_kw == -1.0
    assert risen.kw == -2.0


async def test_behind_a_limit_the_sun_is_what_it_was_last_seen_to_be() -> None:
    """3 kW were seen, 1 is the limit: 3 can be had back. Below the limit what is seen is all there is."""
    async with PvSite(plant={"profile_kw": (3.0, 0.5), "step_h": 1.0}) as site:
        await site.driver.read()
        await site.apply(-1.0)
        limited = await site.reach(MINUTE_S)
        dark = await site.reach(HOUR_S + MINUTE_S)

    assert (limited.kw, limited.min_kw, limited.max_kw, limited.plan_kw) == (-1.0, -3.0, 0.0, -3.0)
    assert (dark.kw, dark.min_kw, dark.plan_kw) == (-0.5, -0.5, -0.5)


async def test_a_plant_that_says_nothing_of_restraint_is_restrained_at_its_limit() -> None:
    async with PvSite() as site:
        site.node.refused.add(codes.RESTRAINT)
        await site.apply(-1.0)
        limited = await site.reach(MINUTE_S)

    assert (limited.kw, limited.min_kw) == (-1.0, -3.0)


@pytest.mark.parametrize(
    ("asked_kw", "percent", "given_kw"), [(-1.0, 20, -1.0), (-1.04, 20, -1.0), (-1.05, 21, -1.05), (0.0, 0, 0.0)]
)
async def test_a_plant_with_a_limit_in_percent_takes_whole_ones_and_no_more_than_asked(
    asked_kw: float, percent: int, given_kw: float
) -> None:
    async with PvSite() as site:
        site.device.settable = (codes.LIMIT_PERCENT,)
        ack = await site.apply(asked_kw)

    assert site.device.settings[codes.LIMIT_PERCENT] == bytes((percent,))
    assert ack.effective_kw == pytest.approx(given_kw)
    assert site.device.kw == pytest.approx(given_kw)


@pytest.mark.parametrize("limit", [codes.LIMIT_W, codes.LIMIT_PERCENT])
async def test_released_echonet_pv_gives_all_it_has(limit: int) -> None:
    async with PvSite() as site:
        site.device.settable = (limit,)
        await site.apply(-1.0)
        ack = await site.driver.release("over")
        reading = await site.reach(MINUTE_S)

    assert ack.outcome == "accepted"
    assert (reading.kw, reading.min_kw) == (-3.0, -3.0)


async def test_a_limit_of_somebody_else_is_reported_and_not_fought() -> None:
    """Until the plant is without a limit again, and we were released."""
    async with PvSite() as site:
        await site.apply(-1.0)
        site.device.set(codes.LIMIT_W, (500).to_bytes(2))
        taken = await site.reach(MINUTE_S)
        ack = await site.apply(-1.0)
        await site.driver.release("over")
        still = await site.driver.read()
        site.device.set(codes.LIMIT_W, (5000).to_bytes(2))
        ended = await site.driver.read()

    assert (taken.kw, taken.local_override) == (-0.5, True)
    assert ack.reason == "local override: somebody else set its 0xA1 to 0x01F4"
    assert (still.kw, still.local_override, ended.local_override) == (-0.5, True, False)


@pytest.mark.parametrize(("limit_w", "somebody"), [(1100, False), (1101, True), (900, False), (899, True)])
async def test_a_limit_that_is_further_off_than_rounding_is_somebody_elses(limit_w: int, somebody: bool) -> None:
    async with PvSite() as site:
        await site.apply(-1.0)
        site.device.set(codes.LIMIT_W, limit_w.to_bytes(2))
        reading = await site.reach(MINUTE_S)

    assert reading.local_override is somebody


async def test_a_plant_that_refuses_a_limit_says_so() -> None:
    async with PvSite() as site:
        site.node.refused.add(codes.LIMIT_W)
        ack = await site.apply(-1.0)

    assert (ack.outcome, ack.reason) == ("rejected", "it refuses to have 0xA1 set")


async def test_an_output_that_is_no_value_has_none_and_a_fault_makes_it_uncertain() -> None:
    async with PvSite() as site:
        site.device.readings[codes.OUTPUT_W] = b"\xff\xff"
        unknown = await site.driver.read()
        site.device.readings = {codes.FAULT: codes.FAULTY}
        faulty = await site.driver.read()

    assert unknown.quality == NO_VALUE
    assert (faulty.quality, faulty.kw, faulty.min_kw, faulty.max_kw) == (UNCERTAIN, -3.0, -3.0, -3.0)


@pytest.mark.parametrize("limit", [codes.LIMIT_W, codes.LIMIT_PERCENT])
async def test_a_plant_that_does_not_say_its_rated_output_is_not_moved_unless_the_settings_do(limit: int) -> None:
    async with PvSite() as site:
        site.node.refused.add(codes.RATED_W)
        site.device.settable = (limit,)
        unknown = await site.apply(-1.0)
        still_kw = site.device.kw
    async with PvSite(min_kw=-5.0) as site:
        site.node.refused.add(codes.RATED_W)
        site.device.settable = (limit,)
        told = await site.apply(-1.0)

    assert unknown == Ack(outcome="clamped", effective_kw=-3.0, reason="its rated output is not known: give min_kw")
    assert still_kw == -3.0
    assert (told.outcome, site.device.kw) == ("accepted", -1.0)


@pytest.mark.parametrize(("asked_kw", "given_kw"), [(-2.0, -2.0), (-2.5, -2.0)])
async def test_the_settings_narrow_what_echonet_pv_may_do(asked_kw: float, given_kw: float) -> None:
    async with PvSite(min_kw=-2.0) as site:
        described = await site.driver.describe()
        ack = await site.apply(asked_kw)

    assert described.min_kw == -2.0
    assert (ack.effective_kw, site.device.kw) == (given_kw, given_kw)
