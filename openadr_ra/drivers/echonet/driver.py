"""The driver `echonet`: storage batteries, EV chargers/dischargers and home PV that speak ECHONET Lite.

The protocol has no timer that ends an order, so a lease is ended by the guard alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from openadr_ra.drivers.echonet.claim import Claim
from openadr_ra.drivers.echonet.codes import Values
from openadr_ra.drivers.echonet.frame import Eoj
from openadr_ra.drivers.echonet.kind import EchonetSettings, Facts, Kind, Look
from openadr_ra.drivers.echonet.link import PORT, shared
from openadr_ra.drivers.echonet.pv import Pv
from openadr_ra.drivers.echonet.remote import SET_MAP, Remote
from openadr_ra.drivers.echonet.storage import BATTERY, V2H, Storage
from openadr_ra.drivers.orders import SAME_KW, Held, Orders, answer, silent, unreachable, within
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import LOCAL_OVERRIDE, NO_VALUE
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint

REPLACED_AFTER = timedelta(minutes=1)
"""A device that was away for so long may be another one now: what it is and has is asked anew."""

NO_NEARER = "it can be set to no power nearer to that"

R = TypeVar("R")


class _Silence(NamedTuple):
    why: str


class _Seen(NamedTuple):
    """The device as it was just now."""

    facts: Facts
    values: Values
    look: Look


class Echonet:
    """One device. An async context manager: while it is entered it has its part in the program's one UDP socket."""

    Settings = EchonetSettings

    def __init__(self, resource: ResourceId, settings: EchonetSettings, clock: Clock) -> None:
        self._resource = resource
        self._settings = settings
        self._clock = clock
        self._kind = _kind(settings)
        self._claim = Claim(self._kind, clock, settings.settle_s)
        self._orders = Orders(clock)
        self._stack = AsyncExitStack()
        self._remote: Remote | None = None
        self._facts: Facts | None = None
        self._last: Measurement | None = None
        self._silent_since: datetime | None = None

    async def __aenter__(self) -> Self:
        link = await self._stack.enter_async_context(shared(self._settings.local_address))
        target = Eoj(kind=self._kind.code, instance=self._settings.instance)
        self._remote = Remote(link, self._settings.host, target)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remote = None
        await self._stack.aclose()

    async def describe(self) -> Descriptor:
        """As the device was last; before it was heard for the first time only what the settings say of it."""
        facts = await self._in_time(self._met)
        if isinstance(facts, _Silence):
            facts = self._facts or self._kind.facts({}, lambda epc: True)
        return self._kind.descriptor(self._resource, facts)

    async def read(self) -> Measurement:
        seen = await self._in_time(self._watched)
        if isinstance(seen, _Silence):
            return silent(self._last, self._clock.now())
        reading = self._measured(seen)
        if seen.look.kw is not None:
            self._last = reading
        return reading

    async def apply(self, setpoint: Setpoint) -> Ack:
        if turned_away := self._orders.turned_away(setpoint):
            return turned_away
        ack = await self._in_time(lambda remote: self._applied(remote, setpoint.kw))
        return unreachable(ack.why) if isinstance(ack, _Silence) else ack

    async def release(self, reason: str) -> Ack:
        self._orders.let_go()
        ack = await self._in_time(self._released)
        return unreachable(ack.why) if isinstance(ack, _Silence) else ack

    # --- talking to it --------------------------------------------------------------------------------------------

    async def _in_time(self, verb: Callable[[Remote], Awaitable[R]]) -> R | _Silence:
        """What `verb` gives, within the time that the settings allow."""
        if self._remote is None:
            return _Silence("its driver was not entered")
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                heard = await verb(self._remote)
        except TimeoutError:
            why = f"{self._settings.host} gave no answer within {self._settings.timeout_s:g} s"
        except OSError as error:
            why = f"UDP port {PORT} of {self._settings.local_address} cannot be had, by one program only: {error.strerror}"
        else:
            self._heard(self._remote)
            return heard
        self._silent_since = self._silent_since or self._clock.now()
        self._claim.interrupted()
        return _Silence(why)

    def _heard(self, remote: Remote) -> None:
        since, self._silent_since = self._silent_since, None
        if since is not None and self._clock.now() - since >= REPLACED_AFTER:
            remote.forget()
            self._facts = None

    async def _met(self, remote: Remote) -> Facts:
        if self._facts is None:
            values = await remote.get(self._kind.fixed)
            self._facts = self._kind.facts(values, lambda epc: remote.has(SET_MAP, epc))
        return self._facts

    async def _seen(self, remote: Remote) -> _Seen:
        """Look at it, and at whose it is."""
        facts = await self._met(remote)
        values = await remote.get(self._kind.live)
        look = self._kind.look(values, facts)
        excused = self._kind.excused(self._claim.kw, values, look)
        self._claim.watch(values, excused=excused, resting=self._kind.resting(values, facts))
        return _Seen(facts, values, look)

    async def _watched(self, remote: Remote) -> _Seen:
        """Look at it, and end a discharge at a reserve of which the device may not know."""
        seen = await self._seen(remote)
        spent = self._claim.held and not self._kind.patient and self._claim.kw < seen.look.low_kw - SAME_KW
        if spent and not (seen.look.local or seen.look.stuck):
            await self._set(remote, seen, seen.look.low_kw)
        return seen

    async def _set(self, remote: Remote, seen: _Seen, kw: float) -> tuple[int, ...]:
        """Write the order for `kw`, unless it stands; returns what the device refuses of it."""
        orders = self._kind.order(kw, seen.values, seen.facts)
        if self._claim.stands(orders, seen.values):
            return ()
        self._claim.take(self._kind.own(seen.values))
        self._claim.began()
        for phase in orders:
            refused = await remote.set(phase)
            self._claim.wrote(one for one in phase if one.epc not in refused)
            lacking = tuple(epc for epc in refused if not self._kind.may_lack(epc, seen.values, seen.facts))
            if lacking:
                return lacking
        self._claim.completed(orders, kw)
        return ()

    # --- the verbs ------------------------------------------------------------------------------------------------

    async def _applied(self, remote: Remote, asked_kw: float) -> Ack:
        seen = await self._seen(remote)
        look, facts = seen.look, seen.facts
        if why := self._not_ours(look) or look.stuck:
            return Ack(outcome="clamped", effective_kw=look.kw or 0.0, reason=why)
        limits = (facts.low_kw, facts.high_kw) if self._kind.patient else (look.low_kw, look.high_kw)
        held = within(asked_kw, *limits)
        kw = self._kind.reach(held.kw, facts)
        if refused := await self._set(remote, seen, kw):
            return Ack(outcome="rejected", reason=_refusal(refused))
        taken_kw = within(await self._taken_kw(remote, seen, kw), look.low_kw, look.high_kw)
        other = abs(taken_kw.kw - asked_kw) > SAME_KW
        return answer(asked_kw, Held(taken_kw.kw, (held.why or taken_kw.why or NO_NEARER) if other else ""))

    async def _taken_kw(self, remote: Remote, seen: _Seen, kw: float) -> float:
        """What the device made of the order, if it shows that already."""
        values = {**seen.values, **await remote.get(self._claim.codes)}
        asked_kw = self._kind.asked_kw(values, seen.facts) if self._claim.kept(values) else None
        return kw if asked_kw is None else asked_kw

    async def _released(self, remote: Remote) -> Ack:
        seen = await self._seen(remote)
        if why := self._not_ours(seen.look):
            self._claim.let_go()
            return Ack(outcome="accepted", effective_kw=seen.look.kw, reason=why)
        refused: tuple[int, ...] = ()
        for phase in self._kind.rest(self._claim.own, seen.facts):
            refused = await remote.set(phase)
            if phase[-1].epc not in refused:
                self._claim.let_go()
                return Ack(outcome="accepted")
        return Ack(outcome="rejected", reason=_refusal(refused))

    def _not_ours(self, look: Look) -> str:
        why = self._claim.lost or look.local
        return f"local override: {why}" if why else ""

    def _measured(self, seen: _Seen) -> Measurement:
        look = seen.look
        last_kw = self._last.kw if self._last is not None else 0.0
        kw = last_kw if look.kw is None else look.kw
        overridden = bool(self._not_ours(look))
        fixed = overridden or bool(look.stuck)
        quality = LOCAL_OVERRIDE if overridden else look.quality
        return Measurement(
            at=self._clock.now(),
            kw=kw,
            min_kw=kw if fixed else look.low_kw,
            max_kw=kw if fixed else look.high_kw,
            import_kwh=look.import_kwh,
            export_kwh=look.export_kwh,
            soc_percent=look.soc_percent,
            can_reduce_kwh=0.0 if fixed else look.can_reduce_kwh,
            can_raise_kwh=0.0 if fixed else look.can_raise_kwh,
            local_override=overridden,
            quality=NO_VALUE if look.kw is None else quality,
            plan_kw=look.plan_kw,
        )


def _kind(settings: EchonetSettings) -> Kind:
    match settings.kind:
        case "battery":
            return Storage(settings, BATTERY)
        case "v2h":
            return Storage(settings, V2H)
        case "pv":
            return Pv(settings)


def _refusal(codes: tuple[int, ...]) -> str:
    return f"it refuses to have {', '.join(f'0x{epc:02X}' for epc in codes)} set"
