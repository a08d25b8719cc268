"""The VENs of the VTN below as members of a fleet: who is there, what each says that it does and could do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import StoreError
from openadr_ra.fleet.member import Merit
from openadr_ra.protocol import event as events
from openadr_ra.protocol.model import ACTIVE, ResourceId, VenId
from openadr_ra.protocol.parts import COMM_FAILURE, TELEMETRY_USAGE, X_AVAILABILITY
from openadr_ra.protocol.report import is_bad
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Key, Outcome, Record
from openadr_ra.protocol.vtn import Party
from openadr_ra.seams import Clock, Descriptor, Measurement, Store
from openadr_ra.settings import AdmittedVen, Downstream

log = logging.getLogger(__name__)

FAR_KW = 1e9
"""A VEN's powers are what it says, whatever it is made of."""

LOOK_BACK = timedelta(hours=1)
"""At a start what the VENs said last is looked for as far back."""


AHEAD = timedelta(minutes=5)
"""A VEN's clock may be ahead of ours by as much."""

FOLLOW = timedelta(seconds=5)
"""How often it is looked for what VENs said to other processes: a report a minute is the usual."""


class _Heard:
    """What one VEN said last."""

    def __init__(self, contract: AdmittedVen) -> None:
        self.contract = contract
        self.at: datetime | None = None
        self.values: dict[str, float] = {}
        self.usage: dict[str, float] = {}
        self.plan_kw: float | None = None
        self.steered = False
        self.fresh = False


