"""Processes that are measured from outside: what they spend and what they hold. Linux only, as /proc is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import clock_gettime

PYTHON = sys.executable

STOP_S = 10.0
"""For a process to end when it is told to."""


@contextmanager
def child(*arguments: str) -> Iterator[tuple[int, str]]:
    """`python ARGUMENTS` until the block is left: its process id, and the first line that it says."""
    with subprocess.Popen((PYTHON, *arguments), stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline().strip() if process.stdout is not None else ""
            assert said, f"python {' '.join(arguments)} ended before it said anything"
            yield process.pid, said
        finally:
            process.terminate()
            process.wait(STOP_S)


def cpu_us(pid: int) -> float:
    """CPU microseconds that process `pid` has spent so far, in all of its threads, user and system.

    /proc counts these in ticks of 10 ms. The process's CPU clock counts nanoseconds; its id is made as the kernel does it
    (clock_getcpuclockid(3), which Python lacks).
    """
    return clock_gettime(~pid << 3 | 2) * 1e6


def resident_mib(status: str) -> float:
    """VmRSS of the text of a /proc/PID/status, in MiB."""
    found = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(found.split()[1]) / 1024


def resident_mib_of(pid: int) -> float:
    """What process `pid` holds in memory now, its share of mapped files included."""
    return resident_mib(Path(f"/proc/{pid}/status").read_text())
