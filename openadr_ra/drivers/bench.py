"""What the contract's promises are put to: one driver on a bench, with a clock of its own."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import TypeVar

from openadr_ra.drivers.guard import TAKEN, Guard, Silence, abandon, begin, told
from openadr_ra.drivers.sanity import ack_faults, descriptor_faults, reading_faults
from openadr_ra.drivers.virtual_clock import VirtualClock
from openadr_ra.protocol.model import EventId
from openadr_ra.protocol.schedule import mean
from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Ack, AnyDriver, Descriptor, Measurement, Setpoint

R = TypeVar("R", Ack, Measurement, Descriptor)

MARGIN_S = 2.0
"""What a device may take beyond the ramp, the latency and the minimum times that it states."""

MAX_AGE_S = 60.0
"""A reading may be as old: a live report is due every minute."""

EVENT = EventId("check-driver")


class ContractBroken(AssertionError):
    """A driver does not do what every driver promises; `promise` is the name of what it breaks."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise


class Bench:
    """One driver under test, and the questions a promise puts to it."""

    def __init__(
        self,
        promise: str,
        driver: AnyDriver | Guard,
        clock: VirtualClock,
        *,
        deadline_s: float,
        tolerance_kw: float | None,
    ) -> None:
        self.promise = promise
        self.clock = clock
        self._driver = driver
        self._deadline_s = deadline_s
        self._tolerance_kw = tolerance_kw
        self._sequence = 0

    async def describe(self) -> Descriptor:
        descriptor = await self._ask(Descriptor, self._driver.describe)
        self.none_of(descriptor_faults(descriptor), "describe() says")
        return descriptor

    async def read(self) -> Measurement:
        reading = await self._ask(Measurement, self._driver.read)
        self.none_of(reading_faults(reading, self.clock.now()), "read() says")
        return reading

    async def apply(self, kw: float, *, lease_s: float, sequence: int | None = None) -> Ack:
        """Order `kw`, as the newest set-point unless `sequence` says otherwise."""
        self._sequence = self._sequence + 1 if sequence is None else sequence
        until = self.clock.now() + timedelta(seconds=lease_s)
        setpoint = Setpoint(event_id=EVENT, sequence=self._sequence, kw=kw, lease_until=until)
        ack = await self._ask(Ack, self._driver.apply, setpoint)
        self.none_of(ack_faults(ack), "apply() says")
        return ack

    async def release(self) -> Ack:
        return await self._ask(Ack, self._driver.release, "check_driver")

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))

    def require(self, held: bool, what: str) -> None:
        if not held:
            raise ContractBroken(self.promise, what)

    def none_of(self, faults: Iterable[str], where: str) -> None:
        found = "; ".join(faults)
        self.require(not found, f"{where} {found}")

    def tolerance_kw(self, descriptor: Descriptor) -> float:
        """Powers nearer to one another count as the same: 2 % of the range, unless told otherwise."""
        if self._tolerance_kw is not None:
            return self._tolerance_kw
        return max(0.02 * (descriptor.max_kw - descriptor.min_kw), 0.001)

    async def _ask(self, kind: type[R], verb: Callable[..., object], *arguments: object) -> R:
        name = getattr(verb, "__name__", "a verb")
        call = begin(verb, *arguments)
        await self._answered(call, by_clock=inspect.iscoroutinefunction(verb))
        if not call.done():
            abandon(call)
            raise ContractBroken("answers in time", f"{name}() had no answer after {self._deadline_s:g} s")
        if call.cancelled():
            raise ContractBroken("raises nothing", f"{name}() was cancelled from inside")
        if error := call.exception():
            raise ContractBroken("raises nothing", f"{name}() raised {told(error)}") from error
        match call.result():
            case Silence(reason=reason):
                raise ContractBroken("raises nothing", f"{name}() raised {reason}")
            case answer if isinstance(answer, kind):
                return answer
            case answer:
                raise ContractBroken(self.promise, f"{name}() answered {answer!r:.80}, no {kind.__name__}")

    async def _answered(self, call: asyncio.Future[object], *, by_clock: bool) -> None:
        """Wait for `call`: first as long as the clock alone brings it on, then for the world outside."""
        until = self.clock.now() + timedelta(seconds=self._deadline_s)
        await self.clock.advance(self.clock.now())
        while by_clock and not call.done():
            instant = self.clock.next()
            if instant is None or instant > until:
                break
            await self.clock.advance(instant)
        if not call.done():
            await asyncio.wait({call}, timeout=self._deadline_s)


class Promise(Value, frozen=True, kw_only=True):
    """One thing that every driver does. `check` says whether the driver gave it a chance to show that."""

    name: str
    check: Callable[[Bench], Awaitable[bool]]
    guarded: bool = False
    """Checked behind a guard, which keeps its part of it."""


def patience_s(descriptor: Descriptor) -> float:
    """By then a device has done what it was told, by its own account."""
    ramp = descriptor.ramp_kw_per_s
    ramp_s = (descriptor.max_kw - descriptor.min_kw) / ramp if ramp else 0.0
    return descriptor.latency_s + ramp_s + descriptor.min_on_s + descriptor.min_off_s + MARGIN_S


def plan_kw(descriptor: Descriptor, bench: Bench, otherwise_kw: float) -> float:
    """What it does now by itself; `otherwise_kw` where it has no plan."""
    now = bench.clock.now()
    return mean(descriptor.plan, now, now) if descriptor.plan else otherwise_kw


def choices(descriptor: Descriptor, reading: Measurement) -> tuple[float, ...]:
    """The lowest and the highest power that can be reached now."""
    low_kw, high_kw = reading.min_kw, reading.max_kw
    levels = tuple(level for level in descriptor.levels_kw if low_kw <= level <= high_kw)
    return tuple(sorted({*(levels[:1] + levels[-1:] if descriptor.levels_kw else (low_kw, high_kw))}))


async def other_than_plan(bench: Bench, descriptor: Descriptor) -> float | None:
    """The reachable power furthest from what it does by itself; None where there is no other."""
    reading = await bench.read()
    own_kw = plan_kw(descriptor, bench, reading.kw)
    kw = max(choices(descriptor, reading), key=lambda choice: abs(choice - own_kw), default=own_kw)
    return kw if abs(kw - own_kw) > 2 * bench.tolerance_kw(descriptor) else None


def same(first_kw: float, second_kw: float, tolerance_kw: float) -> bool:
    return math.isclose(first_kw, second_kw, rel_tol=0.0, abs_tol=tolerance_kw)


def taken(ack: Ack) -> bool:
    return ack.outcome in TAKEN
