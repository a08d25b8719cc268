"""The server towards peers that behave."""

from __future__ import annotations

import asyncio
import logging
import re
from email.utils import parsedate_to_datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from openadr_ra.errors import SettingsError
from openadr_ra.net.client import Link
from openadr_ra.net.server import Limits, Reply, Request, serve
from openadr_ra.net.tls import fingerprint, read_certificates
from tests.net.conftest import Pki
from tests.net.peers import Recorder, exchange, head, post, status

CLOSE = "Connection: close"


async def test_server_hands_over_what_was_posted_and_by_whom() -> None:
    """The service is the last segment of the path; without TLS nobody is known."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        await exchange(listener.port, post(b"<poll/>", CLOSE))

    assert answer.requests == [
        Request(
            service="OadrPoll",
            body=b"<poll/>",
            content_type="application/xml",
            charset=None,
            certificate=None,
            fingerprint=None,
            address="127.0.0.1",
            wait_s=None,
        )
    ]


async def test_x_hdr_1_at_both_ends_server_answers_with_length_type_and_date_and_nothing_chunked() -> None:
    """6.2: Content-Length and Content-Type in lower case, compared exactly by test harnesses."""
    async with serve(Recorder(Reply(body=b"<a/>")), host="127.0.0.1", port=0) as listener:
        answer = await exchange(listener.port, post(b"<poll/>", CLOSE))

    lines, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = lines.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in rest)
    assert first == "HTTP/1.1 200 OK"
    assert fields.keys() == {"Content-Type", "Content-Length", "Date", "Connection"}
    assert (fields["Content-Type"], fields["Content-Length"]) == ("application/xml", "4")
    assert parsedate_to_datetime(fields["Date"]).tzinfo is not None
    assert body == b"<a/>"


async def test_server_passes_on_status_type_and_headers_of_a_reply() -> None:
    reply = Reply(status=200, content_type="text/plain", headers=(("Preference-Applied", "wait=30"),))
    async with serve(Recorder(reply), host="127.0.0.1", port=0) as listener:
        answer = await exchange(listener.port, post(b"<poll/>", CLOSE))

    assert b"Content-Type: text/plain\r\n" in answer
    assert b"Preference-Applied: wait=30\r\n" in answer
    assert b"Content-Length: 0\r\n" in answer


async def test_server_tells_client_certificate_and_fingerprint_of_a_tls_peer(pki: Pki) -> None:
    """A VEN is its certificate's fingerprint."""
    answer = Recorder()
    async with (
        serve(answer, host="127.0.0.1", port=0, ssl=pki.serving()) as listener,
        Link(listener.url, ssl=pki.calling()) as link,
    ):
        await link.post("EiEvent", b"<one/>")
        await link.post("EiReport", b"<two/>")

    der = read_certificates(pki.ven["ec"][0])[0].public_bytes(Encoding.DER)
    assert [request.certificate for request in answer.requests] == [der, der]
    assert [request.fingerprint for request in answer.requests] == [fingerprint(der)] * 2
    assert [request.service for request in answer.requests] == ["EiEvent", "EiReport"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/OpenADR2/Simple/2.0b/EiRegisterParty", 200),
        ("/OpenADR2/Simple/2.0b/EiRegisterParty?x=1", 200),
        ("http://vtn/OpenADR2/Simple/2.0b/EiRegisterParty", 200),
        ("/OpenADR2/Simple/2.0b/eiregisterparty", 404),
        ("/openadr2/simple/2.0b/EiRegisterParty", 404),
        ("/OpenADR2/Simple/EiRegisterParty", 404),
        ("/OpenADR2/Simple/2.0b/EiOther", 404),
        ("/OpenADR2/Simple/2.0b/", 404),
        ("/", 404),
    ],
)
async def test_rule_511_at_both_ends_server_knows_its_services_by_their_exact_names(path: str, code: int) -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        assert status(await exchange(listener.port, post(b"<a/>", CLOSE, path=path))) == code


