"""A VEN that means harm, in a process of its own: `python -m tests.run.hostile`, with its orders as JSON."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from openadr_ra.net.tls import client_context
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import CreatePartyRegistration, Poll
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.wire import codec
from tests.net.peers import head, post
from tests.wire.samples import report

ROOT = Path(__file__).parents[2]

ATTACK_S = 5.0
ENOUGH = 8
"""An attack ends after so long, or when it was told so often that it is too much."""

CUT = 0
"""Counted in place of a status where the connection was cut."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to attack how, and from which address of this machine."""

    attack: str
    url: str
    ven: str
    shown: Issued | None = None
    trust: str = ""
    source: str


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How often which HTTP status came."""

    statuses: dict[int, int]

    def __getitem__(self, status: int) -> int:
        return self.statuses.get(status, 0)


class Attacker:
    """Opens connections, says things over them and counts what comes back."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.ven = orders.ven
        self._ssl: ssl.SSLContext | None = None
        if orders.shown is not None:
            chain = Path(orders.shown.certificate), Path(orders.shown.key)
            self._ssl = client_context(chain, Path(orders.trust))
        self._enough = asyncio.Event()
        self.statuses: Counter[int] = Counter()

    def path(self, service: str) -> str:
        return f"{urlsplit(self._orders.url).path}/{service}"

    async def all(self, *talks: Awaitable[None]) -> None:
        """All at once, until they are done or the attack is over."""
        talking = asyncio.ensure_future(_together(talks))
        enough = asyncio.ensure_future(self._enough.wait())
        await asyncio.wait((talking, enough), timeout=ATTACK_S, return_when=asyncio.FIRST_COMPLETED)
        for task in (talking, enough):
            task.cancel()
        await asyncio.wait((talking, enough))

    async def over_one(self, requests: Iterator[bytes]) -> None:
        """One after the other over one connection, which is opened again when it was cut."""
        for request in requests:
            try:
                reader, writer = await self.connect()
                for octets in (request, *requests):
                    writer.write(octets)
                    await writer.drain()
                    self._count(await answered(reader))
            except (OSError, asyncio.IncompleteReadError):
                self._count(CUT)

    async def half_open(self, octets: bytes) -> None:
        """Say it, and then no more."""
        try:
            reader, writer = await self.connect()
            writer.write(octets)
            self._count(await answered(reader))
        except (OSError, asyncio.IncompleteReadError):
            self._count(CUT)

    async def hang_up(self) -> None:
        """Connect and go."""
        try:
            _, writer = await self.connect()
            writer.close()
        except OSError:
            self._count(CUT)

    def _count(self, status: int) -> None:
        self.statuses[status] += 1
        if self.statuses[503] >= ENOUGH:
            self._enough.set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        port = urlsplit(self._orders.url).port
        source = (self._orders.source, 0)
        return await asyncio.open_connection("127.0.0.1", port, ssl=self._ssl, local_addr=source)


async def _together(talks: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*talks)


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of the next response."""
    said = await reader.readuntil(b"\r\n\r\n")
    length = int(said.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(said.split()[1])


async def polls(attacker: Attacker) -> None:
    """As fast as the VTN answers, over many connections."""
    body = codec.encode(Poll(ven_id=VenId(attacker.ven)))
    request = post(body, path=attacker.path("OadrPoll"))
    await attacker.all(*(attacker.over_one(iter([request] * 500)) for _ in range(64)))


async def registrations(attacker: Attacker) -> None:
    """Each under another name, with and without a venID."""

    def named(many: int, most: int) -> Iterator[bytes]:
        for number in range(most):
            name = f"{attacker.ven}-{many}-{number}"
            claim = CreatePartyRegistration(
                request_id=RequestId(name), ven_id=VenId(name) if number % 2 else None, ven_name=name, pull=True
            )
            yield post(codec.encode(claim), path=attacker.path("EiRegisterParty"))

    await attacker.all(*(attacker.over_one(named(many, 100)) for many in range(32)))


async def slow_bodies(attacker: Attacker) -> None:
    """As many connections as it gets, each with nearly all of the largest body that is taken."""
    octets = head(4 * 1024 * 1024, "Content-Type: application/xml", path=attacker.path("EiReport")) + b"x" * 200_000
    await attacker.all(*(attacker.half_open(octets) for _ in range(300)))


async def handshakes(attacker: Attacker) -> None:
    """Nothing but TLS, which costs the VTN more than it costs an attacker."""
    await attacker.all(*(attacker.hang_up() for _ in range(400)))


async def junk(attacker: Attacker) -> None:
    """Reports of 4 MiB in which every value is wrong."""
    body = report(value="x")
    start, end = body.index(b"<oadr:oadrReportPayload>"), body.index(b"</ei:interval>")
    body = body[:start] + body[start:end] * ((4 * 1024 * 1024 - len(body)) // (end - start)) + body[end:]
    request = post(body, path=attacker.path("EiReport"))
    await attacker.all(*(attacker.over_one(iter([request] * 10)) for _ in range(4)))


async def garbage(attacker: Attacker) -> None:
    """Bytes that are no HTTP, no XML, or no OpenADR, each on a connection of its own."""
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    bodies = [chance.randbytes(chance.randrange(5_000)) for _ in range(60)]
    names = [f"<n{chance.random()}/>".encode() * 1_000 for _ in range(60)]
    talks = [attacker.half_open(octets + b"\r\n\r\n") for octets in bodies]
    talks += [attacker.over_one(iter([post(octets, path=attacker.path("EiEvent"))])) for octets in bodies + names]
    await attacker.all(*talks)


ATTACKS: dict[str, Callable[[Attacker], Awaitable[None]]] = {
    each.__name__: each for each in (polls, registrations, slow_bodies, handshakes, junk, garbage)
}


async def attack(orders: Orders) -> None:
    attacker = Attacker(orders)
    os.write(sys.stdout.fileno(), b"\n")
    await ATTACKS[orders.attack](attacker)
    os.write(sys.stdout.fileno(), msgspec.json.encode(Tally(statuses=dict(attacker.statuses))) + b"\n")


@asynccontextmanager
async def attacking(orders: Orders) -> AsyncIterator[asyncio.Future[Tally]]:
    """The attack, from its first byte on, and what became of it as soon as it is over."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.run.hostile", msgspec.json.encode(orders).decode(),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        tally = asyncio.ensure_future(_tallied(process.stdout))
        yield tally
        await tally
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _tallied(lines: asyncio.StreamReader) -> Tally:
    return msgspec.json.decode(await lines.readline(), type=Tally)


if __name__ == "__main__":
    asyncio.run(attack(msgspec.json.decode(sys.argv[1].encode(), type=Orders)))
