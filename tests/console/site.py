"""A VTN with its console in this process, and an HTTP client that shows the token."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec

from openadr_ra.console.api import serve
from openadr_ra.drivers import VirtualClock
from openadr_ra.run.node import Node
from openadr_ra.seams import Store
from openadr_ra.settings import AdmittedVen, Downstream, NodeSettings, Upstream
from openadr_ra.store import MemoryStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = "2026-11-21T13:00:00Z"

NO_HEADERS: Mapping[str, str] = {}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The only shape that an error has."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def error(self) -> str:
        return msgspec.json.decode(self.body, type=Fault).error


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`url` and `token` are what an operator has; `node`, `store` and `clock` what stands behind them."""

    url: str
    token: str
    node: Node
    store: Store
    clock: VirtualClock
    http: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> Answer:
        """With the token. A `body` of bytes is sent as it is, another one as JSON."""
        octets = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        said = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        sent = None if octets is None else io.BytesIO(octets)
        async with self.http.request(method, self.url + path, data=sent, headers=said) as answer:
            return Answer(status=answer.status, body=await answer.read(), headers=answer.headers)

    async def published(self, **changes: object) -> str:
        """The id of an event that was ordered just now."""
        answer = await self.ask("POST", "/events", order(**changes))
        assert answer.status == 201, answer.body
        return msgspec.json.decode(answer.body, type=Named).id


class Named(msgspec.Struct, frozen=True, kw_only=True):
    id: str


def order(**changes: object) -> dict[str, object]:
    """An order for VEN1 as a program would write it."""
    return {"start": START, "every_s": 1800, "asks": {"VEN1": [-5, -8, -6]}, **changes}


def vtn_settings(*vens: str) -> NodeSettings:
    """A VTN without TLS that knows these VENs."""
    admitted = tuple(AdmittedVen(id=ven) for ven in vens or ("VEN1", "VEN2"))
    return NodeSettings(downstream=Downstream(listen="127.0.0.1:0", admit="ca", ven=admitted))


def ven_settings() -> NodeSettings:
    """A VEN without devices, whose VTN is not there."""
    return NodeSettings(upstream=(Upstream(url="http://127.0.0.1:9/OpenADR2/Simple/2.0b", name="above"),))


@asynccontextmanager
async def running(
    tmp_path: Path,
    settings: NodeSettings | None = None,
    store: Store | None = None,
    listen: str = "127.0.0.1:0",
    *,
    leads: bool = True,
) -> AsyncIterator[Site]:
    """A site until the block is left; at its clock it is noon until it is told otherwise."""
    clock = VirtualClock(NOON)
    held = store or MemoryStore()
    token_file = tmp_path / "console.token"
    async with (
        Node(settings or vtn_settings(), clock=clock, store=held, leads=leads).running() as node,
        serve(node, listen=listen, token_file=token_file) as url,
        aiohttp.ClientSession() as http,
    ):
        token = token_file.read_text().strip()
        yield Site(url=url, token=token, node=node, store=held, clock=clock, http=http)
