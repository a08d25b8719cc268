"""The promises of the contract, one function each. Each says whether the driver gave it a chance to be shown."""

from __future__ import annotations

import msgspec

from openadr_ra.drivers.bench import (
    MARGIN_S,
    MAX_AGE_S,
    Bench,
    Promise,
    choices,
    other_than_plan,
    patience_s,
    plan_kw,
    same,
    taken,
)
from openadr_ra.drivers.sanity import fell, usable
from openadr_ra.seams import Descriptor, Measurement

DRAIN_STEPS = 40
"""In so many set-points a store of energy is emptied and filled."""

SOC_ROUNDING = 0.5
"""Percent: what a device shows is rounded."""


async def describes(bench: Bench) -> bool:
    """It says the same of itself each time, and what it says fits together."""
    first = await bench.describe()
    await bench.wait(MAX_AGE_S)
    later = await bench.describe()
    plain = [msgspec.structs.replace(one, plan=()) for one in (first, later)]
    bench.require(plain[0] == plain[1], f"describe() says {later} after {first}")
    now = bench.clock.now()
    covered = not later.plan or any(slot.start <= now < slot.end for slot in later.plan)
    bench.require(covered, f"its plan has no slot for {now:%FT%TZ}")
    return True


async def reads(bench: Bench) -> bool:
    """Its readings are of now, finite, possible, and its registers never fall."""
    before: Measurement | None = None
    for pause_s in (0.0, MAX_AGE_S, 10 * MAX_AGE_S):
        await bench.wait(pause_s)
        reading = await bench.read()
        age_s = (bench.clock.now() - reading.at).total_seconds()
        bench.require(abs(age_s) <= MAX_AGE_S, f"a reading is {age_s:.0f} s old")
        bench.require(before is None or not fell(before, reading), f"a register fell: {reading} after {before}")
        before = reading
    return True


async def envelope(bench: Bench) -> bool:
    """Whatever it is asked for, its power stays in the range that it describes."""
    descriptor = await bench.describe()
    span_s, tolerance_kw = patience_s(descriptor), bench.tolerance_kw(descriptor)
    for kw in _beyond(descriptor):
        await bench.apply(kw, lease_s=10 * span_s)
        for _ in range(10):
            await bench.wait(span_s / 10)
            now_kw = (await bench.read()).kw
            inside = descriptor.min_kw - tolerance_kw <= now_kw <= descriptor.max_kw + tolerance_kw
            bench.require(inside, f"asked for {kw:g} kW it runs at {now_kw:g}")
    return True


async def clamps(bench: Bench) -> bool:
    """What it cannot do it says: the set-point is clamped to what it can do, or rejected."""
    descriptor = await bench.describe()
    between = [descriptor.gap_kw] if descriptor.gap_kw else []
    between += zip(descriptor.levels_kw, descriptor.levels_kw[1:], strict=False)
    for kw in (*_beyond(descriptor), *((low + high) / 2 for low, high in between)):
        ack = await bench.apply(kw, lease_s=60)
        bench.require(ack.outcome in ("clamped", "rejected"), f"{kw:g} kW was {ack.outcome}")
        effective_kw = ack.effective_kw
        possible = ack.outcome == "rejected" or (
            effective_kw is not None and descriptor.min_kw <= effective_kw <= descriptor.max_kw
        )
        bench.require(possible, f"{kw:g} kW was clamped to {effective_kw}")
    return True


async def sign(bench: Bench) -> bool:
    """Power, registers and state of charge agree with the set-point: import and charging are positive."""
    descriptor = await bench.describe()
    span_s, tolerance_kw = patience_s(descriptor), bench.tolerance_kw(descriptor)
    own_kw = plan_kw(descriptor, bench, (await bench.read()).kw)
    tried = [kw for kw in choices(descriptor, await bench.read()) if not same(kw, own_kw, 2 * tolerance_kw)]
    for kw in tried:
        ack = await bench.apply(kw, lease_s=10 * span_s)
        bench.require(taken(ack), f"{kw:g} kW, which read() says can be reached, was {ack.outcome}: {ack.reason}")
        await bench.wait(span_s)
        before = await bench.read()
        bench.require(same(before.kw, kw, tolerance_kw), f"asked for {kw:g} kW it runs at {before.kw:g}")
        await bench.wait(MARGIN_S)
        _require_agreement(bench, before, await bench.read(), tolerance_kw)
    return bool(tried)


async def reserve(bench: Bench) -> bool:
    """No set-point empties its store of energy below the reserve, or fills it beyond full."""
    descriptor = await bench.describe()
    first = await bench.read()
    energy = descriptor.energy
    if energy is None or first.soc_percent is None or descriptor.min_kw >= 0:
        return False
    floor_percent = min(energy.reserve_kwh / energy.capacity_kwh * 100, first.soc_percent)
    for kw in (descriptor.min_kw, descriptor.max_kw):
        if not kw:
            continue
        step_s = 1.5 * energy.capacity_kwh / abs(kw) / energy.charge_efficiency * 3600 / DRAIN_STEPS
        for _ in range(DRAIN_STEPS):
            await bench.apply(kw, lease_s=2 * step_s)
            await bench.wait(step_s)
            soc_percent = (await bench.read()).soc_percent
            low = soc_percent is not None and soc_percent < floor_percent - SOC_ROUNDING
            bench.require(not low, f"at {kw:g} kW it went to {soc_percent} %, below {floor_percent:g} %")
    return True


