"""How much one VEN and one address may take of a VTN, so that it keeps serving the others."""

from __future__ import annotations

import logging
from collections import OrderedDict
from datetime import datetime, timedelta
from math import ceil, inf
from typing import NamedTuple

from openadr_ra.net.quota import origin
from openadr_ra.protocol.step import Key
from openadr_ra.seams import Clock
from openadr_ra.settings import PeerLimits

log = logging.getLogger(__name__)

MOST_NAMES = 10_000
"""Peers that are kept in mind per limit, half a KiB each; beyond it the one unheard of for longest is forgotten, which is
never the one that floods."""

BURST_S = 4.0
"""So many seconds' worth of connections may come at once, as a site does after a restart; all others wait for their TLS
handshakes, half a second by the settings as they come."""

UNSEEN_REQUESTS, UNSEEN_BYTES = 10, 64 * 1024
"""What is taken between two looks at the clock."""

MINUTE_S, HOUR_S = 60.0, 3600.0

LINE_EVERY = timedelta(minutes=1)
"""How often the log says that an address was refused."""

REST = timedelta(seconds=1)
"""How long whoever goes beyond a limit waits for being told so."""


class Rate(NamedTuple):
    """At once at most `most`, and `per_s` more in each second; up to `unseen` is given without a look at the clock, which
    is to leave enough for what is asked with one."""

    most: float
    per_s: float
    unseen: float = 0.0


NO_LIMIT = Rate(inf, 0.0, inf)


class Bucket:
    """Tokens of a rate, full to begin with. Time is what its user says it is.

    `free` may be taken without the time, by counting it down. It counts as taken at the latest moment, so never more comes
    out than the rate allows.
    """

    __slots__ = ("_at", "_held", "_lent", "_rate", "free")

    def __init__(self, rate: Rate, now: datetime) -> None:
        self._rate = rate
        self._held = rate.most
        self._at = now
        self._lent = self.free = min(rate.unseen, rate.most)

    def take(self, now: datetime, amount: float = 1.0) -> float:
        """0 if `amount` was there and is taken; else nothing is taken, and it is in how many seconds it will be there.

        A clock that was set back takes nothing away: what comes in is counted from there on.
        """
        most, per_s, unseen = self._rate
        if most == inf:
            return 0.0
        passed_s = max(0.0, (now - self._at).total_seconds())
        held = min(most, self._held + passed_s * per_s) - (self._lent - self.free)
        wait_s = max(0.0, (amount - held) / per_s)
        self._at = now
        self._held = held if wait_s else held - amount
        self._lent = self.free = 0.0 if wait_s else min(unseen, self._held)
        return wait_s


