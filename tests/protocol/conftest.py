"""A VEN that is registered, has said what it can report, and was asked for it."""

from __future__ import annotations

import pytest

from tests.world import Pair


@pytest.fixture
def pair() -> Pair:
    """An hour before noon, and all is said that a registration brings with it."""
    pair = Pair()
    pair.ven_starts()
    return pair
