"""A battery as a maker builds it: with a remote mode, a timer of its own, a key switch, and a mind of its own. No wire."""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.seams import Clock

CAPACITY_KWH = 1.0
RESERVE_PERCENT = 20.0
RATED_KW = 5.0


class Plant:
    """Follows its set-point while its remote mode is on, until its timer runs out; else it idles. Lives by a clock.

    Load convention inside; what goes over a wire is its maker's business.
    """

    def __init__(self, clock: Clock, *, capacity_kwh: float = CAPACITY_KWH) -> None:
        self.clock = clock
        self.at = clock.now()
        self.capacity_kwh = capacity_kwh
        self.stored_kwh = capacity_kwh / 2
        self.import_kwh = 0.0
        self.export_kwh = 0.0
        self.setpoint_kw = 0.0
        self.remote = False
        self.until: datetime | None = None
        self.by_hand_kw: float | None = None
        self.min_kw, self.max_kw = -RATED_KW, RATED_KW
        self.heartbeat = 0.0
        self.counter = 0
        self.guards_itself = True
        """Stops at its reserve by itself."""

    @property
    def kw(self) -> float:
        """Power now."""
        self._advance()
        return self._kw()

    @property
    def soc_percent(self) -> float:
        self._advance()
        return self.stored_kwh / self.capacity_kwh * 100

    def set_kw(self, kw: float) -> None:
        self._advance()
        self.setpoint_kw = kw

    def set_remote(self, on: bool) -> None:
        self._advance()
        self.remote = on

    def set_timer(self, seconds: float) -> None:
        self._advance()
        self.until = self.clock.now() + timedelta(seconds=seconds)

    def turn_by_hand(self, kw: float | None) -> None:
        """The key switch: to local at some power, or (None) back."""
        self._advance()
        self.by_hand_kw = kw

    def restart(self) -> None:
        """Whoever led it is forgotten."""
        self._advance()
        self.setpoint_kw, self.remote, self.until = 0.0, False, None

    @property
    def _floor_kwh(self) -> float:
        return self.capacity_kwh * RESERVE_PERCENT / 100 if self.guards_itself else 0.0

    def _kw(self) -> float:
        wish = self.by_hand_kw
        if wish is None:
            wish = self.setpoint_kw if self.remote else 0.0
        wish = min(max(wish, self.min_kw), self.max_kw)
        if (wish < 0 and self.stored_kwh <= self._floor_kwh) or (wish > 0 and self.stored_kwh >= self.capacity_kwh):
            return 0.0
        return wish

    def _advance(self) -> None:
        now = self.clock.now()
        if self.until is not None and self.until <= now:
            self._run(self.until)
            self.remote, self.until = False, None
        self._run(now)

    def _run(self, to: datetime) -> None:
        hours = (to - self.at) / timedelta(hours=1)
        moved_kwh = self._kw() * hours
        lowest_kwh = min(self._floor_kwh, self.stored_kwh)
        end_kwh = min(max(self.stored_kwh + moved_kwh, lowest_kwh), self.capacity_kwh)
        moved_kwh = end_kwh - self.stored_kwh
        self.import_kwh += max(moved_kwh, 0.0)
        self.export_kwh += max(-moved_kwh, 0.0)
        self.stored_kwh, self.at = end_kwh, to
