"""Clients behind a proxy that ends their TLS: whose word is taken on who they are, and whose is not."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from openadr_ra.errors import SettingsError
from openadr_ra.net.proxy import Proxies
from openadr_ra.net.quota import Unlimited
from openadr_ra.net.server import Limits, serve
from openadr_ra.net.tls import Chain, fingerprint, read_certificates
from tests.net.conftest import Pki
from tests.net.peers import Recorder, exchange, post, status

HERE, ELSEWHERE = ("127.0.0.1",), ("192.0.2.0/24",)
CLOSE = "Connection: close"


def certificate(chain: Chain) -> x509.Certificate:
    return read_certificates(chain[0])[0]


def der(chain: Chain) -> bytes:
    return certificate(chain).public_bytes(Encoding.DER)


def rfc_9440(chain: Chain) -> str:
    return f":{b64encode(der(chain)).decode()}:"


def escaped(chain: Chain) -> str:
    """PEM in URL encoding, as nginx has it."""
    return quote(certificate(chain).public_bytes(Encoding.PEM).decode(), safe="")


async def asked(*lines: str, proxies: Proxies | None, ssl_of: Pki | None = None) -> tuple[int, Recorder]:
    """The status of the answer to a post with these header lines from 127.0.0.1, and who the server took it to be of."""
    answers = Recorder()
    serving = None if ssl_of is None else ssl_of.serving()
    calling = None if ssl_of is None else ssl_of.calling().current()
    async with serve(answers, host="127.0.0.1", port=0, proxies=proxies, ssl=serving) as listener:
        said = await exchange(listener.port, post(b"<poll/>", CLOSE, *lines), ssl=calling)
    return status(said), answers


@pytest.mark.parametrize("spelt", [rfc_9440, escaped])
async def test_a_proxy_that_is_named_says_who_its_client_is(pki: Pki, spelt: Callable[[Chain], str]) -> None:
    ven = pki.ven["ec"]
    code, answers = await asked(f"Client-Cert: {spelt(ven)}", proxies=Proxies(HERE))

    assert (code, answers.last.certificate, answers.last.fingerprint) == (200, der(ven), fingerprint(der(ven)))


async def test_nobody_else_says_who_it_is_by_a_header(pki: Pki) -> None:
    """Neither without TLS nor with it; and without proxies the header has no meaning at all."""
    claim = f"Client-Cert: {rfc_9440(pki.ven['rsa'])}"
    plain, nobody = await asked(claim, proxies=Proxies(ELSEWHERE))
    secure, itself = await asked(claim, proxies=Proxies(ELSEWHERE), ssl_of=pki)
    alone, unnamed = await asked(claim, proxies=None)

    assert (plain, nobody.requests) == (403, [])
    assert (secure, itself.last.fingerprint) == (200, fingerprint(der(pki.ven["ec"])))
    assert (alone, unnamed.last.fingerprint) == (200, None)


@pytest.mark.parametrize("header", [(), ("Client-Cert:",)])
async def test_who_has_no_certificate_is_nobody_behind_a_proxy(
    pki: Pki, header: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is it the proxy, though that showed one of its own."""
    found = [(await asked(*header, proxies=Proxies(HERE), ssl_of=of))[0] for of in (None, pki)]

    assert found == [403, 403]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "no client certificate" in caplog.text


@pytest.mark.parametrize(
    "value",
    ["x", ":x:", "::", ":AAAA:", ":AAAA", "-----BEGIN%20CERTIFICATE-----", quote("-----BEGIN X-----\nAA\n"), "%ff%00"],
)
async def test_a_certificate_that_cannot_be_read_is_refused(value: str, caplog: pytest.LogCaptureFixture) -> None:
    code, answers = await asked(f"Client-Cert: {value}", proxies=Proxies(HERE))

    assert (code, answers.requests) == (400, [])
    assert len(caplog.records) == 1
    assert "behind a proxy: a certificate that" in caplog.text


