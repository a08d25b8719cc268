"""Clients behind a proxy that ends their TLS: it says whose certificate it was shown, and where from."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from openadr_ra.errors import SettingsError
from openadr_ra.net.quota import Quota
from openadr_ra.net.tls import fingerprint

CLIENT_CERT = "Client-Cert"
"""RFC 9440."""

FORWARDED_FOR = "X-Forwarded-For"

KNOWN_ADDRESSES, KNOWN_CERTIFICATES = 4096, 1024
"""So many are kept in mind: 4 KiB a certificate with its header, and parsing one again costs some 50 µs."""

_BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_PEM = "-----BEGIN"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Malformed(Exception):
    """What a proxy says of a client cannot be read."""


class Client(Protocol):
    """Who is asking: a connection, or somebody behind the proxy at its other end."""

    @property
    def address(self) -> str: ...

    @property
    def certificate(self) -> bytes | None: ...

    @property
    def fingerprint(self) -> str | None: ...

    @property
    def who(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A client behind a proxy, as the proxy has it."""

    address: str
    certificate: bytes | None
    fingerprint: str | None

    @property
    def who(self) -> str:
        """The same for a log line."""
        return f"{self.address} {self.fingerprint or 'without certificate'} behind a proxy"


class Proxies:
    """Those whose word on their clients is taken. Nobody else's is: a header of that name from another is ignored.

    The proxy has to ask clients for a certificate, check it, and put its own header in place of any that a client sent.
    """

    def __init__(self, networks: Iterable[str], *, header: str = CLIENT_CERT) -> None:
        """Addresses, or networks like 10.1.0.0/16; `header` names the one with the certificate. Raises SettingsError."""
        self._networks = tuple(_network(text) for text in networks)
        if not _TOKEN.fullmatch(header):
            raise SettingsError(f"client_cert_header: {header!r} cannot be the name of a header, like {CLIENT_CERT}")
        self.header = header
        self.trusts = lru_cache(KNOWN_ADDRESSES)(self._trusts)

    def client(self, connection: Client, certificates: Sequence[str], hops: Sequence[str]) -> Client:
        """Who asks over a connection: whoever its peer says, if that is one of the proxies; else the peer itself.

        `certificates` are all headers of the name, `hops` all `X-Forwarded-For`. Raises Malformed.
        """
        if not self.trusts(connection.address):
            return connection
        if len(certificates) > 1:
            raise Malformed(f"{self.header} more than once")
        # Without a header it is nobody, and not the proxy: its own certificate is no VEN's.
        shown = certificate_in(certificates[0]) if certificates and certificates[0].strip() else None
        return Forwarded(
            address=(_address(hops[-1]) if hops else None) or connection.address,
            certificate=shown,
            fingerprint=None if shown is None else fingerprint(shown),
        )

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


class Spared:
    """A quota that lets proxies connect as they like: their connections are those of many."""

    def __init__(self, quota: Quota, proxies: Proxies) -> None:
        self._quota = quota
        self._proxies = proxies
        self.asks = quota.asks
        self.brings = quota.brings
        self.rest = quota.rest

    def connects(self, address: str, others: int) -> bool:
        return self._proxies.trusts(address) or self._quota.connects(address, others)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        found = ip_network(text)
    except ValueError as error:
        raise SettingsError(
            f"proxies: {error}; write an address like 10.0.0.5 or a network like 10.1.0.0/16"
        ) from error
    if not found.prefixlen:
        raise SettingsError(
            f"proxies: {text} is everybody, who could then name any certificate; name the proxies alone"
        )
    return found


def _address(hops: str) -> str | None:
    """Of `203.0.113.7, 10.0.0.9` the last, whom the proxy saw itself; the others are what it was told."""
    last = hops.rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        return None


@lru_cache(KNOWN_CERTIFICATES)
def certificate_in(value: str) -> bytes:
    """The DER certificate in a header: RFC 9440 (`:base64 of DER:`), or PEM in URL encoding. Raises Malformed."""
    text = value.strip()
    try:
        if (found := _BYTES.fullmatch(text)) is not None:
            der = b64decode(found[1], validate=True)
            x509.load_der_x509_certificate(der)
            return der
        pem = unquote(text)
        if not pem.startswith(_PEM):
            raise Malformed("a certificate that is neither :base64: nor PEM in URL encoding")
        one, *others = x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, binascii.Error) as error:
        raise Malformed(f"a certificate that cannot be read ({' '.join(str(error).split())[:120]})") from error
    if others:
        raise Malformed("more than one certificate")
    return one.public_bytes(Encoding.DER)