class Buckets:
    """For each of many names a bucket of each of these rates."""

    def __init__(self, *rates: Rate) -> None:
        self._rates = rates
        self._held: OrderedDict[str, tuple[Bucket, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def known(self, name: str) -> tuple[Bucket, ...] | None:
        """The buckets of that name, if there are any."""
        return self._held.get(name)

    def of(self, name: str, now: datetime) -> tuple[Bucket, ...]:
        """The buckets of that name, in the order of the rates."""
        found = self._held.get(name)
        if found is not None:
            self._held.move_to_end(name)
            return found
        made = self._held[name] = tuple(Bucket(rate, now) for rate in self._rates)
        if len(self._held) > MOST_NAMES:
            self._held.popitem(last=False)
        return made


class Limiter:
    """The quota of a VTN, and how often one may register there.

    A VEN is told by its certificate, so without TLS only the limits per address hold: a venID can be anybody's.
    A VEN's own limit comes first: what is refused there is not taken from its neighbours behind the same address.
    """

    def __init__(self, limits: PeerLimits, clock: Clock) -> None:
        self._clock = clock
        self._connections = limits.address_connections or inf
        self._vens = Buckets(
            _rate(limits.ven_requests_per_s, limits.ven_burst, UNSEEN_REQUESTS),
            _per(limits.ven_bytes_per_min, MINUTE_S, UNSEEN_BYTES),
        )
        self._addresses = Buckets(
            _rate(limits.address_requests_per_s, limits.address_burst, UNSEEN_REQUESTS),
            _per(limits.address_bytes_per_min, MINUTE_S, UNSEEN_BYTES),
        )
        per_s = limits.address_connections_per_s
        self._connects = Buckets(_rate(per_s, per_s * BURST_S))
        self._known = Buckets(_per(limits.ven_registrations_per_h, HOUR_S))
        self._new = Buckets(_per(limits.address_registrations_per_h, HOUR_S))
        self._lines: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def connects(self, address: str, others: int) -> bool:
        """Is a connection from there taken, where `others` are open?"""
        now = self._clock.now()
        if others >= self._connections:
            self._refused(now, address, None, f"{others} connections are open")
            return False
        (connects,) = self._connects.of(origin(address), now)
        if connects.take(now):
            self._refused(now, address, None, "too many new connections of one address")
            return False
        return True

    def asks(self, address: str, fingerprint: str | None, count: int) -> int | None:
        """May a request come, with so many bytes? None, or in how many seconds."""
        if self._covered(origin(address), fingerprint, count):
            return None
        now = self._clock.now()
        if fingerprint is not None:
            asks, octets = self._vens.of(fingerprint, now)
            if wait_s := asks.take(now) or octets.take(now, count):
                return self._refused(now, address, fingerprint, "too much of one VEN", wait_s)
        asks, octets = self._addresses.of(origin(address), now)
        if wait_s := asks.take(now) or octets.take(now, count):
            return self._refused(now, address, fingerprint, "too much of one address", wait_s)
        return None

    def _covered(self, name: str, fingerprint: str | None, count: int) -> bool:
        """Most requests are, and cost a microsecond or two; with a look at the clock it would be four."""
        held = self._addresses.known(name)
        if held is None:
            return False
        asks, octets = held
        if asks.free < 1 or octets.free < count:
            return False
        if fingerprint is not None:
            own = self._vens.known(fingerprint)
            if own is None:
                return False
            own_asks, own_octets = own
            if own_asks.free < 1 or own_octets.free < count:
                return False
            own_asks.free -= 1
            own_octets.free -= count
        asks.free -= 1
        octets.free -= count
        return True

    def brings(self, address: str, fingerprint: str | None, count: int) -> int | None:
        """May so many more bytes come? None, or in how many seconds."""
        now = self._clock.now()
        if fingerprint is not None:
            _, octets = self._vens.of(fingerprint, now)
            if wait_s := octets.take(now, count):
                return self._refused(now, address, fingerprint, "too many bytes of one VEN", wait_s)
        _, octets = self._addresses.of(origin(address), now)
        if wait_s := octets.take(now, count):
            return self._refused(now, address, fingerprint, "too many bytes of one address", wait_s)
        return None

    def registers(self, key: Key, address: str, fingerprint: str | None, *, known: bool) -> int | None:
        """May this party register? None, or in how many seconds. `known`: it has a row; else it would get one."""
        now = self._clock.now()
        (registers,) = self._known.of(key, now) if known else self._new.of(origin(address), now)
        if wait_s := registers.take(now):
            why = "too many registrations of one VEN" if known else "too many new VENs from one address"
            return self._refused(now, address, fingerprint, why, wait_s)
        return None

    async def rest(self) -> None:
        """Return after a second, when whoever was refused is told so."""
        await self._clock.sleep_until(self._clock.now() + REST)

    def _refused(self, now: datetime, address: str, fingerprint: str | None, why: str, wait_s: float = 1.0) -> int:
        """The whole seconds to wait. An address gets one line a minute, with how often it was refused without one."""
        name = origin(address)
        at, silent = self._lines.get(name, (now - LINE_EVERY, 0))
        if timedelta(0) <= now - at < LINE_EVERY:
            self._lines[name] = at, silent + 1
        else:
            since = f"; {silent} more since the last line" if silent else ""
            log.warning("! refused 503 %s %s: %s%s", address, fingerprint or "without certificate", why, since)
            self._lines[name] = now, 0
        self._lines.move_to_end(name)
        if len(self._lines) > MOST_NAMES:
            self._lines.popitem(last=False)
        return max(1, ceil(wait_s))


def _rate(per_s: float, burst: float, unseen: float = 0.0) -> Rate:
    return Rate(burst, per_s, min(unseen, burst / 4)) if per_s else NO_LIMIT


def _per(amount: int, period_s: float, unseen: float = 0.0) -> Rate:
    """So much in a period, and at once."""
    return _rate(amount / period_s, amount, unseen)
