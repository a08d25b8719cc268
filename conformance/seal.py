"""XML signatures as rule 514 has them: a detached reference to the signed object, one to ReplayProtect, the leaf's
certificate. Every part can be said otherwise, so that wrong ones can be sent."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64decode, b64encode
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from conformance import template
from conformance.clock import now
from conformance.identity import Identity
from conformance.message import NAMESPACES, Element, Message
from conformance.play import Sign

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_OADR_ID = f"{{{NAMESPACES['oadr']}}}Id"


def sealer(identity: Identity) -> Sign:
    """What signs messages as `identity`."""
    return partial(sealed, identity=identity)


def sealed(
    raw: bytes,
    *,
    identity: Identity,
    timestamp: str | None = None,
    nonce: str | None = "",
    references: tuple[str, ...] = ("#signed", "#prop"),
) -> bytes:
    """`raw` with a signature as the first child. `nonce` "": a fresh one, None: left out. `timestamp` None: now. A reference
    "" is to the whole document less its signature."""
    key = serialization.load_pem_private_key(Path(identity.key).read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"{identity.key} is neither an RSA nor an EC key")
    leaf = x509.load_pem_x509_certificates(Path(identity.cert).read_bytes())[0]
    chosen = b64encode(secrets.token_bytes(24)).decode() if nonce == "" else nonce
    text = template.fill(
        "signature",
        method=_MORE + ("ecdsa-sha256" if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa-sha256"),
        references="".join(template.fill("reference", uri=uri, enveloped=None if uri else "") for uri in references),
        certificate=b64encode(leaf.public_bytes(serialization.Encoding.DER)).decode(),
        replay_protect=template.fill("replay_protect", timestamp=timestamp or _now(), nonce=chosen),
    )
    root = etree.fromstring(raw.replace(b"<oadr:oadrSignedObject", text.encode() + b"<oadr:oadrSignedObject", 1))
    signature = _child(root, "ds:Signature")
    for reference in signature.findall("ds:SignedInfo/ds:Reference", NAMESPACES):
        _child(reference, "ds:DigestValue").text = b64encode(_digest(root, reference)).decode()
    value = _signed(key, _canonical(_child(signature, "ds:SignedInfo")))
    _child(signature, "ds:SignatureValue").text = b64encode(value).decode()
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _now() -> str:
    """To the millisecond: a subject that was started in this very second knows that this is later."""
    return now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fault(message: Message) -> str:
    """Why the signature of a subject's message does not hold; "" if it does. Both shapes are understood."""
    root = message.root
    signature = None if root is None else root.find("ds:Signature", NAMESPACES)
    if root is None or signature is None:
        return "it is not signed"
    certificate = signature.findtext(".//ds:X509Certificate", namespaces=NAMESPACES)
    if not certificate:
        return "KeyInfo carries no X509Certificate"
    if signature.find(".//dsp:ReplayProtect/dsp:nonce", NAMESPACES) is None:
        return "there is no ReplayProtect with a nonce"
    if not signature.findtext(".//dsp:ReplayProtect/dsp:timestamp", namespaces=NAMESPACES):
        return "there is no ReplayProtect with a timestamp"
    if bare := _uncovered(root, signature):
        return f"no reference covers {bare}"
    for reference in signature.findall("ds:SignedInfo/ds:Reference", NAMESPACES):
        said = reference.findtext("ds:DigestValue", namespaces=NAMESPACES) or ""
        if b64decode(said) != _digest(root, reference):
            return f"the digest of reference {reference.get('URI')!r} is another"
    leaf = x509.load_der_x509_certificate(b64decode("".join(certificate.split())))
    value = b64decode("".join((signature.findtext("ds:SignatureValue", namespaces=NAMESPACES) or "").split()))
    try:
        _verify(leaf, value, _canonical(_child(signature, "ds:SignedInfo")))
    except InvalidSignature:
        return "the signature value is not that of the SignedInfo"
    return ""


def _uncovered(root: Element, signature: Element) -> str:
    """What of the two that rule 514 wants signed no reference names; "" if both are."""
    uris = {one.get("URI") for one in signature.findall("ds:SignedInfo/ds:Reference", NAMESPACES)}
    said = _child(root, "oadr:oadrSignedObject")
    if "" not in uris and f"#{said.get(_OADR_ID)}" not in uris:
        return "oadrSignedObject"
    proof = _child(signature, ".//dsp:ReplayProtect")
    return "" if any(f"#{one.get('Id')}" in uris for one in (proof, *proof.iterancestors())) else "ReplayProtect"


def _child(element: Element, path: str) -> Element:
    found = element.find(path, NAMESPACES)
    if found is None:
        raise LookupError(f"there is no {path}")
    return found


def _digest(root: Element, reference: Element) -> bytes:
    uri = (reference.get("URI") or "").lstrip("#")
    if not uri:
        copy = etree.fromstring(etree.tostring(root))
        signature = _child(copy, "ds:Signature")
        before = signature.getprevious()
        if before is None:
            copy.text = (copy.text or "") + (signature.tail or "")
        else:
            before.tail = (before.tail or "") + (signature.tail or "")
        copy.remove(signature)
        return hashlib.sha256(_canonical(copy)).digest()
    for one in root.iter("*"):
        if uri in (one.get("Id"), one.get(_OADR_ID)):
            return hashlib.sha256(_canonical(one)).digest()
    return b""


def _canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=False, with_comments=False)


def _signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, octets: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256())))
    half = (key.key_size + 7) // 8
    return r.to_bytes(half) + s.to_bytes(half)


def _verify(leaf: x509.Certificate, value: bytes, octets: bytes) -> None:
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(value, octets, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        half = len(value) // 2
        pair = encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))
        key.verify(pair, octets, ec.ECDSA(hashes.SHA256()))
    else:
        raise InvalidSignature
