"""How long a report's period may be: no longer than what it is about is kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.errors import InvalidData
from openadr_ra.protocol import producer
from openadr_ra.protocol.producer import Producer, Rates
from openadr_ra.protocol.times import Duration
from tests.protocol.answers import request
from tests.world import NOON, OFFER

HOUR_S = 3600
OFFERED = producer.offer(Producer(), OFFER)


def served(back_s: int, specifier: str = "usage") -> Producer:
    """A node that keeps an hour is asked for a report so often."""
    asked = replace(
        request("0" if specifier == "METADATA" else "bat.kw", specifier=specifier), report_back=Duration(seconds=back_s)
    )
    return producer.create(OFFERED, (asked,), NOON, Rates(kept_s=HOUR_S))


def test_a_period_as_long_as_samples_are_kept_is_served() -> None:
    assert list(served(HOUR_S).requests) == ["rr1"]


def test_a_period_longer_than_samples_are_kept_is_refused() -> None:
    """Its beginning would be gone when it is over."""
    with pytest.raises(InvalidData, match="samples are kept for 3600 s, no longer; send for them more often"):
        served(HOUR_S + 1)


def test_what_is_on_offer_may_be_told_as_seldom_as_one_likes() -> None:
    assert list(served(HOUR_S + 1, "METADATA").requests) == ["rr1"]
