"""A throw-away CA for trials and tests: two roots, RSA and EC, and certificates for VTNs and VENs.

Two roots, because the Alliance's PKI has two, and a peer of one kind need not know the other's signatures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from openadr_ra.errors import SettingsError
from openadr_ra.net.tls import Chain, read_certificates, read_file

KeyKind = Literal["rsa", "ec"]
Role = Literal["ven", "vtn"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY_KINDS: tuple[KeyKind, ...] = ("rsa", "ec")
TRUST_FILE = "ca.pem"
RSA_BITS = 2048
CA_DAYS = 3650
DAYS = 365
COMMON_NAME_CHARACTERS = 64
SKEW = timedelta(hours=1)
"""A certificate is valid this much earlier, for devices whose clock is slow."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaFiles:
    """`trust` holds both roots: what peers are given. `roots` are the two with their keys, RSA first."""

    trust: Path
    roots: tuple[Chain, ...]


def make_ca(directory: Path, *, now: datetime, days: int = CA_DAYS) -> CaFiles:
    """Two new roots in `directory`, which is made if need be; keys are readable by their owner alone.

    Raises SettingsError if one of the files exists, or cannot be written.
    """
    files = ca_files(directory)
    _refuse_existing((files.trust, *(path for root in files.roots for path in root)))
    bundle = b""
    for kind, (certificate_file, key_file) in zip(KEY_KINDS, files.roots, strict=True):
        key = _new_key(kind)
        certificate = _root(key, kind, now, days)
        _write(key_file, _key_pem(key), secret=True)
        _write(certificate_file, certificate.public_bytes(Encoding.PEM))
        bundle += certificate.public_bytes(Encoding.PEM)
    _write(files.trust, bundle)
    return files


def ca_files(directory: Path) -> CaFiles:
    """Where `make_ca` puts its files."""
    roots = tuple((directory / f"ca-{kind}.pem", directory / f"ca-{kind}.key") for kind in KEY_KINDS)
    return CaFiles(trust=directory / TRUST_FILE, roots=roots)


def issue(
    directory: Path,
    name: str,
    *,
    role: Role,
    key: KeyKind,
    hosts: Iterable[str] = (),
    now: datetime,
    days: int = DAYS,
    replace: bool = False,
) -> Chain:
    """A certificate `name`.pem with its key, signed by the root of the same kind in `directory`.

    A VTN is called after its first host, a VEN after `name`; `hosts` are names and IP addresses. Both may be
    client and server, since a VTN pushes and a push VEN listens. `replace` renews files that exist.
    Raises SettingsError if there is no CA, a name cannot be used, or a file exists.
    """
    if not _NAME.fullmatch(name) or name.startswith("ca"):
        raise SettingsError(f"{name!r} cannot name a certificate: letters, digits, . _ - and not ca…")
    names = tuple(hosts)
    if role == "vtn" and not names:
        raise SettingsError("a VTN's certificate needs the host names or addresses that VENs use; give --host")
    common_name = names[0] if role == "vtn" else name
    if len(common_name) > COMMON_NAME_CHARACTERS:
        raise SettingsError(f"{common_name!r} is too long: a common name has {COMMON_NAME_CHARACTERS} characters")
    files = (directory / f"{name}.pem", directory / f"{name}.key")
    if not replace:
        _refuse_existing(files)
    root, root_key = _signer(directory, key)
    own = _new_key(key)
    certificate = _leaf(own, common_name, names, root, root_key, now, days)
    # The key first: a server that looks in between finds a pair that does not fit and keeps what it has.
    _write(files[1], _key_pem(own), secret=True)
    _write(files[0], certificate.public_bytes(Encoding.PEM))
    return files


def _signer(directory: Path, kind: KeyKind) -> tuple[x509.Certificate, PrivateKey]:
    certificate_file, key_file = ca_files(directory).roots[KEY_KINDS.index(kind)]
    if not certificate_file.exists():
        raise SettingsError(f"there is no CA in {directory}; make one with `openadr-ra certs init {directory}`")
    key = load_pem_private_key(read_file(key_file), password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{key_file} is neither an RSA nor an EC key; make a new CA in another directory")
    return read_certificates(certificate_file)[0], key


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def _root(key: PrivateKey, kind: KeyKind, now: datetime, days: int) -> x509.Certificate:
    serial = x509.random_serial_number()
    # Two CAs must not share a name, or a peer that trusts both may try the wrong one.
    subject = _name(f"openadr-ra throw-away {kind.upper()} CA {serial % 0x1000000:06x}")
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, serial_number=serial)
        .public_key(key.public_key())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: PrivateKey,
    common_name: str,
    hosts: tuple[str, ...],
    root: x509.Certificate,
    root_key: PrivateKey,
    now: datetime,
    days: int,
) -> x509.Certificate:
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    builder = (
        x509.CertificateBuilder(subject_name=_name(common_name), issuer_name=root.subject)
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .not_valid_before(now - SKEW)
        .not_valid_after(min(now + timedelta(days=days), root.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(enciphers_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(root_key, hashes.SHA256())


def _usage(*, signs_certificates: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        # TLS_RSA_WITH_AES_128_CBC_SHA256 has the client encrypt to the server's key.
        key_encipherment=enciphers_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise SettingsError(f"{host!r} is no host name for a certificate: {error}") from error


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _refuse_existing(files: Iterable[Path]) -> None:
    for file in files:
        if file.exists():
            raise SettingsError(f"{file} exists and is not overwritten; choose another place, or move it away")


def _write(path: Path, octets: bytes, *, secret: bool = False) -> None:
    """Puts the file there whole or not at all: whoever reloads never sees half of it."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        mode = 0o600 if secret else 0o644
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(octets)
        unfinished.replace(path)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}; choose another directory") from error
