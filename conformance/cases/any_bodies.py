"""Bodies at a subject that is called, a VTN or a push VEN: empty, large, slow, and of another length than they say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from conformance import http, shapes
from conformance.case import SHOULD, Failed, expect
from conformance.endpoint import Endpoint, at_servers, borne, refused, refused_or_cut

LARGE_BYTES = 10 * 1024 * 1024

SLOW_S = 3.0
"""For the whole of a body that comes slowly."""

MANY = 30
"""Connections that are left open at once."""


@at_servers(
    "transport.empty-body",
    rules=("33", "53"),
    says="A message without a body is refused.",
    sends="a request under Content-Length 0",
    expects="a refusal; then a good answer to a right message",
    negative=True,
)
async def empty_body(endpoint: Endpoint) -> None:
    refused(await endpoint.caller.try_(b"", endpoint.service))


@at_servers(
    "transport.blank-body",
    rules=("33",),
    says="A body of spaces is refused.",
    sends="a request whose body is blank",
    expects="a refusal; then a good answer to a right message",
    negative=True,
)
async def blank_body(endpoint: Endpoint) -> None:
    refused(await endpoint.caller.try_(b" \r\n\t" * 100, endpoint.service, signed=False))


@at_servers(
    "transport.large-body",
    rules=("53",),
    says="A body beyond all measure is refused, and the next one is served.",
    sends="a good message with a comment of 10 MB behind it",
    expects="413 or another refusal, or the end of the connection; then a good answer to a right message",
    level=SHOULD,
    negative=True,
    within_s=60,
)
async def large_body(endpoint: Endpoint) -> None:
    body = shapes.padded(endpoint.write(), LARGE_BYTES)
    refused_or_cut(await endpoint.caller.try_(body, endpoint.service, signed=False))


@at_servers(
    "transport.large-body-borne",
    rules=("53",),
    says="A body beyond all measure does no harm.",
    sends="three times a good message with a comment of 10 MB behind it",
    expects="no error of the server; then a good answer to a right message",
    negative=True,
    within_s=60,
)
async def large_body_borne(endpoint: Endpoint) -> None:
    body = shapes.padded(endpoint.write(), LARGE_BYTES)
    for _ in range(3):
        borne(await endpoint.caller.try_(body, endpoint.service, signed=False))


@at_servers(
    "transport.large-chunked-body",
    rules=("53",),
    says="A chunked body beyond all measure does no harm.",
    sends="chunks without end, 20 MB of them",
    expects="a refusal, or the end of the connection; then a good answer to a right message",
    negative=True,
    within_s=60,
)
async def large_chunked_body(endpoint: Endpoint) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    refused_or_cut(await endpoint.with_pieces(endpoint.head("Transfer-Encoding: chunked"), *(chunk,) * 320))


@at_servers(
    "transport.length-too-long",
    rules=("53",),
    says="Who promises more than comes harms nobody else.",
    sends="a good message under a Content-Length that is a hundred bytes too long, and stays silent",
    expects="good answers to right messages meanwhile",
    negative=True,
)
async def length_too_long(endpoint: Endpoint) -> None:
    body = endpoint.write()
    async with _open(endpoint, endpoint.head(f"Content-Length: {len(body) + 100}") + body):
        await endpoint.alive()


@at_servers(
    "transport.length-too-short",
    rules=("53",),
    says="Who says more than promised is refused.",
    sends="a good message under a Content-Length that is twenty bytes too short",
    expects="a refusal, or the end of the connection; then a good answer to a right message",
    negative=True,
)
async def length_too_short(endpoint: Endpoint) -> None:
    body = endpoint.write()
    refused_or_cut(await endpoint.with_pieces(endpoint.head(f"Content-Length: {len(body) - 20}") + body))


@at_servers(
    "transport.closed-early",
    rules=("53",),
    says="Who goes away in the middle harms nobody.",
    sends="ten times half a message, and closes",
    expects="a good answer to a right message",
    negative=True,
)
async def closed_early(endpoint: Endpoint) -> None:
    body = endpoint.write()
    for _ in range(10):
        async with _open(endpoint, endpoint.head(f"Content-Length: {len(body)}") + body[: len(body) // 2]):
            pass


@at_servers(
    "transport.slow-body",
    rules=("53",),
    says="A body that comes slowly is waited for, and nobody else waits for it.",
    sends="a good message in small pieces over three seconds, and right ones meanwhile",
    expects="a good answer to each",
)
async def slow_body(endpoint: Endpoint) -> None:
    body = endpoint.write()
    step = max(len(body) // 10, 1)
    async with _open(endpoint, endpoint.head(f"Content-Length: {len(body)}")) as (reader, writer):
        for start in range(0, len(body), step):
            await _said(writer, body[start : start + step])
            await endpoint.alive()
            await asyncio.sleep(SLOW_S / 10)
        answer = await _answer(reader)
    expect(answer.status == 200, "HTTP status 200 for a body that came slowly", f"HTTP status {answer.status}")


@at_servers(
    "transport.slow-head",
    rules=("53",),
    says="Who begins a request and never ends it holds up nobody else.",
    sends="one header after the other, without end, and right messages meanwhile",
    expects="good answers to the right ones",
    negative=True,
)
async def slow_head(endpoint: Endpoint) -> None:
    async with _open(endpoint, endpoint.head("Content-Length: 1000")[:-2]) as (_, writer):
        for number in range(5):
            with contextlib.suppress(ConnectionError):
                writer.write(f"X-More-{number}: 1\r\n".encode())
                await writer.drain()
            await endpoint.alive()


@at_servers(
    "transport.idle-connections",
    rules=("53",),
    says="Connections that say nothing harm nobody.",
    sends=f"{MANY} connections, of which half begin a request, all left open",
    expects="good answers to right messages meanwhile",
    negative=True,
)
async def idle_connections(endpoint: Endpoint) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(MANY):
            said = endpoint.head("Content-Length: 1000") if number % 2 else b""
            await stack.enter_async_context(_open(endpoint, said))
        for _ in range(3):
            await endpoint.alive()


@at_servers(
    "transport.one-connection",
    rules=("53",),
    says="Several requests may come over one connection, one after the other.",
    sends="three good messages over one connection",
    expects="three good answers, unless an answer says Connection: close",
    level=SHOULD,
)
async def one_connection(endpoint: Endpoint) -> None:
    async with _open(endpoint, b"") as (reader, writer):
        for _ in range(3):
            body = endpoint.write()
            body = endpoint.caller.sign(body) if endpoint.caller.sign is not None else body
            lines = (f"Host: {endpoint.caller.host}", "Content-Type: application/xml", f"Content-Length: {len(body)}")
            writer.write(endpoint.head(*lines, usual=False) + body)
            answer = await _answer(reader)
            expect(answer.status == 200, "HTTP status 200", f"HTTP status {answer.status}")
            if (answer.header("Connection") or "").lower() == "close":
                return


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def _open(endpoint: Endpoint, said: bytes) -> AsyncIterator[Pair]:
    """A connection on which that much was said, until the block is left."""
    caller = endpoint.caller
    async with http.connected(caller.url, tls=caller.tls) as (reader, writer):
        writer.write(said)
        await writer.drain()
        yield reader, writer


async def _said(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Send one more piece. Failed if the connection is there no longer."""
    try:
        writer.write(piece)
        await writer.drain()
    except ConnectionError as error:
        raise Failed(
            "a connection that stays open until the whole body came", f"{type(error).__name__}: {error}"
        ) from None


async def _answer(reader: asyncio.StreamReader) -> http.Answer:
    try:
        async with asyncio.timeout(5):
            return await http.read(reader)
    except (TimeoutError, OSError, EOFError, ValueError) as error:
        raise Failed("an answer over the connection that was open", f"{type(error).__name__}: {error}") from None
