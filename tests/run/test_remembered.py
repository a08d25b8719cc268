"""What an unsigned message means is remembered for the next of its shape, and nothing else changes by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openadr_ra.errors import ComplianceError, WireError
from openadr_ra.protocol.messages import Message, Poll, QueryRegistration
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.envelope import Envelope, Policy
from openadr_ra.run.remembered import MAX_MOULDS, Remembered
from openadr_ra.wire.codec import decode, encode

USUAL = Policy()
SIGNED_ONLY = Policy(signing="required")
LENIENT = Policy(lenient=True)


def envelope() -> Envelope:
    """That of a VTN without certificates."""
    return Envelope(SystemClock(), signer=None, window=timedelta(seconds=30), changes_nothing="Poll")


def poll(ven: str) -> bytes:
    return encode(Poll(ven_id=VenId(ven)))


def remembered(*bodies: bytes, policy: Policy = USUAL) -> Remembered[Policy]:
    made: Remembered[Policy] = Remembered()
    for body in bodies:
        made.keep(body, policy, decode(body))
    return made


async def test_what_is_remembered_is_what_would_be_decoded() -> None:
    """Whoever polls, and however often; two VENs do not mix."""
    opens = envelope()

    for ven in ("ven-1", "ven-2", "ven-1", "ven-1", "ven-3", "ven-2"):
        opened = await opens.read(poll(ven), USUAL)
        assert opened == await envelope().read(poll(ven), USUAL)
        assert opened.message == Poll(ven_id=VenId(ven))


async def test_a_message_is_taken_by_the_policy_it_comes_under() -> None:
    """One that has to be signed is refused although the same bytes were good elsewhere."""
    opens = envelope()
    for _ in range(2):
        assert (await opens.read(poll("ven-1"), USUAL)).message == Poll(ven_id=VenId("ven-1"))

        with pytest.raises(ComplianceError):
            await opens.read(poll("ven-1"), SIGNED_ONLY)
        assert (await opens.read(poll("ven-1"), LENIENT)).message == Poll(ven_id=VenId("ven-1"))


async def test_a_body_that_is_refused_is_refused_again() -> None:
    opens = envelope()
    await opens.read(poll("ven-1"), USUAL)
    for broken in (poll("ven-1")[:-1], poll("ven-1").replace(b"oadrPoll", b"oadrPool"), poll("").replace(b"><", b">")):
        for _ in range(2):
            with pytest.raises(WireError):
                await opens.read(broken, USUAL)


async def test_what_had_to_be_repaired_is_repaired_each_time() -> None:
    """So that its warnings do not stop."""
    opens = envelope()
    body = poll("ven-1").replace(b" ei:schemaVersion=", b" schemaVersion=")

    first = await opens.read(body, LENIENT)
    again = await opens.read(body, LENIENT)

    assert first.warnings
    assert again == first


async def test_what_changes_something_is_decoded_each_time() -> None:
    """A memo of it would hold nothing that comes again."""
    opens = envelope()
    asked: Message = QueryRegistration(request_id=RequestId("r-1"))

    assert [(await opens.read(encode(asked), USUAL)).message for _ in range(2)] == [asked, asked]


def test_one_shape_is_one_entry_whoever_sends_it() -> None:
    assert len(remembered(poll("ven-1"), poll("ven-2"), poll("ven-3"))) == 1


def test_so_many_shapes_are_remembered_and_the_one_unseen_for_longest_goes() -> None:
    shapes = [poll("ven-1") + b" " * blanks for blanks in range(MAX_MOULDS + 1)]
    memo = remembered(*shapes[:-1])
    assert len(memo) == MAX_MOULDS
    assert memo.read(shapes[0], USUAL) is not None

    memo.keep(shapes[-1], USUAL, decode(shapes[-1]))

    assert len(memo) == MAX_MOULDS
    assert memo.read(shapes[-1], USUAL) is not None
    assert memo.read(shapes[0], USUAL) is not None
    assert memo.read(shapes[1], USUAL) is None
