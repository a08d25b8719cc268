"""The measures of a run, slot by slot, and of many slots together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum, sqrt

from benchmarks.tracking.bound import BAND, feasible
from benchmarks.tracking.run import Minute, Run
from benchmarks.tracking.scene import EVENT_S, MINUTE_S, SLOT_S
from openadr_ra.protocol.shape import Value

EXACT = 1e-9
SITE_SLACK = 0.01
"""So much of its limit a site may be beyond it for a minute: where one device hands over to another, ramps cross."""


class SlotFigures(Value, frozen=True, kw_only=True):
    """One slot under one policy. `asked_kw` is the time-weighted instruction, `mean_kw` what came of it.

    error_percent: of what was asked, positive where it is too much. feasible: could it have been in the band at all?
    rmse_kw: of the means of its minutes. uncovered_kw_min: what they lacked, added up. requests: of events, both ways; the
    first slot has those of the event's coming, too. changes: of set-points. What may not be: stores below their reserve,
    minutes beyond the site's limit, devices that are not let go after the event, requests to VENs that had opted out.
    """

    policy: str
    seed: int
    slot: int
    asked_kw: float
    mean_kw: float
    error_percent: float
    in_band: bool
    feasible: bool
    short_kwh: float
    excess_kwh: float
    rmse_kw: float
    uncovered_kw_min: float
    requests: int
    live_reports: int
    changes_per_home: float
    changes_per_own: float
    below_reserve: int
    beyond_site: int
    held_after: int
    asked_out: int


class Summary(Value, frozen=True, kw_only=True):
    """Many slots under one policy: errors and the share in band are of the feasible ones."""

    policy: str
    slots: int
    feasible: int
    in_band: int
    worst_percent: float
    mean_error_percent: float
    rmse_percent: float
    short_kwh: float
    excess_kwh: float
    uncovered_kw_min: float
    requests_per_slot: float
    most_requests: int
    live_reports_per_slot: float
    changes_per_home: float
    changes_per_own: float
    below_reserve: int
    beyond_site: int
    held_after: int
    asked_out: int

    @property
    def violations(self) -> int:
        return self.below_reserve + self.beyond_site + self.held_after + self.asked_out

    @property
    def share(self) -> float:
        return self.in_band / self.feasible if self.feasible else 1.0


def slots(run: Run) -> tuple[SlotFigures, ...]:
    """The slots of a run, in order."""
    possible = feasible(run.scene)
    return tuple(_slot(run, number, possible[number]) for number in range(len(run.scene.asked_kw)))


def _slot(run: Run, number: int, possible: bool) -> SlotFigures:
    scene = run.scene
    start_s = EVENT_S + number * SLOT_S
    last = number == len(scene.asked_kw) - 1
    minutes = _within(run.minutes, start_s, start_s + SLOT_S)
    before = _before(run.minutes, start_s)
    asked_kw = scene.target_kw(start_s, start_s + SLOT_S)
    mean_kw = fsum(minute.kw for minute in minutes) / len(minutes)
    # Too much of a reduction is what lies beyond what was asked, in its own direction.
    over_kw = abs(mean_kw) - abs(asked_kw) if mean_kw * asked_kw > 0 else -abs(asked_kw - mean_kw)
    errors = [minute.kw - scene.target_kw(minute.start_s, minute.start_s + MINUTE_S) for minute in minutes]
    end, homes = minutes[-1], sum(one.home for one in scene.ones)
    return SlotFigures(
        policy=run.policy,
        seed=scene.seed,
        slot=number + 1,
        asked_kw=asked_kw,
        mean_kw=mean_kw,
        error_percent=100 * over_kw / abs(asked_kw),
        in_band=abs(over_kw) <= BAND * abs(asked_kw) + EXACT,
        feasible=possible,
        short_kwh=max(-over_kw, 0.0) * SLOT_S / 3600,
        excess_kwh=max(over_kw, 0.0) * SLOT_S / 3600,
        rmse_kw=sqrt(fsum(error * error for error in errors) / len(errors)),
        uncovered_kw_min=fsum(max(error, 0.0) for error in errors),
        requests=end.requests - (before.requests if before is not None else 0),
        live_reports=end.reports - (before.reports if before is not None else run.reports_before),
        changes_per_home=(end.home_changes - (before.home_changes if before is not None else 0)) / homes,
        changes_per_own=(end.own_changes - (before.own_changes if before is not None else 0))
        / (len(scene.ones) - homes),
        below_reserve=end.below_reserve - (before.below_reserve if before is not None else 0),
        beyond_site=sum(minute.site_kw < -(1 + SITE_SLACK) * scene.site_kw for minute in minutes),
        held_after=run.minutes[-1].off_plan if last else 0,
        asked_out=end.asked_out - (before.asked_out if before is not None else 0),
    )


def _within(minutes: Sequence[Minute], start_s: float, end_s: float) -> list[Minute]:
    return [minute for minute in minutes if start_s <= minute.start_s < end_s]


def _before(minutes: Sequence[Minute], start_s: float) -> Minute | None:
    earlier = [minute for minute in minutes if minute.start_s < start_s]
    return earlier[-1] if earlier else None


def summary(policy: str, found: Iterable[SlotFigures]) -> Summary:
    """All slots of that policy."""
    mine = [slot for slot in found if slot.policy == policy]
    possible = [slot for slot in mine if slot.feasible]
    count = len(mine)
    return Summary(
        policy=policy,
        slots=count,
        feasible=len(possible),
        in_band=sum(slot.in_band for slot in possible),
        worst_percent=max((slot.error_percent for slot in possible), key=abs, default=0.0),
        mean_error_percent=fsum(slot.error_percent for slot in possible) / max(len(possible), 1),
        rmse_percent=100 * sqrt(fsum((slot.rmse_kw / slot.asked_kw) ** 2 for slot in possible) / max(len(possible), 1)),
        short_kwh=fsum(slot.short_kwh for slot in mine) / count,
        excess_kwh=fsum(slot.excess_kwh for slot in mine) / count,
        uncovered_kw_min=fsum(slot.uncovered_kw_min for slot in mine) / count,
        requests_per_slot=sum(slot.requests for slot in mine) / count,
        most_requests=max(slot.requests for slot in mine),
        live_reports_per_slot=sum(slot.live_reports for slot in mine) / count,
        changes_per_home=fsum(slot.changes_per_home for slot in mine) / count,
        changes_per_own=fsum(slot.changes_per_own for slot in mine) / count,
        below_reserve=sum(slot.below_reserve for slot in mine),
        beyond_site=sum(slot.beyond_site for slot in mine),
        held_after=sum(slot.held_after for slot in mine),
        asked_out=sum(slot.asked_out for slot in mine),
    )
