"""Holding the mean of a slot: the power that is required in its rest, and what a slot is judged against.

All power in load convention, as kW against the baseline: a slot that asks for less consumption is negative throughout.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.metered import Delivered, hours
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.protocol.shape import Value


class HoldTerms(Value, frozen=True, kw_only=True, gc=False):
    """How a mean is held.

    band: how far the mean of a slot may miss its target, as a part of the base; the edge is inside.
    limit: how far the corrector may leave what is asked, as a part of that.
    quiet_s: how long before its end a slot is left alone: what is ordered then comes too late. Never less than latency and
    ramp together.
    latency_s, ramp_s: from an order to the first kW, and from there to the last.
    doubt: how far a power that is assumed may be off, as a part of its member's size.
    """

    band: float = 0.1
    limit: float = 0.25
    quiet_s: float = 90.0
    latency_s: float = 0.0
    ramp_s: float = 0.0
    doubt: float = 0.1

    @property
    def dead(self) -> timedelta:
        """After how long an order counts in full: a linear ramp is worth half its time (erab 6.2)."""
        return timedelta(seconds=self.latency_s + self.ramp_s / 2)

    @property
    def quiet(self) -> timedelta:
        return timedelta(seconds=max(self.quiet_s, self.latency_s + self.ramp_s))


class Band(Value, frozen=True, kw_only=True, gc=False):
    """The means between `low_kw` and `high_kw`, both included."""

    low_kw: float
    high_kw: float

    def holds(self, kw: float) -> bool:
        """Is it in the band, its edges included, whatever the arithmetic makes of them?"""
        return self.low_kw - EXACT_KW <= kw <= self.high_kw + EXACT_KW


def band(target_kw: float, part: float, base_kw: float | None = None) -> Band:
    """`part` of the base about the target. The base is the award where `base_kw` names one, else the target itself."""
    half = part * abs(target_kw if base_kw is None else base_kw)
    return Band(low_kw=target_kw - half, high_kw=target_kw + half)


class Reach(Value, frozen=True, kw_only=True, gc=False):
    """How far the power can still be moved from where it is and sustain it to the slot's end: magnitudes in kW.

    Energy that later slots need is not in it, nor what site limits forbid: a corrector uses up all it is given.
    """

    reduce_kw: float
    raise_kw: float


class Pace(Value, frozen=True, kw_only=True, gc=False):
    """What is known of a slot while it runs: it is all that there is, so nothing winds up from one slot to the next.

    `asks` is what the set-points follow. `target_kw` is the mean that the slot is judged against, where that is not the
    mean of `asks`; `base_kw` the award, where the band is a part of that. `pending_kw` is what was ordered of late, the
    plan's own steps and corrections alike, and cannot be seen in the power yet.
    """

    start: datetime
    end: datetime
    asks: tuple[Slot, ...]
    delivered: Delivered
    pending_kw: float = 0.0
    target_kw: float | None = None
    base_kw: float | None = None

    @property
    def to_hold_kw(self) -> float:
        """The mean that the slot is to have."""
        return mean(self.asks, self.start, self.end) if self.target_kw is None else self.target_kw


class Aim(Value, frozen=True, kw_only=True, gc=False):
    """Where the power has to go, seen from an instant; what is ordered then counts from `since` on.

    `required_kw` is the mean of the rest with which the slot's mean is its target (erab 6.2: r_req). With any mean of the
    rest in `allowed` the slot stays in its band, whatever was assumed for want of measurements. `kw` is what to aim at:
    what is required, as near as limit and reach allow; `change_kw` is what that is from where the power will be by then,
    0 in the last minutes. `projected_kw` is the slot's mean if nobody changes anything, `settled_kw` with the change.
    """

    since: datetime
    required_kw: float
    allowed: Band
    kw: float
    change_kw: float
    projected_kw: float
    settled_kw: float
    in_band: bool
    """Will the slot stay in its band if nobody changes anything? Then there is no need for a change that costs messages."""


def aim(pace: Pace, reach: Reach, terms: HoldTerms, now: datetime) -> Aim:
    """The aim of the slot that runs at `now`, from what was metered of it.

    The deviation so far is made up for evenly over the rest, on top of what is asked in it: that aims at the target early,
    and drifts from it only as far as limit or reach force it to. The power is never sent farther from what is required
    than it is anyway. Where nothing is asked the limit is that part of the base.
    """
    since = min(now + terms.dead, pace.end)
    rest_h, whole_h = hours(pace.end - since), hours(pace.end - pace.start)
    held = band(pace.to_hold_kw, terms.band, pace.base_kw)
    # Orders are pending for the dead time at most: on average half of them will have come by then.
    done_kwh = pace.delivered.by(since) + pace.pending_kw / 2 * hours(since - now)
    if rest_h <= 0:
        return _decided(pace, held, done_kwh / whole_h)
    ask = mean(pace.asks, since, since)
    ahead = mean(pace.asks, since, pace.end) - ask
    expected = pace.delivered.kw + pace.pending_kw + ask - mean(pace.asks, now, now)

    def slot_kw(kw: float) -> float:
        return (done_kwh + (kw + ahead) * rest_h) / whole_h

    required = (pace.to_hold_kw * whole_h - done_kwh) / rest_h
    allowed = _allowed(held, whole_h, done_kwh, rest_h, terms.doubt * pace.delivered.doubt_kwh)
    quiet = now >= pace.end - terms.quiet
    kw = expected if quiet else _within(required - ahead, expected, ask, _limit(ask, pace, terms), reach)
    return Aim(
        since=since,
        required_kw=required,
        allowed=allowed,
        kw=kw,
        change_kw=kw - expected,
        projected_kw=slot_kw(expected),
        settled_kw=slot_kw(kw),
        in_band=allowed.holds(expected + ahead),
    )


def _decided(pace: Pace, held: Band, mean_kw: float) -> Aim:
    """No order can change it any more."""
    kw = pace.delivered.kw
    return Aim(
        since=pace.end,
        required_kw=kw,
        allowed=Band(low_kw=kw, high_kw=kw),
        kw=kw,
        change_kw=0.0,
        projected_kw=mean_kw,
        settled_kw=mean_kw,
        in_band=held.holds(mean_kw),
    )


def _allowed(held: Band, whole_h: float, done_kwh: float, rest_h: float, margin_kwh: float) -> Band:
    """The means of the rest that keep the slot in its band, a margin away from its edges: at most to the middle."""
    low, high = ((edge * whole_h - done_kwh) / rest_h for edge in (held.low_kw, held.high_kw))
    margin = min(margin_kwh / rest_h, (high - low) / 2)
    return Band(low_kw=low + margin, high_kw=high - margin)


def _limit(ask: float, pace: Pace, terms: HoldTerms) -> float:
    return terms.limit * abs(ask or pace.base_kw or 0.0)


def _within(wanted: float, expected: float, ask: float, limit: float, reach: Reach) -> float:
    """`wanted`, as near as the reach about what is expected, and the limit about what is asked, allow."""
    low = max(min(ask - limit, expected), expected - reach.reduce_kw)
    high = min(max(ask + limit, expected), expected + reach.raise_kw)
    return min(max(wanted, low), high)
