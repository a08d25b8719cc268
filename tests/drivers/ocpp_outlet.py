"""What a charge point has behind its protocol: charging profiles, a contactor, a meter, and perhaps a car."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

VOLTS = 200.0
MAX_KW = 6.0
LEAST_KW = 1.2
"""6 A."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    start_period: int
    limit: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile as it arrived, of either version."""

    number: int
    purpose: str
    stack_level: int
    start: datetime
    duration_s: int
    valid_to: datetime
    unit: str
    periods: tuple[Period, ...]

    def holds(self, at: datetime) -> bool:
        return self.start <= at < min(self.valid_to, self.start + timedelta(seconds=self.duration_s))

    def kw(self, at: datetime) -> float:
        since_s = (at - self.start) / timedelta(seconds=1)
        limit = [one.limit for one in self.periods if one.start_period <= since_s][-1]
        return limit / 1000 if self.unit == "W" else limit * VOLTS / 1000

    def edges(self) -> Iterator[datetime]:
        yield self.start + timedelta(seconds=self.duration_s)
        yield self.valid_to
        for one in self.periods:
            yield self.start + timedelta(seconds=one.start_period)


class Outlet:
    """One connector: what it does follows from the time, whenever somebody looks."""

    def __init__(self, start: datetime, *, clock_ahead: timedelta = timedelta()) -> None:
        self.profiles: dict[int, Profile] = {}
        self.car_kw: float | None = None
        """What the car would take; None: there is no car."""
        self.transaction = ""
        self.hand_kw: float | None = None
        """Somebody at the charger has set it to this power, whatever its profiles say."""
        self.house_kw = MAX_KW
        """What the house lets it have."""
        self.kwh = 100.0
        self.soc_percent: float | None = None
        self.ahead = clock_ahead
        self._at = start

    def take(self, profile: Profile) -> None:
        """In place of the one with its number, or with its purpose and level."""
        same = [
            number
            for number, one in self.profiles.items()
            if (one.purpose, one.stack_level) == (profile.purpose, profile.stack_level)
        ]
        for number in {*same, profile.number} & self.profiles.keys():
            del self.profiles[number]
        self.profiles[profile.number] = profile

    def limit_kw(self, now: datetime) -> float:
        """The composite of what holds at `now`: a transaction's profile outranks the default, a higher level a lower."""
        if self.hand_kw is not None:
            return self.hand_kw
        at = now + self.ahead
        held = [one for one in self.profiles.values() if one.holds(at)]
        held.sort(key=lambda one: (one.purpose == "TxProfile", one.stack_level))
        return min(held[-1].kw(at), self.house_kw) if held else self.house_kw

    def kw(self, now: datetime) -> float:
        if self.car_kw is None or not self.transaction:
            return 0.0
        if self.hand_kw is not None:
            return self.hand_kw
        kw = min(self.car_kw, self.limit_kw(now))
        return kw if kw >= LEAST_KW - 1e-9 else 0.0

    def edges(self, now: datetime) -> Iterator[datetime]:
        for profile in self.profiles.values():
            yield from (edge - self.ahead for edge in profile.edges() if edge - self.ahead > now)

    def look(self, now: datetime) -> float:
        """Let the meter run until `now`; its register, kWh."""
        for edge in sorted({*(edge for edge in self.edges(self._at) if edge < now), now}):
            self.kwh += self.kw(self._at) * ((edge - self._at) / timedelta(hours=1))
            self._at = edge
        return self.kwh
