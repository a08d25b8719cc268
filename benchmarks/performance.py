"""docs/performance.md, its pictures, and a table of docs/scaling.md, from docs/performance.json: what was measured last.

`python -m benchmarks.performance` draws them anew and measures nothing.
"""

from __future__ import annotations

import ast
import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import sizing
from benchmarks.measure import Figure, Section
from benchmarks.performance_pictures import PICTURES, draw, shown

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
DATA, PAGE = "performance.json", "performance.md"

TIMES = "\N{MULTIPLICATION SIGN}"
PEER = "openleadr 0.5.36"

HEAD = f"""# Performance

Drawn by `python -m benchmarks --write-docs --full` from `{DATA}`, which it writes; with names of figures it measures
only these anew. What is said here was measured, on the machine that is named; on another the ratios should be similar.

- A *floor* is what the bare libraries cost that do the least of it; the *peer* is {PEER}. Both are measured in the same
  run, in turn with ours. What stands for them is said with each figure.
- Times are CPU time of the server's process, all of its threads, unless they are by the clock on the wall. A server has one
  core to itself, its clients another.
- Figures are medians over rounds, ratios medians of the ratios of each round. *Least…most* are those of the rounds: of the
  ratio to the floor where the goal is one, else of the figure itself.
- A goal that was missed says **NO**.
"""


def section(name: str, figures: Sequence[Figure], *, full: bool) -> Section:
    """The figures of `figure_NAME.py`, measured now and here."""
    return Section(
        name=name,
        about=_about(name),
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        python=platform.python_version(),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        full=full,
        figures=tuple(figures),
    )


def _about(name: str) -> str:
    """The file's docstring, read without the libraries that it measures."""
    return ast.get_docstring(ast.parse((HERE / f"figure_{name}.py").read_text("utf-8"))) or ""


def kept(docs: Path = DOCS) -> tuple[Section, ...]:
    """The sections as they were written last."""
    file = docs / DATA
    return msgspec.json.decode(file.read_bytes(), type=tuple[Section, ...]) if file.exists() else ()


def write(new: Sequence[Section], docs: Path = DOCS) -> None:
    """Put the new sections in the place of those of the same name, and draw anew what is drawn from them."""
    every = {one.name: one for one in (*kept(docs), *new)}
    sections = tuple(every[name] for name in sorted(every))
    (docs / DATA).write_bytes(msgspec.json.format(msgspec.json.encode(sections), indent=1) + b"\n")
    (docs / PAGE).write_text(page(sections), "utf-8")
    draw(sections, docs)
    sizing.write(sections, docs)


def page(sections: Sequence[Section]) -> str:
    """All of it as Markdown; the same sections make the same page."""
    tables = (line for one in sections for line in _section(one))
    return "\n".join((HEAD, *_missed(sections), *_pictures(sections), *tables))


def _missed(sections: Sequence[Section]) -> Iterator[str]:
    goals = [figure for one in sections for figure in one.figures if figure.goal]
    missed = [figure.name for figure in goals if not figure.met]
    yield f"{len(goals) - len(missed)} of {len(goals)} goals are met."
    if missed:
        yield f"Missed: {'; '.join(missed)}."
    yield ""


def _pictures(sections: Sequence[Section]) -> Iterator[str]:
    for picture in PICTURES:
        if shown(picture, sections):
            yield f"![{picture.says}]({picture.file})\n"


def _section(one: Section) -> Iterator[str]:
    title, _, rest = one.about.partition("\n")
    yield f"## {one.name}\n"
    yield f"{title}\n"
    if rest.strip():
        yield f"{rest.strip()}\n"
    command = f"python -m benchmarks {one.name}{' --full' if one.full else ''}"
    yield f"`{command}`: {one.day}, Python {one.python}, {one.cores} {one.machine} cores.\n"
    yield "| figure | unit | ours | least…most | floor | peer | ÷ floor | ÷ peer | goal | met |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---|---|"
    for figure in one.figures:
        yield f"| {' | '.join(cells(figure))} |"
    yield ""


def cells(figure: Figure) -> tuple[str, ...]:
    """One line of a table."""
    unit = "" if figure.least is None or figure.most is None else f"{number(figure.least)}…{number(figure.most)}"
    ratio = f" {TIMES}" if unit and "x floor" in figure.goal else ""
    return (
        figure.name,
        figure.unit,
        number(figure.ours),
        unit + ratio,
        number(figure.floor),
        number(figure.peer),
        number(figure.ratio_to_floor),
        number(figure.ratio_to_peer),
        figure.goal.replace(" x floor", f" {TIMES} floor"),
        "" if not figure.goal else "yes" if figure.met else "**NO**",
    )


def number(value: float | None) -> str:
    """Three digits of it."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    write(())
