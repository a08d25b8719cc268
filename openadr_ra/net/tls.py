"""TLS at both ends: contexts, the suites of 2.0b, fingerprints, and certificates renewed while we run."""

from __future__ import annotations

import hashlib
import logging
import re
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from openadr_ra.errors import SettingsError

log = logging.getLogger(__name__)

Chain = tuple[Path, Path]
"""A certificate file (PEM, leaf first, intermediates after it) and the file of its private key."""

# Rule 67: a VTN offers both suites of 2.0b and picks one of them whatever else is offered, so they stand
# first, the one with forward secrecy before the other. A default context lacks both for an RSA certificate.
SUITES_OF_2_0B = ("ECDHE-ECDSA-AES128-SHA256", "AES128-SHA256")
CIPHERS = ":".join((*SUITES_OF_2_0B, "ECDHE+AESGCM"))

TLS_READ_BYTES = 32 * 1024
"""Read buffer of a TLS connection: an idle one costs 75 KiB in all; with asyncio's own 256 KiB it costs 300. A server's
connections share one, and cost 43."""

EXPIRY_WARNING = timedelta(days=30)
FINGERPRINT_BYTES = 10


def fingerprint(der: bytes) -> str:
    """How OpenADR names a certificate: the last 10 bytes of its SHA-256, as in `0A:1B:…` (2.0b, 10.5)."""
    return _name(hashlib.sha256(der).digest())


def _name(sha256: bytes) -> str:
    return sha256[-FINGERPRINT_BYTES:].hex(":").upper()


def normal_fingerprint(text: str) -> str:
    """A fingerprint of any case, with colons, dashes, blanks or nothing between, as `fingerprint` writes it.

    Raises SettingsError for anything but 20 hex digits.
    """
    digits = re.sub(r"[:\-\s]", "", text).upper()
    if not re.fullmatch(r"[0-9A-F]{20}", digits):
        raise SettingsError(
            f"{text!r} is no fingerprint: it takes 20 hex digits, the last 10 bytes of the certificate's"
            " SHA-256 (`openadr-ra certs fingerprint FILE` prints them)"
        )
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants to know of a certificate; names as in RFC 4514.

    Each fact is worked out when it is asked for: names and dates are all that a gateway wants, and what the others
    take is a MB of OpenSSL in its memory.
    """

    parsed: x509.Certificate

    @property
    def subject(self) -> str:
        return self.parsed.subject.rfc4514_string()

    @property
    def issuer(self) -> str:
        return self.parsed.issuer.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        return _name(self.parsed.fingerprint(hashes.SHA256()))

    @property
    def key_type(self) -> str:
        """RSA or EC; any other is the name of its class."""
        return _kind(self.parsed.public_key())[0]

    @property
    def key_bits(self) -> int:
        """0 for a key that is neither RSA nor EC."""
        return _kind(self.parsed.public_key())[1]

    @property
    def valid_from(self) -> datetime:
        return self.parsed.not_valid_before_utc

    @property
    def valid_until(self) -> datetime:
        return self.parsed.not_valid_after_utc

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative once it has."""
        return (self.valid_until - now).days

    def expiry_warning(self, now: datetime) -> str | None:
        """One line if it has expired or will within 30 days, else None."""
        if now > self.valid_until:
            return f"certificate {self.subject} expired on {self.valid_until:%Y-%m-%d}; replace it"
        if self.valid_until - now > EXPIRY_WARNING:
            return None
        days = self.days_left(now)
        return f"certificate {self.subject} expires in {days} days, on {self.valid_until:%Y-%m-%d}; renew it"


def describe(certificate: x509.Certificate) -> Certificate:
    """The facts of a parsed certificate."""
    return Certificate(parsed=certificate)


def _kind(key: object) -> tuple[str, int]:
    match key:
        case rsa.RSAPublicKey():
            return "RSA", key.key_size
        case ec.EllipticCurvePublicKey():
            return "EC", key.key_size
        case _:
            return type(key).__name__, 0


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM or DER file in their order, at least one. Raises SettingsError."""
    octets = read_file(path)
    try:
        if b"-----BEGIN" not in octets:
            return (x509.load_der_x509_certificate(octets),)
        return tuple(x509.load_pem_x509_certificates(octets))
    except ValueError as error:
        raise SettingsError(f"{path} holds no certificate that can be read (PEM or DER): {error}") from error


def read_file(path: Path) -> bytes:
    """The content of a file the settings name. Raises SettingsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"cannot read {path}: {error.strerror}; `openadr-ra certs init DIR` makes throw-away certificates"
        ) from error


def read_through_less() -> None:
    """Have all TLS connections that this process makes read through `TLS_READ_BYTES`.

    For programs: a library leaves asyncio as it finds it. Those that our servers accept do so anyway.
    """
    SSLProtocol.max_size = TLS_READ_BYTES


