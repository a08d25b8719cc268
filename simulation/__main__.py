"""`python -m simulation --seeds 1000 [--from N] [--seed N] [--jobs N] [--json]`: random schedules against the invariants.

The exit status is 1 when an invariant did not hold; the transcripts of the first seeds that failed are printed. `--seed N`
repeats one of them, and prints what happened in it in any case.
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from simulation.runner import MOST_SHOWN, Summary, cores, progress, silence, simulated
from simulation.scenario import Result, run


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m simulation", description="Random schedules against the invariants."
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds (default 1000)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="one seed, with its transcript")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (default: one a core)")
    parser.add_argument("--json", action="store_true", help="the outcome for programs, on stdout")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        with silence():
            result = run(asked.seed, written=True)
        print(msgspec.json.encode(result).decode() if asked.json else shown(result))
        return 1 if result.broken else 0
    summary, failed = simulated(range(asked.first, asked.first + asked.seeds), asked.jobs, progress(asked.seeds))
    if asked.json:
        print(msgspec.json.encode(summary).decode())
    else:
        for result in failed[:MOST_SHOWN]:
            with silence():
                print(shown(run(result.seed, written=True)))
        print(told(summary))
    return 1 if failed else 0


def shown(result: Result) -> str:
    """A seed's transcript, and what came of it."""
    outcome = result.why if result.broken else "all invariants held"
    return "\n".join([
        f"seed {result.seed} ({result.kind})",
        *result.lines,
        f"seed {result.seed}: {outcome}",
        f"transcript {result.digest[:16]}; again: python -m simulation --seed {result.seed}",
        "",
    ])  # fmt: skip


def told(summary: Summary) -> str:
    """The summary in lines."""
    faults = ", ".join(f"{count:,} {what}" for what, count in summary.counts.items())
    outcome = f"{len(summary.failed)} FAILED: {sorted(summary.failed)}" if summary.failed else "all invariants held"
    return "\n".join([
        f"{summary.seeds:,} seeds from {summary.first}: {outcome}",
        f"{summary.ven_hours:,.0f} VEN-hours in {summary.cpu_s:,.1f} CPU s ({summary.wall_s:,.1f} s wall):"
        f" {summary.ven_hours_per_cpu_s:,.0f} a CPU second",
        f"{summary.messages:,} messages, {summary.steps:,} steps",
        faults,
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
