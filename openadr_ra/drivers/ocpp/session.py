"""One connector as far as its charger has told: is there a car, what does it draw, what has it had."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from openadr_ra.drivers.ocpp.facts import Began, Ended, Fact, Metered, Stands, State, Wants
from openadr_ra.drivers.ocpp.metering import Mean, Meter, mean_of, metered
from openadr_ra.drivers.ocpp.need import Need, next_departure
from openadr_ra.drivers.ocpp.settings import OcppSettings
from openadr_ra.seams import Clock

MOMENT = timedelta(seconds=30)
"""A sample whose time differs from ours by less is of now, and a car follows a new limit within it."""

NO_CLOCK = timedelta(days=1)
"""A charger whose time is further away from ours has none, and what it is told of times is told in ours."""

LONG_AGO = timedelta(days=365)

CHARGES: tuple[State, ...] = ("charging", "held", "full")
"""Where there is a car that would charge if it could."""


class Session:
    """What is known of a connector and of the car at it."""

    def __init__(self, settings: OcppSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.state: State = "free"
        self.since = clock.now()
        """When it came into its state."""
        self.transaction = ""
        self.need: Need | None = None
        self.meter = Meter()
        self.mean: Mean | None = None
        self.sampled_at: datetime | None = None
        self.car_kw: float | None = None
        """What this car takes when it may; None: not known yet."""
        self.ahead = timedelta()
        """How far the charger's clock is ahead of ours."""
        self.heard = asyncio.Event()
        """Set by each sample."""
        self.knows = asyncio.Event()
        """Set once a state was told."""
        self._first_kwh: float | None = None
        self._register: tuple[Metered, float] | None = None
        self._plugged = False
        self._told_at: datetime | None = None
        """Of the newest sample, by the charger's clock, which is set back now and then."""
        self._plugs: dict[int, State] = {}

    # --- what the charge point asks and tells -----------------------------------------------------------------------

    def permits(self, tag: str) -> bool:
        return not self._settings.id_tags or tag.casefold() in {one.casefold() for one in self._settings.id_tags}

    def has(self, transaction: str) -> bool:
        return bool(transaction) and self.transaction == transaction

    def learn(self, fact: Fact) -> None:
        match fact:
            case Stands():
                self.knows.set()
                self._hear_state(fact)
            case Began(transaction=transaction, meter_kwh=meter_kwh, charges=charges):
                if transaction != self.transaction:
                    self._begin(transaction, meter_kwh, charges=charges)
            case Ended(transaction=transaction):
                if transaction == self.transaction:
                    self.transaction = ""
                    self._stand("plugged" if self.plugged else "free")
            case Metered():
                self._measure(fact)
            case Wants(need_kwh=need_kwh, departs_at=departs_at):
                self.need = Need(kwh=need_kwh, departs_at=departs_at)

    # --- what follows -----------------------------------------------------------------------------------------------

    @property
    def plugged(self) -> bool:
        return self.state not in ("free", "out")

    @property
    def charges(self) -> bool:
        return self.state in CHARGES

    @property
    def given_kwh(self) -> float:
        """What this car has had; 0 where the charger tells of no register, which errs towards charging."""
        if self._first_kwh is None or self.meter.import_kwh is None:
            return 0.0
        return max(self.meter.import_kwh - self._first_kwh, 0.0)

    @property
    def kw(self) -> float | None:
        """Power as measured last; None where nothing tells. Without a transaction, or paused since, there is none."""
        paused = self.state in ("held", "full") and (self.sampled_at is None or self.sampled_at <= self.since)
        if paused or not self.charges:
            return 0.0
        if self.meter.kw is not None:
            return self.meter.kw
        return self.mean.kw if self.mean is not None else None

    # --- inside -----------------------------------------------------------------------------------------------------

    def _hear_state(self, fact: Stands) -> None:
        """In 2.0.1 a transaction may begin before the car is there, and is not over because the car has gone."""
        self.transaction = self.transaction or fact.transaction
        state = fact.state
        if fact.plug:
            self._plugs[fact.plug] = state
            state = next((one for one in ("plugged", "free") if one in self._plugs.values()), "out")
            if state == "plugged" and self.plugged:
                return
        if state == "free" and not fact.transaction:
            self._leave()
            self.transaction = self.transaction if fact.plug else ""
        self._stand(state)

    def _stand(self, state: State) -> None:
        arrived = not self.plugged and state not in ("free", "out")
        if state != self.state:
            self.state, self.since = state, self._clock.now()
        if arrived and not self._plugged:
            self._plugged = True
            self.need = self.need or self._usual_need()

    def _leave(self) -> None:
        """The next car is another."""
        self._plugged = False
        self.need = self._first_kwh = self.mean = self.car_kw = None
        self.meter, self.sampled_at = Meter(import_kwh=self.meter.import_kwh), None

    def _usual_need(self) -> Need | None:
        departs = self._settings.departs_at_time()
        if departs is None or not self._settings.need_kwh:
            return None
        departs_at = next_departure(self._clock.now(), departs, self._settings.timezone)
        return Need(kwh=self._settings.need_kwh, departs_at=departs_at)

    def _begin(self, transaction: str, meter_kwh: float | None, *, charges: bool = True) -> None:
        """A second one may be another car's: who unplugs while there is no connection is not heard of."""
        self.transaction, self._first_kwh = transaction, meter_kwh
        if charges and not self.charges:
            self._stand("charging")

    def _measure(self, fact: Metered) -> None:
        """A sample of now, or an old one that was kept; of old ones only what is newer than what is known counts."""
        now = self._clock.now()
        ahead = fact.at - now
        if fact.asked:
            self.ahead = ahead if abs(ahead) < NO_CLOCK else timedelta()
        fresh = fact.asked or abs(ahead - self.ahead) < MOMENT
        at = now if fresh else now + min(max(ahead - self.ahead, -LONG_AGO), timedelta())
        overtaken = self._told_at is not None and self._told_at - MOMENT < fact.at < self._told_at
        if (overtaken and not fact.asked) or (self.sampled_at is not None and at < self.sampled_at):
            return
        if fact.transaction and not self.transaction and at == now:
            self._begin(fact.transaction, None)
        new = metered(fact.samples, voltage_v=self._settings.voltage_v)
        if new == Meter():
            return
        self._register_moved(fact, new.import_kwh)
        self.meter = Meter(
            kw=new.kw,
            import_kwh=new.import_kwh if new.import_kwh is not None else self.meter.import_kwh,
            soc_percent=new.soc_percent if new.soc_percent is not None else self.meter.soc_percent,
        )
        self.sampled_at, self._told_at = at, fact.at
        self.heard.set()

    def _register_moved(self, fact: Metered, register_kwh: float | None) -> None:
        if register_kwh is None:
            return
        if self._first_kwh is None and self.plugged:
            self._first_kwh = register_kwh
        if self._register is None:
            self._register = (fact, register_kwh)
            return
        before, before_kwh = self._register
        mean = mean_of(before, before_kwh, fact, register_kwh)
        if mean is not None or register_kwh < before_kwh:
            self.mean, self._register = mean, (fact, register_kwh)
