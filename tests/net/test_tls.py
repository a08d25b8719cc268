"""Contexts, suites, fingerprints: who may speak with whom, and how."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.errors import SettingsError
from openadr_ra.net.ca import KEY_KINDS, KeyKind
from openadr_ra.net.server import serve
from openadr_ra.net.tls import (
    EXPIRY_WARNING,
    SUITES_OF_2_0B,
    Chain,
    Contexts,
    client_context,
    fingerprint,
    normal_fingerprint,
    read_certificates,
    server_context,
)
from tests.net.conftest import Pki, described
from tests.net.peers import Recorder, exchange, post, status

CLOSE = "Connection: close"
EXAMPLE = "00:11:22:33:44:55:66:77:88:99"


def test_a_fingerprint_is_the_last_ten_bytes_of_the_sha_256() -> None:
    """The SHA-256 of nothing is a known figure."""
    assert fingerprint(b"") == "93:4C:A4:95:99:1B:78:52:B8:55"


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        "00112233445566778899",
        "00-11-22-33-44-55-66-77-88-99",
        "00 11 22 33 44 55 66 77 88 99",
        f"  {EXAMPLE}\n",
    ],
)
def test_a_fingerprint_is_understood_in_any_spelling(text: str) -> None:
    """Peers and people write it with colons, without, in either case."""
    assert normal_fingerprint(text) == EXAMPLE


@given(st.binary())
def test_a_fingerprint_is_its_own_normal_form(der: bytes) -> None:
    written = fingerprint(der)

    assert normal_fingerprint(written) == written
    assert normal_fingerprint(written.lower().replace(":", "")) == written


@pytest.mark.parametrize("text", ["", "x", EXAMPLE[:-1], EXAMPLE + "0", "G" * 20, "\N{FULLWIDTH DIGIT ZERO}" * 20])
def test_nonsense_is_no_fingerprint(text: str) -> None:
    with pytest.raises(SettingsError, match="20 hex digits"):
        normal_fingerprint(text)


@pytest.mark.parametrize("suite", SUITES_OF_2_0B)
@pytest.mark.parametrize("key", KEY_KINDS)
async def test_rules_67_68_at_both_ends_server_shakes_hands_by_each_suite_with_each_kind_of_client(
    pki: Pki, suite: str, key: KeyKind
) -> None:
    """Rule 67, with TLS 1.2 as the client's maximum: TLS 1.3 would hide the trouble. Both chains on one port."""
    context = client_context(pki.ven[key], pki.trust, ciphers=suite)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0, ssl=pki.serving()) as listener:
        reader, writer = await asyncio.open_connection("localhost", listener.port, ssl=context)
        spoken = writer.get_extra_info("cipher")
        writer.write(post(b"<a/>", CLOSE))
        assert status(await reader.read()) == 200
        writer.close()

    assert spoken[:2] == (suite, "TLSv1.2")
    assert answer.last.fingerprint == described(pki.ven[key]).fingerprint


