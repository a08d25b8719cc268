"""Every set-point is a lease: what nobody renews is released, however long that takes."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime

import msgspec
import pytest

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.drivers.guard import RETRY_S
from openadr_ra.seams import Ack
from tests.drivers.makers import after, descriptor, setpoint
from tests.drivers.rig import ACCEPTED, Rig, hang

UNREACHABLE = Ack(outcome="unreachable")
REJECTED = Ack(outcome="rejected")


async def test_a_device_is_released_when_its_lease_ends() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(until_s=60))
        await clock.advance(after(59.9))
        assert not rig.heard("release")
        await clock.advance(after(60))
        assert rig.heard("release") == ["lease expired"]
        await clock.advance(after(1000))

    assert len(rig.heard("release")) == 1


async def test_a_renewal_puts_the_release_off() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=1, until_s=60))
        await clock.advance(after(50))
        await guard.apply(setpoint(sequence=2, until_s=120))
        await clock.advance(after(119))
        assert not rig.heard("release")
        await clock.advance(after(120))
        assert rig.heard("release") == ["lease expired"]


async def test_a_set_point_may_also_shorten_the_lease() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=1, until_s=600))
        await guard.apply(setpoint(sequence=2, until_s=60))
        await clock.advance(after(60))

        assert rig.heard("release") == ["lease expired"]


@pytest.mark.parametrize("failure", [UNREACHABLE, REJECTED, OSError("gone"), hang])
async def test_a_release_is_tried_until_it_works(failure: object) -> None:
    clock = VirtualClock()
    rig = Rig(clock, release=failure)

    async with Guard(rig, clock, timeout_s=0.1) as guard:
        await guard.apply(setpoint(until_s=60))
        await clock.advance(after(60))
        await released(rig, 1)
        await clock.advance(after(60 + RETRY_S))
        await released(rig, 2)
        rig.answers.clear()
        await clock.advance(after(60 + 2 * RETRY_S))
        await released(rig, 3)
        await clock.advance(after(1000))

    assert len(rig.heard("release")) == 3


async def released(rig: Rig, times: int) -> None:
    """The release was called so often, and its answer, or the want of one, was taken in."""
    async with asyncio.timeout(5):
        while len(rig.heard("release")) < times or rig.inside:
            await rig.clock.sleep_until(rig.clock.now())


async def test_a_new_set_point_ends_the_attempts_to_release() -> None:
    clock = VirtualClock()
    rig = Rig(clock, release=UNREACHABLE)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=1, until_s=60))
        await clock.advance(after(61))
        await guard.apply(setpoint(sequence=2, until_s=600))
        await clock.advance(after(599))
        assert len(rig.heard("release")) == 1
        await clock.advance(after(600))
        assert len(rig.heard("release")) == 2


async def test_a_released_device_is_not_released_again() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(until_s=60))
        assert await guard.release("event over") == ACCEPTED
        await clock.advance(after(1000))

    assert rig.heard("release") == ["event over"]


async def test_a_release_that_was_asked_for_and_failed_is_tried_again() -> None:
    """With its own reason, lease or not."""
    clock = VirtualClock()
    rig = Rig(clock, release=UNREACHABLE)

    async with Guard(rig, clock) as guard:
        assert (await guard.release("operator")).outcome == "unreachable"
        rig.answers.clear()
        await clock.advance(after(RETRY_S))
        assert rig.heard("release") == ["operator", "operator"]


async def test_a_fail_safe_of_hold_keeps_the_last_set_point() -> None:
    clock = VirtualClock()
    rig = Rig(clock, describe=descriptor(failsafe="hold"))

    async with Guard(rig, clock) as guard:
        await guard.describe()
        await guard.apply(setpoint(until_s=60))
        await clock.advance(after(1000))
        assert not rig.heard("release")

    assert rig.heard("release") == ["shutdown"]


async def test_a_release_that_was_asked_for_is_owed_until_a_set_point_is_taken() -> None:
    """One whose answer was lost does not pay it, whatever the fail-safe says."""
    clock = VirtualClock()
    rig = Rig(clock, describe=descriptor(failsafe="hold"), release=UNREACHABLE, apply=UNREACHABLE)

    async with Guard(rig, clock) as guard:
        await guard.describe()
        await guard.release("operator")
        await guard.apply(setpoint())
        rig.answers.clear()
        await clock.advance(after(RETRY_S))

        assert rig.heard("release") == ["operator", "operator"]


async def test_a_set_point_whose_answer_was_lost_counts_as_applied() -> None:
    """The device may run on it: at the end of its lease it is released all the same."""
    clock = VirtualClock()
    rig = Rig(clock, apply=OSError("reset by peer"))

    async with Guard(rig, clock) as guard:
        assert (await guard.apply(setpoint(until_s=60))).outcome == "unreachable"
        await clock.advance(after(60))
        assert rig.heard("release") == ["lease expired"]


@pytest.mark.parametrize(("first_s", "second_s", "released_s"), [(60, 120, 60), (120, 60, 60)])
async def test_of_two_leases_one_of_which_was_lost_the_earlier_one_counts(
    first_s: float, second_s: float, released_s: float
) -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=1, until_s=first_s))
        rig.answers["apply"] = OSError("reset by peer")
        await guard.apply(setpoint(sequence=2, until_s=second_s))
        await clock.advance(after(1000))

        assert rig.times[-1] == after(released_s)


async def test_a_rejected_set_point_leaves_the_lease_as_it_was() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=1, until_s=60))
        rig.answers["apply"] = REJECTED
        await guard.apply(setpoint(sequence=2, until_s=600))
        await clock.advance(after(60))

        assert rig.heard("release") == ["lease expired"]


async def test_an_older_set_point_is_stale_and_never_reaches_the_driver() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(-2.0, sequence=5))
        assert (await guard.apply(setpoint(-1.0, sequence=4))).outcome == "stale"
        assert await guard.apply(setpoint(-2.0, sequence=5)) == ACCEPTED

    assert rig.heard("apply") == [setpoint(-2.0, sequence=5)] * 2


async def test_order_is_that_of_the_numbers_also_after_a_release() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=5))
        await guard.release("event over")

        assert (await guard.apply(setpoint(sequence=4))).outcome == "stale"


async def test_a_set_point_that_was_rejected_does_not_make_others_stale() -> None:
    clock = VirtualClock()
    rig = Rig(clock, apply=REJECTED)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=5))
        rig.answers.clear()

        assert await guard.apply(setpoint(sequence=4)) == ACCEPTED


async def test_the_newest_event_owns_the_device_alone() -> None:
    """The one before it has no lease any more, and its late set-points are stale, also with the same number."""
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint(sequence=1, until_s=60, event="market"))
        assert await guard.apply(setpoint(sequence=2, until_s=600, event="emergency")) == ACCEPTED
        assert (await guard.apply(setpoint(sequence=2, event="market"))).outcome == "stale"
        await clock.advance(after(599))
        assert not rig.heard("release")


@pytest.mark.parametrize(
    ("kw", "until"),
    [
        (math.nan, after(60)),
        (math.inf, after(60)),
        (-1.0, after(0)),
        (-1.0, after(-1)),
        (-1.0, after(60).replace(tzinfo=None)),
    ],
)
async def test_a_set_point_without_sense_is_rejected_before_the_driver_sees_it(kw: float, until: datetime) -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        order = msgspec.structs.replace(setpoint(kw), lease_until=until)
        assert (await guard.apply(order)).outcome == "rejected"

    assert not rig.calls


async def test_a_device_that_is_held_is_released_at_shutdown() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.apply(setpoint())

    assert rig.heard("release") == ["shutdown"]


async def test_a_device_that_is_not_held_is_left_alone_at_shutdown() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.read()

    assert not rig.heard("release")


@pytest.mark.parametrize("failure", [UNREACHABLE, OSError("gone"), hang])
async def test_a_shutdown_does_not_wait_for_a_device_that_is_gone(
    failure: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried once, and what was not done is said."""
    clock = VirtualClock()
    rig = Rig(clock, release=failure)

    async with asyncio.timeout(5), Guard(rig, clock, timeout_s=0.1) as guard:
        await guard.describe()
        await guard.apply(setpoint())

    assert len(rig.heard("release")) == 1
    assert "! device-1 was not released at shutdown; its own lease has to end it" in caplog.messages


