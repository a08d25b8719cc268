"""`openadr-ra vtn --workers N` as processes, over a real PostgreSQL: how they start, are replaced, die and stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest

from openadr_ra.programs.crew import ended, pause_after
from openadr_ra.programs.health import Readiness
from openadr_ra.programs.serve import Started
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire import codec
from tests.net.crowd import HOST, Client, crowd, more
from tests.postgres import Server
from tests.programs.nodes import COMMAND, VTN, command

CONSOLE = '[console]\nlisten = "127.0.0.1:0"'
HEALTH = 'health = "127.0.0.1:0"'
NO_LIMITS = "[downstream.limits]\n" + "\n".join(
    f"{name} = 0" for name in ("address_requests_per_s", "address_connections_per_s", "address_connections")
)
SERVES = r"= worker (\d+) serves in process (\d+)"


@pytest.fixture
def settings(tmp_path: Path, postgres: Server) -> Path:
    """Of a VTN that waits a minute for whoever keeps a connection, but not for its health."""
    file = tmp_path / "vtn.toml"
    file.write_text(
        "\n".join(('name = "vtn"', VTN, "drain_s = 60", NO_LIMITS, f'[store]\nurl = "{postgres.database()}"', CONSOLE))
    )
    return file


def change(settings: Path, old: str, new: str) -> None:
    settings.write_text(settings.read_text().replace(old, new, 1))


class Supervised:
    """A supervisor and what it and its workers log."""

    def __init__(self, process: asyncio.subprocess.Process, started: Started) -> None:
        self.process = process
        self.started = started
        self._lines: list[str] = []
        self._more = asyncio.Event()

    @property
    def port(self) -> int:
        return int((self.started.vtn or "").split(":")[2].partition("/")[0])

    async def read_on(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self._lines.append(line.decode())
            self._more.set()

    async def logged(self, pattern: str, count: int = 1) -> list[tuple[str, ...]]:
        """What the groups of the pattern are in the lines that it is in, once there are so many."""
        while True:
            found = [match.groups() for line in self._lines if (match := re.search(pattern, line))]
            if len(found) >= count:
                return found
            self._more.clear()
            await self._more.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def supervised(settings: Path, workers: int = 2) -> AsyncIterator[Supervised]:
    """A VTN in several processes, up and running until the block is left."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "vtn", settings, "--workers", str(workers), "--json",
        cwd=settings.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        assert line, process.stderr and (await process.stderr.read()).decode()
        running = Supervised(process, msgspec.json.decode(line, type=Started))
        async with asyncio.TaskGroup() as group:
            group.create_task(running.read_on())
            yield running
            for _ in range(2):
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def vens(port: int, count: int, *, fresh: bool = False) -> list[Client]:
    """VENs that ask all the time. That they are strangers is answered like anything else."""
    path = "/OpenADR2/Simple/2.0b/OadrPoll"
    return [
        Client(port, path=path, body=codec.encode(Poll(ven_id=VenId(f"VEN{number}"))), fresh=fresh)
        for number in range(count)
    ]


async def test_no_request_is_lost_while_workers_are_replaced_one_by_one(settings: Path) -> None:
    """SIGHUP: a client that honours `Connection: close` and tries nothing twice sees 200 and nothing else."""
    async with supervised(settings) as vtn:
        before = await vtn.logged(SERVES, 2)
        async with crowd(*vens(vtn.port, 3), *vens(vtn.port, 3, fresh=True)) as clients:
            await more(clients)
            vtn.process.send_signal(signal.SIGHUP)
            await vtn.logged("= all workers are replaced")
            await more(clients)
        after = (await vtn.logged(SERVES, 4))[2:]
        status = await vtn.stop()

    assert vtn.started.workers == 2
    assert [{number for number, _ in each} for each in (before, after)] == [{"1", "2"}] * 2
    assert len({pid for _, pid in (*before, *after)}) == 4
    assert status == 0


async def test_who_asks_is_served_while_all_are_told_to_stop(settings: Path) -> None:
    """Each gets one more answer, which says that it is the last."""
    async with supervised(settings) as vtn:
        clients = vens(vtn.port, 4)
        for client in clients:
            await client.ask()
        stopping = asyncio.create_task(vtn.stop())
        await vtn.logged("= SIGTERM: stopping")
        for client in clients:
            while b"Connection: close" not in (said := await client.ask()):
                assert said.startswith(b"HTTP/1.1 200 ")
        status = await stopping

    assert status == 0


async def test_a_second_signal_waits_for_nobody(settings: Path) -> None:
    async with supervised(settings) as vtn:
        client = vens(vtn.port, 1)[0]
        await client.ask()
        vtn.process.send_signal(signal.SIGTERM)
        await vtn.logged("= SIGTERM: stopping$")
        status = await vtn.stop(signal.SIGINT)
        client.leave()

    assert status == 0


