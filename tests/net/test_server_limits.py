"""The server towards peers that lie, dawdle, babble or hang up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openadr_ra.net.server import Limits, Reply, Request, serve
from tests.net.conftest import Pki
from tests.net.peers import Recorder, exchange, head, post, status

CLOSE = "Connection: close"
XML = "Content-Type: application/xml"
CHUNKED = head(0, XML, CLOSE, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
KILOBYTE = Limits(max_body_bytes=1024, linger_s=0.1)
HASTY = Limits(body_s=0.1, send_s=0.1, linger_s=0.1, handshake_s=1, keepalive_s=0.2)


def chunks(size: int, count: int) -> bytes:
    return b"%x\r\n%b\r\n" % (size, b"x" * size) * count + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (head(1024, XML, CLOSE) + b"x" * 1024, 200),
        (head(1025, XML, CLOSE) + b"x" * 1025, 413),
        (CHUNKED + chunks(256, 4), 200),
        (CHUNKED + chunks(205, 5), 413),
    ],
)
async def test_a_body_is_taken_up_to_the_limit(sent: bytes, code: int) -> None:
    """Whether it came with its head or after it, with a length or in chunks."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0, limits=KILOBYTE) as listener:
        at_once = await exchange(listener.port, sent)
        cut = sent.index(b"\r\n\r\n") + 4
        later = await exchange(listener.port, sent[:cut], sent[cut:])

    assert [status(at_once), status(later)] == [code, code]
    assert len(answer.requests) == (2 if code == 200 else 0)


async def test_a_body_that_is_declared_too_long_is_refused_before_it_comes() -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0, limits=KILOBYTE) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head(10**12, XML))
        refused = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert status(refused) == 413
    assert b"Connection: close" in refused


async def test_a_body_without_end_is_refused_at_the_limit() -> None:
    """The peer gets to read why, though it goes on sending."""
    async with serve(Recorder(), host="127.0.0.1", port=0, limits=KILOBYTE) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(CHUNKED)
        for _ in range(20):
            writer.write(b"100\r\n" + b"x" * 256 + b"\r\n")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 413
        writer.close()


