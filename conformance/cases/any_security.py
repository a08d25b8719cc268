"""TLS at a subject that is called, a VTN or a push VEN (reference 6.4)."""

from __future__ import annotations

import ssl
import warnings

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from conformance import http
from conformance.case import Failed, NotSupported, expect
from conformance.endpoint import GONE, Endpoint, at_servers
from conformance.identity import SUITES, Authority, Identity
from conformance.record import Exchange

LEAST_RSA_BITS = 2048
LEAST_EC_BITS = 224


def tls(
    endpoint: Endpoint,
    identity: Identity | None = None,
    *,
    suites: str = SUITES,
    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """To call the subject as `identity`, or as who the endpoint is. NotSupported where it is spoken to without TLS."""
    if not endpoint.ca:
        raise NotSupported("the subject is spoken to without TLS")
    who = identity or endpoint.identity
    context = who.client(endpoint.ca, check_hostname=endpoint.check_hostname)
    context.set_ciphers(suites)
    with warnings.catch_warnings():
        # That the old versions are deprecated is what the case is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = least, most
    return context


async def call(endpoint: Endpoint, context: ssl.SSLContext) -> Exchange:
    """A good message over that TLS."""
    return await endpoint.caller.try_(endpoint.write(), endpoint.service, tls=context)


def kept_out(exchange: Exchange) -> None:
    """The connection was ended, or HTTP refused without saying anything of OpenADR."""
    if "NO_PROTOCOLS_AVAILABLE" in exchange.fault or "NO_CIPHERS_AVAILABLE" in exchange.fault:
        raise NotSupported(f"the TLS library of the harness does not go so low: {exchange.fault}")
    if exchange.answer is None:
        expect(not exchange.fault.startswith(GONE), "an end of the connection", exchange.fault, exchange.request)
        return
    said = f"HTTP status {exchange.status}"
    expect(exchange.status in (400, 401, 403, 421, 495, 496), "no connection", said, exchange.answer)


for _name, _version in (("1.0", ssl.TLSVersion.TLSv1), ("1.1", ssl.TLSVersion.TLSv1_1)):

    @at_servers(
        f"security.tls-{_name}-refused",
        rules=("67",),
        says=f"A {{end}} does not speak TLS {_name}.",
        sends=f"a handshake that offers TLS {_name} and nothing newer",
        expects="no connection; then a good answer over TLS 1.2",
        negative=True,
    )
    async def old_tls(endpoint: Endpoint, version: ssl.TLSVersion = _version) -> None:
        kept_out(await call(endpoint, tls(endpoint, suites="ALL:@SECLEVEL=0", least=version, most=version)))


@at_servers(
    "security.plain-http-refused",
    rules=("67",),
    says="Where TLS is spoken, nothing is served without it.",
    sends="a good message in plain HTTP to the port of HTTPS",
    expects="no connection, or HTTP 4xx; then a good answer over TLS",
    negative=True,
)
async def plain_http(endpoint: Endpoint) -> None:
    if not endpoint.ca:
        raise NotSupported("the subject is spoken to without TLS")
    body = endpoint.write()
    sent = http.request_bytes(endpoint.path, http.usual_headers(endpoint.caller.host, body), body)
    try:
        answer = await http.exchange(endpoint.caller.url.replace("https:", "http:"), (sent,), tls=None, within_s=5)
    except http.NoAnswer:
        return
    expect(400 <= answer.status < 500, "no connection, or HTTP 4xx", f"HTTP status {answer.status}")


@at_servers(
    "security.no-certificate",
    rules=("67", "68"),
    says="Whoever shows no certificate is not served.",
    sends="a good message over TLS without a client certificate",
    expects="no connection, or HTTP 4xx; then a good answer to who has one",
    negative=True,
)
async def no_certificate(endpoint: Endpoint) -> None:
    kept_out(await call(endpoint, tls(endpoint, Identity(name="nobody"))))


@at_servers(
    "security.expired-certificate",
    rules=("68",),
    says="A certificate that has expired is none.",
    sends="a good message under a certificate that expired five days ago",
    expects="no connection, or HTTP 4xx; then a good answer to who has a good one",
    negative=True,
)
async def expired_certificate(endpoint: Endpoint) -> None:
    kept_out(await call(endpoint, tls(endpoint, endpoint.issuer.issue("expired", days=-5))))


@at_servers(
    "security.foreign-certificate",
    rules=("68",),
    says="A certificate of a CA that is not trusted is none.",
    sends="a good message under a certificate of a CA of the same name with another key",
    expects="no connection, or HTTP 4xx; then a good answer to who has a good one",
    negative=True,
)
async def foreign_certificate(endpoint: Endpoint) -> None:
    other = Authority(endpoint.issuer.folder / "foreign")
    kept_out(await call(endpoint, tls(endpoint, other.issue("ven"))))


@at_servers(
    "security.certificate",
    rules=("68",),
    says="The certificate of a {end} is X.509v3 with an RSA key of 2048 bits or an EC key of 224, and signed with SHA-2.",
    sends="a handshake",
    expects="such a certificate",
)
async def certificate(endpoint: Endpoint) -> None:
    shown = await shown_by(endpoint, tls(endpoint))
    expect(shown.version is x509.Version.v3, "X.509v3", str(shown.version))
    _large_enough(shown)
    name = shown.signature_hash_algorithm.name if shown.signature_hash_algorithm is not None else "none"
    expect(name in ("sha256", "sha384", "sha512"), "a signature with SHA-2", name)


def _large_enough(shown: x509.Certificate) -> None:
    key = shown.public_key()
    match key:
        case rsa.RSAPublicKey():
            expect(key.key_size >= LEAST_RSA_BITS, f"RSA of {LEAST_RSA_BITS} bits", f"{key.key_size} bits")
        case ec.EllipticCurvePublicKey():
            expect(key.curve.key_size >= LEAST_EC_BITS, f"EC of {LEAST_EC_BITS} bits", f"{key.curve.key_size} bits")
        case _:
            raise Failed("an RSA or an EC key", type(key).__name__)


async def shown_by(endpoint: Endpoint, context: ssl.SSLContext) -> x509.Certificate:
    """The certificate that the subject shows in a handshake of that kind."""
    try:
        async with http.connected(endpoint.caller.url, tls=context) as (_, writer):
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    except OSError as error:
        raise Failed("a handshake", f"{type(error).__name__}: {error}") from error
    return x509.load_der_x509_certificate(shown)
