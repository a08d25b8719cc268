"""How long to wait before trying again, spread over a fleet."""

from __future__ import annotations

from datetime import timedelta

from openadr_ra.protocol.step import Moment

LONGEST_BACKOFF_S = 60.0
"""Truncated binary exponential back-off with jitter, from one second (reference 6.2, 9.1.7)."""


def backoff(tries: int, dice: float) -> timedelta:
    """How long to wait after the `tries`-th attempt (from 1) got no reply; `dice` in [0, 1) spreads a fleet."""
    longest = min(LONGEST_BACKOFF_S, 2.0 ** min(tries - 1, 10))
    return timedelta(seconds=longest * (0.5 + dice / 2))


def dice(moment: Moment) -> float:
    """A number in [0, 1) that differs from step to step, drawn from the moment's token."""
    return int(moment.token[-8:], 16) / 2**32
