"""What the command line's client says when the console is not there, is not well, or is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from openadr_ra.console.client import Client
from openadr_ra.errors import OadrRaError, SettingsError, TransportError
from openadr_ra.run.orders import OwnOpt
from tests.console.site import running, ven_settings

TOKEN = "x" * 43


@contextmanager
def peer(answer: bytes) -> Iterator[str]:
    """Something that answers one connection with these bytes and hangs up, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        serving = Thread(target=serve)
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.join()


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "127.0.0.1:9", "localhost:9", "http://[::1]:9/"])
def test_a_console_that_does_not_run_is_named_with_the_cure(url: str) -> None:
    with pytest.raises(TransportError, match=r"no console at http://.*:9 \(.*\); start the node with `openadr-ra run"):
        Client(url, TOKEN).events()


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1", "https://127.0.0.1:1", "http://127.0.0.1:x", "http://[::1", "ftp://a:1"]
)
def test_what_is_no_url_of_a_console_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="is no console; write http://"):
        Client(url, TOKEN)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "no console at .* (RemoteDisconnected)"),
        (b"SSH-2.0-OpenSSH\r\n", "no console at .* (BadStatusLine)"),
        (head("200 OK", "Content-Length: 5") + b"hello", "answered GET /events with something unusable"),
        (head("200 OK", "Content-Length: 50") + b"[", "no console at .* (IncompleteRead)"),
        (head("500 Oops", "Content-Length: 4") + b"oops", "answered with HTTP status 500; its log says why"),
        (head("404 Not here", "Content-Length: 0"), "answered with HTTP status 404; its log says why"),
    ],
)
def test_something_else_that_answers_there_is_no_console(answer: bytes, sentence: str) -> None:
    with peer(answer) as url, pytest.raises(OadrRaError, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        Client(url, TOKEN).events()


def test_a_console_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(TransportError, match=f"{url} does not answer; is it a console, and is the node well"):
            Client(url, TOKEN, answer_s=0.05).events()


def test_a_stream_that_breaks_off_is_no_end_of_the_event() -> None:
    """A node that was killed sends no last chunk."""
    answer = head("200 OK", "Transfer-Encoding: chunked") + b'5\r\n{"eve'
    with peer(answer) as url, pytest.raises(TransportError, match="stopped before the event was over; ask again"):
        list(Client(url, TOKEN).follow("ev-1"))


async def test_what_the_console_finds_wrong_is_said_in_its_words(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        with pytest.raises(SettingsError, match="the token is missing or wrong"):
            await asyncio.to_thread(Client(site.url, TOKEN).events)
        with pytest.raises(SettingsError, match="event ev 1/%é is unknown"):
            await asyncio.to_thread(Client(site.url, site.token).event, "ev 1/%é")


@pytest.mark.parametrize(
    ("body", "sentence"), [(b'{"error":"the disk is full"}', "the disk is full"), (b"oops", "HTTP status 503")]
)
def test_a_failure_of_the_node_is_no_mistake_of_the_user(body: bytes, sentence: str) -> None:
    answer = head("503 No", f"Content-Length: {len(body)}") + body
    with peer(answer) as url, pytest.raises(TransportError, match=sentence):
        Client(url, TOKEN).events()


async def test_an_opt_reaches_the_ven(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        with pytest.raises(SettingsError, match="event ev-1 is unknown here"):
            await asyncio.to_thread(Client(site.url, site.token).opt, "ev-1", OwnOpt(opt="optOut"))
