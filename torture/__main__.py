"""`python -m torture`: processes killed, disks filled, networks cut, clocks stepped, under load; then the books."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import msgspec

from torture import faults, postgres
from torture.run import Say, run
from torture.scene import Scene, full_scene, small_scene
from torture.schedule import KINDS, Fault, Kind, Left, draw
from torture.verdict import Summary, summed, table

ROOT = Path(__file__).parents[1]

MOST_MINUTES = 15.0
SHOWN = 40
"""Findings on the screen; `--json` has all of them."""

AWAY_S = 30.0
"""For so long a database is away."""

AROUND_S = 60.0
"""A run is so much longer than its faults: registering before them, quiet after them, and the books."""


def arguments() -> argparse.Namespace:
    """What is asked."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the schedule; a run says its own")
    parser.add_argument("--minutes", type=float, default=5.0, help=f"in all, at most {MOST_MINUTES:g} (5)")
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="NAME", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--small", action="store_true", help="one VTN and two VENs, on SQLite")
    parser.add_argument("--sqlite", action="store_true", help="no PostgreSQL, even where there is one")
    parser.add_argument("--workers", type=int, default=2, help="of the VTN on PostgreSQL (2)")
    parser.add_argument("--out", type=Path, default=Path("out/torture"), help="where a run has its folder")
    parser.add_argument("--dry", action="store_true", help="show the schedule and end")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout, the rest on stderr")
    asked = parser.parse_args()
    if not 0 < asked.minutes <= MOST_MINUTES:
        parser.error(f"--minutes: more than 0, at most {MOST_MINUTES:g}")
    return asked


def in_own_name_space() -> None:
    """Begin anew in a mount name space where the system lets us: disks that are mounted there go with it."""
    if os.getuid() != 0 or faults.may_mount():
        return
    enter = ("unshare", "--mount", "--propagation", "private")
    try:
        probe = "mount -t tmpfs -o size=1m torture /mnt"
        may = subprocess.run((*enter, "sh", "-c", probe), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return
    if may:
        os.environ["TORTURE_MAY_MOUNT"] = "1"
        os.execvp(enter[0], (*enter, sys.executable, "-m", "torture", *sys.argv[1:]))  # noqa: S606 - no shell


def no_database(asked: argparse.Namespace) -> str | None:
    """Why there is none; None where there is."""
    return "not asked for" if asked.small or asked.sqlite else postgres.missing()


def scene_of(asked: argparse.Namespace, left: tuple[Left, ...]) -> Scene:
    """Who is there."""
    missing = {one.kind for one in left}
    disks = "disk-full" not in missing
    if asked.small:
        return small_scene(disks=disks)
    return full_scene(database="kill-database" not in missing, workers=asked.workers, disks=disks)


def main() -> int:
    """0 where the books balance."""
    asked = arguments()
    in_own_name_space()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    say = speaker(sys.stderr if asked.json else sys.stdout)
    left = faults.left_out(postgres=no_database(asked))
    scene = scene_of(asked, left)
    seconds = asked.minutes * 60 if asked.small else max(asked.minutes * 60 - AROUND_S, AROUND_S)
    missing = {one.kind for one in left}
    kinds: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in missing and kind in (asked.only or KINDS))
    schedule = draw(seed, seconds, kinds, scene, away_s=AWAY_S)
    say(
        f"seed {seed}: {len(schedule)} faults in {seconds:.0f} s; `--seed {seed} --dry` beside the same options shows them"
    )
    for one in left:
        say(f"left out: {one.kind}: {one.why}")
    if asked.dry:
        for fault in schedule:
            say(fault.line())
        return 0
    summary = tortured(asked.out / str(seed), scene, schedule, seed, seconds, say, left)
    print(msgspec.json.encode(summary).decode() if asked.json else shown(summary))
    return 1 if summary.findings else 0


def speaker(stream: TextIO) -> Say:
    """Says each line with the seconds since now."""
    began_s = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began_s:6.1f}] {line}", file=stream, flush=True)

    return say


def tortured(
    folder: Path, scene: Scene, schedule: tuple[Fault, ...], seed: int, seconds: float, say: Say, left: tuple[Left, ...]
) -> Summary:
    """The run and its figures. Logs and stores are kept where something is wrong."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    with ExitStack() as stack:
        servers = {cell.vtn: stack.enter_context(postgres.database()) for cell in scene.cells if cell.database}
        ran = asyncio.run(run(folder, scene, schedule, seed=seed, seconds=seconds, say=say, servers=servers))
    summary = summed(ran.book, ran.findings, ran.starts, seed=seed, minutes=seconds / 60, left=left)
    if not summary.findings:
        shutil.rmtree(folder, ignore_errors=True)
        return summary
    keep_disks(folder, scene)
    return msgspec.structs.replace(summary, kept=str(folder))


def keep_disks(folder: Path, scene: Scene) -> None:
    """A small disk goes with the run: what is on it is put beside it."""
    for name in scene.on_small_disks:
        shutil.copytree(folder / f"{name}-disk", folder / f"{name}-store", dirs_exist_ok=True)


def shown(summary: Summary) -> str:
    """For people."""
    parts = [table(summary), *(f"FINDING {finding.line()}" for finding in summary.findings[:SHOWN])]
    if len(summary.findings) > SHOWN:
        parts.append(f"and {len(summary.findings) - SHOWN} more; --json has them all")
    if summary.kept:
        parts.append(f"logs and stores: {summary.kept}")
    parts.append("the books do not balance" if summary.findings else "the books balance")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
