"""TLS and certificates as the rules have them, beside what tests/net says of them: versions, kinds and sizes of keys."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from openadr_ra.errors import SettingsError
from openadr_ra.net.ca import KEY_KINDS, ca_files, issue, make_ca
from openadr_ra.net.server import serve
from openadr_ra.net.tls import Chain, Contexts, client_context, read_certificates, server_context, server_contexts
from tests.net.peers import Recorder, exchange, post, status

NOW = datetime.now(UTC)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA of its own and a VTN's two certificates."""
    folder = make_ca(tmp_path_factory.mktemp("rules"), now=NOW).trust.parent
    for kind in KEY_KINDS:
        issue(folder, f"vtn-{kind}", role="vtn", key=kind, hosts=("localhost", "127.0.0.1"), now=NOW)
    return folder


def chain(home: Path, name: str) -> Chain:
    return home / f"{name}.pem", home / f"{name}.key"


def serving(home: Path) -> Contexts:
    """A VTN with both its certificates."""
    return server_contexts(tuple(chain(home, f"vtn-{kind}") for kind in KEY_KINDS), ca_files(home).trust)


def of(home: Path, key: PrivateKey) -> Chain:
    """A certificate for any key at all, signed by the CA as one of a VEN's is."""
    certificate, signer = ca_files(home).roots[0]
    issuer = read_certificates(certificate)[0]
    own = load_pem_private_key(signer.read_bytes(), None)
    assert isinstance(own, rsa.RSAPrivateKey)
    made = (
        x509.CertificateBuilder(issuer_name=issuer.subject)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(own, hashes.SHA256())
    )
    files = chain(home, f"weak-{key.key_size}")
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def careless(home: Path, purpose: ssl.Purpose, shown: Chain) -> ssl.SSLContext:
    """An end that takes any key, and shows one that ours may not take."""
    made = ssl.create_default_context(purpose, cafile=ca_files(home).trust)
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.load_cert_chain(*shown)
    return made


def rsa_key(bits: int) -> Callable[[], PrivateKey]:
    return lambda: rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: ec.EllipticCurve) -> Callable[[], PrivateKey]:
    return lambda: ec.generate_private_key(curve)


STRONG = [pytest.param(rsa_key(2048), True, id="RSA 2048"), pytest.param(ec_key(ec.SECP256R1()), True, id="EC 256")]
WEAK = [pytest.param(rsa_key(1024), False, id="RSA 1024"), pytest.param(ec_key(ec.SECP192R1()), False, id="EC 192")]


@pytest.mark.parametrize(("key", "taken"), [*STRONG, *WEAK])
async def test_rule_68_at_the_vtn_a_client_with_a_weak_key_is_refused(
    home: Path, key: Callable[[], PrivateKey], taken: bool
) -> None:
    client = careless(home, ssl.Purpose.SERVER_AUTH, of(home, key()))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    answer = Recorder()
    async with serve(answer, host="127.0.0.1", port=0, ssl=serving(home)) as listener:
        try:
            said = await exchange(listener.port, post(b"<a/>", "Connection: close"), ssl=client)
        except (ssl.SSLError, ConnectionError):
            said = b""

    assert (bool(said) and status(said) == 200) is taken
    assert bool(answer.requests) is taken


@pytest.mark.parametrize(("key", "taken"), [*STRONG, *WEAK])
async def test_rule_68_at_the_ven_a_server_with_a_weak_key_is_refused(
    home: Path, key: Callable[[], PrivateKey], taken: bool
) -> None:
    ours = client_context(chain(home, "vtn-ec"), ca_files(home).trust)
    ours.maximum_version = ssl.TLSVersion.TLSv1_2

    assert await shakes(ours, careless(home, ssl.Purpose.CLIENT_AUTH, of(home, key()))) is taken


@pytest.mark.parametrize("key", [rsa_key(1024)], ids=["RSA 1024"])
def test_rule_68_at_both_ends_a_weak_key_of_ones_own_is_refused_at_the_start(
    home: Path, key: Callable[[], PrivateKey]
) -> None:
    weak = of(home, key())

    with pytest.raises(SettingsError, match=weak[0].name):
        client_context(weak, ca_files(home).trust)
    with pytest.raises(SettingsError, match=weak[0].name):
        server_context((weak,), ca_files(home).trust)


@pytest.mark.parametrize(
    ("version", "spoken"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)], ids=["1.1", "1.2"]
)
async def test_rule_67_at_the_ven_it_speaks_tls_1_2_and_nothing_older(
    home: Path, version: ssl.TLSVersion, spoken: bool
) -> None:
    older = careless(home, ssl.Purpose.CLIENT_AUTH, chain(home, "vtn-rsa"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        older.minimum_version = version
        older.maximum_version = version

    assert await shakes(client_context(chain(home, "vtn-ec"), ca_files(home).trust), older) is spoken


async def shakes(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """Do these two agree?"""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(meet, "127.0.0.1", 0, ssl=server) as listener:
        try:
            port = listener.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
            writer.close()
            await writer.wait_closed()
        except (ssl.SSLError, ConnectionError):
            return False
        return True


def test_rule_68_at_both_ends_certificates_are_x509v3_of_both_kinds(home: Path) -> None:
    """What `openadr-ra certs` makes: 2048 bits of RSA, 256 of EC, signed with SHA-256 by a root of the same kind."""
    found = [read_certificates(chain(home, f"vtn-{kind}")[0])[0] for kind in KEY_KINDS]

    assert [each.version for each in found] == [x509.Version.v3] * 2
    keys = [each.public_key() for each in found]
    assert isinstance(keys[0], rsa.RSAPublicKey)
    assert isinstance(keys[1], ec.EllipticCurvePublicKey)
    assert (keys[0].key_size, keys[1].key_size) == (2048, 256)
    hashed = [each.signature_hash_algorithm for each in found]
    assert [each.name for each in hashed if each is not None] == ["sha256"] * 2
