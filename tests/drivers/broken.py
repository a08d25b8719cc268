"""Drivers that each do one thing wrong."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import msgspec

from openadr_ra.drivers.simulated import Battery
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint
from tests.drivers.makers import DEVICE
from tests.drivers.rig import hang


class Wrong(Battery):
    """A battery that does one thing wrong."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(DEVICE, BatterySettings(), clock)
        self.clock = clock


class DescribesItselfAnew(Wrong):
    count = 0

    async def describe(self) -> Descriptor:
        self.count += 1
        return msgspec.structs.replace(await super().describe(), latency_s=float(self.count))


class DescribesNonsense(Wrong):
    async def describe(self) -> Descriptor:
        return msgspec.structs.replace(await super().describe(), min_kw=6.0)


class InventsADeviceClass(Wrong):
    async def describe(self) -> Descriptor:
        return msgspec.structs.replace(await super().describe(), device_class="Boiler")


class PlansOnlyTheFirstMinute(Wrong):
    async def describe(self) -> Descriptor:
        told = await super().describe()
        slot = msgspec.structs.replace(told.plan[0], end=told.plan[0].start + timedelta(seconds=60))
        return msgspec.structs.replace(told, plan=(slot,))


class ReadsOnce(Wrong):
    kept: Measurement | None = None

    async def read(self) -> Measurement:
        self.kept = self.kept or await super().read()
        return self.kept


class ReadsNan(Wrong):
    async def read(self) -> Measurement:
        return msgspec.structs.replace(await super().read(), kw=float("nan"))


class CountsBackwards(Wrong):
    async def read(self) -> Measurement:
        told = await super().read()
        return msgspec.structs.replace(told, import_kwh=-told.at.timestamp())


class LeavesItsEnvelope(Wrong):
    """It goes where it is told, whatever it has described."""

    async def describe(self) -> Descriptor:
        return msgspec.structs.replace(await super().describe(), min_kw=-3.0, max_kw=3.0)

    async def read(self) -> Measurement:
        return msgspec.structs.replace(await super().read(), min_kw=-3.0, max_kw=3.0)


class ClampsInSilence(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        ack = await super().apply(setpoint)
        return ack if ack.outcome == "stale" else Ack(outcome="accepted", effective_kw=setpoint.kw)


class ClampsToNowhere(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        ack = await super().apply(setpoint)
        return msgspec.structs.replace(ack, effective_kw=setpoint.kw)


class GeneratorConvention(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        turned = msgspec.structs.replace(setpoint, kw=-setpoint.kw)
        ack = await super().apply(turned)
        return msgspec.structs.replace(ack, effective_kw=-(ack.effective_kw or 0.0))


class GeneratorConventionThroughout(GeneratorConvention):
    """Power is turned round both ways, so that it looks right; the state of charge does not."""

    async def read(self) -> Measurement:
        told = await super().read()
        return msgspec.structs.replace(
            told,
            kw=-told.kw,
            min_kw=-told.max_kw,
            max_kw=-told.min_kw,
            import_kwh=told.export_kwh,
            export_kwh=told.import_kwh,
        )


class SwappedRegisters(Wrong):
    async def read(self) -> Measurement:
        told = await super().read()
        return msgspec.structs.replace(told, import_kwh=told.export_kwh, export_kwh=told.import_kwh)


class WattsForKilowatts(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        ack = await super().apply(msgspec.structs.replace(setpoint, kw=setpoint.kw / 1000))
        return msgspec.structs.replace(ack, effective_kw=(ack.effective_kw or 0.0) * 1000)


class RejectsWhatItOffers(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        return Ack(outcome="rejected", reason="no")


class EmptiesItsReserve(Wrong):
    """It tells of a reserve that it does not keep."""

    async def describe(self) -> Descriptor:
        told = await super().describe()
        assert told.energy is not None
        return msgspec.structs.replace(told, energy=msgspec.structs.replace(told.energy, reserve_kwh=4.0))


class KeepsItsSetPoint(Wrong):
    """Neither does it end by itself, nor does a release end it."""

    async def apply(self, setpoint: Setpoint) -> Ack:
        endless = msgspec.structs.replace(setpoint, lease_until=self.clock.now() + timedelta(days=9))
        return await super().apply(endless)

    async def release(self, reason: str) -> Ack:
        return Ack(outcome="accepted")


class ReleasesButDoesNot(Wrong):
    """Its lease ends, though."""

    async def release(self, reason: str) -> Ack:
        return Ack(outcome="accepted")


class ReleasesOnce(Wrong):
    released = False

    async def release(self, reason: str) -> Ack:
        if self.released:
            return Ack(outcome="rejected", reason="released already")
        self.released = True
        return await super().release(reason)


class TakesWhatComesLate(Wrong):
    fresh = 0

    async def apply(self, setpoint: Setpoint) -> Ack:
        self.fresh += 1
        return await super().apply(msgspec.structs.replace(setpoint, sequence=100 + self.fresh))


class SaysStaleAndDoesIt(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        ack = await super().apply(setpoint)
        if ack.outcome == "stale":
            await super().apply(msgspec.structs.replace(setpoint, sequence=1000))
        return ack


class TakesNothingTwice(Wrong):
    seen = -1

    async def apply(self, setpoint: Setpoint) -> Ack:
        if setpoint.sequence <= self.seen:
            return Ack(outcome="stale")
        self.seen = setpoint.sequence
        return await super().apply(setpoint)


class Raises(Wrong):
    async def release(self, reason: str) -> Ack:
        raise OSError("no route to host")


class Hangs(Wrong):
    async def release(self, reason: str) -> Ack:
        await hang()
        return Ack(outcome="accepted")


class SleepsTooLong(Wrong):
    async def read(self) -> Measurement:
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=1))
        return await super().read()


class FailsToStart(Wrong):
    async def __aenter__(self) -> FailsToStart:
        raise OSError("no such bus")

    async def __aexit__(self, *reason: object) -> None:
        pass


class CancelsItself(Wrong):
    async def read(self) -> Measurement:
        raise asyncio.CancelledError


class AnswersNothing(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        await super().apply(setpoint)
        return None  # type: ignore[return-value]  # what it does wrong


class HangsInItsThread:
    """Plain functions, and one of them blocks for longer than the deadline."""

    def describe(self) -> Descriptor:
        time.sleep(0.4)
        return Descriptor(id=DEVICE, kind="consumer", min_kw=0.0, max_kw=1.0)

    def apply(self, setpoint: Setpoint) -> Ack:
        raise AssertionError

    def read(self) -> Measurement:
        raise AssertionError

    def release(self, reason: str) -> Ack:
        raise AssertionError


class RaisesInItsThread(HangsInItsThread):
    def describe(self) -> Descriptor:
        raise OSError("no route to host")


class SaysItIsFine(Wrong):
    """Out of reach, and does not say so."""


class ReadsFineOutOfReach(Wrong):
    async def apply(self, setpoint: Setpoint) -> Ack:
        return Ack(outcome="unreachable")


class ForgetsWhoTurnedIt(Wrong):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.override(-2.0)

    async def read(self) -> Measurement:
        return msgspec.structs.replace(await super().read(), local_override=False)


class OverridesTheOverride(Wrong):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.override(-2.0)

    async def apply(self, setpoint: Setpoint) -> Ack:
        self.override(setpoint.kw)
        return await super().apply(setpoint)


class AcceptsUnderOverride(Wrong):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.override(-2.0)

    async def apply(self, setpoint: Setpoint) -> Ack:
        return Ack(outcome="accepted")
