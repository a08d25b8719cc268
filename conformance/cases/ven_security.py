"""TLS as a VEN speaks it to its VTN (reference 6.4)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from conformance import http
from conformance.case import SHOULD, Failed, NotSupported, case, expect
from conformance.identity import SUITES, Authority, Identity
from conformance.play import fresh
from conformance.tested import Ven
from conformance.ven_wire import again, back, still_takes_events

QUIET_S = 3.0
"""Longer than two polls: so long nothing may be heard of a VEN that does not trust its VTN."""

RSA_SUITE = "AES128-SHA256"
EC_SUITE = "ECDHE-ECDSA-AES128-SHA256"


def _issuer(ven: Ven) -> Authority:
    if ven.authority is None:
        raise NotSupported("the harness cannot make certificates that the VEN trusts")
    return ven.authority


def _server(
    ven: Ven,
    identity: Identity,
    *,
    suites: str = SUITES,
    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """To be a VTN with that certificate."""
    if not ven.ca:
        raise NotSupported("the VEN speaks without TLS")
    context = identity.server(ven.ca)
    context.set_ciphers(suites)
    with warnings.catch_warnings():
        # That the old versions are deprecated is what the case is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = least, most
    return context


async def _distrusts(ven: Ven, context: ssl.SSLContext) -> None:
    """A VTN that shows itself so hears nothing; as it was, it does again."""
    await ven.vanish()
    after = len(ven.heard)
    await again(ven, context)
    await asyncio.sleep(QUIET_S)
    heard = ven.heard[after:]
    expect(not heard, "nothing from the VEN", heard[0].kind if heard else "", heard[0] if heard else None)
    await ven.vanish()
    await again(ven)
    await back(ven, after=after)
    await still_takes_events(ven)


async def _running(ven: Ven) -> None:
    if not ven.ca:
        raise NotSupported("the VEN speaks without TLS")
    await ven.bootstrapped()
    await ven.hears("oadrPoll")


for _name, _version in (("1.0", ssl.TLSVersion.TLSv1), ("1.1", ssl.TLSVersion.TLSv1_1)):

    @case(
        f"ven.security.vtn-of-tls-{_name}",
        rules=("67",),
        says=f"A VEN does not speak TLS {_name}.",
        sends=f"a VTN that offers TLS {_name} and nothing newer, for a while",
        expects="nothing from the VEN; then polls, and an answer to an event, over TLS 1.2",
        modes=("pull",),
        negative=True,
        within_s=120,
    )
    async def old_tls(ven: Ven, version: ssl.TLSVersion = _version) -> None:
        await _running(ven)
        context = _server(ven, ven.identity, suites="ALL:@SECLEVEL=0", least=version, most=version)
        await _is_possible(ven, context, version)
        await _distrusts(ven, context)


async def _is_possible(ven: Ven, context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    """The harness's own TLS library goes so low. NotSupported if it does not: then silence would mean nothing."""

    async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    client = ven.identity.client(ven.ca, check_hostname=False)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version, client.maximum_version = version, version
    server = await asyncio.start_server(opened, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        async with http.connected(f"https://127.0.0.1:{port}", tls=client):
            pass
    except OSError as error:
        raise NotSupported(f"the TLS library of the harness does not go so low: {error}") from error
    finally:
        server.close()


@case(
    "ven.security.vtn-expired",
    rules=("68",),
    says="A VTN whose certificate has expired is not spoken to.",
    sends="a VTN whose certificate expired five days ago, for a while",
    expects="nothing from the VEN; then polls, and an answer to an event",
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def expired(ven: Ven) -> None:
    await _running(ven)
    await _distrusts(ven, _server(ven, _issuer(ven).issue(fresh("expired"), days=-5)))


@case(
    "ven.security.vtn-foreign",
    rules=("68",),
    says="A VTN whose certificate is of a CA that is not trusted is not spoken to.",
    sends="a VTN with a certificate of a CA of the same name with another key, for a while",
    expects="nothing from the VEN; then polls, and an answer to an event",
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def foreign(ven: Ven) -> None:
    await _running(ven)
    other = Authority(_issuer(ven).folder / fresh("foreign"))
    await _distrusts(ven, _server(ven, other.issue("vtn")))


@case(
    "ven.security.vtn-of-another-host",
    rules=("68",),
    says="A VTN whose certificate is for another host is not spoken to.",
    sends="a VTN with a good certificate for 10.9.8.7, for a while",
    expects="nothing from the VEN; then polls, and an answer to an event",
    level=SHOULD,
    modes=("pull",),
    negative=True,
    within_s=120,
)
async def another_host(ven: Ven) -> None:
    await _running(ven)
    await _distrusts(ven, _server(ven, _issuer(ven).issue(fresh("elsewhere"), hosts=("10.9.8.7",))))


@case(
    "ven.security.default-suite",
    rules=("67", "68"),
    certification=("G1_4010",),
    says="A VEN speaks TLS 1.2 with one of the two suites of 2.0b at least.",
    sends="a VTN that offers TLS_RSA_WITH_AES_128_CBC_SHA256 alone, then TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 alone",
    expects="polls, and an answer to an event, under one of them or both",
    modes=("pull",),
    within_s=240,
)
async def default_suite(ven: Ven) -> None:
    await _running(ven)
    spoken = []
    for suite, identity in ((RSA_SUITE, _issuer(ven).issue("vtn-of-rsa", kind="rsa")), (EC_SUITE, ven.identity)):
        await ven.vanish()
        after = len(ven.heard)
        await again(ven, _server(ven, identity, suites=f"{suite}:@SECLEVEL=0", most=ssl.TLSVersion.TLSv1_2))
        with contextlib.suppress(Failed):
            await back(ven, after=after)
            await still_takes_events(ven)
            spoken.append(suite)
    expect(bool(spoken), f"{RSA_SUITE} or {EC_SUITE}", "neither")


@case(
    "ven.security.client-certificate",
    rules=("67", "68"),
    says="A VEN shows its certificate: X.509v3, RSA of 2048 bits or EC of 224, signed with SHA-2.",
    sends="a VTN that asks for it",
    expects="such a certificate with each request, always the same",
)
async def certificate(ven: Ven) -> None:
    if not ven.ca:
        raise NotSupported("the VEN speaks without TLS")
    await ven.bootstrapped()
    shown = {arrived.certificate for arrived in ven.paths}
    expect(len(shown) == 1 and b"" not in shown, "one certificate with all requests", f"{len(shown)} of them")
    found = x509.load_der_x509_certificate(shown.pop())
    expect(found.version is x509.Version.v3, "X.509v3", str(found.version))
    name = found.signature_hash_algorithm.name if found.signature_hash_algorithm is not None else "none"
    expect(name in ("sha256", "sha384", "sha512"), "a signature with SHA-2", name)
    match found.public_key():
        case rsa.RSAPublicKey() as key:
            expect(key.key_size >= 2048, "RSA of 2048 bits", f"{key.key_size} bits")
        case ec.EllipticCurvePublicKey() as key:
            expect(key.curve.key_size >= 224, "EC of 224 bits", f"{key.curve.key_size} bits")
        case other:
            raise Failed("an RSA or an EC key", type(other).__name__)


@case(
    "ven.security.a-suite",
    rules=("67",),
    says="A push VEN takes TLS 1.2 with one of the two suites of 2.0b at least.",
    sends="an oadrDistributeEvent over TLS 1.2, offering one suite alone, then the other",
    expects="HTTP 200 under one of them or both",
    modes=("push",),
)
async def suite_of_a_server(ven: Ven) -> None:
    await ven.bootstrapped()
    if not ven.pushes or not ven.ca:
        raise NotSupported("the VEN is not called over TLS")
    spoken = []
    for suite in (RSA_SUITE, EC_SUITE):
        context = ven.identity.client(ven.ca, check_hostname=ven.check_hostname)
        context.set_ciphers(f"{suite}:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if (await ven.caller().try_(ven.distribution(), "EiEvent", tls=context)).status == 200:
            spoken.append(suite)
    expect(bool(spoken), f"{RSA_SUITE} or {EC_SUITE}", "neither")
