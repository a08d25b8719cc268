"""Processes that are killed: the short form of the torture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.short import LONGEST_S, ROOT, assert_the_books_balance, tortured


@pytest.mark.timeout(LONGEST_S + 20)
@pytest.mark.parametrize("kind", ["kill-vtn", "kill-ven"])
def test_the_books_balance_after_a_process_was_killed(tmp_path: Path, kind: str) -> None:
    """Whatever was acknowledged is there once, both ends agree, and no device was driven past its lease."""
    assert_the_books_balance(tmp_path, kind)


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
