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

    # --- what the charge point asks and tells -----------------------------------------------------------------------

    def permits(self, tag: str) -> bool:
        return not self._settings.id_tags or tag.casefold() in {one.casefold() for one in self._settings.id_tags}

    def has(self, transaction: str) -> bool:
        return bool(transaction) and self.transaction == transaction

    def learn(self, fact: Fact) -> None:
        match fact:
            case Stands(state=state, occupied=occupied, transaction=transaction):
                self.knows.set()
                self.transaction = self.transaction or transaction
                if not (occupied and self.plugged):
                    self._stand(state)
            case Began(transaction=transaction, meter_kwh=meter_kwh):
                if transaction != self.transaction:
                    self._begin(transaction, meter_kwh)
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

    def _stand(self, state: State) -> None:
        arrived = not self.plugged and state not in ("free", "out")
        if state == "free":
            self._leave()
        if state != self.state:
            self.state, self.since = state, self._clock.now()
        if arrived and not self._plugged:
            self._plugged = True
            self.need = self.need or self._usual_need()

    def _leave(self) -> None:
        """The next car is another."""
        self._plugged = False
        self.transaction = ""
        self.need = self._first_kwh = self.mean = self.car_kw = None
        self.meter, self.sampled_at = Meter(import_kwh=self.meter.import_kwh), None

    def _usual_need(self) -> Need | None:
        departs = self._settings.departs_at_time()
        if departs is None or not self._settings.need_kwh:
            return None
        departs_at = next_departure(self._clock.now(), departs, self._settings.timezone)
        return Need(kwh=self._settings.need_kwh, departs_at=departs_at)

    def _begin(self, transaction: str, meter_kwh: float | None) -> None:
        self.transaction = transaction
        if self._first_kwh is None:
            self._first_kwh = meter_kwh
        if not self.charges:
            self._stand("charging")

    def _measure(self, fact: Metered) -> None:
        """A sample of now, or an old one that was kept; of old ones only what is newer than what is known counts."""
        now = self._clock.now()
        if fact.asked:
            self.ahead = fact.at - now
        at = now if fact.asked or (not fact.late and abs(fact.at - self.ahead - now) < MOMENT) else fact.at - self.ahead
        at = min(at, now)
        if self.sampled_at is not None and at < self.sampled_at:
            return
        if fact.transaction and not self.transaction:
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
        self.sampled_at = at
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
