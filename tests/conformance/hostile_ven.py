"""VENs that mean harm: each does so without end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from conformance import http, template
from conformance.play import PREFIX

Harm = Callable[[str], Awaitable[None]]

BREATH_S = 0.25
"""Between two rounds, so that time goes on in a loop that skips what nobody uses."""

FLOOD_S = 0.05
HOLD_S = 20.0

DEEP = b"<a>" * 50_000


def _posted(body: bytes, service: str = "EiRegisterParty") -> bytes:
    return http.request_bytes(f"{PREFIX}/{service}", http.usual_headers("127.0.0.1", body), body)


def registration(address: str = "", *, pull: bool = True, ven_id: str | None = None) -> bytes:
    """A right oadrCreatePartyRegistration but for what is said."""
    return template.message(
        "oadrCreatePartyRegistration",
        request_id="hostile",
        registration_id=None,
        ven_id=ven_id,
        profile="2.0b",
        transport="simpleHttp",
        address=address or None,
        report_only=False,
        xml_signature=False,
        ven_name="hostile",
        pull="true" if pull else "false",
    )


def _entities() -> bytes:
    """A registration whose ids are entities, of which each is ten of another."""
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE a [<!ENTITY e0 "ha">{lines}]>\n<oadr:oadrPayload'.encode()
    return registration(ven_id="here").replace(b"<oadr:oadrPayload", head, 1).replace(b">here<", b">&e9;<")


ODD = (
    bytes(range(256)) * 64,
    b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /OpenADR2/Simple/2.0b/OadrPoll HTTP/9\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    b"POST / HTTP/1.1\r\nX: " + b"x" * 2**20 + b"\r\n\r\n",
    _posted(b""),
    _posted(b"no xml at all"),
    _posted(DEEP),
    _posted(b"\xff\xfe\x00<\x00a"),
    _posted(template.message("oadrPoll", ven_id="\N{ZERO WIDTH SPACE}"), "OadrPoll"),
    _posted(registration()[:-40]),
    _posted(registration().replace(b"oadrCreatePartyRegistration", b"oadrNonsense")),
    _posted(_entities()),
)
"""Requests that are none, or hold no message."""


async def silent(url: str) -> None:
    """Says nothing, ever."""
    await asyncio.Event().wait()


async def never_polls(url: str) -> None:
    """Registers, and says nothing any more."""
    await _sent(url, _posted(registration()))
    await silent(url)


async def floods(url: str) -> None:
    """Registers again and again, in five places at once."""
    await asyncio.gather(*(_again(url, _posted(registration())) for _ in range(5)))


async def raves(url: str) -> None:
    """Sends what is no message, of every sort."""
    while True:
        for said in ODD:
            await _sent(url, said)
        await asyncio.sleep(BREATH_S)


async def hangs_up(url: str) -> None:
    """Begins requests and ends the connection in the middle."""
    whole = _posted(registration())
    while True:
        for length in (0, 1, 40, len(whole) // 2, len(whole) - 1):
            with contextlib.suppress(OSError):
                async with http.connected(url, tls=None) as (_, writer):
                    writer.write(whole[:length])
        await asyncio.sleep(BREATH_S)


async def holds_on(url: str) -> None:
    """Begins two hundred requests and ends none, and does so again and again."""
    while True:
        async with contextlib.AsyncExitStack() as stack:
            with contextlib.suppress(OSError):
                for _ in range(200):
                    _, writer = await stack.enter_async_context(http.connected(url, tls=None))
                    writer.write(_posted(registration())[:-10])
            await asyncio.sleep(HOLD_S)


async def lies(url: str) -> None:
    """Registers to be pushed to, each time where nobody can."""
    addresses = ("http://127.0.0.1:1", "http://127.0.0.1:99999", "http://[::", "//", url)
    while True:
        for address in addresses:
            await _sent(url, _posted(registration(address, pull=False)))
        await asyncio.sleep(BREATH_S)


HOSTILE: tuple[Harm, ...] = (silent, never_polls, floods, raves, hangs_up, holds_on, lies)


async def _again(url: str, said: bytes) -> None:
    while True:
        await _sent(url, said)
        await asyncio.sleep(FLOOD_S)


async def _sent(url: str, said: bytes) -> None:
    """Whatever comes of it."""
    if urlsplit(url).port:
        with contextlib.suppress(http.NoAnswer):
            await http.exchange(url, (said,), tls=None, within_s=1)
