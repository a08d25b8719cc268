"""Processes that are measured from outside: what they spend and what they hold. Linux only, as /proc is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import clock_gettime
from typing import NamedTuple

import psutil

PYTHON = sys.executable

STOP_S = 10.0
"""For a process to end when it is told to."""


CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]
"""Those of this process. The first is a server's, the last its generator's; where there is one, they share it."""


class Child(NamedTuple):
    """A process that says lines; `said` is the first of them."""

    pid: int
    said: str
    lines: Iterator[str]


@contextmanager
def child(*arguments: str, cores: Sequence[int] = CORES[:1]) -> Iterator[tuple[int, str]]:
    """`python ARGUMENTS` on one core until the block is left: its process id, and the first line that it says."""
    with talking(*arguments, cores=cores) as process:
        yield process.pid, process.said


@contextmanager
def talking(*arguments: str, cores: Sequence[int] = CORES[:1]) -> Iterator[Child]:
    """The same for one that has more to say."""
    with subprocess.Popen((PYTHON, *arguments), stdout=subprocess.PIPE, text=True) as process:
        if sys.platform == "linux":
            # Long before it starts a thread, which would stay where its process was then.
            os.sched_setaffinity(process.pid, cores)
        try:
            lines = (line.strip() for line in process.stdout or ())
            said = next(lines, "")
            assert said, f"python {' '.join(arguments)} ended before it said anything"
            yield Child(process.pid, said, lines)
        finally:
            process.terminate()
            process.wait(STOP_S)


@contextmanager
def beside() -> Iterator[None]:
    """Until the block is left this process keeps off the core of the servers, if there is another."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, CORES[-1:])
    try:
        yield
    finally:
        if sys.platform == "linux":
            os.sched_setaffinity(0, CORES)


def cpu_us(pid: int) -> float:
    """CPU microseconds that process `pid` has spent so far, in all of its threads, user and system.

    /proc counts these in ticks of 10 ms. The process's CPU clock counts nanoseconds; its id is made as the kernel does it
    (clock_getcpuclockid(3), which Python lacks).
    """
    return clock_gettime(~pid << 3 | 2) * 1e6


def tree_us(pid: int) -> float:
    """The same of process `pid` and all that it started; of those that have ended, which are counted in ticks of 10 ms."""
    first = psutil.Process(pid)
    ended = first.cpu_times()
    total = (ended.children_user + ended.children_system) * 1e6
    for process in (first, *first.children(recursive=True)):
        # One may have just ended.
        with suppress(OSError):
            total += cpu_us(process.pid)
    return total


def resident_mib(status: str) -> float:
    """VmRSS of the text of a /proc/PID/status, in MiB."""
    found = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(found.split()[1]) / 1024


def resident_mib_of(pid: int) -> float:
    """What process `pid` holds in memory now, its share of mapped files included."""
    return resident_mib(Path(f"/proc/{pid}/status").read_text())