def server_context(
    chains: tuple[Chain, ...],
    client_ca: Path,
    *,
    require_client_certificate: bool = True,
    ciphers: str = CIPHERS,
) -> ssl.SSLContext:
    """TLS 1.2 or later with all `chains` at once: give an RSA and an EC one, rule 68 wants both of a VTN.

    Without `require_client_certificate` a client may stay anonymous; a certificate it does show is checked.
    Raises SettingsError if a file cannot be used.
    """
    if not chains:
        raise SettingsError("a server needs at least one certificate with its key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, ciphers)
    for chain in chains:
        _load_chain(context, chain)
    _trust(context, client_ca)
    context.verify_mode = ssl.CERT_REQUIRED if require_client_certificate else ssl.CERT_OPTIONAL
    return context


def client_context(chain: Chain, ca: Path, *, check_hostname: bool = True, ciphers: str = CIPHERS) -> ssl.SSLContext:
    """TLS 1.2 or later, showing `chain`, trusting only what `ca` signed.

    `check_hostname=False` still checks the chain; certification test beds need it, nobody else does.
    Raises SettingsError if a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, ciphers)
    # A VTN certificate of the OpenADR Alliance's PKI may carry its host name in the CN alone.
    context.hostname_checks_common_name = True
    context.check_hostname = check_hostname
    _load_chain(context, chain)
    _trust(context, ca)
    return context


def _harden(context: ssl.SSLContext, ciphers: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError as error:
        raise SettingsError(f"OpenSSL knows none of the cipher suites {ciphers!r}") from error


def _load_chain(context: ssl.SSLContext, chain: Chain) -> None:
    certificate, key = chain
    read_certificates(certificate)
    read_file(key)

    def refuse_passphrase() -> NoReturn:
        # Without this OpenSSL would ask on the terminal and wait.
        raise SettingsError(
            f"the private key {key} is encrypted; remove its passphrase: openssl pkey -in {key} -out NEW"
        )

    try:
        # Alone first: beside an RSA chain, OpenSSL takes an EC certificate with the RSA key and then shows neither.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, refuse_passphrase)
        context.load_cert_chain(certificate, key, refuse_passphrase)
    except ssl.SSLError as error:
        raise SettingsError(_chain_fault(certificate, key, error)) from error


def _chain_fault(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    match error.reason:
        case "KEY_VALUES_MISMATCH" | "KEY_TYPE_MISMATCH" | "NO_CERTIFICATE_ASSIGNED":
            return f"the private key {key} does not belong to {certificate}; give the pair made together"
        case "EE_KEY_TOO_SMALL" | "CA_KEY_TOO_SMALL" | "CA_MD_TOO_WEAK":
            return f"{certificate} is too weak: it takes RSA of 2048 bits or EC of 256 bits, signed with SHA-256"
        case _:
            return f"cannot use {certificate} with the private key {key}: {error.reason or error}"


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    read_certificates(ca)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise SettingsError(f"cannot use {ca} as certificates to trust (PEM): {error.reason or error}") from error


class Contexts:
    """The context for the next connection, made anew once its files have changed.

    The files are looked at whenever a connection is about to be made: one stat each, a few µs beside a
    handshake of a millisecond. A context in use is never changed: an open connection goes on with the one it
    began with, and neither sessions nor revocations of the old one survive in the new. Files that do not fit
    together (a renewal half written) leave the last good context in service, with a warning.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext], chains: tuple[Chain, ...], ca: Path) -> None:
        self._make = make
        self._chains = chains
        self._files = (*(path for chain in chains for path in chain), ca)
        self._seen = self._stamp()
        self._context = make()
        self._certificates = self._own()

    def current(self) -> ssl.SSLContext:
        """The context for a new connection. Never raises."""
        stamp = self._stamp()
        if stamp != self._seen:
            # The stamp is older than what is read next, so a change in between is seen at the next look.
            self._seen = stamp
            self._renew()
        return self._context

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Our own certificates as loaded last, in the order of the chains."""
        return self._certificates

    def _renew(self) -> None:
        try:
            self._context, self._certificates = self._make(), self._own()
        except SettingsError as error:
            log.warning("! certificates changed but cannot be used, the old ones stay in service: %s", error)
            return
        log.info("= certificates reloaded: %s", ", ".join(c.fingerprint for c in self._certificates))

    def _own(self) -> tuple[Certificate, ...]:
        return tuple(describe(read_certificates(certificate)[0]) for certificate, _ in self._chains)

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def server_contexts(
    chains: tuple[Chain, ...],
    client_ca: Path,
    *,
    require_client_certificate: bool = True,
    ciphers: str = CIPHERS,
) -> Contexts:
    """`server_context`, following its files. Raises SettingsError if they cannot be used at first."""
    make = partial(
        server_context,
        chains,
        client_ca,
        require_client_certificate=require_client_certificate,
        ciphers=ciphers,
    )
    return Contexts(make, chains, client_ca)


def client_contexts(chain: Chain, ca: Path, *, check_hostname: bool = True, ciphers: str = CIPHERS) -> Contexts:
    """`client_context`, following its files. Raises SettingsError if they cannot be used at first."""
    make = partial(client_context, chain, ca, check_hostname=check_hostname, ciphers=ciphers)
    return Contexts(make, (chain,), ca)
