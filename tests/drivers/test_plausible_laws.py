"""What is true raises no alarm: whatever simulated devices do, however fast, noisily, late or coarsely it is told."""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.drivers.simulated.shell import Simulated
from openadr_ra.protocol.parts import GOOD, LOCAL_OVERRIDE
from openadr_ra.seams import Ack, Descriptor, Measurement, Setpoint
from tests.drivers.makers import KINDS, setpoint, simulated

LARGEST_KW = {"simulated-generator": 300.0, "simulated-line": 150.0, "simulated-load": 100.0, "simulated-wind": 100.0}

OWN: dict[str, st.SearchStrategy[dict[str, object]]] = {
    "simulated-battery": st.fixed_dictionaries(
        {
            "soc_percent": st.sampled_from([20, 50, 99, 100]),
            "ramp_kw_per_s": st.sampled_from([0.005, 0.5, None]),
            "discharge_efficiency": st.sampled_from([0.5, 0.95]),
        }
    ).map(lambda made: {name: value for name, value in made.items() if value is not None}),
    "simulated-ev": st.fixed_dictionaries(
        {
            "discharge_kw": st.sampled_from([0, 6]),
            "arrives_after_h": st.sampled_from([0.0, 0.5]),
            "departs_after_h": st.sampled_from([8.0, 20.0]),
        }
    ),
    "simulated-generator": st.fixed_dictionaries({"base_kw": st.sampled_from([0, 150])}),
    "simulated-line": st.fixed_dictionaries(
        {"min_on_s": st.sampled_from([0, 900]), "plan_kw": st.sampled_from([0, 150])}
    ),
    "simulated-load": st.fixed_dictionaries({"longest_s": st.sampled_from([300, 7200])}),
    "simulated-pv": st.fixed_dictionaries(
        {"profile_kw": st.sampled_from([[0.0], [0.0, 0.0, 2.0, 5.0], [5.0, 0.0], [0.01, 3.0]])}
    ),
    "simulated-thermal": st.sampled_from(
        [
            {},
            {"heat_kwh_per_k": 0.2, "profile_kw": [3.0, 0.0]},
            {"modulates": False, "profile_kw": [0.0], "min_off_s": 300.0},
            {"modulates": False, "profile_kw": [3.0, 0.0] * 20, "step_h": 0.25},
        ]
    ),
    "simulated-v2h": st.sampled_from(
        [{}, {"arrives_h": [0.0, 8.5, 18.0], "departs_h": [8.0, 17.5, 90.0]}, {"arrives_h": [1.0], "departs_h": [9.0]}]
    ),
    "simulated-wind": st.fixed_dictionaries(
        {"mean_m_per_s": st.sampled_from([1.0, 8.0, 24.0]), "error_part": st.sampled_from([0.0, 0.3])}
    ),
}

DEVICES = st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), OWN[kind]))

HOW = st.fixed_dictionaries(
    {
        "speed": st.sampled_from([1, 10, 180, 360]),
        "latency_s": st.sampled_from([0, 3, 60, 600]),
        "seed": st.integers(0, 99),
    }
)

SHARES = st.sampled_from([None, "by hand", -2.0, -1.0, -0.5, -0.1, 0.0, 0.2, 0.5, 1.0])
SCRIPTS = st.lists(
    st.tuples(SHARES, st.sampled_from([7.0, 60.0, 3600.0]), st.sampled_from([1, 4, 13, 70, 130])),
    min_size=1,
    max_size=6,
)
"""How much of its largest power, for how long a lease in seconds, and how many readings until the next."""


class Coarse:
    """The device as a poor meter shows it: whole percents, 100 W, 1 kWh."""

    def __init__(self, device: Simulated) -> None:
        self._device = device

    async def describe(self) -> Descriptor:
        return await self._device.describe()

    async def apply(self, setpoint: Setpoint) -> Ack:
        return await self._device.apply(setpoint)

    async def release(self, reason: str) -> Ack:
        return await self._device.release(reason)

    async def read(self) -> Measurement:
        exact = await self._device.read()
        return msgspec.structs.replace(
            exact,
            kw=round(exact.kw, 1),
            soc_percent=None if exact.soc_percent is None else float(round(exact.soc_percent)),
            import_kwh=float(math.floor(exact.import_kwh or 0.0)),
            export_kwh=float(math.floor(exact.export_kwh or 0.0)),
        )


async def at_once() -> None:
    """Nobody sleeps on this clock but leases, and nobody waits for those."""


@settings(max_examples=60)
@given(
    device=DEVICES,
    how=HOW,
    noise=st.sampled_from([0.0, 0.0, 0.005, 0.05, 0.2]),
    coarse=st.booleans(),
    every_s=st.sampled_from([5, 10, 60]),
    script=SCRIPTS,
)
async def test_no_simulated_device_is_ever_doubted(
    device: tuple[str, dict[str, object]],
    how: dict[str, object],
    noise: float,
    coarse: bool,
    every_s: int,
    script: list[tuple[float | str | None, float, int]],
) -> None:
    kind, own = device
    largest_kw = LARGEST_KW.get(kind, 5.0)
    clock = VirtualClock(settle=at_once)
    made = simulated(kind, clock, own | how | {"noise_kw": noise * largest_kw})

    async with Guard(Coarse(made) if coarse else made, clock) as guard:
        await guard.describe()
        for number, (share, lease_s, readings) in enumerate(script, 1):
            made.override(largest_kw / 2 if share == "by hand" else None)
            if share is None:
                await guard.release("enough")
            elif isinstance(share, float):
                until_s = (clock.now() - VirtualClock().now()).total_seconds() + lease_s
                await guard.apply(setpoint(share * largest_kw, sequence=number, until_s=until_s))
            for _ in range(readings):
                await clock.advance(clock.now() + timedelta(seconds=every_s))
                got = await guard.read()
                assert got.quality in (GOOD, LOCAL_OVERRIDE), got
