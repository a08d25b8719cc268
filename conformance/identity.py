"""Who the harness says it is: PEM files given by its user, or throw-away certificates made for a run on loopback."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

FINGERPRINT_BYTES = 10
SUITES = "AES128-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE+AESGCM:@SECLEVEL=0"
"""The two that 2.0b names, and what modern peers take."""

KeyKind = Literal["ec", "rsa"]
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with its key, in PEM files. `name`: what a VEN calls itself (oadrVenName)."""

    name: str
    cert: str = ""
    key: str = ""

    @property
    def fingerprint(self) -> str:
        """The last ten bytes of the certificate's SHA-256, upper case, colons between; "" without a certificate."""
        if not self.cert:
            return ""
        found = x509.load_pem_x509_certificates(Path(self.cert).read_bytes())[0]
        digest = found.fingerprint(hashes.SHA256())[-FINGERPRINT_BYTES:]
        return ":".join(f"{byte:02X}" for byte in digest)

    def client(self, ca: str, *, check_hostname: bool = True) -> ssl.SSLContext:
        """To call a server whose certificate `ca` signed."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
        context.check_hostname = check_hostname
        context.set_ciphers(SUITES)
        if self.cert:
            context.load_cert_chain(self.cert, self.key)
        return context

    def server(self, ca: str) -> ssl.SSLContext:
        """To be called by clients whose certificates `ca` signed, and by nobody else."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
        context.set_ciphers(SUITES)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.cert, self.key)
        return context


class Authority:
    """A throw-away CA in a folder. Its certificates last a day; nothing of it is for use beyond loopback."""

    def __init__(self, folder: Path, *, name: str = "conformance CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate = str(folder / "ca.pem")
        _write(Path(self.certificate), made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        *,
        kind: KeyKind = "ec",
        days: int = 1,
        hosts: Sequence[str] = ("127.0.0.1",),
        rsa_bits: int = 2048,
    ) -> Identity:
        """A certificate for `name`, and its key. Negative `days`: one that expired so long ago."""
        key: PrivateKey = (
            ec.generate_private_key(ec.SECP256R1())
            if kind == "ec"
            else rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternatives = [x509.IPAddress(ip_address(host)) for host in hosts] if hosts else [x509.DNSName(name)]
        made = _builder(subject, self._name, key.public_key(), days=days).add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        )
        cert, pem = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        _write(cert, made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        _write(
            pem,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        return Identity(name=name, cert=str(cert), key=str(pem))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, *, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    first, last = (now - timedelta(hours=1), now + timedelta(days=days))
    if days < 0:
        first, last = now + timedelta(days=days - 1), now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
    )


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
