"""Peers that speak byte by byte, and answers for servers under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext

from openadr_ra.net.server import Reply, Request

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

POLL = "/OpenADR2/Simple/2.0b/OadrPoll"


class Recorder:
    """Answers each request with `reply` and keeps the requests."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply or Reply(body=b"<answer/>")
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.reply

    @property
    def last(self) -> Request:
        return self.requests[-1]


def head(length: int, *lines: str, path: str = POLL, method: str = "POST", version: str = "1.1") -> bytes:
    """The head of a post of `length` bytes, with `lines` besides Host and Content-Length."""
    fixed = (f"{method} {path} HTTP/{version}", "Host: vtn", f"Content-Length: {length}")
    return "\r\n".join((*fixed, *lines, "", "")).encode("latin-1")


def post(body: bytes = b"<poll/>", *lines: str, path: str = POLL, version: str = "1.1") -> bytes:
    """A whole post as a VEN sends it."""
    return head(len(body), "Content-Type: application/xml", *lines, path=path, version=version) + body


async def exchange(port: int, *pieces: bytes, ssl: SSLContext | None = None) -> bytes:
    """What a server answers to `pieces` until it closes; the last one should ask it to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status(answer: bytes) -> int:
    """The status of the first response in `answer`."""
    return int(answer.split(b" ", 2)[1])


@asynccontextmanager
async def peer(script: Script, ssl: SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that does as `script` says with each connection, and then closes it."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=ssl)
    async with server:
        yield server.sockets[0].getsockname()[1]


def saying(answer: bytes) -> Script:
    """Reads a request's head and some of its body, says `answer`."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return script
