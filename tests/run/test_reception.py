"""A VTN behind a proxy that ends TLS, one that drains, and one that says what it lacks."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from openadr_ra import Vtn
from openadr_ra.errors import OK, SettingsError
from openadr_ra.net.tls import read_certificates
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import Poll, Response
from openadr_ra.protocol.model import VenId
from openadr_ra.store import open_store
from openadr_ra.wire import codec
from tests.net.peers import post
from tests.run.peer import Peer, peer
from tests.run.site import Site, code, new_site

PLAIN: dict[str, object] = {"cert": [], "key": [], "client_ca": ""}
HERE: dict[str, object] = {"proxies": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest.fixture(scope="module")
def shown(site: Site) -> dict[str, Issued]:
    return {name: site.issue(name) for name in ("VEN1", "VEN2", "proxy")}


def line(shown: Issued) -> str:
    """The header by which a proxy says whose certificate it was shown."""
    der = read_certificates(Path(shown.certificate))[0].public_bytes(Encoding.DER)
    return f"Client-Cert: :{b64encode(der).decode()}:"


def listing(**fingerprints: str) -> dict[str, object]:
    return {"admit": "listed", "ven": [{"id": ven, "fingerprints": [print_]} for ven, print_ in fingerprints.items()]}


@pytest.mark.parametrize("tls_to_the_proxy", [True, False])
async def test_a_ven_behind_a_proxy_is_its_certificate(
    site: Site, shown: dict[str, Issued], *, tls_to_the_proxy: bool
) -> None:
    """As if it had come itself: it registers, and nobody with another certificate is taken for it."""
    own, other, proxy = shown.values()
    table = site.vtn("behind", **HERE, **listing(VEN1=own.fingerprint), **({} if tls_to_the_proxy else PLAIN))
    table["store"] = {"url": "memory"}
    async with Vtn(site.settings(table)).running() as vtn:
        way = peer(site, vtn.url, proxy) if tls_to_the_proxy else Peer(url=vtn.url)
        ven = msgspec.structs.replace(way, lines=(line(own),))
        stranger = msgspec.structs.replace(way, lines=(line(other),))
        registered, refused = await ven.register("VEN1"), await stranger.register("VEN1")
        polled = await ven.say(Poll(ven_id=VenId("VEN1")))
        nobody = await way.post("OadrPoll", codec.encode(Poll(ven_id=VenId("VEN1"))))

    assert code(registered) == OK
    assert code(refused) != OK
    assert not isinstance(polled, Response)
    assert nobody.status == 403


async def test_a_ven_that_comes_itself_is_believed_no_header(site: Site, shown: dict[str, Issued]) -> None:
    """Also where proxies are named: it is none of them."""
    own, other, _ = shown.values()
    table = site.vtn("beside", proxies=["192.0.2.1"], **listing(VEN1=own.fingerprint))
    table["store"] = {"url": "memory"}
    async with Vtn(site.settings(table)).running() as vtn:
        ven = peer(site, vtn.url, own)
        liar = msgspec.structs.replace(peer(site, vtn.url, other), lines=(line(own),))
        registered, refused = await ven.register("VEN1"), await liar.register("VEN1")

    assert (code(registered), code(refused) == OK) == (OK, False)


async def test_without_tls_and_behind_no_proxy_nobody_is_who_it_says_once_proxies_are_named(site: Site) -> None:
    table = site.vtn("named", **{**PLAIN, "proxies": ["192.0.2.1"]})
    table["store"] = {"url": "memory"}
    async with Vtn(site.settings(table)).running() as vtn:
        answer = await Peer(url=vtn.url).post("OadrPoll", codec.encode(Poll(ven_id=VenId("VEN1"))))

    assert answer.status == 403


@pytest.mark.parametrize("named", [True, False])
async def test_a_vtn_that_authenticates_nobody_says_so(
    site: Site, caplog: pytest.LogCaptureFixture, *, named: bool
) -> None:
    table = site.vtn("warned", **PLAIN, **(HERE if named else {}))
    table["store"] = {"url": "memory"}
    async with Vtn(site.settings(table)).running():
        warned = "VENs are not authenticated" in caplog.text

    assert warned is not named


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"proxies": ["proxy.example"]}, r"downstream\.proxies: 'proxy.example' does not appear"),
        ({"proxies": ["0.0.0.0/0"]}, r"downstream\.proxies: 0\.0\.0\.0/0 is everybody"),
        ({**HERE, "client_cert_header": "a b"}, r"downstream\.client_cert_header: 'a b' cannot be"),
    ],
)
def test_proxies_that_cannot_be_meant_are_refused(site: Site, wrong: dict[str, object], sentence: str) -> None:
    settings = site.settings(site.vtn("wrong", **wrong))
    with pytest.raises(SettingsError, match=sentence):
        Vtn(settings)


async def test_a_held_poll_is_answered_as_soon_as_the_vtn_drains(site: Site, shown: dict[str, Issued]) -> None:
    """And its connection is closed with that, so that the VEN asks another worker next."""
    own = shown["VEN1"]
    table = site.vtn("held", **HERE, **PLAIN, **listing(VEN1=own.fingerprint), drain_s=60)
    table["store"] = {"url": "memory"}
    body = codec.encode(Poll(ven_id=VenId("VEN1")))
    async with Vtn(site.settings(table)).running() as vtn:
        ven = Peer(url=vtn.url, lines=(line(own),))
        await ven.register("VEN1")
        # Until it has nothing more to say the polls of a VEN are answered at once.
        await ven.drained("VEN1")
        port = int(vtn.url.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(body, line(own), "Prefer: wait=45"))
        # By the time that another request has its answer, this one is held.
        await ven.say(Poll(ven_id=VenId("VEN1")))
        await vtn.drain()
        said = await reader.read()
        writer.close()

    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in said


async def test_a_vtn_says_what_keeps_it_from_serving(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Each in a sentence that names neither hosts nor files."""
    caplog.set_level(logging.DEBUG)
    store = await open_store(f"sqlite:{site.folder / 'health.db'}")
    vtn = Vtn(site.settings(site.vtn("health")), store=store)
    before = await vtn.missing()
    async with vtn.running():
        serving = await vtn.missing()
        await store.close()
        without_store = await vtn.missing()
        await vtn.drain()
        draining = await vtn.missing()

    assert before == ("the VTN does not listen yet",)
    assert serving == ()
    assert without_store == ("the store cannot be reached",)
    assert draining == ("the VTN is about to stop", "the store cannot be reached")
