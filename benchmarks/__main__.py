"""`python -m benchmarks [WORD ...] [--full] [--write-docs]`: every figure, as one table and as results/figures.json.

A figure is added by adding a file `figure_NAME.py` with a function `figures()` that yields `measure.Figure`s; nothing has to
be registered. One that is too large for every day has a function `full()` besides, for `--full`. With WORDs only the files
whose names hold one of them are run, and the JSON is left alone. `--write-docs` puts what was measured into
docs/performance.json and draws docs/performance.md from it. A peer is imported by the file that measures it; a figure of
memory or of start-up measures processes of its own.

The exit status is 0 also when a goal is missed: the table says so, and the mood of a shared machine should not fail a build.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from time import monotonic

import msgspec

from benchmarks.measure import Figure
from benchmarks.performance import PAGE, number, section, write

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "figures.json"
COLUMNS = ("figure", "unit", "ours", "floor", "peer", "x floor", "x peer", "least..most", "goal", "met")


def main(words: Sequence[str], *, full: bool, write_docs: bool) -> None:
    """Run the figures, print them, and keep them if they are all."""
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores, CPU time, medians")
    sections = []
    for name in modules(words):
        plain = name.removeprefix("figure_")
        print(f"measuring {plain} ...", file=sys.stderr, flush=True)
        began = monotonic()
        module = import_module(f"benchmarks.{name}")
        whole = full and hasattr(module, "full")
        sections.append(section(plain, tuple(module.full() if whole else module.figures()), full=whole))
        print(f"{plain} took {monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    found = [figure for one in sections for figure in one.figures]
    print(table(found))
    if not words:
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        print(f"written to {RESULTS.relative_to(HERE.parent)}")
    if write_docs:
        write(sections)
        print(f"written to docs/{PAGE}")


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
    spread = (figure.least, figure.most)
    return (
        figure.name,
        figure.unit,
        *(number(each) or "-" for each in numbers),
        *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        "-" if None in spread else "..".join(number(each) for each in spread),
        figure.goal or "-",
        "-" if not figure.goal else "yes" if figure.met else "NO",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--full", action="store_true", help="at the size of the goals, where that is not every day's")
    parser.add_argument("--write-docs", action="store_true", help="into docs/performance.md")
    given = parser.parse_args()
    main(given.words, full=given.full, write_docs=given.write_docs)