async def test_a_worker_that_dies_gets_a_successor_and_the_others_serve_meanwhile(settings: Path) -> None:
    async with supervised(settings) as vtn:
        one, _ = await vtn.logged(SERVES, 2)
        os.kill(int(one[1]), signal.SIGKILL)
        await vtn.logged(rf"! worker {one[0]} was ended by SIGKILL; another begins at once")
        client = vens(vtn.port, 1)[0]
        said = await client.ask()
        client.leave()
        *_, successor = await vtn.logged(SERVES, 3)

    assert said.startswith(b"HTTP/1.1 200 ")
    assert successor[0] == one[0]
    assert successor[1] != one[1]


async def test_no_worker_outlives_its_supervisor(settings: Path) -> None:
    """Not even one that was killed, and had no time to say so: the port is free again."""
    async with supervised(settings) as vtn:
        await vtn.logged(SERVES, 2)
        await vtn.stop(signal.SIGKILL)
        await vtn.logged(r"#\d = stopped", 2)

    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(HOST, vtn.port)


async def test_health_is_told_for_all(settings: Path) -> None:
    """Ready while at least one is; told to stop, the supervisor says so before anybody is turned away."""
    change(settings, "drain_s = 60", f"drain_s = 60\n{HEALTH}")
    async with supervised(settings) as vtn, aiohttp.ClientSession(vtn.started.health or "") as session:
        ready = await told(session)
        pids = await vtn.logged(SERVES, 2)
        for _, pid in pids:
            os.kill(int(pid), signal.SIGSTOP)
        held_up = await told(session)
        os.kill(int(pids[0][1]), signal.SIGCONT)
        half = await told(session)
        os.kill(int(pids[1][1]), signal.SIGCONT)
        vtn.process.send_signal(signal.SIGTERM)
        await vtn.logged("= SIGTERM: stopping")
        stopping = await told(session)
        client = vens(vtn.port, 1)[0]
        said = await client.ask()
        client.leave()
        await vtn.stop()

    assert ready == (200, Readiness(ready=True))
    assert held_up == (
        503,
        Readiness(ready=False, missing=("worker 1: it does not answer", "worker 2: it does not answer")),
    )
    assert half == (200, Readiness(ready=True, missing=("worker 2: it does not answer",)))
    assert stopping == (503, Readiness(ready=False, missing=("the VTN is about to stop",)))
    assert said.startswith(b"HTTP/1.1 200 ")


async def told(session: aiohttp.ClientSession) -> tuple[int, Readiness]:
    async with session.get("/ready") as response:
        return response.status, msgspec.json.decode(await response.read(), type=Readiness)


@pytest.mark.parametrize("store", ["memory", "sqlite:vtn.db"])
def test_several_workers_need_a_store_that_they_can_share(tmp_path: Path, store: str) -> None:
    (tmp_path / "vtn.toml").write_text(f'{VTN}\n[store]\nurl = "{store}"')
    done = command("vtn", "vtn.toml", "--workers", "2", cwd=tmp_path)

    assert (done.status, done.line) == (
        2,
        'openadr-ra: vtn.toml: store.url: several workers need [store] url = "postgresql://…"',
    )


@pytest.mark.parametrize(("number", "status"), [("0", 2), ("257", 2), ("two", 2)])
def test_there_is_at_least_one_worker(tmp_path: Path, number: str, status: int) -> None:
    done = command("vtn", "vtn.toml", "--workers", number, cwd=tmp_path)

    assert done.status == status
    assert "Invalid value for '--workers'" in done.err


def test_what_a_worker_finds_wrong_in_the_settings_is_told_in_one_line(settings: Path) -> None:
    change(settings, 'admit = "ca"', 'admit = "ca"\nproxies = ["here"]')
    done = command("vtn", settings.name, "--workers", "2", "--log-level", "ERROR", cwd=settings.parent)

    assert done.status == 2
    assert done.line.startswith("openadr-ra: vtn.toml: downstream.proxies: 'here' does not appear to be")


async def test_workers_share_no_port_with_another_program(settings: Path) -> None:
    """Which the kernel would allow."""
    async with supervised(settings) as vtn:
        change(settings, 'listen = "127.0.0.1:0"', f'listen = "{HOST}:{vtn.port}"')
        again = await asyncio.create_subprocess_exec(
            *COMMAND, "vtn", settings, "--workers", "2", stderr=asyncio.subprocess.PIPE
        )
        _, said = await again.communicate()

    assert again.returncode == 2
    assert f"cannot listen on {HOST} port {vtn.port}: it is in use" in said.decode()


@pytest.mark.parametrize(
    ("deaths", "seconds"), [(1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 30), (8, 30), (1000, 30)]
)
def test_whoever_dies_at_once_again_and_again_is_started_less_and_less_often(deaths: int, seconds: int) -> None:
    assert pause_after(deaths) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "words"), [(0, "ended with status 0"), (-9, "was ended by SIGKILL"), (None, "did not start")]
)
def test_the_end_of_a_worker_has_words(status: int | None, words: str) -> None:
    assert ended(status) == words
