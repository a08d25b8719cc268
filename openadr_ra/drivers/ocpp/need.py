"""What a car has to have when it leaves, and until when it can wait for it."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from openadr_ra import seams
from openadr_ra.protocol.shape import Value

HOUR = timedelta(hours=1)
NO_POWER_KW = 1e-6


class Need(Value, frozen=True, kw_only=True, gc=False):
    """`kwh` at the charger's meter, from when the car was plugged in until `departs_at`."""

    kwh: float
    departs_at: datetime

    def __post_init__(self) -> None:
        if not 0 <= self.kwh < math.inf:
            raise ValueError(f"{self.kwh} kWh is nothing that a car can need")

    def slack_kwh(self, now: datetime, given_kwh: float, full_kw: float) -> float | None:
        """What could still be charged beyond what is missing; None where nothing is missing, or the time has passed."""
        missing_kwh = self.kwh - given_kwh
        if missing_kwh <= 0 or now >= self.departs_at:
            return None
        return full_kw * ((self.departs_at - now) / HOUR) - missing_kwh

    def stated(self, given_kwh: float) -> seams.Need:
        """What of it is still to come."""
        return seams.Need(kwh=max(self.kwh - given_kwh, 0.0), by=self.departs_at)

    def must_charge_at(self, now: datetime, given_kwh: float, *, full_kw: float, held_kw: float) -> datetime | None:
        """From when on only `full_kw` can still meet the need, if it gets `held_kw` until then; None: never."""
        slack_kwh = self.slack_kwh(now, given_kwh, full_kw)
        if slack_kwh is None:
            return None
        if slack_kwh <= 0:
            return now
        if full_kw - held_kw <= NO_POWER_KW:
            return None
        hours = slack_kwh / (full_kw - held_kw)
        return now + HOUR * hours if hours < (self.departs_at - now) / HOUR else None


def next_departure(now: datetime, departs: time, timezone: str) -> datetime:
    """The next time that it is `departs` there, in UTC. A time that a change of the clocks leaves out is the one after."""
    zone = ZoneInfo(timezone)
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), departs, zone)
    tomorrow = datetime.combine(local.date() + timedelta(days=1), departs, zone)
    return next(when for one in (today, tomorrow) if (when := one.astimezone(now.tzinfo)) > now or one is tomorrow)
