"""Random schedules of orders and faults, the second quarter of a thousand: all invariants hold."""

from __future__ import annotations

import pytest

from tests.simulation.seeds import PATIENCE_S, SHARES, broken


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize("share", range(SHARES))
def test_all_invariants_hold_in_the_second_quarter_of_a_thousand_random_schedules(share: int) -> None:
    assert broken(1, share) == {}
