"""The server asks its quota before it spends anything on a peer, and says no more than when to come again."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from openadr_ra.net.quota import origin
from openadr_ra.net.server import Limits, serve
from tests.net.conftest import Pki
from tests.net.peers import Recorder, exchange, head, post, status

CLOSE = "Connection: close"
XML = "Content-Type: application/xml"
LINGER = Limits(linger_s=0.1)


class Purse:
    """A quota that has so much of each, keeps what it was asked, and wakes whoever waits for the count of connections."""

    def __init__(self, *, connections: int = 99, requests: int = 99, octets: int = 10**9) -> None:
        self.connections = connections
        self.requests = requests
        self.octets = octets
        self.others: list[int] = []
        self.who: set[tuple[str, str | None]] = set()
        self.rested = 0

    def connects(self, address: str, others: int) -> bool:
        self.others.append(others)
        return others < self.connections

    def asks(self, address: str, fingerprint: str | None, count: int) -> int | None:
        self.who.add((address, fingerprint))
        self.requests -= 1
        return 7 if self.requests < 0 else self.brings(address, fingerprint, count)

    def brings(self, address: str, fingerprint: str | None, count: int) -> int | None:
        if count > self.octets:
            return 9
        self.octets -= count
        return None

    async def rest(self) -> None:
        self.rested += 1


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_by_its_network(address: str, counts_as: str) -> None:
    assert origin(address) == counts_as


async def test_a_request_beyond_the_quota_gets_503_and_when_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    """9.1.5: a peer tries again after 503, and does not after any 4xx. The log is the quota's affair."""
    answer, quota = Recorder(), Purse(requests=2)
    with caplog.at_level(logging.INFO):
        async with serve(answer, host="127.0.0.1", port=0, quota=quota) as listener:
            answered = await exchange(listener.port, post(b"<1/>"), post(b"<2/>"), post(b"<3/>"), post(b"<4/>", CLOSE))

    statuses = [int(part[:3]) for part in answered.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 503, 503]
    assert answered.count(b"\r\nRetry-After: 7\r\n") == 2
    assert [request.body for request in answer.requests] == [b"<1/>", b"<2/>"]
    assert quota.rested == 2
    assert quota.who == {("127.0.0.1", None)}
    assert not caplog.records


async def test_whatever_is_asked_counts() -> None:
    """A flood of what would be refused anyway is a flood too."""
    quota = Purse(requests=2)
    async with serve(Recorder(), host="127.0.0.1", port=0, quota=quota) as listener:
        codes = [status(await exchange(listener.port, post(b"<a/>", CLOSE, path=f"/{each}"))) for each in range(3)]

    assert codes == [404, 404, 503]


@pytest.mark.parametrize(("octets", "code"), [(1_000_000, 200), (999_999, 503)])
async def test_the_bytes_of_a_body_are_counted_each_once_as_they_come(octets: int, code: int) -> None:
    """Whether with the head or after it; so what is unfinished is bounded, too."""
    body, answer = b"x" * 1_000_000, Recorder()
    request = head(len(body), XML, CLOSE) + body
    for pieces in ((request,), (request[:300], request[300:]), (request[:100_000], request[100_000:])):
        quota = Purse(octets=octets)
        async with serve(answer, host="127.0.0.1", port=0, quota=quota, limits=LINGER) as listener:
            answered = await exchange(listener.port, *pieces)

        assert status(answered) == code
        assert (b"Retry-After: 9\r\n" in answered) == (code == 503)
        assert quota.octets == 0 or code == 503
    assert len(answer.requests) == (3 if code == 200 else 0)


async def test_a_small_body_is_counted_as_well() -> None:
    quota = Purse(octets=10)
    async with serve(Recorder(), host="127.0.0.1", port=0, quota=quota) as listener:
        codes = [status(await exchange(listener.port, post(b"<a/>", CLOSE))) for _ in range(3)]

    assert codes == [200, 200, 503]


async def test_after_a_refusal_the_body_is_not_taken_for_a_request() -> None:
    """Whether it is here already or still to come; then the connection is closed."""
    body = post(b"<smuggled/>")
    async with serve(Recorder(), host="127.0.0.1", port=0, quota=Purse(requests=0), limits=LINGER) as listener:
        at_once = await exchange(listener.port, head(len(body), XML) + body, post(b"<a/>", CLOSE))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head(len(body), XML))
        refused = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        rest = await reader.read()
        writer.close()

    assert at_once.count(b"HTTP/1.1 503") == 2
    assert b"Connection: close\r\n" in refused
    assert rest == b""


async def test_a_connection_beyond_the_quota_is_cut_and_the_open_ones_go_on() -> None:
    quota = Purse(connections=1)
    async with serve(Recorder(), host="127.0.0.1", port=0, quota=quota) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(post())
        await reader.readuntil(b"<answer/>")
        assert await exchange(listener.port, post(b"<a/>", CLOSE)) == b""
        writer.write(post(b"<a/>", CLOSE))
        assert status(await reader.read()) == 200
        writer.close()

    assert quota.others == [0, 1]


async def test_a_connection_that_has_ended_makes_room_for_another() -> None:
    quota = Purse(connections=1)
    async with serve(Recorder(), host="127.0.0.1", port=0, quota=quota) as listener:
        for _ in range(5):
            assert status(await exchange(listener.port, post(b"<a/>", CLOSE))) == 200

    assert quota.others == [0] * 5


async def test_a_tls_connection_counts_once_and_is_asked_for_before_its_handshake(
    pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    """Which costs as much as twelve requests. A peer beyond the quota is no peer whose TLS failed."""
    quota = Purse(connections=1)
    secure = pki.calling().current()
    with caplog.at_level(logging.INFO):
        async with serve(Recorder(), host="127.0.0.1", port=0, quota=quota, ssl=pki.serving()) as listener:
            reader, writer = await asyncio.open_connection("localhost", listener.port, ssl=secure)
            writer.write(post())
            await reader.readuntil(b"<answer/>")
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("localhost", listener.port, ssl=secure)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            _, second = await asyncio.open_connection("localhost", listener.port, ssl=secure)
            second.close()

    assert quota.others == [0, 1, 0]
    assert not caplog.records
    ((address, fingerprint),) = quota.who
    assert address == "127.0.0.1"
    assert fingerprint is not None
