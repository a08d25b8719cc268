"""Certificates that change while connections live."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openadr_ra.net.ca import issue
from openadr_ra.net.client import Link
from openadr_ra.net.server import serve
from openadr_ra.net.tls import Chain, client_contexts, fingerprint, server_contexts
from tests.net.conftest import HOSTS, Pki, described
from tests.net.peers import Recorder, post, status

CLOSE = "Connection: close"


async def test_a_renewed_server_certificate_serves_new_connections_while_old_ones_live(
    pki: Pki, tmp_path: Path
) -> None:
    """Without a restart, and without touching a context in use."""
    served = copied(pki.vtn[1], tmp_path)
    contexts = server_contexts((served,), pki.trust)
    before = contexts.current()
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=contexts) as listener:
        old = await asyncio.open_connection("localhost", listener.port, ssl=pki.calling().current())
        renewed = renew(pki, served)
        new = await asyncio.open_connection("localhost", listener.port, ssl=pki.calling().current())
        for reader, writer in (old, new):
            writer.write(post())
            assert status(await reader.readuntil(b"<answer/>")) == 200
        shown = [fingerprint(writer.get_extra_info("ssl_object").getpeercert(True)) for _, writer in (old, new)]
        for _, writer in (old, new):
            writer.close()

    assert shown == [described(pki.vtn[1]).fingerprint, renewed]
    assert contexts.current() is not before
    assert [certificate.fingerprint for certificate in contexts.certificates] == [renewed]


async def test_a_renewed_client_certificate_is_shown_to_new_connections(pki: Pki, tmp_path: Path) -> None:
    """A VEN changes its certificate while it runs."""
    own = copied(pki.ven["ec"], tmp_path)
    answer = Recorder()
    async with (
        serve(answer, host="127.0.0.1", port=0, ssl=pki.serving()) as listener,
        Link(listener.url, ssl=client_contexts(own, pki.trust)) as link,
    ):
        await link.post("OadrPoll", b"<a/>")
        renewed = renew(pki, own)
        await link.post("OadrPoll", b"<a/>")

    assert [request.fingerprint for request in answer.requests] == [
        described(pki.ven["ec"]).fingerprint,
        renewed,
    ]


async def test_clients_of_a_ca_that_was_withdrawn_are_refused_from_then_on(pki: Pki, tmp_path: Path) -> None:
    """Not even a TLS session of before opens the door again."""
    trust = tmp_path / "clients.pem"
    shutil.copy(pki.trust, trust)
    context = pki.calling().current()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    contexts = server_contexts(pki.vtn, trust)
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=contexts) as listener:
        reader, writer = await asyncio.open_connection("localhost", listener.port, ssl=context)
        session = writer.get_extra_info("ssl_object").session
        writer.write(post(b"<a/>", CLOSE))
        await reader.read()
        writer.close()
        shutil.copy(pki.foreign_trust, trust)
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(resume, listener.port, context, session)


async def test_files_that_do_not_fit_leave_the_last_good_ones_in_service(
    pki: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal that is half written: the certificate of the new pair, the key of the old."""
    served = copied(pki.vtn[1], tmp_path)
    contexts = server_contexts((served,), pki.trust)
    before = contexts.current()

    shutil.copy(pki.vtn[0][0], served[0])
    half = contexts.current(), contexts.current()
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    shutil.copy(pki.vtn[0][1], served[1])
    whole = contexts.current()

    assert half == (before, before)
    assert len(warned) == 1
    assert "does not belong to" in warned[0].getMessage()
    assert whole is not before
    assert contexts.certificates == (described(pki.vtn[0]),)


def test_files_that_vanish_leave_the_last_good_ones_in_service(pki: Pki, tmp_path: Path) -> None:
    served = copied(pki.vtn[1], tmp_path)
    contexts = server_contexts((served,), pki.trust)
    before = contexts.current()
    served[1].unlink()

    assert contexts.current() is before


def test_contexts_are_made_once_while_nothing_changes(pki: Pki) -> None:
    """Loading an RSA key costs as much as a hundred requests."""
    contexts = pki.serving()

    assert contexts.current() is contexts.current()
    assert [certificate.key_type for certificate in contexts.certificates] == ["RSA", "EC"]


def copied(chain: Chain, directory: Path) -> Chain:
    """The pair in files of its own."""
    certificate, key = (Path(shutil.copy(file, directory)) for file in chain)
    return certificate, key


def renew(pki: Pki, chain: Chain) -> str:
    """Puts another pair into the files of `chain`; returns its fingerprint."""
    name = f"renewed-{chain[0].parent.name}"
    now = datetime.now(UTC)
    fresh = issue(pki.directory, name, role="vtn", key="ec", hosts=HOSTS, now=now)
    for new, old in zip(fresh, chain, strict=True):
        shutil.copy(new, old)
    return described(chain).fingerprint


def resume(port: int, context: ssl.SSLContext, session: ssl.SSLSession) -> None:
    """A handshake that shows a session of before in place of a certificate."""
    with (
        socket.create_connection(("127.0.0.1", port)) as below,
        context.wrap_socket(below, server_hostname="localhost", session=session) as connection,
    ):
        connection.recv(1)
