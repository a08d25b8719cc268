"""Behind a guard any driver answers in time and raises nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.protocol.parts import NO_VALUE
from openadr_ra.seams import Ack, Descriptor, Measurement, Setpoint
from tests.drivers.makers import after, descriptor, reading, setpoint
from tests.drivers.rig import ACCEPTED, VERBS, Rig, hang, stubborn

SHORT_S = 0.1


async def ask(guard: Guard, verb: str) -> Ack | Measurement | Descriptor | None:
    match verb:
        case "describe":
            return await guard.describe()
        case "apply":
            return await guard.apply(setpoint())
        case "read":
            return await guard.read()
        case _:
            return await guard.release("test")


def nothing_was_said(answer: Ack | Measurement | Descriptor | None) -> bool:
    match answer:
        case Ack(outcome="unreachable"):
            return True
        case Measurement(quality=quality, online=False):
            return quality == NO_VALUE
        case answer:
            return answer is None


async def test_what_a_driver_answers_is_passed_on() -> None:
    clock = VirtualClock()
    clamped = Ack(outcome="clamped", effective_kw=-0.5, reason="too cold")
    rig = Rig(clock, apply=clamped)

    async with Guard(rig, clock) as guard:
        assert await guard.describe() == descriptor()
        assert await guard.apply(setpoint()) == clamped
        assert await guard.read() == reading()
        assert await guard.release("enough") == ACCEPTED

    assert rig.calls[1] == ("apply", setpoint())
    assert rig.calls[3] == ("release", "enough")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "error",
    [OSError("no route to host"), TimeoutError(), KeyError("kw"), asyncio.CancelledError(), RuntimeError("a\nb")],
)
async def test_whatever_a_driver_raises_is_silence(verb: str, error: BaseException) -> None:
    """Also a cancellation of its own making: it is not ours."""
    clock = VirtualClock()

    async with Guard(Rig(clock, **{verb: error}), clock) as guard:
        assert nothing_was_said(await ask(guard, verb))


async def test_an_answer_of_unreachable_names_the_cause_in_one_line() -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, apply=OSError("no route\n to host")), clock) as guard:
        assert (await guard.apply(setpoint())).reason == "OSError: no route to host"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("answer", ["yes", {"kw": 1.0}, 7])
async def test_an_answer_of_the_wrong_kind_is_none(verb: str, answer: object) -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, **{verb: answer}), clock) as guard:
        match await ask(guard, verb):
            case Ack(outcome=outcome):
                assert outcome == "unreachable"
            case Measurement(quality=quality):
                assert quality == "Quality Bad - Device Failure"
            case said:
                assert said is None


@pytest.mark.parametrize("verb", VERBS)
async def test_no_verb_outlasts_its_deadline(verb: str) -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, **{verb: hang}), clock, timeout_s=SHORT_S) as guard:
        async with asyncio.timeout(5):
            assert nothing_was_said(await ask(guard, verb))


@pytest.mark.parametrize("verb", VERBS)
async def test_a_driver_that_cannot_be_cancelled_keeps_nobody_waiting(verb: str) -> None:
    """Its next calls are not even begun before the hung one has ended."""
    clock = VirtualClock()
    ended = asyncio.Event()
    rig = Rig(clock, **{verb: stubborn(ended)})

    async with Guard(rig, clock, timeout_s=SHORT_S) as guard:
        for _ in range(3):
            assert nothing_was_said(await ask(guard, verb))
        assert len(rig.calls) == 1
        ended.set()
        rig.answers.clear()
        assert not nothing_was_said(await ask(guard, verb))

    assert rig.most_inside == 1


async def test_one_verb_at_a_time_reaches_the_driver() -> None:
    clock = VirtualClock()

    async def slow() -> Ack:
        await clock.sleep_until(clock.now().replace(second=1))
        return ACCEPTED

    rig = Rig(clock, apply=slow, release=slow)
    async with Guard(rig, clock) as guard, asyncio.TaskGroup() as group:
        group.create_task(guard.apply(setpoint()))
        group.create_task(guard.release("test"))
        group.create_task(guard.read())
        await clock.advance(after(10))

    assert rig.most_inside == 1
    assert [verb for verb, _ in rig.calls] == ["apply", "release", "read"]


async def test_who_stops_waiting_stops_the_call() -> None:
    clock = VirtualClock()
    rig = Rig(clock, read=hang)

    async with Guard(rig, clock) as guard:
        reader = asyncio.create_task(guard.read())
        await clock.advance(clock.now())
        reader.cancel()
        await clock.advance(clock.now())
        rig.answers.clear()

        assert reader.cancelled()
        assert rig.inside == 0
        assert await guard.read() == reading()


class Plain:
    """A driver of plain functions; `gate` closed, it hangs in `read`."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.gate = threading.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.threads: list[threading.Thread] = []

    def describe(self) -> Descriptor:
        return descriptor()

    def apply(self, setpoint: Setpoint) -> Ack:
        return ACCEPTED

    def read(self) -> Measurement:
        self.threads.append(threading.current_thread())
        if self.error is not None:
            raise self.error
        self.gate.wait()
        return reading(at=self.clock.now())

    def release(self, reason: str) -> Ack:
        return ACCEPTED


