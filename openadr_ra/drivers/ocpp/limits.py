"""From kW to a charger's limit and back, and what a car can do within its need."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from openadr_ra.drivers.ocpp.dialect import Composite, Limit, Profile
from openadr_ra.drivers.ocpp.session import Session
from openadr_ra.drivers.ocpp.settings import W_PER_KW, OcppSettings
from openadr_ra.drivers.orders import SAME_KW, Held, within

PROFILE = 8800
"""Our charging profiles have this number and that of their connector: one replaces the one before."""

STEP = 0.1
"""OCPP 1.6 has limits of so many A or W."""

SLACK_A = 1.0
"""Chargers that know whole amperes only round by as much."""

SKEW = timedelta(seconds=2)
"""A clock that is wrong by less is right."""

LATEST_H, AGAIN_H = 1 / 3600, 5 / 60
"""A car must charge when it could wait for no more than the first, and until it could for the second: hours."""

NO_CAR, FULL, OUT = "no car is charging", "the car takes no more", "the charger is out of service"
MUST_CHARGE = "the car could not have what it needs by its departure"
NO_DISCHARGE = "it does not discharge"


class Reach(NamedTuple):
    """What power can be had at this moment, and why no other."""

    low_kw: float
    high_kw: float
    why: str = ""


class Limits:
    """The charger's side of a set-point."""

    def __init__(self, settings: OcppSettings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._pressed = False
        """Whether it must charge now."""

    def reach(self, now: datetime, held_kw: float | None) -> Reach:
        """`held_kw`: its limit now."""
        session, settings = self._session, self._settings
        if not session.charges:
            return Reach(0.0, 0.0, OUT if session.state == "out" else NO_CAR)
        # A car that was told to pause may well say that it is the one who pauses.
        paused_by_us = held_kw is not None and held_kw < settings.least_charging_kw
        if session.state == "full" and not paused_by_us:
            return Reach(0.0, 0.0, FULL)
        high_kw = self.full_kw
        low_kw = min(settings.lowest_kw, high_kw)
        if self.must_charge_at(now, low_kw) == now:
            return Reach(high_kw, high_kw, MUST_CHARGE)
        return Reach(low_kw, high_kw)

    @property
    def full_kw(self) -> float:
        """The most that this car takes here, as far as is known."""
        car_kw, most_kw = self._session.car_kw, self._settings.highest_kw
        return most_kw if car_kw is None else min(car_kw, most_kw)

    def must_charge_at(self, now: datetime, held_kw: float) -> datetime | None:
        """From when on it must charge as fast as it can, if it is held at `held_kw` until then."""
        session = self._session
        if session.need is None or not session.charges:
            self._pressed = False
            return None
        slack_kwh = session.need.slack_kwh(now, session.given_kwh, self.full_kw)
        self._pressed = slack_kwh is not None and slack_kwh <= self.full_kw * (AGAIN_H if self._pressed else LATEST_H)
        if self._pressed:
            return now
        return session.need.must_charge_at(now, session.given_kwh, full_kw=self.full_kw, held_kw=held_kw)

    def held(self, kw: float, reach: Reach) -> Held:
        """What a set-point comes to now."""
        nearest = within(kw, reach.low_kw, reach.high_kw)
        if kw < 0 and not reach.why:
            return Held(nearest.kw, NO_DISCHARGE)
        if nearest.why:
            return Held(nearest.kw, reach.why or nearest.why)
        return self._steady(nearest.kw)

    def _steady(self, kw: float) -> Held:
        """Nothing between 0 and the least current, and rounded down to what a charger can be told."""
        settings = self._settings
        least_kw = settings.least_charging_kw
        if 0 < kw < least_kw - SAME_KW:
            low_kw = settings.lowest_kw
            nearest_kw = low_kw if kw - low_kw < least_kw - kw else least_kw
            return Held(nearest_kw, f"a car charges with {least_kw:g} kW or more, or not at all")
        return Held(self.kw(Composite(settings.unit, self.told(kw), None)))

    def told(self, kw: float) -> float:
        """A power as a limit, rounded down."""
        exact = kw * W_PER_KW if self._settings.unit == "W" else kw / self._settings.kw_per_a
        return round(math.floor(exact / STEP + 1e-6) * STEP, 1)

    def kw(self, said: Composite) -> float:
        """A limit as a power. Amperes are those of each phase."""
        if said.unit == "W":
            return said.limit / W_PER_KW
        return said.limit * self._settings.voltage_v * (said.phases or self._settings.phases) / W_PER_KW

    @property
    def slack_kw(self) -> float:
        return SLACK_A * self._settings.kw_per_a

    def profile(self, kw: float, now: datetime, until: datetime, raised_at: datetime | None) -> Profile:
        """The limit `kw` until the lease ends, and no limit from `raised_at` on: its charger sees to both by itself."""
        settings, session = self._settings, self._session
        ahead = session.ahead if abs(session.ahead) > SKEW else timedelta()
        start = (now + ahead).replace(microsecond=0)
        limits = [Limit(0, self.told(kw))]
        if raised_at is not None and raised_at < until and kw < settings.highest_kw:
            after_s = int((raised_at + ahead - start) / timedelta(seconds=1))
            limits = [*(limits if after_s else ()), Limit(after_s, self.told(settings.highest_kw))]
        return Profile(
            number=PROFILE + settings.connector,
            connector=settings.connector,
            stack_level=settings.stack_level,
            purpose=settings.purpose,
            unit=settings.unit,
            phases=settings.phases,
            least=self.told(settings.least_charging_kw),
            start=start,
            until=until + ahead,
            limits=tuple(limits),
            transaction=session.transaction if settings.purpose == "TxProfile" else "",
        )