@pytest.mark.parametrize(
    ("offered", "picked"),
    [
        ("ECDHE+AESGCM:AES128-SHA256", "AES128-SHA256"),
        ("ECDHE+AESGCM:AES128-SHA256:ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA256"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ],
)
async def test_rule_67_at_the_vtn_server_picks_a_suite_of_2_0b_whatever_else_is_offered(
    pki: Pki, offered: str, picked: str
) -> None:
    """Rule 67; other suites serve those who offer nothing else."""
    context = client_context(pki.ven["rsa"], pki.trust, ciphers=offered)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert (await spoken_with(pki.serving(), context))[0] == picked


async def test_both_ends_speak_tls_1_3_if_they_may(pki: Pki) -> None:
    assert (await spoken_with(pki.serving(), pki.calling().current()))[1] == "TLSv1.3"


async def test_rule_67_at_both_ends_client_offers_both_suites(pki: Pki) -> None:
    """Rule 67: a VEN offers at least one, a VTN that pushes both."""
    offered = {cipher["name"] for cipher in pki.calling().current().get_ciphers()}

    assert offered >= set(SUITES_OF_2_0B)


async def test_rule_67_at_both_ends_server_refuses_tls_1_1(pki: Pki) -> None:
    """TLS 1.0 and 1.1 were a transition option and are prohibited."""
    context = client_context(pki.ven["rsa"], pki.trust, ciphers="ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    await assert_refused(pki.serving(), context)


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_without_certificate_is_refused(
    pki: Pki, maximum: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says what it lacked."""
    await assert_refused(pki.serving(), anonymous(pki, maximum))

    assert "showed no client certificate" in caplog.text


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_of_a_foreign_ca_is_refused(
    pki: Pki, maximum: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    context = client_context(pki.foreign, pki.trust)
    context.maximum_version = maximum
    await assert_refused(pki.serving(), context)

    assert "its issuer is not in the CA file" in caplog.text


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_with_an_expired_certificate_is_refused(
    pki: Pki, maximum: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    context = client_context(pki.expired, pki.trust)
    context.maximum_version = maximum
    await assert_refused(pki.serving(), context)

    assert "it has expired" in caplog.text


async def test_a_client_without_certificate_is_served_where_none_is_required(pki: Pki) -> None:
    """Behind a proxy that checks certificates itself, or on a desk. A foreign one is refused all the same."""
    lenient = pki.serving(require_client_certificate=False)
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0, ssl=lenient) as listener:
        await exchange(listener.port, post(b"<a/>", CLOSE), ssl=anonymous(pki))
        await exchange(listener.port, post(b"<a/>", CLOSE), ssl=pki.calling().current())

    assert [request.fingerprint for request in answer.requests] == [None, described(pki.ven["ec"]).fingerprint]
    await assert_refused(lenient, client_context(pki.foreign, pki.trust))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (EXPIRY_WARNING + timedelta(seconds=1), None),
        (EXPIRY_WARNING, "expires in 30 days"),
        (timedelta(days=1), "expires in 1 days"),
        (timedelta(0), "expires in 0 days"),
        (timedelta(seconds=-1), "expired on"),
    ],
)
def test_expiry_is_announced_thirty_days_before(pki: Pki, left: timedelta, said: str | None) -> None:
    certificate = described(pki.vtn[0])
    warning = certificate.expiry_warning(certificate.valid_until - left)

    assert (warning is None) if said is None else (warning is not None and said in warning)
    assert certificate.days_left(certificate.valid_until - left) == left.days


def test_a_server_without_certificate_is_refused(pki: Pki) -> None:
    with pytest.raises(SettingsError, match="at least one certificate"):
        server_context((), pki.trust)


def test_unusable_files_are_named_with_the_cure(pki: Pki, tmp_path: Path) -> None:
    """One line each: what is wrong with which file, and what to do."""
    (vtn_rsa, rsa_key), (vtn_ec, _) = pki.vtn
    text = tmp_path / "text.pem"
    text.write_text("-----BEGIN nothing of use")
    absent = tmp_path / "absent.pem"
    faults = {
        fault((absent, rsa_key), pki.trust): f"cannot read {absent}: No such file",
        fault((vtn_rsa, absent), pki.trust): f"cannot read {absent}: No such file",
        fault((vtn_rsa, rsa_key), absent): "openadr-ra certs init",
        fault((text, rsa_key), pki.trust): f"{text} holds no certificate",
        fault((vtn_rsa, rsa_key), text): f"{text} holds no certificate",
        fault((vtn_rsa, text), pki.trust): f"cannot use {vtn_rsa} with the private key {text}",
        fault((vtn_ec, rsa_key), pki.trust): "does not belong to",
        fault((tmp_path, rsa_key), pki.trust): "Is a directory",
    }

    for found, expected in faults.items():
        assert expected in found
        assert "\n" not in found


def test_a_key_that_fits_another_chain_is_refused(pki: Pki) -> None:
    """The server would start, and serve without its EC certificate."""
    (vtn_rsa, rsa_key), (vtn_ec, _) = pki.vtn

    with pytest.raises(SettingsError, match=f"{rsa_key} does not belong to {vtn_ec}"):
        server_context(((vtn_rsa, rsa_key), (vtn_ec, rsa_key)), pki.trust)


def test_an_encrypted_key_is_refused_instead_of_asking_the_terminal(pki: Pki, tmp_path: Path) -> None:
    key = load_pem_private_key(pki.ven["ec"][1].read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))

    assert "is encrypted; remove its passphrase" in fault((pki.ven["ec"][0], locked), pki.trust)


def test_unknown_suites_are_refused(pki: Pki) -> None:
    with pytest.raises(SettingsError, match="cipher suites 'ROT13'"):
        client_context(pki.ven["ec"], pki.trust, ciphers="ROT13")


def test_certificates_are_read_as_pem_and_as_der(pki: Pki, tmp_path: Path) -> None:
    (leaf,) = read_certificates(pki.ven["rsa"][0])
    der = tmp_path / "ven.crt"
    der.write_bytes(leaf.public_bytes(Encoding.DER))

    assert read_certificates(der) == (leaf,)
    assert len(read_certificates(pki.trust)) == 2


async def spoken_with(serving: Contexts, context: ssl.SSLContext) -> tuple[str, str, int]:
    """Suite, version and bits that a server and a client agree on."""
    async with serve(Recorder(), host="127.0.0.1", port=0, ssl=serving) as listener:
        _, writer = await asyncio.open_connection("localhost", listener.port, ssl=context)
        cipher: tuple[str, str, int] = writer.get_extra_info("cipher")
        writer.close()
        await writer.wait_closed()
    return cipher


async def assert_refused(serving: Contexts, context: ssl.SSLContext) -> None:
    """The client gets no answer, and nothing that it says reaches whoever answers."""
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0, ssl=serving) as listener:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(listener.port, context)

    assert not answer.requests


async def ask(port: int, context: ssl.SSLContext) -> None:
    """Raises ConnectionError if there is no answer; with TLS 1.3 a client is refused only after its handshake."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(post(b"<a/>", CLOSE))
        if not await reader.read():
            raise ConnectionError("no answer")
    finally:
        writer.close()


def anonymous(pki: Pki, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client that trusts our CA and has no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(pki.trust)
    context.maximum_version = maximum
    return context


def fault(chain: Chain, ca: Path) -> str:
    """What is said about files that cannot be used, by both kinds of context alike."""
    with pytest.raises(SettingsError) as client:
        client_context(chain, ca)
    with pytest.raises(SettingsError) as server:
        server_context((chain,), ca)
    assert str(client.value) == str(server.value)
    return str(client.value)