async def test_plain_functions_run_beside_the_loop() -> None:
    clock = VirtualClock()
    plain = Plain(clock)

    async with Guard(plain, clock) as guard:
        assert await guard.describe() == descriptor()
        assert await guard.apply(setpoint()) == ACCEPTED
        assert await guard.read() == reading()
        assert await guard.release("test") == ACCEPTED

    assert threading.main_thread() not in plain.threads


async def test_a_hung_thread_neither_blocks_nor_multiplies() -> None:
    clock = VirtualClock()
    plain = Plain(clock)
    plain.gate.clear()

    async with Guard(plain, clock, timeout_s=SHORT_S) as guard:
        for _ in range(3):
            assert (await guard.read()).quality == NO_VALUE
        assert (await guard.apply(setpoint())).outcome == "unreachable"
        assert len(plain.threads) == 1
        plain.gate.set()
        plain.threads[0].join(5)
        assert await guard.read() == reading()

    assert len(plain.threads) == 2


@pytest.mark.parametrize("error", [OSError("gone"), StopIteration(), SystemExit(2)])
async def test_whatever_a_plain_function_raises_is_silence(error: BaseException) -> None:
    """Even what would end a program."""
    clock = VirtualClock()
    plain = Plain(clock)
    plain.error = error

    async with Guard(plain, clock) as guard:
        assert (await guard.read()).quality == NO_VALUE
        plain.error = None
        assert await guard.read() == reading()


def test_a_thread_that_hangs_does_not_outlive_the_loop_noisily() -> None:
    """Its answer comes when nobody is there any more."""
    clock = VirtualClock()
    plain = Plain(clock)
    plain.gate.clear()

    async def serve() -> None:
        async with Guard(plain, clock, timeout_s=SHORT_S) as guard:
            await guard.read()

    asyncio.run(serve())
    plain.gate.set()
    plain.threads[0].join(5)

    assert not plain.threads[0].is_alive()


HUNG = """
import asyncio, threading
from openadr_ra.drivers import Guard, VirtualClock
from tests.drivers.test_guard import Plain

async def serve():
    clock = VirtualClock()
    plain = Plain(clock)
    plain.gate.clear()
    async with Guard(plain, clock, timeout_s=0.01) as guard:
        await guard.read()

asyncio.run(serve())
print("over", threading.active_count())
"""


def test_a_hung_thread_does_not_keep_the_program_from_ending() -> None:
    root = Path(__file__).parent.parent.parent

    run = subprocess.run([sys.executable, "-c", HUNG], cwd=root, capture_output=True, text=True, check=True, timeout=30)

    assert run.stdout == "over 2\n"


