"""`python -m benchmarks [WORD ...]`: every figure, as one table and as results/figures.json.

A figure is added by adding a file `figure_NAME.py` with a function `figures()` that yields `measure.Figure`s; nothing has to
be registered. With WORDs only the files whose names hold one of them are run, and the JSON is left alone. A peer is imported
by the file that measures it; a figure of memory or of start-up measures processes of its own.

The exit status is 0 also when a goal is missed: the table says so, and the mood of a shared machine should not fail a build.
"""

from __future__ import annotations

import os
import pkgutil
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import msgspec

from benchmarks.measure import Figure

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "figures.json"
COLUMNS = ("figure", "unit", "ours", "floor", "peer", "x floor", "x peer", "goal", "met")


def main(words: Sequence[str]) -> None:
    """Run the figures, print them, and keep them if they are all."""
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores, CPU time, medians")
    found: list[Figure] = []
    for name in modules(words):
        print(f"measuring {name.removeprefix('figure_')} ...", file=sys.stderr, flush=True)
        found += import_module(f"benchmarks.{name}").figures()
    print(table(found))
    if not words:
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        print(f"written to {RESULTS.relative_to(HERE.parent)}")


def modules(words: Sequence[str]) -> tuple[str, ...]:
    """The figure files, in alphabetical order; all, or those that `words` name."""
    names = sorted(each.name for each in pkgutil.iter_modules([str(HERE)]) if each.name.startswith("figure_"))
    return tuple(name for name in names if not words or any(word in name for word in words))


def table(figures: Sequence[Figure]) -> str:
    """`figures` in columns."""
    rows = [COLUMNS, *(row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def row(figure: Figure) -> tuple[str, ...]:
    """One line of the table."""
    numbers = (figure.ours, figure.floor, figure.peer)
    ratios = (figure.ratio_to_floor, figure.ratio_to_peer)
    return (
        figure.name,
        figure.unit,
        *("-" if number is None else f"{number:,.0f}" if number >= 100 else f"{number:.3g}" for number in numbers),
        *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        figure.goal,
        "-" if not figure.goal else "yes" if figure.met else "NO",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