async def lease(bench: Bench) -> bool:
    """When its lease is over and nobody renews it, a set-point is over too. The guard does its part."""
    descriptor = await bench.describe()
    kw = await other_than_plan(bench, descriptor)
    if kw is None or descriptor.failsafe == "hold":
        return False
    first_kw = (await bench.read()).kw
    span_s = patience_s(descriptor)
    await bench.apply(kw, lease_s=span_s)
    await bench.wait(span_s)
    await bench.wait(span_s)
    await _require_plan(bench, descriptor, first_kw, f"{span_s:g} s after the end of its lease")
    return True


async def order(bench: Bench) -> bool:
    """A set-point that comes twice changes nothing; one that comes late is stale."""
    descriptor = await bench.describe()
    kw = await other_than_plan(bench, descriptor)
    if kw is None:
        return False
    own_kw = plan_kw(descriptor, bench, (await bench.read()).kw)
    span_s, tolerance_kw = patience_s(descriptor), bench.tolerance_kw(descriptor)
    first = await bench.apply(kw, lease_s=10 * span_s, sequence=10)
    await bench.wait(span_s)
    settled_kw = (await bench.read()).kw
    again = await bench.apply(kw, lease_s=9 * span_s, sequence=10)
    bench.require(again.outcome == first.outcome, f"{first.outcome} at first, then {again.outcome}")
    late = await bench.apply(own_kw, lease_s=9 * span_s, sequence=9)
    bench.require(late.outcome == "stale", f"an older set-point was {late.outcome}")
    await bench.wait(span_s)
    now_kw = (await bench.read()).kw
    bench.require(same(now_kw, settled_kw, tolerance_kw), f"then it went from {settled_kw:g} to {now_kw:g} kW")
    return True


async def release(bench: Bench) -> bool:
    """Released it goes back to its plan, and it may be released again."""
    descriptor = await bench.describe()
    kw = await other_than_plan(bench, descriptor)
    if kw is None:
        return False
    first_kw = (await bench.read()).kw
    span_s = patience_s(descriptor)
    await bench.apply(kw, lease_s=10 * span_s)
    await bench.wait(span_s)
    for count in ("once", "twice"):
        ack = await bench.release()
        bench.require(taken(ack), f"released {count} it says {ack.outcome}: {ack.reason}")
        await bench.wait(span_s)
        await _require_plan(bench, descriptor, first_kw, f"released {count}")
    return True


async def unreachable(bench: Bench) -> bool:
    """When its device cannot be reached it says so, with every verb."""
    await bench.describe()
    reading = await bench.read()
    bench.require(not usable(reading), f"read() says {reading.quality!r}")
    bench.require(not reading.online, "read() says it is online")
    for verb, ack in (("apply", await bench.apply(0.0, lease_s=60)), ("release", await bench.release())):
        bench.require(ack.outcome == "unreachable", f"{verb}() says {ack.outcome}")
    return True


async def override(bench: Bench) -> bool:
    """Turned by hand it stays where it was put, and says so."""
    descriptor = await bench.describe()
    span_s, tolerance_kw = patience_s(descriptor), bench.tolerance_kw(descriptor)
    await bench.wait(span_s)
    reading = await bench.read()
    bench.require(reading.local_override, "read() does not say that there is a local override")
    for kw in (descriptor.min_kw, descriptor.max_kw):
        if same(kw, reading.kw, 2 * tolerance_kw):
            continue
        ack = await bench.apply(kw, lease_s=10 * span_s)
        bench.require(ack.outcome in ("clamped", "rejected"), f"{kw:g} kW was {ack.outcome}")
        await bench.wait(span_s)
        now_kw = (await bench.read()).kw
        bench.require(same(now_kw, reading.kw, tolerance_kw), f"it went from {reading.kw:g} to {now_kw:g} kW")
    return True


PROMISES = (
    Promise(name="describes", check=describes),
    Promise(name="reads", check=reads),
    Promise(name="envelope", check=envelope),
    Promise(name="clamps", check=clamps),
    Promise(name="sign", check=sign),
    Promise(name="reserve", check=reserve),
    Promise(name="lease", check=lease, guarded=True),
    Promise(name="order", check=order),
    Promise(name="release", check=release),
    Promise(name="unreachable", check=unreachable),
    Promise(name="override", check=override),
)


def _beyond(descriptor: Descriptor) -> tuple[float, float]:
    """Powers that no such device has."""
    span_kw = descriptor.max_kw - descriptor.min_kw + 1.0
    return descriptor.min_kw - span_kw, descriptor.max_kw + span_kw


async def _require_plan(bench: Bench, descriptor: Descriptor, otherwise_kw: float, when: str) -> None:
    own_kw = plan_kw(descriptor, bench, otherwise_kw)
    now_kw = (await bench.read()).kw
    back = same(now_kw, own_kw, bench.tolerance_kw(descriptor))
    bench.require(back, f"{when} it runs at {now_kw:g} kW, not at its own {own_kw:g}")


def _require_agreement(bench: Bench, before: Measurement, after: Measurement, tolerance_kw: float) -> None:
    """The registers and the state of charge moved the way that the power says."""
    if abs(after.kw) <= tolerance_kw:
        return
    old, new = (one.import_kwh if after.kw > 0 else one.export_kwh for one in (before, after))
    bench.require(old is None or new is None or new > old, f"at {after.kw:g} kW its register does not rise")
    if before.soc_percent is None or after.soc_percent is None:
        return
    moved = (after.soc_percent - before.soc_percent) * after.kw
    bench.require(moved >= 0, f"at {after.kw:g} kW the state of charge goes the other way")
