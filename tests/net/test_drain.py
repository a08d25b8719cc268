"""A server that ends or is replaced, towards clients that keep their connections and ask all the time."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest

from openadr_ra.errors import SettingsError
from openadr_ra.net import listening
from openadr_ra.net.server import Limits, Listener, Reply, Request, serve
from tests.net.conftest import Pki
from tests.net.crowd import CLOSES, Client, crowd, more
from tests.net.peers import Recorder, exchange, head, post

HOST = "127.0.0.1"
LONG, NONE = Limits(drain_s=60), Limits(drain_s=0)


async def test_no_request_is_lost_while_servers_on_one_port_are_replaced_one_by_one() -> None:
    """Not even by clients that never try anything twice."""
    ports = await listening.bound(HOST, 0, shared=True)
    slots = [ports, listening.beside(ports)]
    port = ports[0].getsockname()[1]
    answers = Recorder()

    async def begin(stack: AsyncExitStack, slot: listening.Sockets) -> Listener:
        copies = [one.dup() for one in slot]
        return await stack.enter_async_context(serve(answers, host=HOST, port=port, sockets=copies, limits=LONG))

    running = [AsyncExitStack(), AsyncExitStack()]
    listeners = [await begin(stack, slot) for stack, slot in zip(running, slots, strict=True)]
    async with crowd(*(Client(port, fresh=number % 3 == 0) for number in range(12))) as clients:
        await more(clients)
        for _ in range(3):
            for number, slot in enumerate(slots):
                new = AsyncExitStack()
                listener = await begin(new, slot)
                await listeners[number].drain()
                await running[number].aclose()
                running[number], listeners[number] = new, listener
                await more(clients)
    for stack, slot in zip(running, slots, strict=True):
        await stack.aclose()
        listening.close(slot)

    assert len(answers.requests) == sum(len(client.answered) for client in clients)
    assert any(CLOSES in said for client in clients for said in client.answered)


async def test_a_server_that_drains_answers_who_waits_in_front_of_its_door() -> None:
    """The kernel has taken the connection, and the server has not looked yet."""
    async with serve(Recorder(), host=HOST, port=0, limits=LONG) as listener:
        with socket.create_connection((HOST, listener.port)) as waiting:
            waiting.sendall(post())
            await listener.drain()

            assert waiting.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


async def test_a_server_that_drains_takes_nobody_new() -> None:
    async with serve(Recorder(), host=HOST, port=0, limits=LONG) as listener:
        await listener.drain()

        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection(HOST, listener.port)


async def test_an_idle_connection_gets_its_next_answer_while_the_server_drains() -> None:
    async with serve(Recorder(), host=HOST, port=0, limits=LONG) as listener:
        client = Client(listener.port)
        before = await client.ask()
        draining = asyncio.create_task(listener.drain())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.shield(draining)
        after = await client.ask()
        await draining

    assert CLOSES not in before
    assert CLOSES in after


async def test_an_idle_connection_that_asks_nothing_is_closed_after_the_grace() -> None:
    async with serve(Recorder(), host=HOST, port=0, limits=NONE) as listener:
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        writer.write(post())
        await reader.readuntil(b"<answer/>")
        await listener.drain()

        assert await reader.read() == b""
        writer.close()


async def test_a_request_under_way_is_answered_however_little_grace_there_is() -> None:
    """It closes its connection then."""
    came, go = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Reply:
        came.set()
        await go.wait()
        return Reply(body=b"<late/>")

    async with serve(answer, host=HOST, port=0, limits=NONE) as listener:
        asked = asyncio.create_task(exchange(listener.port, post()))
        await came.wait()
        await listener.drain()
        asyncio.get_running_loop().call_soon(go.set)

    said = await asked
    assert CLOSES in said
    assert said.endswith(b"<late/>")


async def test_a_body_that_is_on_its_way_arrives_while_the_server_drains() -> None:
    answers = Recorder()
    async with serve(answers, host=HOST, port=0, limits=LONG) as listener:
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        writer.write(head(8, "Expect: 100-continue", "Content-Type: application/xml"))
        await reader.readuntil(b"\r\n\r\n")
        draining = asyncio.create_task(listener.drain())
        writer.write(b"<report>")
        said = await reader.readuntil(b"<answer/>")
        await draining
        writer.close()

    assert CLOSES in said
    assert answers.last.body == b"<report>"


async def test_tls_connections_drain_like_others(pki: Pki) -> None:
    async with serve(Recorder(), host=HOST, port=0, ssl=pki.serving(), limits=LONG) as listener:
        reader, writer = await asyncio.open_connection("localhost", listener.port, ssl=pki.calling().current())
        writer.write(post())
        await reader.readuntil(b"<answer/>")
        draining = asyncio.create_task(listener.drain())
        writer.write(post())
        said = await reader.read()
        await draining
        writer.close()

    assert CLOSES in said


async def test_several_servers_share_a_port_and_each_gets_its_part() -> None:
    first = await listening.bound(HOST, 0, shared=True)
    port = first[0].getsockname()[1]
    counts = [Recorder(), Recorder()]
    async with (
        serve(counts[0], host=HOST, port=port, sockets=first) as one,
        serve(counts[1], host=HOST, port=port, sockets=listening.beside(first)) as other,
    ):
        assert one.url == other.url
        while not all(count.requests for count in counts):
            await exchange(port, post(b"<poll/>", "Connection: close"))


async def test_a_port_that_a_shared_listener_of_another_program_has_is_in_use() -> None:
    """The kernel would let both have it."""
    taken = await listening.bound(HOST, 0, shared=True)
    port = taken[0].getsockname()[1]
    async with serve(Recorder(), host=HOST, port=port, sockets=taken):
        with pytest.raises(SettingsError, match=f"port {port}: it is in use"):
            await listening.bound(HOST, port, shared=True)


async def test_all_addresses_of_a_name_have_one_port() -> None:
    sockets = await listening.bound("localhost", 0)
    ports = {one.getsockname()[1] for one in sockets}
    listening.close(sockets)

    assert len(ports) == 1
