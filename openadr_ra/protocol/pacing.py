"""How long to wait before trying again, spread over a fleet."""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.protocol.step import Moment

LONGEST_BACKOFF_S = 60.0
"""Truncated binary exponential back-off with jitter, from one second (reference 6.2, 9.1.7)."""

LAST_TRY = 7
"""From this attempt on the back-off is at its longest."""


def backoff(tries: int, dice: float) -> timedelta:
    """How long to wait after the `tries`-th attempt (from 1) got no reply; `dice` in [0, 1) spreads a fleet."""
    longest = min(LONGEST_BACKOFF_S, 2.0 ** min(tries - 1, 10))
    return timedelta(seconds=longest * (0.5 + dice / 2))


def awaited(sent_at: datetime | None, now: datetime, retry: timedelta) -> bool:
    """May the answer to what was sent at `sent_at` still come? After `retry` it counts as lost; so it does when it seems to
    be sent so long after now, for then the clock was set back. By less the clocks of two hosts may differ."""
    return sent_at is not None and abs(now - sent_at) < retry


def dice(moment: Moment) -> float:
    """A number in [0, 1) that differs from step to step, drawn from the moment's token."""
    return int(moment.token[-8:], 16) / 2**32


MINUTE = timedelta(minutes=1)


def with_poll(polls: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """The regular polls of the last minute, and the one that is sent now."""
    return (*(sent for sent in polls if sent > now - MINUTE), now)


def next_poll(polls: tuple[datetime, ...], poll_s: int, now: datetime) -> datetime:
    """When the next regular poll may be sent, from `now` on, if they need not be evenly spaced: over any minute there are
    at most as many as one every `poll_s` makes; the period itself where it is longer than a minute.
    """
    if not polls:
        return now
    if poll_s > MINUTE.total_seconds():
        return max(polls[-1] + timedelta(seconds=poll_s), now)
    most = int(MINUTE.total_seconds()) // max(poll_s, 1)
    recent = [sent for sent in polls if sent > now - MINUTE]
    return now if len(recent) < most else recent[-most] + MINUTE
