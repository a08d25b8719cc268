"""Rows that several threads read before anybody has read one of their kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_threads_that_read_the_first_rows_of_a_kind_at_once_all_live() -> None:
    """The writer and the reader of a store do, right after a start; without care a third of these processes ended."""
    for _ in range(8):
        done = subprocess.run((sys.executable, "-m", "tests.store.first_reads"), cwd=ROOT, check=False)
        assert done.returncode == 0