async def test_push_ven_serves_fewer_services_under_a_prefix_of_its_own() -> None:
    """A box that is both VTN and VEN needs distinct base paths."""
    answer = Recorder()
    async with serve(
        answer, host="127.0.0.1", port=0, prefix="/ven/OpenADR2/Simple/2.0b", services=("EiEvent",)
    ) as listener:
        event, poll, without = [
            status(await exchange(listener.port, post(b"<a/>", CLOSE, path=path)))
            for path in (
                "/ven/OpenADR2/Simple/2.0b/EiEvent",
                "/ven/OpenADR2/Simple/2.0b/OadrPoll",
                "/OpenADR2/Simple/2.0b/EiEvent",
            )
        ]
        assert listener.url == f"http://127.0.0.1:{listener.port}/ven/OpenADR2/Simple/2.0b"

    assert (event, poll, without) == (200, 404, 404)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_server_takes_posts_only(method: str) -> None:
    """9.1.3: POST for everything."""
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        answer = await exchange(listener.port, head(0, CLOSE, method=method))

    assert status(answer) == 405
    assert b"\r\nAllow: POST\r\n" in answer


@pytest.mark.parametrize(
    ("declared", "lenient", "strict"),
    [
        ("application/xml", 200, 200),
        ("application/xml; charset=utf-8", 200, 200),
        ('Application/XML;Charset="UTF-8"', 200, 200),
        ("text/xml", 200, 415),
        ("text/xml; charset=utf-8", 200, 415),
        (None, 200, 415),
        ("application/xml; charset=iso-8859-1", 415, 415),
        ("application/json", 415, 415),
        ("text/plain", 415, 415),
    ],
)
async def test_rule_53_at_both_ends_server_takes_xml_in_utf_8(declared: str | None, lenient: int, strict: int) -> None:
    """Rule 53 for the strict; peers send text/xml, and nothing, too."""
    lines = (CLOSE,) if declared is None else (CLOSE, f"Content-Type: {declared}")
    found = []
    for is_strict in (False, True):
        async with serve(Recorder(), host="127.0.0.1", port=0, strict=is_strict) as listener:
            found.append(status(await exchange(listener.port, head(4, *lines) + b"<a/>")))

    assert found == [lenient, strict]


async def test_server_hands_over_type_and_charset_in_lower_case() -> None:
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        await exchange(listener.port, head(4, CLOSE, "Content-Type: Text/XML;charset=UTF-8") + b"<a/>")
        await exchange(listener.port, head(4, CLOSE) + b"<a/>")

    assert [(r.content_type, r.charset) for r in answer.requests] == [("text/xml", "utf-8"), ("", None)]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_server_takes_no_encoded_bodies(encoding: str) -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        sent = post(b"<a/>", CLOSE, f"Content-Encoding: {encoding}")
        assert status(await exchange(listener.port, sent)) == 415


@pytest.mark.parametrize(
    ("lines", "wait_s"),
    [
        ((), None),
        (("Prefer: wait=30",), 30),
        (("Prefer: respond-async, wait=10",), 10),
        (("Prefer: return=minimal", "Prefer: Wait = 7"), 7),
        (('Prefer: wait="5"',), 5),
        (("Prefer: wait=0",), 0),
        (("Prefer: wait=soon",), None),
        (("Prefer: await=3",), None),
        (("Prefer: wait=-3",), None),
    ],
)
async def test_server_reads_how_long_a_poll_may_be_held(lines: tuple[str, ...], wait_s: int | None) -> None:
    """RFC 7240, section 4.3."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        await exchange(listener.port, post(b"<poll/>", CLOSE, *lines))

    assert answer.last.wait_s == wait_s


async def test_server_bids_a_client_that_asks_to_go_on() -> None:
    """Expect: 100-continue, as .NET and Java stacks send it."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(head(7, CLOSE, "Content-Type: application/xml", "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"<poll/>")
        assert status(await reader.read()) == 200
        writer.close()

    assert answer.last.body == b"<poll/>"


async def test_server_does_not_bid_a_client_to_send_what_it_would_refuse() -> None:
    limits = Limits(linger_s=0.1)
    async with serve(Recorder(), host="127.0.0.1", port=0, limits=limits) as listener:
        much = head(10**9, "Content-Type: application/xml", "Expect: 100-continue")
        wish = head(9, "Content-Type: application/xml", "Expect: tea")
        assert status(await exchange(listener.port, much)) == 413
        assert status(await exchange(listener.port, wish)) == 417


async def test_server_keeps_a_connection_for_the_next_post() -> None:
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        answered = await exchange(listener.port, post(b"<one/>"), post(b"<two/>"), post(b"<three/>", CLOSE))

    assert [request.body for request in answer.requests] == [b"<one/>", b"<two/>", b"<three/>"]
    assert answered.count(b"HTTP/1.1 200 OK") == 3
    assert answered.count(b"Connection: close") == 1


