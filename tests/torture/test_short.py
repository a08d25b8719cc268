"""The torture in its short form: one VTN and two VENs, one kind of fault each, a few seconds of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from torture.faults import faketime
from torture.verdict import Summary

ROOT = Path(__file__).parents[2]

LONGEST_S = 400
"""Some fifteen seconds on a machine that has nothing else to do; what takes so long is not what is tested."""


def tortured(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "torture", "--small", "--minutes", "0.1", "--json", "--out", str(folder))
    return subprocess.run(
        (*command, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_S
    )


@pytest.mark.timeout(LONGEST_S + 20)
@pytest.mark.parametrize("kind", ["kill-vtn", "kill-ven", "locked", "network", "disk-full", "clock"])
def test_the_books_balance_after_a_fault_of_that_kind(tmp_path: Path, kind: str) -> None:
    """Whatever was acknowledged is there once, both ends agree, and no device was driven past its lease."""
    if kind == "clock" and faketime() is None:
        pytest.skip("libfaketime is not installed")
    ran = tortured(tmp_path, "--seed", "1", "--only", kind)
    assert ran.stdout, ran.stderr
    summary = msgspec.json.decode(ran.stdout, type=Summary)

    assert summary.findings == (), ran.stderr
    assert ran.returncode == 0
    left = {one.kind: one.why for one in summary.left_out}
    if kind in left:
        pytest.skip(left[kind])
    assert summary.faults == {kind: 1}
    assert min(summary.registrations, summary.events, summary.readings) > 0


def test_a_dry_run_shows_the_schedule_and_touches_nothing(tmp_path: Path) -> None:
    ran = tortured(tmp_path / "out", "--seed", "7", "--dry")

    assert ran.returncode == 0
    assert "seed 7" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_more_than_a_quarter_of_an_hour_is_refused() -> None:
    command = (sys.executable, "-m", "torture", "--minutes", "15.1", "--dry")
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert ran.returncode == 2
    assert "at most 15" in ran.stderr