async def test_two_certificates_are_refused(pki: Pki) -> None:
    """A proxy that leaves a client's own header in place would let it be anybody."""
    one, other = rfc_9440(pki.ven["ec"]), rfc_9440(pki.ven["rsa"])
    twice, _ = await asked(f"Client-Cert: {one}", f"client-cert: {other}", proxies=Proxies(HERE))
    both, _ = await asked(f"Client-Cert: {escaped(pki.ven['ec'])}{escaped(pki.ven['rsa'])}", proxies=Proxies(HERE))

    assert (twice, both) == (400, 400)


async def test_the_header_can_have_another_name(pki: Pki) -> None:
    proxies = Proxies(HERE, header="X-SSL-Cert")
    named, answers = await asked(f"X-SSL-Cert: {escaped(pki.ven['ec'])}", proxies=proxies)
    usual, _ = await asked(f"Client-Cert: {rfc_9440(pki.ven['ec'])}", proxies=proxies)

    assert (named, usual) == (200, 403)
    assert answers.last.fingerprint == fingerprint(der(pki.ven["ec"]))


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ((), "127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.7",), "203.0.113.7"),
        (("X-Forwarded-For: 198.51.100.1, 203.0.113.7",), "203.0.113.7"),
        (("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7"), "203.0.113.7"),
        (("X-Forwarded-For: 2001:db8::7",), "2001:db8::7"),
        (("X-Forwarded-For: unknown",), "127.0.0.1"),
        (("X-Forwarded-For:",), "127.0.0.1"),
    ],
)
async def test_the_last_address_that_a_proxy_tells_is_the_clients(
    pki: Pki, lines: tuple[str, ...], address: str
) -> None:
    """Those before it the client could have made up."""
    _, answers = await asked(f"Client-Cert: {rfc_9440(pki.ven['ec'])}", *lines, proxies=Proxies(HERE))

    assert answers.last.address == address


async def test_nobody_else_says_where_it_is_from(pki: Pki) -> None:
    _, answers = await asked("X-Forwarded-For: 203.0.113.7", proxies=Proxies(ELSEWHERE), ssl_of=pki)

    assert answers.last.address == "127.0.0.1"


class Full(Unlimited):
    """Takes no connection, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def connects(self, address: str, others: int) -> bool:
        return False

    def asks(self, address: str, fingerprint: str | None, count: int) -> int | None:
        self.asked.append((address, fingerprint))
        return None


@pytest.mark.parametrize(("networks", "taken"), [(HERE, True), (ELSEWHERE, False)])
async def test_limits_hold_for_the_clients_and_not_for_the_connections_of_their_proxy(
    pki: Pki, networks: tuple[str, ...], taken: bool
) -> None:
    quota = Full()
    lines = (CLOSE, f"Client-Cert: {rfc_9440(pki.ven['ec'])}", "X-Forwarded-For: 203.0.113.7")
    async with serve(
        Recorder(), host="127.0.0.1", port=0, proxies=Proxies(networks), quota=quota, limits=Limits()
    ) as listener:
        said = await exchange(listener.port, post(b"<poll/>", *lines))

    assert said.startswith(b"HTTP/1.1 200 ") == taken
    assert quota.asked == ([("203.0.113.7", fingerprint(der(pki.ven["ec"])))] if taken else [])


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.0.0.5", True),
        ("10.0.0.6", False),
        ("10.1.0.0", True),
        ("10.1.255.255", True),
        ("10.2.0.0", False),
        ("::ffff:10.0.0.5", True),
        ("2001:db8::1", True),
        ("2001:db8:0:1::", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_proxies_are_addresses_and_networks(address: str, trusted: bool) -> None:
    assert Proxies(["10.0.0.5", "10.1.0.0/16", "2001:db8::/64"]).trusts(address) == trusted


@pytest.mark.parametrize("text", ["10.0.0", "10.1.0.1/16", "proxy.example", "0.0.0.0/0", "::/0", ""])
def test_a_proxy_that_is_no_address_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="proxies: "):
        Proxies([text])


@pytest.mark.parametrize("name", ["", "Client Cert", "Client-Cert:", "ü"])
def test_a_header_that_can_be_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="client_cert_header: "):
        Proxies(HERE, header=name)
