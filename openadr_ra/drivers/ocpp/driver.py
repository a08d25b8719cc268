"""The driver `ocpp`: one connector of a charge point, moved by a charging limit that ends by itself."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple, Self

from msgspec.structs import replace

from openadr_ra.drivers.ocpp.conversation import Conversation
from openadr_ra.drivers.ocpp.limits import PROFILE, Limits, Reach
from openadr_ra.drivers.ocpp.link import Gone
from openadr_ra.drivers.ocpp.listener import Seat, seated
from openadr_ra.drivers.ocpp.need import Need
from openadr_ra.drivers.ocpp.session import MOMENT, Session
from openadr_ra.drivers.ocpp.settings import OcppSettings
from openadr_ra.drivers.orders import SAME_KW, Orders, silent, unreachable
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, LAST_KNOWN, LOCAL_OVERRIDE, NO_VALUE, LoadControlLevel, LoadControlState
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint

STALE = timedelta(minutes=1)
"""Older samples are no longer those of now."""

READ_BACK_EVERY = timedelta(seconds=30)
"""So often a charger that holds a limit of ours is asked which one it follows."""

REACTS = timedelta(seconds=5)
"""A car follows a new current within that (IEC 61851-1). Until twice as long after a new limit, samples are of now."""

SECOND = timedelta(seconds=1)


class Ordered(NamedTuple):
    """A limit of ours that the charger has taken, and when it lets the car charge at full power by itself."""

    kw: float
    until: datetime
    raised_at: datetime | None


class Charger:
    """One connector. It holds a limit, not a power: a car draws what it wants below it.

    Nothing goes on in the background but the server: what a charger has to be told after it was away, it is told by the
    next `read`.
    """

    Settings = OcppSettings

    def __init__(self, resource: ResourceId, settings: OcppSettings, clock: Clock) -> None:
        self._resource = resource
        self._settings = settings
        self._clock = clock
        self._born = self._moved_at = clock.now()
        self._session = Session(settings, clock)
        self._limits = Limits(settings, self._session)
        self._orders = Orders(clock)
        self._ordered: Ordered | None = None
        self._followed_kw: float | None = None
        self._read_back_at: datetime | None = None
        self._last: Measurement | None = None
        self._talk: Conversation | None = None
        self._seat: Seat | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._seat = await self._stack.enter_async_context(seated(self._settings, self._session, self._clock))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seat = self._talk = None
        await self._stack.aclose()

    @property
    def port(self) -> int:
        """Where chargers call: the port of `listen`, or the one it got for port 0. 0 before the driver was entered."""
        return self._seat.listener.port if self._seat is not None else 0

    def session_need(self, need_kwh: float, departs_at: datetime) -> bool:
        """Say what the car that is plugged in now has to get, counted from when it was, and by when.

        It stands until that car leaves, in place of the settings' and of what the car itself says. False: there is no
        car. Raises ValueError for energies that nothing can need.
        """
        need = Need(kwh=need_kwh, departs_at=departs_at)
        if not self._session.plugged:
            return False
        self._session.need = need
        return True

    async def describe(self) -> Descriptor:
        settings = self._settings
        low_kw, least_kw = settings.lowest_kw, settings.least_charging_kw
        own_kw = settings.plan_kw
        return Descriptor(
            id=self._resource,
            kind="consumer",
            subtype="ev",
            metering_point=settings.metering_point,
            min_kw=low_kw,
            max_kw=settings.highest_kw,
            gap_kw=(low_kw, least_kw) if least_kw > low_kw else None,
            latency_s=REACTS.total_seconds(),
            plan=() if own_kw is None else (Slot(start=self._born, end=FOREVER, kw=own_kw),),
        )

    async def apply(self, setpoint: Setpoint) -> Ack:
        before = self._orders.held
        if refusal := self._orders.turned_away(setpoint):
            return refusal
        taken = False
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                talk = self._conversation()
                await talk.begin()
                if not await self._limit(talk, setpoint):
                    self._orders.held = before
                    return Ack(outcome="rejected", reason="the charger takes no such limit")
                taken = True
                await self._read_back(talk)
        except (Gone, TimeoutError) as error:
            if not taken:
                return unreachable(self._why(error))
        return self._ack(setpoint.kw)

    async def read(self) -> Measurement:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._look(self._conversation())
        except (Gone, TimeoutError):
            return silent(self._last, self._clock.now())
        self._learn_car()
        self._last = self._measurement()
        return self._last

    async def release(self, reason: str) -> Ack:
        """Take our limit away; others that the charger knows stay."""
        self._orders.let_go()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                gone = await self._clear(self._conversation())
        except (Gone, TimeoutError) as error:
            return unreachable(self._why(error))
        if gone:
            return Ack(outcome="accepted", effective_kw=self._reach().high_kw)
        return Ack(outcome="rejected", reason="the charger takes no limit away; it ends by itself with its lease")

    # --- what the charger is told -----------------------------------------------------------------------------------

    def _conversation(self) -> Conversation:
        """With the charger as it is now. Raises Gone."""
        if self._seat is None:
            raise Gone("the driver was not entered")
        link = self._seat.station.link
        if self._talk is None or not self._talk.is_with(link):
            self._talk = Conversation(link, self._settings, self._session)
        return self._talk

    async def _limit(self, talk: Conversation, setpoint: Setpoint) -> bool:
        """Whether it holds the limit, or will once a transaction begins, where it is for one."""
        wanted = self._wanted()
        settings, now = self._settings, self._clock.now()
        kw = self._limits.held(setpoint.kw, Reach(settings.lowest_kw, settings.highest_kw)).kw
        told = settings.purpose == "TxDefaultProfile" or self._session.transaction
        raised_at = self._limits.must_charge_at(now, kw)
        if told and not await talk.limit(self._limits.profile(kw, now, setpoint.lease_until, raised_at)):
            return False
        talk.told = wanted
        if self._ordered is None or abs(self._ordered.kw - kw) > SAME_KW or self._ordered.until <= now:
            self._moved_at = now
        self._ordered = Ordered(kw, setpoint.lease_until, raised_at)
        self._followed_kw = self._read_back_at = None
        return True

    async def _clear(self, talk: Conversation) -> bool:
        """Whether no limit of ours is left."""
        gone = await talk.unlimit(PROFILE + self._settings.connector)
        now = self._clock.now()
        if gone or self._ordered is None or self._ordered.until <= now:
            if self._ordered is not None:
                self._moved_at = now
            self._ordered, self._followed_kw, self._read_back_at = None, None, None
            talk.told = ()
            return True
        return False

    def _wanted(self) -> tuple[object, ...]:
        """By what the charger's limit would have to change; nothing where there is to be none."""
        held = self._orders.held
        if held is None or not self._orders.lease_s:
            return ()
        transaction = self._session.transaction if self._settings.purpose == "TxProfile" else ""
        return held.sequence, held.lease_until, self._session.need, transaction

    # --- what it does -----------------------------------------------------------------------------------------------

    async def _look(self, talk: Conversation) -> None:
        await talk.begin()
        if talk.told != (wanted := self._wanted()):
            await (self._limit(talk, held) if wanted and (held := self._orders.held) else self._clear(talk))
        if self._session.sampled_at is None or (self._session.charges and self._outdated()):
            await talk.sample()
        if self._doubtful():
            await self._read_back(talk)

    def _outdated(self) -> bool:
        now, at = self._clock.now(), self._session.sampled_at
        settled = now - self._moved() >= 2 * REACTS
        return at is not None and now - at >= (timedelta(seconds=self._settings.meter_every_s) if settled else SECOND)

    def _doubtful(self) -> bool:
        """Whether it may follow another limit than ours."""
        now, limit_kw, kw = self._clock.now(), self._limit_kw(), self._session.kw
        if limit_kw is None:
            return False
        above = kw is not None and kw > limit_kw + self._limits.slack_kw
        return above or self._read_back_at is None or now - self._read_back_at >= READ_BACK_EVERY

    async def _read_back(self, talk: Conversation) -> None:
        if self._settings.purpose == "TxProfile" and not self._session.transaction:
            return
        found = await talk.followed(self._clock.now())
        self._followed_kw = None if found is None else self._limits.kw(found)
        self._read_back_at = self._clock.now()

    def _learn_car(self) -> None:
        """What this car takes when nothing holds it: its own charger's limit, or less when it is nearly full."""
        session = self._session
        if self._settled() and self._free() and session.kw:
            session.car_kw = session.kw

    def _settled(self) -> bool:
        """Whether the car has had its time to follow before it was measured."""
        at = self._session.sampled_at
        return at is not None and at - self._moved() >= MOMENT

    def _free(self) -> bool:
        """Whether the car charges as it likes: no limit of ours holds it down."""
        limit_kw, kw = self._limit_kw(), self._session.kw
        below = limit_kw is None or (kw is not None and kw < limit_kw - self._limits.slack_kw)
        return below and self._session.state == "charging"

    def _moved(self) -> datetime:
        """Since when nothing has changed that changes the power."""
        ended = self._ordered is not None and self._ordered.until <= self._clock.now()
        return max(self._moved_at, self._session.since, *((self._ordered.until,) if ended and self._ordered else ()))

    def _limit_kw(self) -> float | None:
        """The limit of ours that should hold now."""
        ordered, now = self._ordered, self._clock.now()
        if ordered is None or ordered.until <= now:
            return None
        raised = ordered.raised_at is not None and ordered.raised_at <= now
        return self._settings.highest_kw if raised else ordered.kw

    def _overridden(self) -> bool:
        """Whether it follows what is not ours: a limit that outranks ours, or no limit at all."""
        limit_kw, session = self._limit_kw(), self._session
        if limit_kw is None or not session.charges:
            return False
        most_kw = limit_kw + self._limits.slack_kw
        if self._followed_kw is not None and self._followed_kw > most_kw:
            return True
        return self._settled() and session.kw is not None and session.kw > most_kw

    # --- what is said of it -----------------------------------------------------------------------------------------

    def _reach(self) -> Reach:
        reach = self._limits.reach(self._clock.now(), self._limit_kw())
        kw = self._session.kw
        return Reach(kw, kw, "local override") if kw is not None and self._overridden() else reach

    def _ack(self, kw: float) -> Ack:
        held = self._limits.held(kw, self._reach())
        limit_kw, followed_kw = self._limit_kw(), self._followed_kw
        lower = followed_kw is not None and limit_kw is not None and followed_kw < limit_kw - self._limits.slack_kw
        if lower and followed_kw is not None and followed_kw < held.kw:
            return Ack(outcome="clamped", effective_kw=followed_kw, reason="another limit of the charger's is lower")
        # Rounding to what can be told is no clamp.
        return Ack(outcome="clamped" if held.why else "accepted", effective_kw=held.kw, reason=held.why)

    def _measurement(self) -> Measurement:
        session, now, reach = self._session, self._clock.now(), self._reach()
        measured = Measurement(
            at=session.sampled_at if session.charges and session.sampled_at else now,
            kw=session.kw or 0.0,
            min_kw=reach.low_kw,
            max_kw=reach.high_kw,
            import_kwh=session.meter.import_kwh,
            soc_percent=session.meter.soc_percent,
            accuracy_kw=session.mean.accuracy_kw if session.meter.kw is None and session.mean else None,
            plan_kw=self._own_kw(reach),
            need=None if session.need is None else session.need.stated(session.given_kwh),
            load_control=self._load_control(reach),
        )
        if session.kw is None:
            return replace(measured, quality=NO_VALUE)
        if now - measured.at > STALE:
            return replace(measured, quality=LAST_KNOWN)
        if self._overridden():
            return replace(measured, local_override=True, quality=LOCAL_OVERRIDE, can_reduce_kwh=0.0, can_raise_kwh=0.0)
        return replace(measured, quality=GOOD, **self._left(reach))

    def _left(self, reach: Reach) -> dict[str, float | None]:
        """Less than by itself as long as the need allows; more than by itself it does not charge."""
        session = self._session
        if not session.charges or session.need is None:
            left_kwh = None if session.charges else 0.0
            return {"can_reduce_kwh": left_kwh, "can_raise_kwh": left_kwh}
        slack_kwh = session.need.slack_kwh(self._clock.now(), session.given_kwh, self._limits.full_kw)
        if slack_kwh is not None and reach.low_kw == reach.high_kw:
            slack_kwh = 0.0
        return {"can_reduce_kwh": slack_kwh, "can_raise_kwh": None}

    def _own_kw(self, reach: Reach) -> float | None:
        """What the car would take by itself; None where the settings declare that."""
        if self._settings.plan_kw is not None:
            return None
        return self._session.kw if self._free() else reach.high_kw

    def _load_control(self, reach: Reach) -> LoadControlState:
        limit_kw = self._limit_kw()
        current_kw = self._settings.highest_kw if limit_kw is None else limit_kw
        level = LoadControlLevel(
            minimum=reach.low_kw, maximum=reach.high_kw, current=current_kw, normal=self._settings.highest_kw
        )
        return LoadControlState(setpoint=level)

    def _why(self, error: Exception) -> str:
        return str(error) or f"no answer within {self._settings.timeout_s:g} s"
