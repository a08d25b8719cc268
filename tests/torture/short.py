"""Runs the torture in its short form: one VTN and two VENs, one kind of fault, a few seconds of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from torture.verdict import Summary

ROOT = Path(__file__).parents[2]

LONGEST_S = 400
"""Some fifteen seconds on a machine that has nothing else to do; what takes so long is not what is tested."""


def tortured(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A small run, with its folder in `folder`."""
    command = (sys.executable, "-m", "torture", "--small", "--minutes", "0.1", "--json", "--out", str(folder))
    return subprocess.run(
        (*command, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_S
    )


def assert_the_books_balance(folder: Path, kind: str) -> None:
    """After one fault of that kind. Skips where it cannot be had here."""
    ran = tortured(folder, "--seed", "1", "--only", kind)
    assert ran.stdout, ran.stderr
    summary = msgspec.json.decode(ran.stdout, type=Summary)

    assert summary.findings == (), ran.stderr
    assert ran.returncode == 0
    left = {one.kind: one.why for one in summary.left_out}
    if kind in left:
        pytest.skip(left[kind])
    assert summary.faults == {kind: 1}
    assert min(summary.registrations, summary.events, summary.readings) > 0
