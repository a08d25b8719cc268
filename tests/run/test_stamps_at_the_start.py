"""Signed messages round the instant of our start, at whichever second's part that was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openadr_ra.errors import ComplianceError
from openadr_ra.protocol.messages import Message, Poll, QueryRegistration
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.envelope import Envelope, Policy
from openadr_ra.wire.signing import Signer, load_signer, sign
from tests.run.site import new_site

STARTED = datetime(2026, 11, 21, 12, 0, 0, 700_000, tzinfo=UTC)
SECOND = STARTED.replace(microsecond=0)
POLL, CHANGE = Poll(ven_id=VenId("VEN1")), QueryRegistration(request_id=RequestId("r1"))


class Still(SystemClock):
    """Stands where it is put."""

    at = STARTED

    def now(self) -> datetime:
        return self.at


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    shown = new_site(tmp_path_factory).issue("VEN1")
    return load_signer(Path(shown.certificate), Path(shown.key))


def started() -> tuple[Envelope, Still]:
    """An end that began in the middle of a second, and stands a little later."""
    clock = Still()
    made = Envelope(clock, signer=None, window=timedelta(seconds=30), changes_nothing="Poll")
    clock.at = STARTED + timedelta(seconds=0.2)
    return made, clock


async def taken(envelope: Envelope, signer: Signer, message: Message, stamp: datetime, nonce: str = "n") -> bool:
    opened = await envelope.read(sign(message, signer, now=stamp, nonce=nonce), Policy())
    assert opened.signed is not None
    assert opened.signed.timestamp == stamp
    try:
        envelope.take(opened)
    except ComplianceError:
        return False
    return True


MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("message", "stamp", "is_taken"),
    [
        (CHANGE, SECOND, True),
        (CHANGE, SECOND - timedelta(seconds=1), False),
        (CHANGE, SECOND + MS, False),
        (CHANGE, STARTED - MS, False),
        (CHANGE, STARTED, True),
        (POLL, SECOND, False),
        (POLL, STARTED - MS, False),
        (POLL, STARTED, True),
        (POLL, SECOND + timedelta(seconds=1), True),
    ],
)
async def test_a_stamp_of_whole_seconds_may_lie_before_our_start_by_its_rounding_alone(
    signer: Signer, message: Message, stamp: datetime, is_taken: bool
) -> None:
    """Where the nonce is stored with what the message changes it is taken: a repetition is known. A poll's is not stored."""
    envelope, _ = started()

    assert await taken(envelope, signer, message, stamp) is is_taken


async def test_a_process_that_takes_over_takes_what_was_signed_for_its_predecessor(signer: Signer) -> None:
    """But for polls, whose nonces nobody stores."""
    clock = Still()
    heir = Envelope(clock, signer=None, window=timedelta(seconds=30), changes_nothing="Poll", in_turn=True)
    assert await taken(heir, signer, CHANGE, STARTED - timedelta(seconds=5.2))
    assert not await taken(heir, signer, POLL, STARTED - timedelta(seconds=5.2))


async def test_no_poll_that_was_taken_before_a_restart_is_taken_after_it(signer: Signer) -> None:
    """Not even if both happen within the second that is on its stamp."""
    first, clock = started()
    clock.at = SECOND + timedelta(seconds=1.1)
    whole = SECOND + timedelta(seconds=1)
    assert await taken(first, signer, POLL, whole)

    restarted = Envelope(clock, signer=None, window=timedelta(seconds=30), changes_nothing="Poll")

    assert not await taken(restarted, signer, POLL, whole)


async def test_the_nonce_of_a_change_is_handed_out_to_be_stored(signer: Signer) -> None:
    envelope, clock = started()
    opened = await envelope.read(sign(CHANGE, signer, now=SECOND, nonce="n"), Policy())

    once = envelope.take(opened)

    assert once is not None
    assert once.now == clock.at
    assert once.until >= SECOND + timedelta(seconds=30)
