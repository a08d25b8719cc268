"""Whether the device still does what we told it, or somebody else's will."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from openadr_ra.drivers.mapped.mapping import Seen
from openadr_ra.drivers.orders import SAME_KW

Line = tuple[int, int]
"""Names one uninterrupted connection to the device."""

LOCAL = "it is in local mode"


class Ours(NamedTuple):
    """What we wrote last, since when that stands there, how long it may, and over which line."""

    kw: float
    since: datetime
    until: datetime
    line: Line


class Theirs(NamedTuple):
    """What somebody else made of it, and until when that counts. `kw` is None where our remote mode was switched off."""

    kw: float | None
    until: datetime


class Owner:
    """One owner at a time, and the one on the spot comes first.

    What changes over an open line was changed by somebody. After an interruption the device may have started anew, and what
    it shows then is nobody's will. The set-point that it has when nobody leads it is no will either.
    """

    def __init__(self, *, tolerance_kw: float, echo: timedelta, counts_for: timedelta) -> None:
        self._tolerance_kw = tolerance_kw
        self._echo = echo
        self._counts_for = counts_for
        self._ours: Ours | None = None
        self._theirs: Theirs | None = None

    def wrote(self, kw: float, now: datetime, until: datetime, line: Line) -> None:
        """From now on the device is ours."""
        last = self._ours
        unchanged = last is not None and last.line == line and last.kw == kw
        self._ours = Ours(kw, last.since if last is not None and unchanged else now, until, line)

    def let_go(self) -> None:
        """It is not ours any more."""
        self._ours = None

    @property
    def taken(self) -> bool:
        """Whether another controller's set-point stands in the device, which is not to be touched."""
        return self._theirs is not None and self._theirs.kw is not None

    def other(self, seen: Seen, now: datetime, line: Line) -> str:
        """Whose will but ours the device follows, in words; empty where it is nobody's."""
        self._judge(seen, now, line)
        if seen.local:
            return LOCAL
        match self._theirs:
            case Theirs(kw=None):
                return "its remote mode was switched off"
            case Theirs(kw=kw):
                return f"another controller set it to {kw:g} kW"
        return ""

    def _judge(self, seen: Seen, now: datetime, line: Line) -> None:
        self._theirs = self._still(seen, now)
        ours = self._ours
        # Early on the device may still show what was before, and near the end of its lease it may have let go by itself.
        if (
            ours is None
            or ours.line != line
            or seen.local
            or not ours.since + self._echo <= now < ours.until - self._echo
        ):
            return
        if seen.setpoint_kw is not None and not seen.parked and not self._same(seen.setpoint_kw, ours.kw):
            self._ours, self._theirs = None, Theirs(seen.setpoint_kw, now + self._counts_for)
        elif seen.enabled is False:
            self._ours, self._theirs = None, Theirs(None, now + self._counts_for)

    def _still(self, seen: Seen, now: datetime) -> Theirs | None:
        """Their will, unless it was undone or has counted for long enough."""
        theirs = self._theirs
        if theirs is None or now >= theirs.until:
            return None
        if theirs.kw is None:
            return None if seen.enabled else theirs
        if seen.parked:
            return None
        if seen.setpoint_kw is not None and not self._same(seen.setpoint_kw, theirs.kw):
            return Theirs(seen.setpoint_kw, now + self._counts_for)
        return theirs

    def _same(self, first_kw: float, second_kw: float) -> bool:
        return abs(first_kw - second_kw) <= self._tolerance_kw + SAME_KW
