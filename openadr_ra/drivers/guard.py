"""A driver made safe: what the hall talks to.

A driver is foreign code on foreign hardware. It may hang, raise, answer nonsense or forget its set-point. Behind a guard
it answers in time, never raises, says with each reading how good it is, and is released when its lease runs out.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from openadr_ra.drivers.plausible import Track, absurd, doubted, judged
from openadr_ra.drivers.runs import Order, settling
from openadr_ra.drivers.sanity import (
    ack_faults,
    believed,
    descriptor_faults,
    finite,
    last_known,
    reading_faults,
    setpoint_faults,
    usable,
)
from openadr_ra.protocol.parts import DEVICE_FAILURE, Quality
from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Ack, AnyDriver, Clock, Descriptor, Measurement, Setpoint

_log = logging.getLogger("openadr_ra.drivers")

TIMEOUT_S = 5.0
"""The deadline of a verb, from the moment its turn has come: below the 10 s at which an edge tracks."""

RETRY_S = 5.0
"""The pause before a release, or the start of a driver, is tried again."""

TAKEN = ("accepted", "clamped")
"""What an Ack says when the device does something about it."""

R = TypeVar("R", Ack, Measurement, Descriptor)


class Silence(Value, frozen=True, kw_only=True, gc=False):
    """No answer, or none that can be used."""

    reason: str
    quality: Quality | None = None
    """Set where the device did answer."""


CANCELLED = Silence(reason="its call was cancelled")


class Guard:
    """One driver behind deadlines and leases; an async context manager, which enters the driver's own context.

    One verb at a time reaches the driver. A caller waits for those before it and at most `timeout_s` for its own. What a
    hung call left behind, a thread or a task that cannot be ended, is waited for within the next call's deadline, so
    that there is never more than one.

    One owner at a time: the newest set-point holds the device, whichever event it belongs to. When its lease ends without
    another, the device is released, again and again until that works; so it is when the guard is left. A set-point whose
    answer never came may have been applied, and counts as applied. A driver whose fail-safe is "hold" keeps its last
    set-point at the end of a lease.
    """

    def __init__(self, driver: AnyDriver, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        self._driver = driver
        self._clock = clock
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._call: asyncio.Future[object] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._life: asyncio.Task[None] | None = None
        self._up, self._leave = asyncio.Event(), asyncio.Event()
        self._down = "the guard was not entered"
        self._descriptor: Descriptor | None = None
        self._last: Measurement | None = None
        self._newest: Setpoint | None = None
        self._due: datetime | None = None
        self._reason = ""
        self._watch: asyncio.Task[None] | None = None
        self._silent_since: datetime | None = None
        self._track = Track()
        self._order: Order | None = None

    async def __aenter__(self) -> Self:
        if self._group is not None:
            raise RuntimeError(f"{self._name} has a guard's attention already: one owner at a time")
        self._group = await asyncio.TaskGroup().__aenter__()
        self._down = ""
        self._leave.clear()
        if isinstance(self._driver, AbstractAsyncContextManager):
            self._life = asyncio.create_task(self._live(self._driver))
        else:
            self._up.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release what is held, once; then end the driver's own life."""
        self._unwatch()
        try:
            if self._due is not None and (await self.release("shutdown")).outcome not in TAKEN:
                _log.warning("! %s was not released at shutdown; its own lease has to end it", self._name)
        finally:
            self._unwatch()
            self._down = "the guard was left"
            self._up.clear()
            self._leave.set()
            if self._life is not None:
                await self._end(self._life)
            if self._group is not None:
                group, self._group = self._group, None
                await group.__aexit__(None, None, None)

    async def describe(self) -> Descriptor | None:
        """What the driver says, or said last; None while it has never said anything that makes sense."""
        async with self._turn:
            match await self._ask(Descriptor, self._driver.describe):
                case Descriptor() as descriptor:
                    self._descriptor = descriptor
                case Silence():
                    pass
            return self._descriptor

    async def read(self) -> Measurement:
        """The device now; else its last known values, marked; their `at` says how old they are."""
        async with self._turn:
            match await self._ask(Measurement, self._driver.read):
                case Measurement() as reading:
                    heard = self._judged(believed(reading, self._clock.now()))
                    if usable(heard):
                        self._last = heard
                    return heard
                case Silence(quality=quality):
                    return last_known(self._last, self._clock.now(), quality)

    async def apply(self, setpoint: Setpoint) -> Ack:
        """Order `setpoint`. One that is older than another seen before, or of another event with its number, is stale."""
        if faults := "; ".join(setpoint_faults(setpoint, self._clock.now())):
            return Ack(outcome="rejected", reason=faults)
        async with self._turn:
            if self._newest is not None and _superseded(setpoint, self._newest):
                return Ack(outcome="stale", reason=f"{self._newest.event_id} {self._newest.sequence} is newer")
            try:
                ack = await self._acknowledged(self._driver.apply, setpoint)
            except asyncio.CancelledError:
                # It is under way: who leaves now must release the device all the same.
                self._note(setpoint, Ack(outcome="unreachable"))
                raise
            self._note(setpoint, ack)
            return ack

    async def release(self, reason: str) -> Ack:
        """Give control back. If the device does not take it now, it is tried again until it does or a set-point comes."""
        async with self._turn:
            ack = await self._acknowledged(self._driver.release, reason)
            self._order = None
            if ack.outcome in TAKEN:
                self._hold(None)
            else:
                self._hold(self._clock.now() + timedelta(seconds=RETRY_S), reason=reason)
            return ack

    # --- leases ---------------------------------------------------------------------------------------------------

    def _note(self, setpoint: Setpoint, ack: Ack) -> None:
        match ack.outcome:
            case "accepted" | "clamped":
                self._newest = setpoint
                self._order = self._ordered(setpoint, ack)
                self._hold(setpoint.lease_until)
            case "unreachable" if self._group is not None:
                # It may hold this set-point or what was before: whichever ends first ends both.
                self._newest = setpoint
                self._order = None
                self._hold(min(self._due or setpoint.lease_until, setpoint.lease_until), reason=self._reason)
            case _:
                pass

    def _ordered(self, setpoint: Setpoint, ack: Ack) -> Order:
        """Where the device is when it has had the time; what is ordered again is no other order."""
        effective_kw = setpoint.kw if ack.effective_kw is None else ack.effective_kw
        held, now = self._order, self._clock.now()
        same = held is not None and (held.kw, held.effective_kw) == (setpoint.kw, effective_kw) and now < held.until
        settled_at = held.settled_at if held is not None and same else now + settling(self._descriptor)
        return Order(kw=setpoint.kw, effective_kw=effective_kw, settled_at=settled_at, until=setpoint.lease_until)

    def _hold(self, due: datetime | None, *, reason: str = "") -> None:
        """From now on the device is to be released at `due`: at a lease's end, or for a `reason` that came before."""
        self._unwatch()
        self._due, self._reason = due, reason
        if due is not None and self._group is not None:
            self._watch = self._group.create_task(self._release_at(due, reason))

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _release_at(self, due: datetime, reason: str) -> None:
        await self._clock.sleep_until(due)
        if not reason and self._descriptor is not None and self._descriptor.failsafe == "hold":
            _log.warning("! %s holds its last set-point: lease expired", self._name)
            return
        _log.warning("! %s is released: %s", self._name, reason or "lease expired")
        while True:
            async with self._turn:
                ack = await self._acknowledged(self._driver.release, reason or "lease expired")
                if ack.outcome in TAKEN:
                    self._due = self._watch = None
                    self._reason = ""
                    return
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=RETRY_S))

    # --- the driver -----------------------------------------------------------------------------------------------

    async def _acknowledged(self, verb: Callable[..., object], argument: object) -> Ack:
        match await self._ask(Ack, verb, argument):
            case Ack() as ack:
                return ack
            case Silence(reason=reason):
                return Ack(outcome="unreachable", reason=reason)

    async def _ask(self, kind: type[R], verb: Callable[..., object], *arguments: object) -> R | Silence:
        """The driver's answer to `verb`, a `kind` that makes sense. For whoever has the turn."""
        heard = Silence(reason=self._down) if self._down else await self._heard(kind, verb, *arguments)
        self._mark(heard)
        return heard

    async def _heard(self, kind: type[R], verb: Callable[..., object], *arguments: object) -> R | Silence:
        limit = asyncio.timeout(self._timeout_s)
        call = None
        try:
            async with limit:
                await self._up.wait()
                if self._call is not None:
                    await asyncio.wait({self._call})
                self._call = call = begin(verb, *arguments)
                await asyncio.wait({call})
            return self._checked(kind, CANCELLED if call.cancelled() else call.result())
        except Exception as error:
            late = f"no answer within {self._timeout_s:g} s"
            return Silence(reason=late if limit.expired() else told(error))
        finally:
            abandon(call)

    def _checked(self, kind: type[R], answer: object) -> R | Silence:
        if isinstance(answer, Silence):
            return answer
        if not isinstance(answer, kind):
            return Silence(reason=f"answered {answer!r:.80}, which is no {kind.__name__}", quality=DEVICE_FAILURE)
        faults = "; ".join(self._faults(answer))
        if faults:
            self._doubt_absurd(answer, faults)
        return Silence(reason=f"answered {faults}", quality=DEVICE_FAILURE) if faults else answer

    def _judged(self, reading: Measurement) -> Measurement:
        """`reading` beside those before it. A line in the log when the device is doubted, and when it is believed again."""
        before = self._track
        self._track, heard = judged(before, reading, self._descriptor, self._order)
        self._say_doubt(before)
        return heard

    def _doubt_absurd(self, answer: Ack | Measurement | Descriptor, faults: str) -> None:
        """A power in a wrong unit is not right as soon as it is small."""
        if isinstance(answer, Measurement) and finite(answer.kw) and absurd(answer, self._descriptor):
            before = self._track
            self._track = doubted(before, self._clock.now(), faults)
            self._say_doubt(before)

    def _say_doubt(self, before: Track) -> None:
        match before.doubted_until, self._track.doubted_until:
            case None, datetime():
                _log.warning("! %s is not believed: %s", self._name, self._track.why)
            case datetime(), None:
                _log.info("= %s is believed again", self._name)
            case _:
                pass

    def _faults(self, answer: Ack | Measurement | Descriptor) -> Iterator[str]:
        match answer:
            case Ack():
                return ack_faults(answer)
            case Measurement():
                return reading_faults(answer, self._clock.now(), self._descriptor)
            case Descriptor():
                return descriptor_faults(answer)

    def _mark(self, heard: Ack | Measurement | Descriptor | Silence) -> None:
        """A line in the log when the driver falls silent and when it is heard again, not at each attempt."""
        match heard:
            case Silence(reason=reason):
                if self._silent_since is None:
                    self._silent_since = self._clock.now()
                    _log.warning("! %s: %s", self._name, reason)
            case _ if self._silent_since is not None:
                _log.info("= %s answers again, after %s", self._name, self._clock.now() - self._silent_since)
                self._silent_since = None
            case _:
                pass

    @property
    def _name(self) -> str:
        return self._descriptor.id if self._descriptor is not None else type(self._driver).__name__

    # --- the driver's own life ------------------------------------------------------------------------------------

    async def _live(self, driver: AbstractAsyncContextManager[object]) -> None:
        """Keep the driver's context entered, in one task from beginning to end: it may own a TaskGroup."""
        while not self._leave.is_set():
            try:
                async with contextlib.AsyncExitStack() as stack:
                    async with asyncio.timeout(self._timeout_s):
                        await stack.enter_async_context(driver)
                    self._down = ""
                    self._up.set()
                    await self._leave.wait()
            except Exception as error:
                self._down = f"its driver ended: {told(error)}"
                _log.warning("! %s: %s", self._name, self._down)
                await self._pause()

    async def _pause(self) -> None:
        """Until it is time to try again, or to leave."""
        leaving = asyncio.ensure_future(self._leave.wait())
        again = asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + timedelta(seconds=RETRY_S)))
        await asyncio.wait({leaving, again}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        again.cancel()

    async def _end(self, life: asyncio.Task[None]) -> None:
        """A driver that does not end in time is cancelled; one that takes no notice of that is left behind."""
        await asyncio.wait({life}, timeout=self._timeout_s)
        if life.cancel():
            await asyncio.wait({life}, timeout=self._timeout_s)
        self._life = None


def begin(verb: Callable[..., object], *arguments: object) -> asyncio.Future[object]:
    """Call a driver's verb: a coroutine function in a task, a plain function in a thread of its own.

    Not in a pool: its threads are counted, and the end of the program waits for them; a hung device must have neither.
    What is raised in a thread comes back as a `Silence`.
    """
    if inspect.iscoroutinefunction(verb):
        return asyncio.ensure_future(verb(*arguments))
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()

    def run() -> None:
        try:
            answer = verb(*arguments)
        except BaseException as error:
            answer = Silence(reason=told(error))
        # The loop may be closed by now: then nobody waits for the answer.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(outcome.set_result, answer)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="driver", daemon=True).start()
    return outcome


def abandon(call: asyncio.Future[object] | None) -> None:
    """Ask a call that is still running to end; a thread cannot be asked. Nobody looks at what becomes of it."""
    if call is None or call.done():
        return
    call.add_done_callback(lambda ended: None if ended.cancelled() else ended.exception() and None)
    if isinstance(call, asyncio.Task):
        call.cancel()


def _superseded(setpoint: Setpoint, newest: Setpoint) -> bool:
    if setpoint.event_id != newest.event_id:
        return setpoint.sequence <= newest.sequence
    return setpoint.sequence < newest.sequence


def told(error: BaseException) -> str:
    """An error in one line."""
    return ": ".join((type(error).__name__, *filter(None, [" ".join(str(error).split())])))