class Below:
    """Listens to what the VENs of the VTN below report. A VEN of ours says what it could give (x-AVAILABILITY); of another
    there is its metered power, and what its operator agreed with it (`[[downstream.ven]] can_reduce_kw`, `can_raise_kw`).
    """

    def __init__(self, down: Downstream, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._contracts = {VenId(ven.id): ven for ven in down.ven}
        self._heard: dict[VenId, _Heard] = {}
        self._silent: set[VenId] = set()
        self._taken: Container[str] = ()
        self._changed = asyncio.Event()
        self._elsewhere: set[Key] = set()
        self._lost = False
        self._since = clock.now()
        # A report may come late by half its period.
        self.silent_s = (down.silent_reports + 0.5) * down.live_s

    async def load(self, taken: Container[str]) -> None:
        """The VENs that are registered, with what they said before this start. Names in `taken` are those of devices."""
        self._taken = taken
        self._since = now = self._clock.now()
        for key in await self._store.keys("party/"):
            await self._catch_up(key, now)
        self._changed.clear()

    async def _catch_up(self, key: Key, now: datetime) -> None:
        """What this VEN said since it was heard of here."""
        held = await self._store.load(key, Party)
        heard = self._member(held) if held is not None else None
        if held is None or heard is None:
            return
        for name in (X_AVAILABILITY, TELEMETRY_USAGE):
            series = await self._store.series(series_prefix(held.ven_id, name))
            found = await self._store.readings(series, heard.at or now - LOOK_BACK, now + AHEAD)
            self._note(held, heard, found)

    def others(self, keys: Iterable[Key], *, lost: bool) -> None:
        """Other processes have stepped these rows; `lost`: perhaps any."""
        self._elsewhere.update(key for key in keys if key.startswith("party/"))
        self._lost = self._lost or lost

    async def follow(self) -> None:
        """Look in the store for what VENs said to other processes, until cancelled."""
        while True:
            now = self._clock.now()
            keys, self._elsewhere = self._elsewhere, set()
            lost, self._lost = self._lost, False
            try:
                for key in await self._store.keys("party/") if lost else keys:
                    await self._catch_up(key, now)
            except StoreError as error:
                log.warning("! what VENs said to other processes is not known: %s", error)
                self.others(keys, lost=lost)
            await self._clock.sleep_until(now + FOLLOW)

    def _new(self, ven: VenId) -> _Heard:
        return _Heard(self._contracts.get(ven, AdmittedVen(id=ven)))

    def _is_member(self, party: Party) -> bool:
        if party.registration is None or party.report_only:
            return False
        contract = self._contracts.get(party.ven_id)
        if party.ven_id in self._taken:
            log.warning("! VEN %s has the name of a device of this node; it takes no part in its fleet", party.ven_id)
            return False
        return contract is None or contract.member

    def heard(self, key: Key, outcome: Outcome[Party]) -> None:
        """A step of a party: it may have come or gone, or reported something."""
        heard = self._member(outcome.state)
        if heard is None:
            return
        for effect in outcome.effects:
            if isinstance(effect, Record) and effect.readings:
                self._note(outcome.state, heard, effect.readings)

    def _member(self, party: Party) -> _Heard | None:
        """What is known of the VEN, which may have come or gone; None where it is no member."""
        member = self._is_member(party)
        if member != (party.ven_id in self._heard):
            if member:
                self._heard[party.ven_id] = self._new(party.ven_id)
            else:
                del self._heard[party.ven_id]
            self._changed.set()
        return self._heard.get(party.ven_id)

    def _note(self, party: Party, heard: _Heard, readings: tuple[Reading, ...]) -> None:
        stated = series_prefix(party.ven_id, X_AVAILABILITY)
        usage = series_prefix(party.ven_id, TELEMETRY_USAGE)
        for reading in readings:
            end = reading.start + reading.span
            if heard.at is not None and end < heard.at:
                # What was missed while the network was away comes later.
                continue
            if reading.series.startswith(stated):
                quantity = reading.series.rpartition(".")[2]
                if is_bad(reading.quality):
                    heard.values.pop(quantity, None)
                else:
                    heard.values[quantity] = reading.value
            elif reading.series.startswith(usage) and not is_bad(reading.quality):
                if not reading.series.endswith(".kwh"):
                    heard.usage[reading.series] = reading.value
            else:
                continue
            heard.at = max(heard.at or end, end)
            heard.fresh = True
        now = self._clock.now()
        heard.steered = any(events.status(given.event, now) == ACTIVE for given in party.events.values())

    async def changed(self) -> None:
        """Return when a VEN has come or gone since the last call."""
        await self._changed.wait()
        self._changed.clear()

    def vens(self) -> dict[ResourceId, VenId]:
        """The members that are VENs."""
        return {ResourceId(ven): ven for ven in self._heard}

    def descriptors(self) -> tuple[Descriptor, ...]:
        """Each as a resource."""
        return tuple(
            Descriptor(id=ResourceId(ven), kind="battery", subtype="ven", min_kw=-FAR_KW, max_kw=FAR_KW)
            for ven in self._heard
        )

    def merits(self) -> dict[ResourceId, Merit]:
        """What is settled of each."""
        return {
            ResourceId(ven): Merit(
                price_per_kwh=heard.contract.price_per_kwh,
                weight=heard.contract.weight,
                notice_s=heard.contract.notice_s,
            )
            for ven, heard in self._heard.items()
        }

    def measured(self) -> dict[ResourceId, Measurement]:
        """What is new since the last call: of those that reported, and of those that have been silent for too long."""
        now = self._clock.now()
        found: dict[ResourceId, Measurement] = {}
        for ven, heard in self._heard.items():
            if heard.at is None:
                continue
            # While we were down nobody could report: silence counts from our start.
            silent = (now - max(heard.at, self._since)).total_seconds() > self.silent_s
            if not heard.fresh and silent == (ven in self._silent):
                continue
            heard.fresh = False
            (self._silent.add if silent else self._silent.discard)(ven)
            if silent:
                log.warning("! VEN %s has not reported since %s and leaves the fleet until it does", ven, heard.at)
            one = _stated(heard, heard.at) if "can_reduce" in heard.values else _metered(heard, heard.at)
            found[ResourceId(ven)] = replace(one, online=False, quality=COMM_FAILURE) if silent else one
        return found


def _stated(heard: _Heard, at: datetime) -> Measurement:
    """What a VEN of ours says of itself, within what was agreed."""
    values, contract = heard.values, heard.contract
    plan_kw = values.get("baseline", 0.0)
    reduce_kw = min(values.get("can_reduce", 0.0), _or_far(contract.can_reduce_kw))
    raise_kw = min(values.get("can_raise", 0.0), _or_far(contract.can_raise_kw))
    return Measurement(
        at=at,
        kw=values.get("kw", 0.0),
        min_kw=plan_kw - reduce_kw,
        max_kw=plan_kw + raise_kw,
        can_reduce_kwh=values.get("can_reduce_kwh"),
        can_raise_kwh=values.get("can_raise_kwh"),
        plan_kw=plan_kw,
    )


def _metered(heard: _Heard, at: datetime) -> Measurement:
    """Another's: what it is metered at while we ask nothing of it is what it does by itself."""
    contract = heard.contract
    kw = sum(heard.usage.values())
    if contract.baseline_kw is not None:
        heard.plan_kw = contract.baseline_kw
    elif heard.plan_kw is None or not heard.steered:
        heard.plan_kw = kw
    return Measurement(
        at=at,
        kw=kw,
        min_kw=heard.plan_kw - (contract.can_reduce_kw or 0.0),
        max_kw=heard.plan_kw + (contract.can_raise_kw or 0.0),
        plan_kw=heard.plan_kw,
        agreed=True,
    )


def _or_far(kw: float | None) -> float:
    return FAR_KW if kw is None else kw
