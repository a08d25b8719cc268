"""HTTP/1.1 spoken byte by byte, so that the harness can send what no library would, and see what really comes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import msgspec

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""A subject that floods is cut off here."""

MAX_INTERIM_ANSWERS = 10
"""So many 100 Continue may come before an answer; one would do."""

Headers = tuple[tuple[str, str], ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, as it was sent."""

    status: int
    headers: Headers
    body: bytes
    version: str = "HTTP/1.1"

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class NoAnswer(Exception):
    """The connection was refused, closed, or what came is no HTTP."""


def usual_headers(host: str, body: bytes) -> Headers:
    """What rule 53 wants of every request."""
    return (
        ("Host", host),
        ("Content-Type", "application/xml; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    )


def request_bytes(path: str, headers: Sequence[tuple[str, str]], body: bytes, *, method: str = "POST") -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def exchange(url: str, sent: Sequence[bytes], *, tls: ssl.SSLContext | None, within_s: float) -> Answer:
    """Send the pieces of one request over a new connection and read one answer. Raises NoAnswer; never waits longer."""
    try:
        async with asyncio.timeout(within_s):
            return await _exchange(url, sent, tls)
    except TimeoutError:
        raise NoAnswer(f"no answer within {within_s:g} s") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}") from error


async def _exchange(url: str, sent: Sequence[bytes], tls: ssl.SSLContext | None) -> Answer:
    async with connected(url, tls=tls) as (reader, writer):
        try:
            for piece in sent:
                writer.write(piece)
                await writer.drain()
            return await read(reader)
        except ConnectionError:
            # A server may answer before it has read everything, and close: its answer may still be there.
            return await read(reader)


@contextlib.asynccontextmanager
async def connected(
    url: str, *, tls: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of one's own to `url`, until the block is left. Raises OSError."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    name = parts.hostname if tls is not None else None
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader) -> Answer:
    """The next answer of a connection. Raises what `exchange` makes a NoAnswer of."""
    for _ in range(MAX_INTERIM_ANSWERS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        version, status, *_ = first.split(" ", 2)
        if not version.startswith("HTTP/"):
            raise ValueError(f"the answer begins with {first[:40]!r}")
        if status == "100":
            continue
        fields = (line.partition(":") for line in lines if line)
        headers = tuple((name.strip(), value.strip()) for name, _, value in fields)
        answer = Answer(status=int(status), headers=headers, body=b"", version=version)
        return msgspec.structs.replace(answer, body=await _body(reader, answer))
    raise ValueError(f"{MAX_INTERIM_ANSWERS} times 100 Continue and no answer")


async def _body(reader: asyncio.StreamReader, answer: Answer) -> bytes:
    if answer.status in (204, 304):
        return b""
    if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
        return await _chunks(reader)
    length = answer.header("Content-Length")
    if length is None:
        return await _until_closed(reader)
    if int(length) > MAX_ANSWER_BYTES:
        raise ValueError(f"the answer is {length} bytes long")
    return await reader.readexactly(int(length))


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    pieces, total = [], 0
    while piece := await reader.read(MAX_ANSWER_BYTES):
        pieces.append(piece)
        total += len(piece)
        if total > MAX_ANSWER_BYTES:
            raise ValueError("the answer never ends")
    return b"".join(pieces)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    whole = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(whole) + size > MAX_ANSWER_BYTES:
            raise ValueError("the answer never ends")
        whole += await reader.readexactly(size)
        await reader.readexactly(2)
    return whole
