"""The demo in one picture: target, band, measured power and interval means, of all VENs together and of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import fsum
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from openadr_ra.programs.demo_sites import SITES, STANDS_FOR_S, Device, Site
from openadr_ra.programs.demo_summary import EVERYONE, Version
from openadr_ra.programs.demo_watch import BAND, usage_series
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.report import TOTAL
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.responses import ResponseRow

INK = "#1f2933"
FAINT = "#7b8794"
GRID = "#e4e7eb"
GOOD = "#c6ead0"
BAD = "#f7c9c0"
COLOURS = {EVERYONE: "#1f5fa8", "edge-1": "#0b7a75", "edge-2": "#b4610a", "edge-3": "#7a3e9d"}
STYLES = ("--", ":")
MINUS = "\N{MINUS SIGN}"
SIZE_INCHES = (12.0, 11.0)
DPI = 120


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Power against the plan, as reported: constant from each instant to the next. Instants are Unix seconds."""

    at: tuple[float, ...]
    kw: tuple[float, ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and delivered in an interval."""

    start: datetime
    end: datetime
    asked_kw: float | None
    delivered_kw: float | None
    in_band: bool | None


def draw(
    orders: tuple[Instruction, ...],
    versions: tuple[Version, ...],
    rows: tuple[ResponseRow, ...],
    power: tuple[Reading, ...],
    path: Path,
) -> None:
    """Write the picture to `path`, as PNG. Times in it are UTC."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1 + len(SITES), 1, sharex=True, height_ratios=[2.1, *(1.0 for _ in SITES)])
    found = _by_series(power)
    sites = {site.name: {device.id: _trace([(site, device)], found) for device in site.devices} for site in SITES}
    everything = [(site, device) for site in SITES for device in site.devices]
    for axes, name in zip(panels, (EVERYONE, *sites), strict=True):
        frame(axes, (edge for order in orders for edge in _edges(order)))
        mine = tuple(_mark(row) for row in rows if row.ven == name and row.resource == TOTAL)
        parts = [(site, device) for site, device in everything if name in (EVERYONE, site.name)]
        measured(axes, _trace(parts, found), COLOURS[name])
        targets(axes, mine, COLOURS[name], large=name == EVERYONE)
        if len(parts) > 1 and name != EVERYONE:
            _devices(axes, sites[name], COLOURS[name])
    _first_asked(panels[0], versions)
    _name_panels(panels)
    until = max((reading.start + reading.span for reading in power), default=orders[-1].end)
    _words(figure, panels, orders, until)
    figure.savefig(path, format="png")


def _by_series(power: Iterable[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = {}
    for reading in power:
        found.setdefault(reading.series, []).append(reading)
    return found


def _trace(parts: Iterable[tuple[Site, Device]], found: dict[str, list[Reading]]) -> Trace:
    """The sum over `parts`, where each of them is known."""
    known = [
        {reading.start: (reading.start + reading.span, reading.value - device.plan_kw) for reading in readings}
        for site, device in parts
        for readings in (found.get(usage_series(site, device), []),)
    ]
    starts = sorted(set.intersection(*(set(one) for one in known)))
    kw = [fsum(one[start][1] for one in known) for start in starts]
    if not starts:
        return Trace(at=(), kw=())
    end = known[0][starts[-1]][0]
    return Trace(at=tuple(instant(when) for when in (*starts, end)), kw=(*kw, kw[-1]))


def instant(when: datetime) -> float:
    """As a place on the axis."""
    return when.timestamp()


def frame(axes: Axes, edges: Iterable[float]) -> None:
    """Zero, the edges of intervals, and nothing that distracts."""
    axes.axhline(0, color=FAINT, linewidth=0.9, zorder=2)
    for edge in edges:
        axes.axvline(edge, color=GRID, linewidth=1.0, zorder=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(GRID)
    axes.tick_params(colors=INK, labelsize=11, length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylabel("kW", color=INK, fontsize=11)
    axes.margins(y=0.3)


def _edges(order: Instruction) -> Iterator[float]:
    yield instant(order.start)
    for _, end in order.spans():
        yield instant(end)


def measured(axes: Axes, trace: Trace, colour: str) -> None:
    """Power as it was reported."""
    axes.fill_between(trace.at, trace.kw, step="post", color=colour, alpha=0.13, linewidth=0, zorder=1)
    axes.step(trace.at, trace.kw, where="post", color=colour, linewidth=2.0, zorder=4)


def _devices(axes: Axes, traces: dict[str, Trace], colour: str) -> None:
    for (name, trace), style in zip(traces.items(), STYLES, strict=False):
        axes.step(trace.at, trace.kw, style, where="post", color=colour, linewidth=1.2, zorder=3, label=name)
    axes.legend(loc="lower right", frameon=False, fontsize=10, labelcolor=INK, ncols=len(traces), borderaxespad=0.1)


def _mark(row: ResponseRow) -> Mark:
    return Mark(
        start=row.start,
        end=row.start + timedelta(seconds=row.duration_s),
        asked_kw=row.asked_kw,
        delivered_kw=row.delivered_kw,
        in_band=row.in_band,
    )


def targets(axes: Axes, marks: Iterable[Mark], colour: str, *, large: bool) -> None:
    """Of each interval the target, its band, and the mean that came with the response."""
    for row in marks:
        if row.asked_kw is None:
            continue
        begin, end = instant(row.start), instant(row.end)
        margin = BAND * abs(row.asked_kw)
        shade = BAD if row.in_band is False else GOOD
        axes.fill_between(
            [begin, end], row.asked_kw - margin, row.asked_kw + margin, color=shade, linewidth=0, zorder=2
        )
        axes.hlines(row.asked_kw, begin, end, color=INK, linewidth=1.6, zorder=5)
        if row.delivered_kw is None:
            continue
        middle, size = (begin + end) / 2, 8 if large else 6
        axes.plot(middle, row.delivered_kw, "D", color=colour, markersize=size, markeredgecolor="white", zorder=6)
        _label(axes, middle, row.asked_kw, row.delivered_kw, large=large)


def _label(axes: Axes, middle: float, asked_kw: float, delivered_kw: float, *, large: bool) -> None:
    """Both figures, beyond the target."""
    share = f"\n{100 * delivered_kw / asked_kw:.1f} %" if large and asked_kw else ""
    below = asked_kw < 0
    axes.annotate(
        f"{signed(asked_kw)} → {signed(delivered_kw)}{share}",
        (middle, asked_kw * (1 + BAND)),
        xytext=(0, -4 if below else 4),
        textcoords="offset points",
        ha="center",
        va="top" if below else "bottom",
        color=INK,
        fontsize=12 if large else 10,
        zorder=7,
    )


def signed(kw: float) -> str:
    """With a minus that is one."""
    return f"{kw:+.1f}".replace("-", MINUS)


def _first_asked(axes: Axes, versions: Iterable[Version]) -> None:
    """What was asked before the change."""
    for one in versions:
        later = any(other.event == one.event and other.modification > one.modification for other in versions)
        sums = [fsum(values) for values in zip(*one.asked_kw.values(), strict=True)] if later else []
        for number, kw in enumerate(sums):
            begin = one.start + timedelta(seconds=one.interval_s * number)
            end = begin + timedelta(seconds=one.interval_s)
            axes.hlines(kw, instant(begin), instant(end), color=FAINT, linewidth=1.4, linestyle=(0, (4, 3)), zorder=3)


def _name_panels(panels: Iterable[Axes]) -> None:
    titles = ["All three VENs", *(f"{site.name}: {site.what}" for site in SITES)]
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left", color=INK, fontsize=13, fontweight="bold", pad=10)
        axes.set_title("asked → delivered, kW", loc="right", color=FAINT, fontsize=11, pad=10)


def _words(figure: Figure, panels: Iterable[Axes], orders: tuple[Instruction, ...], until: datetime) -> None:
    first, *_, last = panels
    length_s = orders[0].every.total_seconds()
    figure.suptitle(
        "Two OpenADR 2.0b events, three edge VENs: what was asked and what was delivered",
        x=0.01, ha="left", color=INK, fontsize=17, fontweight="bold",
    )  # fmt: skip
    for order in orders:
        changed = ", changed while pending" if order.modification else ""
        # On the side of zero where nothing is drawn.
        reducing = fsum(ask.values[0] for ask in order.asks.values()) < 0
        first.annotate(
            f"event “{order.id}”{changed}",
            (instant(order.start), 0),
            xytext=(5, 5 if reducing else -5),
            textcoords="offset points",
            va="bottom" if reducing else "top",
            color=FAINT,
            fontsize=12,
            style="italic",
        )
    edges = [edge for order in orders for edge in _edges(order)]
    last.set_xticks(edges, [f"{datetime.fromtimestamp(edge, UTC):%H:%M:%S}" for edge in edges])
    last.set_xlim(instant(orders[0].start - orders[0].every / 2), instant(until))
    last.set_xlabel(
        f"time, UTC, {orders[0].start:%Y-%m-%d}; an interval of {length_s:.0f} s stands for {STANDS_FOR_S // 60} min\n"
        f"change of power against each site's plan, load convention: {MINUS} less import or more export, + the reverse",
        color=INK, fontsize=11, labelpad=8,
    )  # fmt: skip
    figure.legend(
        handles=[
            Line2D([], [], color=INK, linewidth=1.6, label="target"),
            Line2D([], [], color=FAINT, linewidth=1.4, linestyle=(0, (4, 3)), label="target before the change"),
            Patch(color=GOOD, label="±10 % band"),
            Line2D([], [], color=COLOURS[EVERYONE], linewidth=2.0, label="power as reported each second"),
            Line2D([], [], color=COLOURS[EVERYONE], marker="D", linestyle="", label="interval mean: the response"),
        ],
        loc="outside lower center", ncols=5, frameon=False, fontsize=11, labelcolor=INK,
    )  # fmt: skip