async def test_server_keeps_a_connection_after_a_refusal_that_read_the_body() -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        answered = await exchange(listener.port, post(path="/other"), post(b"<a/>", CLOSE))

    assert re.findall(rb"HTTP/1.1 (\d+)", answered) == [b"404", b"200"]


async def test_server_says_to_an_old_client_whether_the_connection_stays() -> None:
    """HTTP/1.0 closes unless told otherwise."""
    async with serve(Recorder(), host="127.0.0.1", port=0) as listener:
        closed = await exchange(listener.port, post(b"<a/>", version="1.0"))
        asked = post(b"<a/>", "Connection: keep-alive", version="1.0")
        kept = await exchange(listener.port, asked, post(b"<a/>", version="1.0"))

    assert b"keep-alive" not in closed
    assert kept.count(b"Connection: keep-alive") == 1
    assert kept.count(b"HTTP/1.1 200") == 2


async def test_server_takes_a_chunked_request() -> None:
    chunked = b"5\r\n<poll\r\n2\r\n/>\r\n0\r\n\r\n"
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        first = post(b"", CLOSE, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        assert status(await exchange(listener.port, first, chunked)) == 200

    assert answer.last.body == b"<poll/>"


async def test_server_takes_an_empty_post() -> None:
    """What it means is for whoever reads XML to say."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0) as listener:
        assert status(await exchange(listener.port, post(b"", CLOSE))) == 200

    assert answer.last.body == b""


async def test_an_exception_becomes_a_503_and_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """The peer learns no internals and tries again later; the traceback is for those who debug."""

    async def answer(request: Request) -> Reply:
        raise KeyError("the secret of the house")

    with caplog.at_level(logging.INFO):
        async with serve(answer, host="127.0.0.1", port=0) as listener:
            answered = await exchange(listener.port, post())

    (record,) = caplog.records
    assert status(answered) == 503
    assert answered.endswith(b"\r\n\r\n")
    assert b"secret" not in answered
    assert "OadrPoll" in record.getMessage()
    assert "KeyError" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("error", [TimeoutError(), OSError("disk full"), ValueError("odd")])
async def test_any_exception_becomes_a_503(error: Exception) -> None:
    async def answer(request: Request) -> Reply:
        raise error

    async with serve(answer, host="127.0.0.1", port=0) as listener:
        assert status(await exchange(listener.port, post())) == 503


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\x00b"])
async def test_server_lets_no_header_be_smuggled_into_a_reply(value: str) -> None:
    reply = Reply(headers=(("Preference-Applied", value),))
    async with serve(Recorder(reply), host="127.0.0.1", port=0) as listener:
        answered = await exchange(listener.port, post())

    assert status(answered) == 503
    assert b"Preference-Applied" not in answered


async def test_server_that_closes_lets_the_request_under_way_finish() -> None:
    """A rolling restart loses no request."""
    came, go = asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Reply:
        came.set()
        await go.wait()
        return Reply(body=b"<late/>")

    async def close_then_go() -> None:
        await came.wait()
        asyncio.get_running_loop().call_soon(go.set)

    async with serve(answer, host="127.0.0.1", port=0) as listener:
        asked = asyncio.create_task(exchange(listener.port, post()))
        await close_then_go()

    assert (await asked).endswith(b"<late/>")


async def test_server_that_closed_listens_no_more(pki: Pki) -> None:
    """Open connections, idle ones too, are closed with it."""
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=pki.serving()) as listener:
        reader, writer = await asyncio.open_connection("localhost", listener.port, ssl=pki.calling().current())
        writer.write(post())
        await reader.readuntil(b"<answer/>")
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", listener.port)


async def test_server_says_that_a_port_is_taken() -> None:
    async with serve(Recorder(), host="127.0.0.1", port=0) as first:
        with pytest.raises(SettingsError, match=f"port {first.port}: it is in use; stop"):
            async with serve(Recorder(), host="127.0.0.1", port=first.port):
                pass


@pytest.mark.parametrize(
    ("host", "cure"),
    [("192.0.2.1", "this machine has no such address"), ("no.such.host.invalid", "cannot be resolved")],
)
async def test_server_says_that_a_host_is_not_here(host: str, cure: str) -> None:
    with pytest.raises(SettingsError, match=cure):
        async with serve(Recorder(), host=host, port=0):
            pass


@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost")])  # noqa: S104
async def test_server_says_where_it_is(host: str, name: str) -> None:
    async with serve(Recorder(), host=host, port=0) as listener:
        assert listener.url == f"http://{name}:{listener.port}/OpenADR2/Simple/2.0b"