async def test_a_device_is_released_also_when_the_hall_is_cancelled() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async def serve() -> None:
        async with Guard(rig, clock) as guard:
            await guard.apply(setpoint())
            await clock.sleep_until(after(1000))

    hall = asyncio.create_task(serve())
    await clock.advance(after(1))
    hall.cancel()
    await asyncio.wait({hall})

    assert hall.cancelled()
    assert rig.heard("release") == ["shutdown"]


async def test_what_fails_in_the_hall_comes_out_as_it_is() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async def serve() -> None:
        async with Guard(rig, clock) as guard:
            await guard.apply(setpoint())
            raise LookupError

    with pytest.raises(LookupError):
        await serve()

    assert rig.heard("release") == ["shutdown"]


async def test_after_a_restart_a_running_lease_can_be_taken_up_again() -> None:
    """The process was killed; the driver is new, or goes on in its gateway; the set-point is the same."""
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        assert await guard.apply(setpoint(sequence=7, until_s=600)) == ACCEPTED
        await clock.advance(after(100))
        async with Guard(rig, clock) as restarted:
            assert await restarted.apply(setpoint(sequence=7, until_s=600)) == ACCEPTED
            await clock.advance(after(599))
            assert not rig.heard("release")
            await clock.advance(after(600))
            assert "lease expired" in rig.heard("release")
