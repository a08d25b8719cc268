"""A place to run nodes: throw-away certificates, the settings of VTNs and VENs on this machine, and how tests wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from openadr_ra.net.ca import KeyKind
from openadr_ra.programs import certs
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.parts import Result
from openadr_ra.run.traffic import Exchange
from openadr_ra.settings import NodeSettings, from_table
from openadr_ra.wire import codec

T = TypeVar("T")
M = TypeVar("M", bound=Message)

PATIENCE = timedelta(seconds=20)
"""How long a test waits for what should happen within a second or two: the machine may be busy with other things."""

FLEET: dict[str, object] = {
    "read_every_s": 0.25, "track_every_s": 1, "settle_s": 0.75, "lease_s": 5, "hold_mean": False
}  # fmt: skip
"""A fleet in a hurry: an interval is answered for within a second of its end. Its set-points are what was asked, just so."""

Table = dict[str, object]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One folder with one CA. Tables are what a settings file holds; `settings` reads them as from a file here."""

    folder: Path
    trust: str
    own: tuple[Issued, ...]

    def issue(self, name: str, *, key: KeyKind = "ec", days: int = 365) -> Issued:
        """A VEN's certificate, made anew; good for a server here, too."""
        home, now = Path(self.trust).parent, datetime.now(UTC)
        return certs.issue(home, name, role="ven", key=key, now=now, days=days, hosts=("127.0.0.1",))

    def vtn(self, name: str = "ac", **downstream: object) -> Table:
        """A VTN over mutual TLS on a free port, which polls are asked of each second."""
        table: Table = {
            "listen": "127.0.0.1:0",
            "vtn_id": "AC-VTN",
            "cert": [one.certificate for one in self.own],
            "key": [one.key for one in self.own],
            "client_ca": self.trust,
            "admit": "ca",
            "poll_s": 1,
            "live_s": 2,
            "slot_s": 0,
        }
        return {"name": name, "store": {"url": f"sqlite:{name}.db"}, "downstream": table | downstream}

    def ven(self, name: str, url: str, *devices: Table, certificate: Issued | None = None, **upstream: object) -> Table:
        """A VEN of that venID, with a certificate of its own unless one is given."""
        shown = certificate or self.issue(name)
        table: Table = {
            "url": url,
            "ven_id": name,
            "cert": shown.certificate,
            "key": shown.key,
            "ca": self.trust,
        }
        return {
            "name": name,
            "store": {"url": f"sqlite:{name}.db"},
            "fleet": FLEET,
            "upstream": [table | upstream],
            "device": list(devices),
        }

    def settings(self, table: Table) -> NodeSettings:
        return from_table(table, self.folder / "node.toml")

    def file(self, table: Table) -> Path:
        """The table as a file, for a program of `tests.run.programs`."""
        path = self.folder / f"{table['name']}.json"
        path.write_bytes(msgspec.json.encode(table))
        return path


def new_site(factory: pytest.TempPathFactory) -> Site:
    """A fresh folder with a CA of its own."""
    folder = factory.mktemp("site")
    made = certs.init(folder / "certs", now=datetime.now(UTC))
    return Site(folder=folder, trust=made.trust, own=made.vtn)


BATTERY: Table = {"id": "bat-1", "driver": "simulated-battery"}
"""5 kW, 10 kWh, half full, idle by itself."""


class Watch:
    """A tap that keeps what went over the wire; whoever waits for something looks again at each exchange."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._next = asyncio.Event()

    def __call__(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self._next.set()
        self._next = asyncio.Event()

    async def changed(self, within: timedelta) -> None:
        """Return at the next exchange, or when the time is over."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._next.wait()
        except TimeoutError:
            return

    def asked(self, kind: type[M]) -> tuple[M, ...]:
        """Every request of that kind, as it was on the wire."""
        return tuple(one for each in self.exchanges if isinstance(one := codec.decode(each.request), kind))

    def answered(self, kind: type[M]) -> tuple[M, ...]:
        """Every reply of that kind."""
        bodies = (each.reply for each in self.exchanges if each.reply)
        return tuple(one for body in bodies if isinstance(one := codec.decode(body), kind))


async def until(
    condition: Callable[[], Awaitable[T]],
    changed: Callable[[timedelta], Awaitable[None]],
    within: timedelta = PATIENCE,
) -> T:
    """The first value of `condition` that is true; it is asked again whenever `changed` returns.

    Raises AssertionError with the last value if the time is over.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within.total_seconds()
    while not (found := await condition()):
        left = end - loop.time()
        assert left > 0, f"not within {within}: {condition.__qualname__} is {found!r}"
        await changed(timedelta(seconds=min(left, 1.0)))
    return found


def code(message: Message) -> str:
    """The response code of a reply."""
    result = getattr(message, "result", None)
    assert isinstance(result, Result), f"{message} carries no eiResponse"
    return result.code


def soon(seconds: float = 5) -> datetime:
    """When an event begins that is to begin as soon as it can: a poll and an answer ahead, on a busy machine, too."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