@pytest.mark.parametrize("sent", [head(100, XML) + b"<poll/>", CHUNKED + b"7\r\n<poll/>\r\n", head(1, XML)])
async def test_a_body_that_does_not_come_is_not_waited_for(sent: bytes) -> None:
    """A Content-Length longer than the body, chunks without end: 408, and the connection is closed."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0, limits=HASTY) as listener:
        answered = await exchange(listener.port, sent)

    assert status(answered) == 408
    assert b"Connection: close" in answered
    assert not answer.requests


async def test_a_slow_body_that_comes_in_time_is_taken() -> None:
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head(7, XML, CLOSE))
        for octet in b"<poll/>":
            writer.write(bytes((octet,)))
            await writer.drain()
        assert status(await reader.read()) == 200
        writer.close()

    assert answer.last.body == b"<poll/>"


async def test_a_body_longer_than_declared_ends_in_400() -> None:
    """What follows the declared length is the next request, and none that can be understood."""
    answer = Recorder()
    longer = head(7, XML) + b"<poll/><and><more/></and>\r\n\r\n"
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        answered = await exchange(listener.port, longer)

    assert answered.rpartition(b"HTTP/1.1 ")[2].startswith(b"400 Bad Request\r\n")
    assert all(request.body == b"<poll/>" for request in answer.requests)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n\x00\xff\xfe\r\n\r\n",
        b"hello\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /x HTTP/1.1\r\nX: " + b"x" * 10000 + b"\r\n\r\n",
        b"POST /" + b"x" * 10000 + b" HTTP/1.1\r\n\r\n",
        b"POST /x HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    ],
)
async def test_what_is_not_http_gets_400_and_one_log_line(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
            answered = await exchange(listener.port, garbage)

    (record,) = caplog.records
    assert answered.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answered.endswith(b"\r\n\r\n")
    assert "refused 400 127.0.0.1" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is None


async def test_chunks_that_are_no_chunks_get_400() -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        at_once = await exchange(listener.port, CHUNKED + b"zz\r\n<poll/>\r\n")
        later = await exchange(listener.port, CHUNKED, b"zz\r\n<poll/>\r\n")

    assert [status(at_once), status(later)] == [400, 400]


REQUESTS = st.builds(
    lambda start, junk, end: post()[:start] + junk + post()[end:],
    st.integers(0, len(post())),
    st.binary(max_size=30),
    st.integers(0, len(post())),
)


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=200) | REQUESTS, min_size=1, max_size=8))
def test_no_bytes_whatever_bring_a_server_down(sent: list[bytes]) -> None:
    """Nor make it answer 5xx."""

    async def bombard() -> None:
        async with serve(Recorder(), host="127.0.0.1", port=0, limits=HASTY) as listener:
            for octets in sent:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                writer.write(octets)
                writer.write_eof()
                with contextlib.suppress(ConnectionError):
                    assert (await reader.read())[:10] in (b"", b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 1")
                writer.close()
            assert status(await exchange(listener.port, post(b"<a/>", CLOSE))) == 200

    asyncio.run(bombard())


@pytest.mark.parametrize("path", ["/a%0Ab", "/a%0D%0A! refused 200"])
async def test_no_peer_writes_lines_of_its_own_into_the_log(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        await exchange(listener.port, post(b"<a/>", CLOSE, path=path.replace(" ", "%20")))

    (record,) = caplog.records
    assert "\n" not in record.getMessage()


async def test_tls_to_a_plain_port_is_named_in_the_log(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        with pytest.raises(OSError, match="SSL"):
            await asyncio.open_connection("localhost", listener.port, ssl=pki.calling().current())

    assert "it speaks TLS to a plain HTTP port" in caplog.text


async def test_a_peer_that_hangs_up_in_its_body_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(head(100, XML) + b"<poll")
            await writer.drain()
            writer.transport.abort()
        assert status(await exchange(listener.port, post(b"<a/>", CLOSE))) == 200

    assert [request.body for request in answer.requests] == [b"<a/>"]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_peer_that_hangs_up_before_its_answer_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    came, go = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Reply:
        came.set()
        await go.wait()
        return Reply(body=b"<late/>")

    async with serve(answer, host="127.0.0.1", port=0) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(post())
        await came.wait()
        writer.transport.abort()
        await writer.wait_closed()
        go.set()
        assert status(await exchange(listener.port, post(b"<a/>", CLOSE))) == 200

    assert not caplog.records


async def test_a_peer_that_does_not_read_its_answer_is_cut_off() -> None:
    """Its megabytes would stay in memory for as long as it likes."""
    much = Reply(body=b"x" * 32 * 1024 * 1024)
    patient = Limits(send_s=0.2, drain_s=60)
    came = asyncio.Event()

    async def answer(request: Request) -> Reply:
        came.set()
        return much

    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with asyncio.timeout(10):
            # Leaving the block waits for the request under way, which ends when the peer is cut off.
            async with serve(answer, host="127.0.0.1", port=0, limits=patient) as listener:
                deaf.connect(("127.0.0.1", listener.port))
                deaf.setblocking(False)
                await loop.sock_sendall(deaf, post())
                await came.wait()
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := await loop.sock_recv(deaf, 65536):
                received += len(piece)

    assert received < len(much.body)


async def test_a_large_answer_arrives_whole() -> None:
    much = Reply(body=bytes(range(256)) * 8192)
    async with serve(Recorder(much), host="127.0.0.1", port=0) as listener:
        answered = await exchange(listener.port, post(b"<a/>", CLOSE))

    assert answered.partition(b"\r\n\r\n")[2] == much.body


async def test_an_idle_connection_is_closed_after_a_while() -> None:
    """And one on which no request ever comes, likewise."""
    async with serve(Recorder(), host="127.0.0.1", port=0, limits=HASTY) as listener:
        async with asyncio.timeout(5):
            assert await exchange(listener.port) == b""
            assert await exchange(listener.port, b"POST /") == b""
            assert status(await exchange(listener.port, post())) == 200


async def test_a_peer_that_never_shakes_hands_is_dropped_with_a_log_line(
    pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with serve(Recorder(), host="127.0.0.1", port=0, ssl=pki.serving(), limits=HASTY) as listener:
            async with asyncio.timeout(5):
                assert await exchange(listener.port) == b""

    assert "no TLS with 127.0.0.1: it did not finish the handshake in time" in caplog.text


async def test_a_peer_that_connects_and_goes_is_no_reason_to_warn(pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    """Load balancers look every few seconds whether somebody is at home."""
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=pki.serving()) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.close()
        await writer.wait_closed()

    assert not caplog.records


async def test_a_server_with_peers_in_mid_handshake_closes_at_once(pki: Pki) -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=pki.serving()) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        async with serve(Recorder(), host="127.0.0.1", port=0) as other:
            await exchange(other.port, post(b"<a/>", CLOSE))
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_pipelined_posts_are_answered_in_order() -> None:
    answer = Recorder()
    posts = b"".join(post(b"<p%03d/>" % number) for number in range(100)) + post(b"<last/>", CLOSE)
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        answered = await exchange(listener.port, posts)

    assert answered.count(b"HTTP/1.1 200") == 101
    assert [r.body for r in answer.requests[:3]] == [b"<p000/>", b"<p001/>", b"<p002/>"]
