"""What `openadr-ra certs init | issue | fingerprint | check` do."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from openadr_ra.errors import SettingsError
from openadr_ra.net import ca as authority
from openadr_ra.net import tls
from openadr_ra.net.ca import KeyKind, Role

HOSTS = ("localhost", "127.0.0.1", "::1")
"""What a trial VTN is called when nobody says otherwise."""

MIN_RSA_BITS = 2048
MIN_EC_BITS = 256


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate just made; `fingerprint` is what the VTN's operator admits."""

    certificate: str
    key: str
    subject: str
    fingerprint: str
    valid_until: datetime


class Initialised(msgspec.Struct, frozen=True, kw_only=True):
    """A CA just made. `trust` is the file to give to both ends as the CA to trust."""

    directory: str
    trust: str
    vtn: tuple[Issued, ...]


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """How OpenADR names the (first) certificate of a file."""

    file: str
    subject: str
    fingerprint: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What is to say about a certificate.

    `key_file` is None if its key is not at hand, as for a peer's. `chain` are the subjects from it to its root,
    empty if no CA was given. `problems` keep it from working, `warnings` will or may.
    """

    file: str
    subject: str
    issuer: str
    fingerprint: str
    key: str
    key_file: str | None
    valid_from: datetime
    valid_until: datetime
    days_left: int
    chain: tuple[str, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def init(directory: Path, *, now: datetime, hosts: Iterable[str] = HOSTS, days: int = authority.DAYS) -> Initialised:
    """A throw-away CA in `directory`, and a VTN's two certificates: rule 68 wants an RSA and an EC one.

    Raises SettingsError if a file exists already.
    """
    names = tuple(hosts)
    files = authority.make_ca(directory, now=now)
    vtn = tuple(
        issue(directory, f"vtn-{kind}", role="vtn", key=kind, hosts=names, now=now, days=days)
        for kind in authority.KEY_KINDS
    )
    return Initialised(directory=str(directory), trust=str(files.trust), vtn=vtn)


def issue(
    directory: Path,
    name: str,
    *,
    role: Role,
    key: KeyKind,
    now: datetime,
    hosts: Iterable[str] = (),
    days: int = authority.DAYS,
    replace: bool = False,
) -> Issued:
    """One more certificate of the CA in `directory`. Raises SettingsError; see `net.ca.issue`."""
    certificate_file, key_file = authority.issue(
        directory, name, role=role, key=key, hosts=hosts, now=now, days=days, replace=replace
    )
    facts = tls.describe(tls.read_certificates(certificate_file)[0])
    return Issued(
        certificate=str(certificate_file),
        key=str(key_file),
        subject=facts.subject,
        fingerprint=facts.fingerprint,
        valid_until=facts.valid_until,
    )


def fingerprint(file: Path) -> Named:
    """Raises SettingsError if there is no certificate in `file`."""
    facts = tls.describe(tls.read_certificates(file)[0])
    return Named(file=str(file), subject=facts.subject, fingerprint=facts.fingerprint)


def check(files: Iterable[Path], *, now: datetime, ca: Path | None = None) -> tuple[Check, ...]:
    """A verdict on each certificate in `files`, on its chain too if `ca` is given.

    `files` may hold private keys as well; else the key is looked for beside the certificate, as NAME.key.
    Raises SettingsError if a file holds neither certificate nor key.
    """
    paths = tuple(files)
    keys = {path: key for path in paths if (key := _public_key(path)) is not None}
    trusted = () if ca is None else tls.read_certificates(ca)
    return tuple(
        _check(path, certificate, intermediates, keys, trusted, now)
        for path in paths
        if path not in keys or b"BEGIN CERTIFICATE" in tls.read_file(path)
        for certificate, intermediates in _leaves(tls.read_certificates(path))
    )


def _leaves(
    certificates: tuple[x509.Certificate, ...],
) -> tuple[tuple[x509.Certificate, tuple[x509.Certificate, ...]], ...]:
    """A bundle of CAs is checked one by one, a leaf with the intermediates after it as one."""
    if _is_ca(certificates[0]):
        return tuple((certificate, certificates) for certificate in certificates)
    return ((certificates[0], certificates[1:]),)


def _check(
    path: Path,
    certificate: x509.Certificate,
    intermediates: tuple[x509.Certificate, ...],
    keys: dict[Path, bytes],
    trusted: tuple[x509.Certificate, ...],
    now: datetime,
) -> Check:
    facts = tls.describe(certificate)
    key_file, key_problem = _key_of(path, certificate, keys)
    chain, chain_problem = _chain(certificate, intermediates, trusted, now) if trusted else ((), None)
    expiry = facts.expiry_warning(now)
    expired = now > facts.valid_until
    problems = (
        expiry if expired else None,
        _early(facts, now),
        _weak(certificate, facts),
        key_problem,
        chain_problem,
    )
    warnings = (
        None if expired else expiry,
        _purpose(certificate),
        None if key_file is None else _exposed(key_file),
    )
    return Check(
        file=str(path),
        subject=facts.subject,
        issuer=facts.issuer,
        fingerprint=facts.fingerprint,
        key=f"{facts.key_type} {facts.key_bits}",
        key_file=None if key_file is None else str(key_file),
        valid_from=facts.valid_from,
        valid_until=facts.valid_until,
        days_left=facts.days_left(now),
        chain=chain,
        problems=tuple(filter(None, problems)),
        warnings=tuple(filter(None, warnings)),
    )


def _public_key(path: Path) -> bytes | None:
    """The public half of the private key in a PEM file, or None if it holds none."""
    octets = tls.read_file(path)
    if b"PRIVATE KEY-----" not in octets:
        return None
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{path} holds a private key that cannot be read: {error}") from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_of(path: Path, certificate: x509.Certificate, keys: dict[Path, bytes]) -> tuple[Path | None, str | None]:
    """The file with the certificate's key, or why a key at hand is not it."""
    own = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if (found := next((file for file, key in keys.items() if key == own), None)) is not None:
        return found, None
    beside = path.with_suffix(".key")
    if beside.exists() and _public_key(beside) == own:
        return beside, None
    others = (*keys, beside) if beside.exists() and beside not in keys else tuple(keys)
    if not others:
        return None, None
    return None, f"its key is not in {', '.join(map(str, others))}; give the pair that was made together"


