"""Disks, clocks and networks that fail: the short form of the torture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.short import LONGEST_S, assert_the_books_balance


@pytest.mark.timeout(LONGEST_S + 20)
@pytest.mark.parametrize("kind", ["locked", "network", "disk-full", "clock"])
def test_the_books_balance_after_what_a_node_stands_on_has_failed(tmp_path: Path, kind: str) -> None:
    """Whatever was acknowledged is there once, both ends agree, and no device was driven past its lease."""
    assert_the_books_balance(tmp_path, kind)
