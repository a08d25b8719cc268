"""Messages signed: written once, digested as they were written, and not touched afterwards."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from openadr_ra.errors import InvalidData, SettingsError, WireError
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.shape import NAMESPACES
from openadr_ra.protocol.times import write_datetime
from openadr_ra.wire.canonical import C14N, ENVELOPED, SHA256, Style, canonical
from openadr_ra.wire.codec import encode
from openadr_ra.wire.keys import Certified, PrivateKey, certified, signature_value
from openadr_ra.wire.parse import parse

_PLAIN_NONCE = re.compile(r"[A-Za-z0-9+/=._:-]{1,128}")

SHORT_BYTES = 2048
"""Up to here the digests of the last 4096 messages are remembered; an oadrResponse with its namespaces has 1,100 bytes."""

_MESSAGE_ID = "oadrSignedObject"
_PROOF_ID = "replayProtect"
_SIGNATURE_ID = "signature"


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with its private key, made by `load_signer`."""

    certified: Certified
    key: PrivateKey

    @property
    def fingerprint(self) -> str:
        """How OpenADR names the certificate."""
        return self.certified.fingerprint


def load_signer(certificate: Path, key: Path) -> Signer:
    """The signer with the first certificate of one file and the private key of the other (PEM).

    To be called once: an RSA key takes 40 ms to load. Raises SettingsError, with the cure, for files that do not serve.
    """
    try:
        known = certified(x509.load_pem_x509_certificate(_read(certificate)).public_bytes(Encoding.DER))
    except (ValueError, x509.InvalidVersion) as error:
        raise SettingsError(f"{certificate} holds no certificate that can sign (PEM): {error}") from error
    private = _load_key(key)
    if private.public_key() != known.key:
        raise SettingsError(f"the private key {key} does not belong to {certificate}; give the pair made together")
    return Signer(certified=known, key=private)


def sign(message: Message, signer: Signer, *, now: datetime, nonce: str, style: Style = "id") -> bytes:
    """`message` as an oadrPayload with a signature of `signer`, stamped `now`.

    Every namespace of ours is declared on the root, because canonical XML takes along what is in scope. The nonce has to be
    new each time: 1 to 128 letters, digits and `+/=._:-`. Raises InvalidData for any other, and for what `encode` refuses.
    """
    if not _PLAIN_NONCE.fullmatch(nonce):
        raise InvalidData(f"the nonce {nonce[:40]!a} is not 1 to 128 letters, digits and +/=._:-")
    head, _, rest = encode(message).decode().partition("><oadr:oadrSignedObject>")
    start = f"{head}{_DECLARED}>"
    names_it = f' oadr:Id="{_MESSAGE_ID}"' if style == "id" else ""
    body = f"<oadr:oadrSignedObject{names_it}>{rest}"
    proof = partial(_proof, write_datetime(now), nonce)
    info = partial(
        _signed_info,
        signer.certified.method,
        _message_reference(message, f"{start}{body}".encode(), style),
        _reference(f"#{_PROOF_ID}", (C14N,), proof(_in_scope(start)).encode()),
    )
    value = signature_value(signer.key, info(_in_scope(start)).encode())
    return (
        f'{start}<ds:Signature Id="{_SIGNATURE_ID}">{info("")}<ds:SignatureValue>{_base64(value)}</ds:SignatureValue>'
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_base64(signer.certified.certificate)}</ds:X509Certificate>"
        f"</ds:X509Data></ds:KeyInfo>{proof('')}</ds:Signature>{body}"
    ).encode()


def _message_reference(message: Message, unsigned: bytes, style: Style) -> str:
    try:
        if len(unsigned) <= SHORT_BYTES:
            return _short_reference(unsigned, style)
        return _reference_to(unsigned, style)
    except WireError as error:
        raise InvalidData(f"{message.xml} cannot be signed: {error}") from error


@lru_cache(maxsize=4096)
def _short_reference(unsigned: bytes, style: Style) -> str:
    """The answer to an idle poll is the same each time."""
    return _reference_to(unsigned, style)


def _reference_to(unsigned: bytes, style: Style) -> str:
    root = parse(unsigned, max_bytes=len(unsigned))
    if style == "id":
        return _reference(f"#{_MESSAGE_ID}", (C14N,), canonical(root[0]))
    return _reference("", (ENVELOPED, C14N), canonical(root))


# What follows is written in canonical form. It has that form as a part of its own too, once the namespaces are in its start
# tag that are declared on the root; in the document they are not said again.


def _proof(timestamp: str, nonce: str, namespaces: str) -> str:
    return (
        f'<ds:Object{namespaces} Id="{_PROOF_ID}"><ds:SignatureProperties>'
        f'<ds:SignatureProperty Target="#{_SIGNATURE_ID}"><dsp:ReplayProtect>'
        f"<dsp:timestamp>{timestamp}</dsp:timestamp><dsp:nonce>{nonce}</dsp:nonce>"
        "</dsp:ReplayProtect></ds:SignatureProperty></ds:SignatureProperties></ds:Object>"
    )


def _signed_info(method: str, message: str, proof: str, namespaces: str) -> str:
    return (
        f'<ds:SignedInfo{namespaces}><ds:CanonicalizationMethod Algorithm="{C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>{message}{proof}</ds:SignedInfo>'
    )


def _reference(uri: str, transforms: tuple[str, ...], octets: bytes) -> str:
    applied = "".join(f'<ds:Transform Algorithm="{each}"></ds:Transform>' for each in transforms)
    return (
        f'<ds:Reference URI="{uri}"><ds:Transforms>{applied}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{_base64(hashlib.sha256(octets).digest())}</ds:DigestValue></ds:Reference>"
    )


@lru_cache(maxsize=64)
def _in_scope(start: str) -> str:
    """The declarations of a root's start tag as canonical XML orders them, by prefix. There is one `start` a payload."""
    return "".join(sorted(re.findall(r' xmlns:\w+="[^"]*"', start)))


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def _load_key(file: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(_read(file), password=None)
    except TypeError as error:
        raise SettingsError(
            f"the private key {file} is encrypted; remove its passphrase: openssl pkey -in {file} -out NEW"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{file} holds no private key (PEM)") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SettingsError(f"the private key {file} is neither RSA nor EC")
    return key


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error


_DECLARED = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in ("ds", "dsp"))
