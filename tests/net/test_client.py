"""A link towards peers that answer, refuse, stall or are not there."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from openadr_ra.errors import SettingsError, TransportError
from openadr_ra.net.client import ERROR_BODY_BYTES, Bounds, Link
from openadr_ra.net.server import Reply, serve
from openadr_ra.net.tls import Contexts, client_context, client_contexts
from openadr_ra.net.url import base_url
from tests.net.conftest import Pki
from tests.net.peers import Recorder, Script, peer, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BASE = "https://vtn.example:8443/OpenADR2/Simple/2.0b"
PATIENT = Bounds()
HASTY = Bounds(connect_s=0.1, answer_s=0.2)


@pytest.mark.parametrize(
    "text",
    [
        "https://vtn.example:8443",
        "https://vtn.example:8443/",
        "  https://vtn.example:8443//\n",
        "https://vtn.example:8443/OpenADR2",
        "https://vtn.example:8443/OpenADR2/Simple/",
        "https://vtn.example:8443/OpenADR2/Simple/2.0b",
        "https://vtn.example:8443/OpenADR2/Simple/2.0b/",
        "https://vtn.example:8443/OpenADR2/Simple/2.0b/EiEvent",
        "https://vtn.example:8443/OpenADR2/Simple/2.0b/OadrPoll/",
    ],
)
def test_a_url_is_understood_however_much_of_the_path_it_has(text: str) -> None:
    """oadrTransportAddress comes with a slash, without, and with the path already appended."""
    assert base_url(text) == BASE


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://10.0.0.1/ra", "http://10.0.0.1/ra/OpenADR2/Simple/2.0b"),
        ("http://10.0.0.1/ra/OpenADR2/Simple/2.0b/EiReport", "http://10.0.0.1/ra/OpenADR2/Simple/2.0b"),
        ("http://[::1]:8080", "http://[::1]:8080/OpenADR2/Simple/2.0b"),
        ("http://a/EiEvents", "http://a/EiEvents/OpenADR2/Simple/2.0b"),
    ],
)
def test_a_url_keeps_its_prefix(text: str, base: str) -> None:
    assert base_url(text) == base
    assert base_url(base) == base


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vtn.example",
        "vtn.example:8443",
        "ftp://vtn.example",
        "https://",
        "https://vtn:port",
        "https://vtn:99999",
        "https://vtn:0",
        "https://[::1",
        "https://vtn/?a=b",
        "https://vtn/#a",
        "https://me:secret@vtn",
        "https://vtn example",
        "https://vtn..example",
        "https://" + "x" * 64,
    ],
)
def test_what_is_no_url_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(SettingsError, match="write https://host:port"):
        base_url(text)


async def test_rules_53_511_at_both_ends_a_post_has_the_mandatory_headers_and_is_never_chunked() -> None:
    """6.2: Host, Content-Length and Content-Type."""
    heads: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        heads.append(await reader.readexactly(7))
        writer.write(OK)

    async with peer(script) as port, Link(f"http://127.0.0.1:{port}") as link:
        await link.post("EiEvent", b"<poll/>", headers=(("Prefer", "wait=30"),))

    first, *lines = heads[0].decode().strip().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /OpenADR2/Simple/2.0b/EiEvent HTTP/1.1"
    assert fields == {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/xml",
        "Content-Length": "7",
        "Prefer": "wait=30",
        "Accept": "*/*",
        "User-Agent": "openadr-ra",
    }
    assert heads[1] == b"<poll/>"


async def test_a_large_post_arrives_whole() -> None:
    much = bytes(range(256)) * 8192
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener, Link(listener.url) as link:
        await link.post("EiReport", much)

    assert answer.last.body == much


async def test_an_answer_has_body_date_and_headers() -> None:
    said = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nDate: Tue, 02 Jan 2024 03:04:05 GMT\r\n"
        b"preference-applied: wait=30\r\n\r\n<a/>"
    )
    async with peer(saying(said)) as port, Link(f"http://127.0.0.1:{port}") as link:
        answer = await link.post("OadrPoll", b"<poll/>")

    assert answer.body == b"<a/>"
    assert answer.date == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert answer.headers["Preference-Applied"] == "wait=30"


@pytest.mark.parametrize(
    ("line", "date"),
    [
        (b"Date: Tue, 02 Jan 2024 03:04:05 +0900", datetime(2024, 1, 1, 18, 4, 5, tzinfo=UTC)),
        (b"Date: Tue, 02 Jan 2024 03:04:05 -0000", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"Date: Tue, 99 Jan 2024 03:04:05 GMT", None),
        (b"Date: today", None),
        (b"Date:", None),
        (b"X: y", None),
    ],
)
async def test_the_clock_of_a_peer_is_read_in_utc_or_not_at_all(line: bytes, date: datetime | None) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + b"\r\n\r\n"
    async with peer(saying(said)) as port, Link(f"http://127.0.0.1:{port}") as link:
        assert (await link.post("OadrPoll", b"<poll/>")).date == date


async def test_an_empty_answer_is_an_answer() -> None:
    """A push VEN acknowledges an oadrDistributeEvent with an empty 200."""
    async with serve(Recorder(Reply()), host="127.0.0.1", port=0) as listener, Link(listener.url) as link:
        assert (await link.post("EiEvent", b"<event/>")).body == b""


async def test_posts_share_a_connection() -> None:
    """A fresh TLS handshake costs as much as 12 to 18 posts."""
    ports: set[int] = set()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        for _ in range(3):
            await reader.readuntil(b"</a>")
            writer.write(OK)

    async with peer(script) as port, Link(f"http://127.0.0.1:{port}") as link:
        for _ in range(3):
            await link.post("OadrPoll", b"<a></a>")

    assert len(ports) == 1


@pytest.mark.parametrize(
    ("code", "retry", "cure"),
    [
        (201, False, "is there an OpenADR 2.0b service"),
        (204, False, "is there an OpenADR 2.0b service"),
        (400, False, "is there an OpenADR 2.0b service"),
        (401, False, "fingerprint registered"),
        (403, False, "fingerprint registered"),
        (404, False, "check the path"),
        (406, False, "is there an OpenADR 2.0b service"),
        (408, True, "it is busy"),
        (413, False, "no message of this size"),
        (415, False, "application/xml"),
        (429, True, "it is busy"),
        (500, True, "its log says which"),
        (501, False, "is there an OpenADR 2.0b service"),
        (503, True, "its log says which"),
        (504, True, "its log says which"),
    ],
)
async def test_any_status_but_200_is_a_failure(code: int, retry: bool, cure: str) -> None:
    """9.1.5: 404, 406, 501 and other 4xx are not retried, 500, 503 and other 5xx are; so are 408 and 429 (RFC 9110)."""
    said = b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % code
    async with peer(saying(said)) as port:
        error = await failure(port)

    assert (error.status, error.retry) == (code, retry)
    assert f"EiEvent answered {code} Whatever" in str(error)
    assert cure in str(error)


async def test_a_redirect_is_not_followed_but_named() -> None:
    """A client certificate is not for whoever the peer points at."""
    said = b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n"
    async with peer(saying(said)) as port:
        error = await failure(port)

    assert not error.retry
    assert "moved to https://elsewhere/; correct the url" in str(error)


@pytest.mark.parametrize("size", [0, ERROR_BODY_BYTES, ERROR_BODY_BYTES + 1])
async def test_what_a_peer_says_with_an_error_is_kept_in_bounds(size: int) -> None:
    said = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    async with peer(saying(said)) as port:
        error = await failure(port)

    assert error.body == b"x" * min(size, ERROR_BODY_BYTES)


@pytest.mark.parametrize(("size", "taken"), [(100, True), (101, False)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_is_read_up_to_the_limit(size: int, taken: bool, chunked: bool) -> None:
    framed = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    plain = b"Content-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    said = b"HTTP/1.1 200 OK\r\n" + (framed if chunked else plain)
    async with (
        peer(saying(said)) as port,
        Link(f"http://127.0.0.1:{port}", bounds=Bounds(max_answer_bytes=100)) as link,
    ):
        if taken:
            assert (await link.post("EiEvent", b"<a/>")).body == b"x" * size
            return
        with pytest.raises(TransportError, match="over 100 bytes") as error:
            await link.post("EiEvent", b"<a/>")

    assert not error.value.retry


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        (silence, "took the connection but did not answer in time; it is overloaded or hangs"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<half"), "in the middle of its answer; try again"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"), "closed the connection without an answer"),
        (hang_up, "closed the connection without an answer"),
        (reset, "closed the connection without an answer"),
        (saying(b"220 mail ready\r\n"), "does not answer in HTTP"),
        (saying(b"\x00\xff\x00\xff\r\n\r\n"), "does not answer in HTTP"),
    ],
    ids=["silent", "half a body", "half a head", "hangs up", "resets", "speaks SMTP", "speaks binary"],
)
async def test_a_peer_that_breaks_off_is_named(script: Script, cause: str) -> None:
    async with peer(script) as port:
        error = await failure(port, bounds=HASTY)

    assert (error.status, error.retry) == (None, True)
    assert cause in str(error)
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_port_where_nothing_listens_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = await failure(port)

    assert error.retry
    assert str(error) == (
        f"EiEvent: nothing listens on 127.0.0.1 port {port}; is the peer running, and is the port right?"
    )


async def test_a_name_that_does_not_resolve_is_named() -> None:
    async with Link("http://no.such.host.invalid") as link:
        with pytest.raises(TransportError, match=r"the name no\.such\.host\.invalid cannot be resolved") as error:
            await link.post("EiEvent", b"<a/>")

    assert error.value.retry


async def test_a_host_that_does_not_take_the_connection_is_named() -> None:
    """A listener whose backlog is full drops what comes, like a firewall."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        async with crowd(port):
            error = await failure(port, bounds=HASTY)

    assert error.retry
    assert f"no connection to 127.0.0.1:{port} in time; check host, port and the firewalls" in str(error)


