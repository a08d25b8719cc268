"""`python -m benchmarks.tracking`: many events, into docs/tracking.csv, docs/tracking.png and the table of docs/tracking.md.

`--seeds N` and `--slots N`: how many events, and how many half hours each has. It takes about half a minute of CPU for an
event of five.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tracking.measures import SlotFigures, slots, summary
from benchmarks.tracking.report import draw, read_csv, table, write_csv
from benchmarks.tracking.run import POLICIES, Run, Simulation
from benchmarks.tracking.scene import Faults, scene

DOCS = Path(__file__).parents[2] / "docs"
HEADING = "## Figures\n\n"
MEANING = "\n\nWhat the rows mean:"
SHOWN = 1
"""The seed whose event is drawn."""


def main(seeds: int, count: int) -> None:
    """Run them, and write them down."""
    shown: list[Run] = []
    found: list[SlotFigures] = []
    for run in events(range(1, seeds + 1), count):
        found += slots(run)
        shown += [run] if run.scene.seed == SHOWN else []
        print(f"seed {run.scene.seed} {run.policy}", file=sys.stderr, flush=True)
    write_csv(found, DOCS / "tracking.csv")
    draw(shown, found, DOCS / "tracking.png")
    figures = table([summary(policy, read_csv(DOCS / "tracking.csv")) for policy in POLICIES])
    put(figures, DOCS / "tracking.md")
    print(figures)


def put(figures: str, page: Path) -> None:
    """The table in the place of the one that the page has."""
    before, _, rest = page.read_text("utf-8").partition(HEADING)
    _, _, after = rest.partition(MEANING)
    page.write_text(f"{before}{HEADING}{figures}{MEANING}{after}", "utf-8")


def events(seeds: range, count: int) -> Iterator[Run]:
    """Each scene under each policy, with the same faults."""
    for seed in seeds:
        drawn = scene(seed, slots=count, faults=Faults())
        for policy in POLICIES:
            yield Simulation(drawn, policy).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--slots", type=int, default=5)
    given = parser.parse_args()
    main(given.seeds, given.slots)
