"""The pictures of docs/performance.md. Matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.measure import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GRID = "#1f2933", "#e4e7eb"
OURS, FLOOR, PEER = "#1f5fa8", "#9aa5b1", "#b4610a"
DPI = 120
LINE_INCHES = 0.34
MICROSECONDS = {"us CPU": 1.0, "ms CPU": 1000.0}


class Picture(NamedTuple):
    """A picture of those figures that `of` lets through."""

    file: str
    says: str
    of: Callable[[Figure], bool]
    draw: Callable[[Axes, Sequence[Figure]], None]
    inches: Callable[[int], float]


def draw(sections: Sequence[Section], docs: Path) -> None:
    """All pictures that there is something to show in, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    for picture in PICTURES:
        figures = shown(picture, sections)
        if not figures:
            continue
        sheet = Sheet(figsize=(10.0, picture.inches(len(figures))), dpi=DPI, facecolor="white", layout="constrained")
        FigureCanvasAgg(sheet)
        axes = sheet.subplots()
        axes.set_title(picture.says, color=INK, loc="left", fontsize=11)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        picture.draw(axes, figures)
        # No version and no time in it: the same figures make the same file.
        sheet.savefig(docs / picture.file, metadata={"Software": None})


def shown(picture: Picture, sections: Sequence[Section]) -> tuple[Figure, ...]:
    """What is to be seen in it."""
    return tuple(figure for one in sections for figure in one.figures if picture.of(figure))


def _ratios(axes: Axes, figures: Sequence[Figure]) -> None:
    places = range(len(figures), 0, -1)
    for label, colour, moved, ratios in (
        ("÷ floor", FLOOR, 0.18, [figure.ratio_to_floor for figure in figures]),
        ("÷ peer", PEER, -0.18, [figure.ratio_to_peer for figure in figures]),
    ):
        bars = [(place + moved, ratio) for place, ratio in zip(places, ratios, strict=True) if ratio]
        axes.barh([at for at, _ in bars], [ratio for _, ratio in bars], height=0.34, color=colour, label=label)
    axes.axvline(1.0, color=INK, linewidth=1.0)
    axes.set_xscale("log")
    axes.set_xlabel("ours ÷ theirs; less than 1: ours costs less")
    _name(axes, figures)


def _costs(axes: Axes, figures: Sequence[Figure]) -> None:
    places = range(len(figures), 0, -1)
    for label, colour, moved, costs in (
        ("floor", FLOOR, 0.26, [figure.floor for figure in figures]),
        ("ours", OURS, 0.0, [figure.ours for figure in figures]),
        ("peer", PEER, -0.26, [figure.peer for figure in figures]),
    ):
        bars = [
            (place + moved, cost * MICROSECONDS[figure.unit])
            for place, cost, figure in zip(places, costs, figures, strict=True)
            if cost
        ]
        axes.barh([at for at, _ in bars], [cost for _, cost in bars], height=0.25, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("µs of CPU")
    _name(axes, figures)


def _name(axes: Axes, figures: Sequence[Figure]) -> None:
    axes.set_yticks(range(len(figures), 0, -1), [figure.name for figure in figures], fontsize=8)
    axes.legend(frameon=False)


def _fan_out(axes: Axes, figures: Sequence[Figure]) -> None:
    for figure, colour in zip(figures, _colours(), strict=False):
        axes.plot(figure.done_s, range(len(figure.done_s)), color=colour, linewidth=1.6, label=figure.name)
    axes.set_xlabel("seconds since the operator's order")
    axes.set_ylabel("% of the fleet whose answer is acknowledged")
    axes.set_xlim(left=0.0)
    axes.set_ylim(0, 100)
    axes.legend(frameon=False)


def _colours() -> Iterator[str]:
    while True:
        yield from (OURS, PEER, "#0b7a75", "#7a3e9d")


PICTURES = (
    Picture(
        "performance-ratios.png",
        "What ours costs, against the floor and the peer",
        lambda figure: figure.ratio_to_floor is not None or figure.ratio_to_peer is not None,
        _ratios,
        lambda count: 1.2 + LINE_INCHES * count,
    ),
    Picture(
        "performance-cpu.png",
        "CPU time of each",
        lambda figure: figure.unit in MICROSECONDS,
        _costs,
        lambda count: 1.2 + LINE_INCHES * count,
    ),
    Picture(
        "performance-fan-out.png",
        "An event to a whole fleet, over time",
        lambda figure: bool(figure.done_s),
        _fan_out,
        lambda _: 4.5,
    ),
)
