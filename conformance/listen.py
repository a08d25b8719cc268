"""A small HTTP/1.1 server that sees requests as they were sent, and can answer as no library would."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

import msgspec

from conformance.http import Headers

MAX_REQUEST_BYTES = 16 * 1024 * 1024
FINGERPRINT_BYTES = 10


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came. `certificate` is the client's (DER), `fingerprint` that of it; both empty without one."""

    method: str
    path: str
    headers: Headers
    body: bytes
    version: str
    fingerprint: str = ""
    certificate: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back. `raw`: these bytes instead, and the connection ends. `hang`: nothing, until the client goes."""

    status: int = 200
    body: bytes = b""
    headers: Headers = ()
    raw: bytes | None = None
    hang: bool = False


Handler = Callable[[Arrived], Awaitable[Reply]]
Reading = Literal["again", "end"]


@contextlib.asynccontextmanager
async def listening(
    handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve until the block is left; yields the port. A handler that raises gives a 500."""
    open_now: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is None:
            return
        open_now.add(task)
        try:
            while await _serve_one(reader, writer, handler) == "again":
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, asyncio.CancelledError):
            pass
        finally:
            open_now.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tuple(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> Reading:
    arrived = await _read(reader, writer)
    reply = await handler(arrived)
    if reply.hang:
        await reader.read(1)
        return "end"
    if reply.raw is not None:
        writer.write(reply.raw)
        await writer.drain()
        return "end"
    headers = [*reply.headers]
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("Content-Length", str(len(reply.body))))
    if reply.body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/xml; charset=utf-8"))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    writer.write(f"HTTP/1.1 {reply.status} -\r\n{head}\r\n".encode() + reply.body)
    await writer.drain()
    ends = (arrived.header("Connection") or "").lower() == "close" or arrived.version == "HTTP/1.0"
    return "end" if ends else "again"


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Arrived:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, path, version = first.split(" ")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line))
    arrived = Arrived(
        method=method,
        path=path,
        headers=headers,
        body=b"",
        version=version,
        fingerprint=_fingerprint(writer),
        certificate=_certificate(writer),
    )
    if (arrived.header("Expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return msgspec.structs.replace(arrived, body=await _body(reader, arrived))


async def _body(reader: asyncio.StreamReader, arrived: Arrived) -> bytes:
    if (arrived.header("Transfer-Encoding") or "").lower() == "chunked":
        whole = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            whole += await reader.readexactly(size)
            await reader.readexactly(2)
            if len(whole) > MAX_REQUEST_BYTES:
                raise ValueError("the request never ends")
        await reader.readuntil(b"\r\n")
        return whole
    length = int(arrived.header("Content-Length") or 0)
    if length > MAX_REQUEST_BYTES:
        raise ValueError(f"the request is {length} bytes long")
    return await reader.readexactly(length)


def _fingerprint(writer: asyncio.StreamWriter) -> str:
    der = _certificate(writer)
    if not der:
        return ""
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest()[-FINGERPRINT_BYTES:])


def _certificate(writer: asyncio.StreamWriter) -> bytes:
    tls = writer.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True) if tls is not None else None
    return bytes(shown or b"")