class Lively(Rig):
    """A driver with a life of its own: `start` is what it does when it is entered, `stop` when it is left."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.entered = 0
        self.left = 0
        self.ended = False
        self.start: Callable[[], object] | BaseException | None = None
        self.stop: Callable[[], object] | None = None
        self.work = asyncio.Event()

    async def __aenter__(self) -> Lively:
        self.entered += 1
        if isinstance(self.start, BaseException):
            raise self.start
        if self.start is hang:
            await hang()
        self.group = await asyncio.TaskGroup().__aenter__()
        self.task = self.group.create_task(self._work())
        return self

    async def __aexit__(self, *reason: object) -> None:
        self.left += 1
        try:
            if self.stop is hang:
                await hang()
        finally:
            self.ended = True
        self.task.cancel()
        await self.group.__aexit__(None, None, None)

    async def _work(self) -> None:
        await self.work.wait()
        raise ConnectionError("the bus is gone")


async def test_a_drivers_own_life_begins_and_ends_with_the_guard() -> None:
    clock = VirtualClock()
    lively = Lively(clock)

    async with Guard(lively, clock) as guard:
        assert await guard.read() == reading()
        assert (lively.entered, lively.left) == (1, 0)

    assert (lively.entered, lively.left) == (1, 1)


@pytest.mark.parametrize("start", [OSError("no such bus"), hang])
async def test_a_driver_that_does_not_start_is_unreachable_and_is_started_again(
    start: Callable[[], object] | BaseException,
) -> None:
    clock = VirtualClock()
    lively = Lively(clock)
    lively.start = start

    async with Guard(lively, clock, timeout_s=SHORT_S) as guard:
        assert nothing_was_said(await guard.read())
        assert nothing_was_said(await guard.read())
        lively.start = None
        await clock.advance(after(4.9))
        assert lively.entered == 1
        await clock.advance(after(5))
        assert (await guard.read()).kw == -1.0


async def test_a_driver_that_dies_is_unreachable_and_is_started_again() -> None:
    """Its tasks fail beside the hall, not in it."""
    clock = VirtualClock()
    lively = Lively(clock)

    async with Guard(lively, clock) as guard:
        assert await guard.read() == reading()
        lively.work.set()
        await clock.advance(after(1))
        ack = await guard.apply(setpoint())
        assert ack.outcome == "unreachable"
        assert "its driver ended" in ack.reason
        lively.work.clear()
        await clock.advance(after(10))
        assert (await guard.apply(setpoint())).outcome == "accepted"


async def test_a_driver_that_does_not_end_is_made_to() -> None:
    clock = VirtualClock()
    lively = Lively(clock)
    lively.stop = hang

    async with asyncio.timeout(5), Guard(lively, clock, timeout_s=SHORT_S) as guard:
        await guard.read()

    assert (lively.left, lively.ended) == (1, True)


async def test_a_guard_serves_one_owner_at_a_time() -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock), clock) as guard:
        with pytest.raises(RuntimeError, match="one owner"):
            await guard.__aenter__()
        assert await guard.read() == reading()


async def test_before_and_after_its_time_a_guard_says_that_nothing_can_be_reached() -> None:
    clock = VirtualClock()
    rig = Rig(clock)
    guard = Guard(rig, clock)

    assert (await guard.apply(setpoint())).reason == "the guard was not entered"
    async with guard:
        pass
    assert (await guard.apply(setpoint())).reason == "the guard was left"
    assert not rig.calls


async def test_a_silent_driver_is_logged_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.describe()
        rig.answers["read"] = OSError("no route")
        await guard.read()
        await guard.read()
        rig.answers.clear()
        await clock.advance(after(60))
        await guard.read()

    assert caplog.messages == ["! device-1: OSError: no route", "= device-1 answers again, after 0:01:00"]
