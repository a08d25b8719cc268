"""What goes wrong with connections, in the words of the person who has to put it right."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TypeVar

import aiohttp

# OpenSSL's verify codes (X509_V_ERR_*) that installers meet, seen from the end that refuses the certificate.
_VERIFY = {
    9: "it is not valid yet, or the clock here is slow; check the clock",
    10: "it has expired, or the clock here is fast; renew it, or check the clock",
    18: "it is self-signed; put it, or better the CA that should have signed it, into the CA file",
    19: "its root is not in the CA file; add the peer's root certificate there",
    20: "its issuer is not in the CA file; add the peer's CA there, or let the peer send its intermediates",
    21: "its issuer is not in the CA file; add the peer's CA there, or let the peer send its intermediates",
    23: "it is revoked; the peer needs a new one",
    26: "it is made for another purpose; its extended key usage must hold clientAuth (VEN), serverAuth (VTN)",
    66: "its key is too small; it takes RSA of 2048 or EC of 256 bits",
    67: "its CA's key is too small; it takes RSA of 2048 or EC of 256 bits",
    68: "it is signed with a weak digest; it takes SHA-256",
}
_HOST_MISMATCH = (62, 64)

# Alerts by which a peer says that it does not want our certificate.
_OUR_CERTIFICATE_REFUSED = {
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not trust the CA that signed it; give the peer that CA",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it has expired, by the peer's clock; renew it",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it is revoked; get a new one",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer finds it faulty; check it with `openadr-ra certs check`",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not accept it; its log says why",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the peer cannot use its kind; try RSA for EC or the reverse",
    "TLSV1_ALERT_ACCESS_DENIED": "the peer knows it and denies access; ask the peer's operator",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer got none; set cert and key",
}

_AT_CLIENT = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS; write http:// if it is to be plain, or check the port",
    "UNSUPPORTED_PROTOCOL": "no TLS version in common; the peer must offer TLS 1.2 or later",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no TLS version in common; the peer must offer TLS 1.2 or later",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the peer found nothing acceptable; it wants another cipher suite or kind of client certificate"
    ),
}

_AT_SERVER = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS; it must use https://",
    "HTTP_REQUEST": "it spoke plain HTTP to a TLS port; it must use https://",
    "NO_SHARED_CIPHER": "no cipher suite in common; it must offer one of OpenADR 2.0b's, with TLS 1.2",
    "UNSUPPORTED_PROTOCOL": "no TLS version in common; it must offer TLS 1.2 or later",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no client certificate; OpenADR 2.0b requires one",
}

E = TypeVar("E", bound=BaseException)


def link_fault(error: BaseException, host: str, port: int) -> str:
    """Why a post to `host`:`port` failed and what to do about it, in one line."""
    peer = f"{host}:{port}"
    if tls := _within(error, ssl.SSLError):
        return _tls_fault(tls, peer, host)
    if _within(error, socket.gaierror):
        return f"the name {host} cannot be resolved; check the host in the url and the DNS"
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"no connection to {peer} in time; check host, port and the firewalls between"
        case TimeoutError():
            return f"{peer} took the connection but did not answer in time; it is overloaded or hangs"
        case aiohttp.ClientResponseError():
            return f"{peer} does not answer in HTTP ({error.message!r:.80}); check the port"
        case aiohttp.ClientPayloadError():
            return f"{peer} closed the connection in the middle of its answer; try again"
    return _socket_fault(error, host, port)


def _tls_fault(error: ssl.SSLError, peer: str, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _HOST_MISMATCH:
            return (
                f"the certificate of {peer} is not for {host}; use the host name that it carries, or for a"
                " test bed only switch check_hostname off"
            )
        return f"the certificate of {peer} is not trusted: {_untrusted(error)}"
    reason = _reason(error)
    if reason in _OUR_CERTIFICATE_REFUSED:
        return f"{peer} refused our certificate: {_OUR_CERTIFICATE_REFUSED[reason]}"
    return f"TLS with {peer} failed: {_AT_CLIENT.get(reason, reason or str(error))}"


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's name for what happened; what others raise as SSLError has none."""
    return str(getattr(error, "reason", None) or "")


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    return _VERIFY.get(error.verify_code, error.verify_message)


def _socket_fault(error: BaseException, host: str, port: int) -> str:
    number = next((e.errno for e in _chain(error) if isinstance(e, OSError) and e.errno), None)
    match number:
        case errno.ECONNREFUSED:
            return f"nothing listens on {host} port {port}; is the peer running, and is the port right?"
        case errno.ETIMEDOUT | errno.EHOSTUNREACH | errno.ENETUNREACH | errno.EHOSTDOWN | errno.ENETDOWN:
            return f"{host} cannot be reached; check the address, the network and the firewalls between"
        case errno.ECONNRESET | errno.EPIPE | None:
            return (
                f"{host}:{port} closed the connection without an answer; if it wants TLS the url must say"
                " https://, and if it refused our certificate its log says so"
            )
        case _:
            return f"the connection to {host}:{port} failed: {error}"


def handshake_fault(error: BaseException) -> str:
    """Why a client's TLS handshake with us failed and what to do about it, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {_untrusted(error)}"
    if isinstance(error, ConnectionAbortedError):
        return "it did not finish the handshake in time"
    if not isinstance(error, ssl.SSLError):
        return "it closed the connection; perhaps it does not trust our certificate"
    reason = _reason(error)
    if reason in _OUR_CERTIFICATE_REFUSED:
        return f"it refused our certificate: {_OUR_CERTIFICATE_REFUSED[reason]}"
    return _AT_SERVER.get(reason, reason or str(error))


def _within(error: BaseException, kind: type[E]) -> E | None:
    """The innermost error of that kind: aiohttp wraps OpenSSL's in one of the same kind without its reason."""
    return next((e for e in reversed(_chain(error)) if isinstance(e, kind)), None)


def _chain(error: BaseException) -> tuple[BaseException, ...]:
    """`error` and what it was raised from, outermost first."""
    links = [error]
    while (cause := links[-1].__cause__ or links[-1].__context__) is not None and cause not in links:
        links.append(cause)
    return tuple(links)
