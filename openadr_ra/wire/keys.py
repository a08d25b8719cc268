"""Certificates and keys of signers: which are strong enough, and the raw values of XML signatures."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
"""A longer key costs the verifier more than it costs the sender, and OpenADR knows none."""

CURVES = (ec.SECP256R1, ec.SECP384R1)

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"

FINGERPRINT_BYTES = 10

_KEPT_CERTIFICATES = 1024
"""About 3 kB each. It takes 4 to 10 µs to read one, so that a larger VTN loses little."""

_HASH = hashes.SHA256()
_ECDSA = ec.ECDSA(_HASH)
_PKCS1 = padding.PKCS1v15()


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate (DER), how OpenADR names it, its key, and the one signature method that goes with that key."""

    certificate: bytes
    fingerprint: str
    key: PublicKey
    method: str


@lru_cache(maxsize=_KEPT_CERTIFICATES)
def certified(certificate: bytes) -> Certified:
    """What a certificate says of its key. Its chain, its dates and its revocation are TLS's business.

    Raises ValueError for what is no certificate, and for keys that are too weak, too long or of another kind.
    """
    try:
        key = fit(x509.load_der_x509_certificate(certificate).public_key())
    except (UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(str(error)) from error
    return Certified(certificate=certificate, fingerprint=fingerprint(certificate), key=key, method=method(key))


def fingerprint(certificate: bytes) -> str:
    """How OpenADR names a certificate (DER): the last 10 bytes of its SHA-256, as in `0A:1B:…` (2.0b, 10.5)."""
    return hashlib.sha256(certificate).digest()[-FINGERPRINT_BYTES:].hex(":").upper()


def fit(key: object) -> PublicKey:
    """`key` itself if it may sign. Raises ValueError, saying what it takes."""
    match key:
        case rsa.RSAPublicKey():
            if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                return key
            raise ValueError(f"an RSA key has {key.key_size} bits; it takes {MIN_RSA_BITS} to {MAX_RSA_BITS}")
        case ec.EllipticCurvePublicKey():
            if isinstance(key.curve, CURVES):
                return key
            raise ValueError(f"an EC key is on {key.curve.name}; it takes P-256 or P-384")
        case _:
            raise ValueError("the key is neither RSA nor EC")


def method(key: PublicKey) -> str:
    """The SignatureMethod of `key`. What a message says is compared with it and chooses nothing."""
    return RSA_SHA256 if isinstance(key, rsa.RSAPublicKey) else ECDSA_SHA256


def is_signed_by(key: PublicKey, octets: bytes, value: bytes) -> bool:
    """Whether `value` is the SignatureValue of `octets`: PKCS #1 v1.5, or r and s of the length that the curve has."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, octets, _PKCS1, _HASH)
        else:
            key.verify(_as_der(value, key.key_size), octets, _ECDSA)
    except InvalidSignature:
        return False
    return True


def _as_der(value: bytes, key_bits: int) -> bytes:
    half = key_bits // 8
    if len(value) != 2 * half:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))


def signature_value(key: PrivateKey, octets: bytes) -> bytes:
    """The SignatureValue of `octets` under `key`, as `is_signed_by` takes it."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, _PKCS1, _HASH)
    half = key.key_size // 8
    r, s = decode_dss_signature(key.sign(octets, _ECDSA))
    return r.to_bytes(half) + s.to_bytes(half)
