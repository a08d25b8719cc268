"""The chain in one picture: what was asked of each tier and what it did, and which devices did it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from openadr_ra.programs.chain_plant import AC, DRAS, KINDS, RAS
from openadr_ra.programs.chain_power import MARGIN, Power, together
from openadr_ra.programs.chain_story import Told
from openadr_ra.programs.chain_summary import HopSlot, Summary, slots
from openadr_ra.programs.demo_picture import (
    DPI,
    FAINT,
    GOOD,
    INK,
    MINUS,
    Mark,
    frame,
    instant,
    measured,
    targets,
)
from openadr_ra.programs.demo_sites import STANDS_FOR_S
from openadr_ra.protocol.schedule import Slot

COLOURS = {AC: "#1f5fa8", RAS[0]: "#0b7a75", RAS[1]: "#7a3e9d"}
OF_KIND = dict(zip(KINDS, ("#2a9d8f", "#1f5fa8", "#b4610a", "#7a3e9d", "#8a8f98", "#e0b100"), strict=True))
SIZE_INCHES = (13.0, 14.0)


def draw(made: Summary, told: Told, power: dict[str, Power], path: Path) -> None:
    """Write the picture to `path`, as PNG. Times in it are UTC."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2 + len(RAS), 1, sharex=True, height_ratios=[1.7, 1.0, 1.0, 1.5])
    asked = slots(told)
    edges = [instant(asked[0].start), *(instant(slot.end) for slot in asked)]
    for axes, name in zip(panels, (AC, *RAS), strict=False):
        frame(axes, edges)
        mine = RAS if name == AC else (name,)
        measured(axes, together(trace for ra in mine for trace in power[ra].values()), COLOURS[name])
        hop = f"{DRAS}→{AC}" if name == AC else f"{AC}→{name}"
        targets(axes, _marks(made.hops, hop, asked), COLOURS[name], large=name == AC)
        if name == AC:
            axes.margins(y=0.4)
        axes.set_title(hop.upper().replace("→", " → "), loc="left", color=INK, fontsize=13, fontweight="bold", pad=10)
        axes.set_title("asked → delivered, kW", loc="right", color=FAINT, fontsize=11, pad=10)
    frame(panels[-1], edges)
    _kinds(panels[-1], [power[name] for name in RAS])
    for axes in panels:
        _happened(axes, told, words=axes is panels[0])
    _words(figure, panels, made, asked, edges)
    figure.savefig(path, format="png")


def _marks(hops: Iterable[HopSlot], hop: str, asked: Sequence[Slot]) -> tuple[Mark, ...]:
    mine = (one for one in hops if one.hop == hop)
    return tuple(
        Mark(
            start=slot.start,
            end=slot.end,
            asked_kw=one.asked_kw,
            delivered_kw=one.delivered_kw,
            in_band=one.in_band,
        )
        for one, slot in zip(mine, asked, strict=True)
    )


def _kinds(axes: Axes, power: Sequence[Power]) -> None:
    """Who did it: each kind of device, one upon the other."""
    below: list[float] = []
    above: list[float] = []
    for kind in KINDS:
        trace = together(one[kind] for one in power if kind in one)
        low, high = (each or [0.0] * len(trace.kw) for each in (below, above))
        below = [bottom + min(kw, 0.0) for bottom, kw in zip(low, trace.kw, strict=True)]
        above = [top + max(kw, 0.0) for top, kw in zip(high, trace.kw, strict=True)]
        colour = OF_KIND[kind]
        axes.fill_between(trace.at, low, below, step="post", color=colour, alpha=0.85, linewidth=0, zorder=2)
        axes.fill_between(
            trace.at, high, above, step="post", color=colour, alpha=0.85, linewidth=0, zorder=2, label=kind
        )
    axes.legend(loc="lower right", frameon=False, fontsize=10, labelcolor=INK, ncols=len(KINDS), borderaxespad=0.1)
    axes.set_title("Which devices did it", loc="left", color=INK, fontsize=13, fontweight="bold", pad=10)
    axes.set_title("as their gateways reported, kW", loc="right", color=FAINT, fontsize=11, pad=10)


def _happened(axes: Axes, told: Told, *, words: bool) -> None:
    """What happened while the event ran."""
    begin = told.order.start
    for number, one in enumerate(each for each in told.happened if each.at >= begin):
        axes.axvline(instant(one.at), color=INK, linewidth=0.9, linestyle=(0, (2, 3)), zorder=3)
        if words:
            axes.annotate(
                one.what,
                (instant(one.at), 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(3, -4 - 14 * (number % 3)),
                textcoords="offset points",
                va="top",
                color=INK,
                fontsize=11,
                style="italic",
            )


def _words(figure: Figure, panels: Sequence[Axes], made: Summary, asked: Sequence[Slot], edges: list[float]) -> None:
    batteries = made.devices[KINDS[0]]
    figure.suptitle(
        f"One instruction, three tiers, {batteries} home batteries and more behind {made.gateways} gateways",
        x=0.01, ha="left", color=INK, fontsize=17, fontweight="bold",
    )  # fmt: skip
    last = panels[-1]
    last.set_xticks(edges, [f"{datetime.fromtimestamp(edge, UTC):%H:%M:%S}" for edge in edges])
    last.set_xlim(instant(asked[0].start - MARGIN), instant(asked[-1].end + MARGIN))
    last.set_xlabel(
        f"time, UTC, {asked[0].start:%Y-%m-%d}; a slot of {made.interval_s} s stands for {STANDS_FOR_S // 60} min\n"
        f"change of power against the plan, load convention: {MINUS} less import or more export, + the reverse",
        color=INK, fontsize=11, labelpad=8,
    )  # fmt: skip
    figure.legend(
        handles=[
            Line2D([], [], color=INK, linewidth=1.6, label="target"),
            Patch(color=GOOD, label="±10 % band"),
            Line2D([], [], color=COLOURS[AC], linewidth=2.0, label=f"power as reported every {made.live_s} s"),
            Line2D([], [], color=COLOURS[AC], marker="D", linestyle="", label="slot mean: the response"),
        ],
        loc="outside lower center", ncols=4, frameon=False, fontsize=11, labelcolor=INK,
    )  # fmt: skip