async def test_a_server_that_the_client_does_not_trust_is_named(pki: Pki) -> None:
    async with serving(pki) as url:
        error = await tls_failure(url, client_contexts(pki.ven["ec"], pki.foreign_trust))

    assert "is not trusted: its root is not in the CA file; add the peer's root certificate there" in str(error)


async def test_a_server_whose_certificate_has_expired_is_named(pki: Pki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pki.expired)
    async with peer(silence, ssl=context) as port:
        error = await tls_failure(f"https://localhost:{port}", pki.calling())

    assert "is not trusted: it has expired, or the clock here is fast" in str(error)


async def test_a_server_of_another_name_is_named(pki: Pki) -> None:
    """Host-name check; only certification test beds switch it off."""
    strict = pki.calling()
    loose = client_contexts(pki.ven["ec"], pki.trust, check_hostname=False)
    async with serve(Recorder(), host="127.0.0.2", port=0, ssl=pki.serving()) as listener:
        error = await tls_failure(listener.url, strict)
        async with Link(listener.url, ssl=loose) as link:
            assert (await link.post("EiEvent", b"<a/>")).body == b"<answer/>"

    assert "is not for 127.0.0.2; use the host name that it carries" in str(error)
    assert "check_hostname" in str(error)


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("which", "cause"),
    [
        ("foreign", "refused our certificate: the peer does not trust the CA that signed it"),
        ("expired", "refused our certificate: it has expired, by the peer's clock; renew it"),
    ],
)
async def test_a_client_certificate_that_is_refused_is_named(
    pki: Pki, which: str, cause: str, maximum: ssl.TLSVersion
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, in place of an answer."""
    chain = pki.foreign if which == "foreign" else pki.expired

    def make() -> ssl.SSLContext:
        context = client_context(chain, pki.trust)
        context.maximum_version = maximum
        return context

    async with serving(pki) as url:
        error = await tls_failure(url, Contexts(make, (chain,), pki.trust))

    assert cause in str(error)


async def test_a_peer_that_speaks_no_tls_is_named(pki: Pki) -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        error = await tls_failure(listener.url.replace("http:", "https:"), pki.calling())

    assert "it does not speak TLS; write http:// if it is to be plain" in str(error)


async def test_a_peer_that_wants_tls_is_named(pki: Pki) -> None:
    async with serving(pki) as url, Link(url.replace("https:", "http:")) as link:
        with pytest.raises(TransportError, match="if it wants TLS the url must say https://"):
            await link.post("EiEvent", b"<a/>")


async def test_a_peer_without_a_common_suite_is_named(pki: Pki) -> None:
    def make() -> ssl.SSLContext:
        context = client_context(pki.ven["ec"], pki.trust, ciphers="DHE-RSA-AES256-SHA256")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    async with serving(pki) as url:
        error = await tls_failure(url, Contexts(make, (pki.ven["ec"],), pki.trust))

    assert "the peer found nothing acceptable" in str(error)


def test_url_and_certificates_must_fit(pki: Pki) -> None:
    with pytest.raises(SettingsError, match="needs TLS: set cert, key and ca"):
        Link("https://vtn")
    with pytest.raises(SettingsError, match="is plain, yet certificates are set"):
        Link("http://vtn", ssl=pki.calling())


async def test_a_link_that_was_not_entered_says_so() -> None:
    with pytest.raises(RuntimeError, match="enter it first"):
        await Link("http://vtn").post("EiEvent", b"<a/>")


async def failure(port: int, bounds: Bounds = PATIENT) -> TransportError:
    """How a post over plain HTTP fails."""
    async with Link(f"http://127.0.0.1:{port}", bounds=bounds) as link:
        with pytest.raises(TransportError) as error:
            await link.post("EiEvent", b"<a/>")
    assert "\n" not in str(error.value)
    return error.value


async def tls_failure(url: str, contexts: Contexts) -> TransportError:
    """How a post over TLS fails; such failures may heal, so they are tried again."""
    async with Link(url, ssl=contexts) as link:
        with pytest.raises(TransportError) as error:
            await link.post("EiEvent", b"<a/>")
    assert (error.value.status, error.value.retry) == (None, True)
    assert "\n" not in str(error.value)
    return error.value


@asynccontextmanager
async def serving(pki: Pki) -> AsyncIterator[str]:
    """The url of a VTN with both certificates."""
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=pki.serving()) as listener:
        yield listener.url


@asynccontextmanager
async def crowd(port: int) -> AsyncIterator[None]:
    """Connections that nobody takes, as many as the backlog holds."""
    sockets = [socket.socket() for _ in range(4)]
    for one in sockets:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
    try:
        yield
    finally:
        for one in sockets:
            one.close()
