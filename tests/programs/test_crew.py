"""A crew of worker processes that are small programs: what becomes of the crew when they fail."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from openadr_ra.errors import OadrRaError, SettingsError, StoreError
from openadr_ra.net import listening
from openadr_ra.programs.crew import Crew
from openadr_ra.programs.health import Readiness
from openadr_ra.programs.worker import Orders

HOST = "127.0.0.1"
READY = '{"type":"up","started":{"name":"n","vtn":"u","upstreams":[],"console":null}}'
MISTAKEN = '{"type":"fault","sentence":"listen is wrong","mistaken":true}'
BROKEN = '{"type":"fault","sentence":"the store is away","mistaken":false}'

BEGIN = """
import json, signal, socket, sys
orders = json.loads(sys.argv[1])
line = socket.socket(fileno=orders["line"])
door = socket.socket(fileno=orders["vens"][0])
door.setblocking(True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
"""
SERVE = f"door.listen(); line.sendall(b'{READY}' + bytes([10]));"
STEADY = f"{BEGIN}{SERVE}\nwhile True: one, _ = door.accept(); one.sendall(b'%d' % orders['number']); one.close()"
"""Says its number to whoever comes."""
GREETED = f"{BEGIN}{SERVE}\none, _ = door.accept(); one.close(); sys.exit(5)"
"""Ends when somebody comes."""
DEAD = f"{BEGIN}sys.exit(3)"
DEAF = f"{BEGIN}{SERVE}\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: door.accept()"


class Held:
    """A clock whose sleepers sleep until they are woken, and that tells for how long they wanted to."""

    def __init__(self) -> None:
        self.wanted: asyncio.Queue[timedelta] = asyncio.Queue()
        self.woken = asyncio.Semaphore(0)

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    async def sleep_until(self, when: datetime) -> None:
        self.wanted.put_nowait(when - self.now())
        await self.woken.acquire()


class Scripts:
    """The next worker of each number is the next of these; the last is for all that follow."""

    def __init__(self, *first: str, others: str = STEADY) -> None:
        self.first = list(first)
        self.others = others

    def __call__(self, orders: Orders) -> Sequence[str]:
        script = self.others
        if orders.number == 1:
            script = self.first.pop(0) if len(self.first) > 1 else self.first[0]
        return (sys.executable, "-c", script, msgspec.json.encode(orders).decode())


@asynccontextmanager
async def crew(
    command: Callable[[Orders], Sequence[str]], clock: Held, count: int = 1, patience_s: float = 60
) -> AsyncIterator[tuple[Crew, int]]:
    """With the port that it keeps."""
    vens = await listening.bound(HOST, 0, shared=True)
    made = Crew(count, "", "INFO", vens=vens, console=(), clock=clock, patience_s=patience_s, command=command)
    try:
        yield made, vens[0].getsockname()[1]
    finally:
        await made.dismiss()


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        return await reader.read()
    finally:
        writer.close()


async def greeting_once_there(port: int) -> bytes:
    while True:
        with suppress(ConnectionRefusedError):
            return await greeting(port)


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        (MISTAKEN, SettingsError, "^listen is wrong$"),
        (BROKEN, StoreError, "^the store is away$"),
        ("", OadrRaError, "^worker 1 does not start; its log above says why$"),
    ],
)
async def test_a_crew_that_cannot_begin_says_what_its_worker_says(
    said: str, kind: type[OadrRaError], sentence: str
) -> None:
    script = f"{BEGIN}line.sendall(b'{said}' + bytes([10])[:{len(said)}])"
    async with crew(Scripts(script), Held()) as (mustered, _):
        with pytest.raises(kind, match=sentence):
            await mustered.muster()


async def test_one_worker_of_several_that_cannot_begin_ends_the_start() -> None:
    """What the others had done is undone."""
    script = f"{BEGIN}line.sendall(b'{BROKEN}' + bytes([10]))"
    async with crew(Scripts(STEADY, others=script), Held(), count=3) as (mustered, _):
        with pytest.raises((StoreError, ExceptionGroup)):
            await mustered.muster()


async def test_who_comes_between_a_death_and_the_successor_is_served_by_that() -> None:
    clock = Held()
    async with crew(Scripts(GREETED, STEADY), clock) as (mustered, port), asyncio.TaskGroup() as group:
        await mustered.muster()
        keeping = group.create_task(mustered.keep())
        assert await greeting(port) == b""
        assert await clock.wanted.get() == timedelta(0)
        coming = group.create_task(greeting(port))
        clock.woken.release()

        assert await coming == b"1"
        keeping.cancel()


async def test_nobody_is_sent_to_a_worker_that_dies_at_once_again_and_again() -> None:
    """Its starts get rarer, and the port is that of the others."""
    clock = Held()
    async with crew(Scripts(GREETED, DEAD), clock, count=1) as (mustered, port), asyncio.TaskGroup() as group:
        await mustered.muster()
        keeping = group.create_task(mustered.keep())
        await greeting(port)
        pauses = []
        for _ in range(4):
            pauses.append((await clock.wanted.get()).total_seconds())
            clock.woken.release()
        await clock.wanted.get()

        with pytest.raises(OSError, match="Connect call failed"):
            await greeting(port)
        keeping.cancel()

    assert pauses == [0, 1, 2, 4]


async def test_a_worker_that_is_well_again_is_sent_to_again() -> None:
    clock = Held()
    async with crew(Scripts(GREETED, DEAD, DEAD, STEADY), clock) as (mustered, port), asyncio.TaskGroup() as group:
        await mustered.muster()
        keeping = group.create_task(mustered.keep())
        await greeting(port)
        for _ in range(3):
            await clock.wanted.get()
            clock.woken.release()

        assert await greeting_once_there(port) == b"1"
        keeping.cancel()


async def test_workers_stay_while_their_successors_cannot_serve() -> None:
    """A rolling restart onto broken settings takes nobody away."""
    async with crew(Scripts(STEADY, DEAD), Held()) as (mustered, port):
        await mustered.muster()
        await mustered.renew()

        assert await greeting(port) == b"1"


async def test_a_worker_that_does_not_end_is_killed() -> None:
    async with crew(Scripts(DEAF, STEADY), Held(), patience_s=0) as (mustered, port):
        await mustered.muster()
        await mustered.renew()

        assert await greeting(port) == b"1"


async def test_a_place_without_worker_is_told_as_such() -> None:
    async with crew(Scripts(STEADY), Held(), count=2) as (mustered, _):
        assert await mustered.readiness() == Readiness(
            ready=False, missing=("worker 1: it is starting", "worker 2: it is starting")
        )
