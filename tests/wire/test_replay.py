"""A signed message is good for a short time, and once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from openadr_ra.errors import ComplianceError
from openadr_ra.protocol.times import FOREVER
from openadr_ra.wire.signature import Nonce, Signed, fresh
from tests.wire.sealing import NONCE, NOON, received

PAST = timedelta(seconds=5)
FUTURE = timedelta(seconds=2)
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def signed(by_id: bytes) -> Signed:
    return received(by_id)


def judged(signed: Signed, now: datetime) -> Nonce:
    return fresh(signed, now, past=PAST, future=FUTURE)


@pytest.mark.parametrize("now", [NOON - FUTURE, NOON, NOON + PAST], ids=["early", "on time", "late"])
def test_a_message_is_fresh_inside_the_window_edges_included(now: datetime, signed: Signed) -> None:
    """It is to be remembered just as long as it could come again: a nonce ends when its message is too old."""
    nonce = judged(signed, now)

    assert nonce.until == NOON + PAST
    assert nonce == judged(signed, NOON)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        pytest.param(NOON + PAST + INSTANT, "signed 5 s ago", id="too late"),
        pytest.param(NOON - FUTURE - INSTANT, "2 s in the future", id="too early"),
        pytest.param(NOON + timedelta(days=365), "ago", id="a year later"),
    ],
)
def test_a_message_outside_the_window_is_refused_with_the_cure(now: datetime, reason: str, signed: Signed) -> None:
    """The sender is known by now, and is told what is wrong with its clock."""
    with pytest.raises(ComplianceError, match=reason) as refused:
        judged(signed, now)

    assert refused.value.code == "459"
    assert "clock" in str(refused.value)


def test_signer_time_and_nonce_make_a_message_unique(signed: Signed) -> None:
    others = (
        msgspec.structs.replace(signed, nonce=NONCE + "0"),
        msgspec.structs.replace(signed, timestamp=NOON + INSTANT),
        msgspec.structs.replace(signed, fingerprint="00:" * 9 + "00"),
    )

    keys = {judged(each, NOON).key for each in (signed, *others)}

    assert len(keys) == 4
    assert judged(signed, NOON + PAST).key in keys


def test_a_time_at_the_end_of_the_calendar_is_a_time(signed: Signed) -> None:
    last = msgspec.structs.replace(signed, timestamp=datetime.max.replace(tzinfo=UTC))

    assert judged(last, last.timestamp).until == FOREVER
    with pytest.raises(ComplianceError):
        judged(last, NOON)
