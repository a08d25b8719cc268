"""Many seeds on all cores, and what came of them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic, process_time

import msgspec

from simulation.scenario import Result, run

PROGRESS_S = 5.0
"""So often a long run says how far it is."""

MOST_SHOWN = 3
"""Of so many seeds that fail the transcript is printed."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A seed's result and the CPU seconds that it took."""

    result: Result
    cpu_s: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run comes to. `failed` are the seeds for which an invariant did not hold, each with its sentence."""

    seeds: int
    first: int
    cpu_s: float
    wall_s: float
    ven_hours: float
    ven_hours_per_cpu_s: float
    messages: int
    steps: int
    counts: dict[str, int]
    failed: dict[int, str]


@contextmanager
def silence() -> Iterator[None]:
    """What the parts would log concerns nobody in the block."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def quietly(seed: int) -> Ran:
    """Simulate one seed."""
    began = process_time()
    with silence():
        result = run(seed)
    return Ran(result=result, cpu_s=process_time() - began)


def simulated(seeds: range, jobs: int, told: Callable[[int, int], None]) -> tuple[Summary, tuple[Result, ...]]:
    """All of the seeds, over so many processes; the results are those that failed. `told` hears of the progress: how many
    are done, how many of them failed."""
    began, last = monotonic(), monotonic()
    counts: Counter[str] = Counter()
    failed: list[Result] = []
    cpu_s = 0.0
    for done, ran in enumerate(_each(seeds, jobs), 1):
        cpu_s += ran.cpu_s
        counts.update(ran.result.counts)
        if ran.result.broken:
            failed.append(ran.result)
        if monotonic() - last > PROGRESS_S:
            last = monotonic()
            told(done, len(failed))
    failed.sort(key=lambda result: result.seed)
    hours = counts.pop("VEN seconds", 0) / 3600
    summary = Summary(
        seeds=len(seeds),
        first=seeds.start,
        cpu_s=round(cpu_s, 2),
        wall_s=round(monotonic() - began, 2),
        ven_hours=round(hours, 1),
        ven_hours_per_cpu_s=round(hours / cpu_s, 1) if cpu_s else 0.0,
        messages=counts.pop("messages", 0),
        steps=counts.pop("steps", 0),
        counts=dict(sorted(counts.items())),
        failed={result.seed: result.why for result in failed},
    )
    return summary, tuple(failed)


def _each(seeds: Iterable[int], jobs: int) -> Iterator[Ran]:
    if jobs == 1:
        yield from map(quietly, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(quietly, seeds, chunksize=8)


def cores() -> int:
    return os.cpu_count() or 1


def progress(of: int) -> Callable[[int, int], None]:
    """Says on stderr how far it is."""

    def told(done: int, failed: int) -> None:
        said = f", {failed} failed" if failed else ""
        print(f"{done} of {of} seeds{said}", file=sys.stderr, flush=True)

    return told
