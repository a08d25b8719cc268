"""A run's figures as CSV, as a table and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.tracking.bound import BAND
from benchmarks.tracking.measures import SlotFigures, Summary
from benchmarks.tracking.run import POLICIES, Policy, Run
from benchmarks.tracking.scene import EVENT_S, MINUTE_S, SLOT_S

INK = "#1f2933"
GRID = "#e4e7eb"
BAND_COLOUR = "#c6ead0"
COLOURS: dict[Policy, str] = {"equal": "#b4610a", "pro-rata": "#7a3e9d", "plan": "#0b7a75", "ours": "#1f5fa8"}
DPI = 120

COLUMNS = tuple(field.name for field in msgspec.structs.fields(SlotFigures))


def write_csv(found: Iterable[SlotFigures], path: Path) -> None:
    """A line per slot and policy."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for each in found:
            rows.writerow(_cell(value) for value in msgspec.structs.astuple(each))


def read_csv(path: Path) -> tuple[SlotFigures, ...]:
    """What `write_csv` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(msgspec.convert(row, SlotFigures, strict=False) for row in csv.DictReader(file))


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return round(value, 3) if isinstance(value, float) else value


def table(found: Sequence[Summary]) -> str:
    """In Markdown: a line per measure, a column per policy."""
    rows: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("slots, of which physics allows", tuple(f"{one.slots}, {one.feasible}" for one in found)),
        ("of these in band", tuple(f"{one.in_band} ({one.share:.1%})" for one in found)),
        ("worst of these, error of the mean", tuple(f"{one.worst_percent:+.1f} %" for one in found)),
        ("average error of the mean", tuple(f"{one.mean_error_percent:+.2f} %" for one in found)),
        ("RMSE of one-minute means", tuple(f"{one.rmse_percent:.1f} %" for one in found)),
        ("shortfall per slot", tuple(f"{one.short_kwh:.1f} kWh" for one in found)),
        ("excess per slot", tuple(f"{one.excess_kwh:.1f} kWh" for one in found)),
        ("uncovered per slot", tuple(f"{one.uncovered_kw_min:,.0f} kW·min" for one in found)),
        ("requests about events per slot", tuple(f"{one.requests_per_slot:,.0f}" for one in found)),
        ("the most in one slot", tuple(f"{one.most_requests:,}" for one in found)),
        ("live reports per slot", tuple(f"{one.live_reports_per_slot:,.0f}" for one in found)),
        ("set-point changes per slot: a home", tuple(f"{one.changes_per_home:.1f}" for one in found)),
        ("set-point changes per slot: an own device", tuple(f"{one.changes_per_own:.1f}" for one in found)),
        ("stores below their reserve", tuple(f"{one.below_reserve}" for one in found)),
        ("minutes beyond the site's limit", tuple(f"{one.beyond_site}" for one in found)),
        ("devices still held after the event", tuple(f"{one.held_after}" for one in found)),
        ("requests to VENs that had opted out", tuple(f"{one.asked_out}" for one in found)),
    )
    head = ("", *(one.policy for one in found))
    lines = [head, ("---", *("---:" for _ in found)), *((name, *cells) for name, cells in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(runs: Sequence[Run], found: Sequence[SlotFigures], path: Path) -> None:
    """One event minute by minute, and the errors of all slots; written to `path` as PNG."""
    figure = Figure(figsize=(12.0, 9.0), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=[1.2, 1.0])
    _event(above, runs)
    _errors(below, found)
    figure.savefig(path, format="png", metadata={"Software": None})


def _event(axes: Axes, runs: Sequence[Run]) -> None:
    scene = runs[0].scene
    for number in range(len(scene.asked_kw)):
        start_s = EVENT_S + number * SLOT_S
        target_kw = -scene.target_kw(start_s, start_s + SLOT_S)
        span = [_minutes(start_s), _minutes(start_s + SLOT_S)]
        label = f"±{BAND:.0%} of what is asked on average" if not number else None
        axes.fill_between(span, (1 - BAND) * target_kw, (1 + BAND) * target_kw, color=BAND_COLOUR, lw=0, label=label)
    for run in runs:
        at = [_minutes(minute.start_s) for minute in run.minutes] + [_minutes(run.minutes[-1].start_s + MINUTE_S)]
        kw = [-minute.kw for minute in run.minutes]
        axes.stairs(kw, at, color=COLOURS[run.policy], lw=1.4, baseline=None, label=run.policy)
    asked = [-scene.ask_kw(EVENT_S + minute * MINUTE_S) for minute in range(len(runs[0].minutes))]
    axes.stairs(asked, range(len(asked) + 1), color=INK, lw=0.9, ls="--", baseline=None, label="asked")
    lost_s = min((each.at_s for each in scene.happenings if each.what in ("trips", "dies")), default=None)
    marks = ((lost_s, f"{scene.faults.lost_share:.0%} of the fleet lost"), (scene.changed_s, "instruction changed"))
    for at_s, words in marks:
        if at_s is not None:
            axes.axvline(_minutes(at_s), color=INK, lw=0.7, ls=":")
            axes.annotate(words, (_minutes(at_s), 0.03), xycoords=("data", "axes fraction"), fontsize=9, ha="left")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, len(asked))
    axes.set_xlabel("minutes of the event")
    axes.set_ylabel("reduction against the plan, kW")
    axes.set_title(f"One event on the reference fleet (seed {scene.seed}), one-minute means", loc="left", color=INK)
    _frame(axes)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 0.08), ncols=6, fontsize=9, frameon=False)


def _errors(axes: Axes, found: Sequence[SlotFigures]) -> None:
    axes.axhspan(-100 * BAND, 100 * BAND, color=BAND_COLOUR, lw=0, label="in band")
    for policy in POLICIES:
        errors = sorted(slot.error_percent for slot in found if slot.policy == policy and slot.feasible)
        at = [(number + 0.5) / len(errors) * 100 for number in range(len(errors))]
        axes.plot(at, errors, color=COLOURS[policy], marker="o", ms=3.5, lw=1.0, label=policy)
    axes.set_xlim(0, 100)
    axes.set_xlabel("slots where physics allows the band, in order of their error; %")
    axes.set_ylabel("error of the half hour's mean, %")
    axes.set_title(f"All events: {len({slot.seed for slot in found})} seeds", loc="left", color=INK)
    _frame(axes)
    axes.legend(loc="upper left", ncols=5, fontsize=9, frameon=False)


def _frame(axes: Axes) -> None:
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _minutes(at_s: float) -> float:
    return (at_s - EVENT_S) / MINUTE_S