def _chain(
    leaf: x509.Certificate,
    intermediates: tuple[x509.Certificate, ...],
    trusted: tuple[x509.Certificate, ...],
    now: datetime,
) -> tuple[tuple[str, ...], str | None]:
    """The subjects from the leaf upward, and what is wrong with the way to a trusted root."""
    chain: tuple[x509.Certificate, ...] = (leaf,)
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((c for c in (*trusted, *intermediates) if c not in chain and _issued(c, chain[-1])), None)
        if issuer is None:
            missing = chain[-1].issuer.rfc4514_string()
            return _subjects(chain), f"its issuer {missing} is not among the CAs given; get that certificate"
        chain = (*chain, issuer)
    if chain[-1] not in trusted:
        return _subjects(chain), f"its root {_subjects(chain)[-1]} is not among the CAs given"
    late = next((c for c in chain[1:] if not c.not_valid_before_utc <= now <= c.not_valid_after_utc), None)
    if late is not None:
        return _subjects(chain), f"its CA {late.subject.rfc4514_string()} is not valid at this time"
    return _subjects(chain), None


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return _is_ca(issuer)


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _subjects(chain: tuple[x509.Certificate, ...]) -> tuple[str, ...]:
    return tuple(certificate.subject.rfc4514_string() for certificate in chain)


def _early(facts: tls.Certificate, now: datetime) -> str | None:
    if now >= facts.valid_from:
        return None
    return f"it is not valid before {facts.valid_from:%Y-%m-%d %H:%M} UTC; check the clock"


def _weak(certificate: x509.Certificate, facts: tls.Certificate) -> str | None:
    least = {"RSA": MIN_RSA_BITS, "EC": MIN_EC_BITS}.get(facts.key_type)
    if least is None:
        return f"its key is {facts.key_type}; OpenADR 2.0b takes RSA or EC"
    if facts.key_bits < least:
        return f"its {facts.key_type} key has {facts.key_bits} bits; OpenADR 2.0b takes {least} or more"
    digest = certificate.signature_hash_algorithm
    if digest is None or digest.digest_size < 32:
        return f"it is signed with {digest.name if digest else 'no digest'}; OpenADR 2.0b takes SHA-256"
    return None


def _purpose(certificate: x509.Certificate) -> str | None:
    if _is_ca(certificate):
        return None
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if ExtendedKeyUsageOID.CLIENT_AUTH in purposes:
        return None
    return "it does not allow clientAuth: a VEN cannot use it at all, a VTN cannot push with it"


def _exposed(key_file: Path) -> str | None:
    if key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0:
        return None
    return f"others may read its key: chmod 600 {key_file}"
