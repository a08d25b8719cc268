"""XML signatures of messages (rule 514), verified: one strict profile, and nothing that OpenADR never sends.

    oadrPayload
      ds:Signature
        SignedInfo      two references: oadrSignedObject (`#id`), or the document less the signature (`URI=""`);
                        and ReplayProtect (`#id` of an element round it)
        SignatureValue
        KeyInfo         X509Data/X509Certificate of the sender
        Object          SignatureProperties/SignatureProperty/ReplayProtect: timestamp, nonce
      oadrSignedObject

Every element is taken from its fixed place, and what a reference names is compared with the id of the element that stands
there; nothing is looked up. So there is no other element that could be verified in the place of the one that is returned.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import ComplianceError, InvalidData, WireError
from openadr_ra.protocol.times import read_datetime, shift
from openadr_ra.wire.canonical import C14N, ENVELOPED, ID, SHA256, SIGNATURE, canonical, canonical_without
from openadr_ra.wire.codec import Verified
from openadr_ra.wire.keys import Certified, certified, is_signed_by
from openadr_ra.wire.names import clark, short
from openadr_ra.wire.parse import one_line
from openadr_ra.wire.schema import PAYLOAD, SIGNED_OBJECT

MAX_NONCE_CHARACTERS = 256
"""A nonce is stored. Peers send 32 to 40 characters."""

MAX_CERTIFICATE_CHARACTERS = 8192
"""Of base64. With an RSA key of 4096 bits it takes about 2,500."""

MAX_ATTRIBUTES = 64
"""Of one element; OpenADR's have two. Canonicalisation sorts them one by one: 50,000 take ten seconds."""

MAX_CANONICAL_STEPS = 100_000_000
"""Elements times the square of the namespace declarations in scope. Canonicalisation looks through all of them for each of
them at each element: this many steps take half a second. A body of the largest size with 18 namespaces has 40 million."""


class Signed(Verified, frozen=True, kw_only=True):
    """The oadrSignedObject that a signature covers, and what the signature says of it. Made by `verify` and by nothing else.

    `certificate` is the signer's (DER), whoever that is: the caller compares it with the TLS peer's and with those that the
    party has registered. `timestamp` and `nonce` are signed too; `fresh` judges them.
    """

    certificate: bytes
    fingerprint: str
    timestamp: datetime
    nonce: str


class Stamped(Protocol):
    """What a signature says of a message, however that was verified."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def timestamp(self) -> datetime: ...

    @property
    def nonce(self) -> str: ...


class Outline(NamedTuple):
    """The texts of a signed message that differ each time, and the canonical forms that they stand in.

    `info` is SignedInfo, with `digest`, that of `proof`, in it; `proof` is what holds `timestamp` and `nonce`.
    """

    info: bytes
    proof: bytes
    digest: str
    value: str
    timestamp: str
    nonce: str


class Nonce(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a signed message unique, to be remembered until the message is too old in any case."""

    key: str
    until: datetime


def verify(root: Element, *, lenient: bool = False) -> Signed:
    """What is signed in `root`, an oadrPayload with its signature.

    `lenient` also takes the signature behind oadrSignedObject, and the id of that as an unprefixed attribute. The schema
    allows neither: in that case `root` need not be schema-valid, and whether the element is remains to be seen.

    Raises WireError, HTTP status 400 and code 459, for everything else: nobody is known to have said anything, so there
    is no one to answer to. Its text is for our own log.
    """
    try:
        return _verified(root, lenient)
    except etree.LxmlError as error:
        raise _refused(f"it has no canonical form: {one_line(str(error))}") from error


def outline(signed: Signed) -> Outline | None:
    """What differs in this message each time it is sent; None if its signature does not stand before it as the schema has
    it, or does no more because the message was repaired."""
    root = signed.element.getroottree().getroot()
    if root[0].tag != SIGNATURE:
        return None
    parts = _parts(root, lenient=False)
    timestamp, nonce = _children(parts.replay_protect, _OF_REPLAY_PROTECT)
    proofs = _by_uri(parts.holders, ("Id",))
    reference = next(each for each in parts.info.iterchildren(clark("ds:Reference")) if each.get("URI") in proofs)
    return Outline(
        info=canonical(parts.info),
        proof=canonical(proofs[reference.get("URI", "")]),
        digest=reference[-1].text or "",
        value=parts.value.text or "",
        timestamp=timestamp.text or "",
        nonce=nonce.text or "",
    )


def fresh(signed: Stamped, now: datetime, *, past: timedelta, future: timedelta) -> Nonce:
    """What to `Store.remember` of a message stamped between `now - past` and `now + future`; known already, it is a replay.

    Raises ComplianceError (459) for one stamped earlier or later. The sender is known by then and is told.
    """
    age = now - signed.timestamp
    if age > past:
        raise ComplianceError(
            f"the message was signed {age.total_seconds():.0f} s ago, longer than {past.total_seconds():.0f} s;"
            " check that the clock is right"
        )
    if -age > future:
        raise ComplianceError(
            f"the message was signed {-age.total_seconds():.0f} s in the future, further than"
            f" {future.total_seconds():.0f} s; check that the clock is right"
        )
    key = f"{signed.fingerprint} {signed.timestamp.isoformat()} {signed.nonce}"
    return Nonce(key=key, until=shift(signed.timestamp, past))


class _Parts(NamedTuple):
    """The elements of a signed oadrPayload, each taken from its place."""

    root: Element
    signature: Element
    info: Element
    value: Element
    key_info: Element
    holders: tuple[Element, ...]
    """Round ReplayProtect, outermost first."""
    replay_protect: Element
    message: Element


class _Reference(NamedTuple):
    """What a Reference says: what was digested, how, and to what."""

    uri: str
    transforms: tuple[str, ...]
    digest: bytes


def _verified(root: Element, lenient: bool) -> Signed:
    parts = _parts(root, lenient)
    _refuse_inherited(parts)
    _refuse_costly(root)
    signer = _signer(parts.key_info)
    references = _signed_references(parts, signer)
    _check_coverage(references, parts, (ID, "Id") if lenient else (ID,))
    timestamp, nonce = _read_replay_protect(parts.replay_protect)
    return Signed(
        element=parts.message,
        certificate=signer.certificate,
        fingerprint=signer.fingerprint,
        timestamp=timestamp,
        nonce=nonce,
    )


def _parts(root: Element, lenient: bool) -> _Parts:
    if root.tag != PAYLOAD:
        raise _refused(f"the root is {one_line(short(str(root.tag)))}")
    if lenient and len(root) and root[0].tag == SIGNED_OBJECT:
        message, signature = _children(root, (SIGNED_OBJECT, SIGNATURE))
    else:
        signature, message = _children(root, (SIGNATURE, SIGNED_OBJECT))
    info, value, key_info, outer = _children(signature, _OF_SIGNATURE)
    (middle,) = _children(outer, (_PROPERTIES,))
    (inner,) = _children(middle, (_PROPERTY,))
    (replay_protect,) = _children(inner, (_REPLAY_PROTECT,))
    return _Parts(root, signature, info, value, key_info, (outer, middle, inner), replay_protect, message)


def _refuse_inherited(parts: _Parts) -> None:
    """Canonical XML hands `xml:` attributes down to a part that is taken by itself; `canonical` does not."""
    for element in (parts.root, parts.signature, *parts.holders):
        if any(str(name).startswith(_XML) for name in element.keys()):  # noqa: SIM118 - an Element is no mapping
            raise _refused(f"{short(str(element.tag))} has an xml: attribute")


def _refuse_costly(root: Element) -> None:
    """Refuse what canonicalisation would take long over, before it begins."""
    in_scope, most = 0, 1
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        in_scope += 1 if event == "start-ns" else -1
        most = max(most, in_scope)
        if most**2 > MAX_CANONICAL_STEPS:
            # The walk itself takes the square of the declarations at one element.
            break
    if _HAS_MORE_ELEMENTS(root, than=MAX_CANONICAL_STEPS // most**2):
        raise _refused(f"the document has too many elements for {most} namespace declarations")
    if _HAS_MANY_ATTRIBUTES(root):
        raise _refused(f"an element has more than {MAX_ATTRIBUTES} attributes")


def _signer(key_info: Element) -> Certified:
    """The first certificate is the sender's; others may be its chain, and no other key is looked at."""
    found = key_info.find(_CERTIFICATE)
    if found is None:
        raise _refused("it has no X509Certificate")
    if len(found.text or "") > MAX_CERTIFICATE_CHARACTERS:
        raise _refused(f"its certificate has more than {MAX_CERTIFICATE_CHARACTERS} characters")
    try:
        return certified(_base64(found))
    except ValueError as error:
        raise _refused(f"its certificate cannot be used: {one_line(str(error))}") from error


def _signed_references(parts: _Parts, signer: Certified) -> tuple[_Reference, ...]:
    """The two references, once it is certain that the signer wrote them."""
    canonicalization, method, *references = _children(parts.info, _OF_INFO)
    if _algorithm(canonicalization) != C14N:
        raise _refused(f"its canonicalisation is {one_line(_algorithm(canonicalization))}")
    if _algorithm(method) != signer.method:
        raise _refused(f"its method is {one_line(_algorithm(method))}; the key takes {signer.method}")
    if not is_signed_by(signer.key, canonical(parts.info), _base64(parts.value)):
        raise _refused("its value is not that of SignedInfo under the certificate's key")
    return tuple(_reference(reference) for reference in references)


def _reference(element: Element) -> _Reference:
    uri = element.get("URI")
    if uri is None:
        raise _refused("a reference has no URI")
    if len(element) == len(_OF_REFERENCE):
        transforms, method, digest = _children(element, _OF_REFERENCE)
        applied = tuple(_algorithm(each) for each in _children(transforms, (_TRANSFORM,) * len(transforms)))
    else:
        method, digest = _children(element, _OF_REFERENCE[1:])
        applied = ()
    if _algorithm(method) != SHA256:
        raise _refused(f"a digest is {one_line(_algorithm(method))}")
    return _Reference(uri, applied, _base64(digest))


def _check_coverage(references: tuple[_Reference, ...], parts: _Parts, id_names: tuple[str, ...]) -> None:
    """Return if one reference covers ReplayProtect and the other the message."""
    proofs = _by_uri(parts.holders, ("Id",))
    of_proof, of_message = sorted(references, key=lambda reference: reference.uri not in proofs)
    _check_named(of_proof, proofs, parts.root)
    if of_message.uri:
        _check_named(of_message, _by_uri((parts.message,), id_names), parts.root)
    else:
        # Last of all, because it takes the signature out of the tree for a moment.
        _check(of_message, _DOCUMENT, canonical_without(parts.root, parts.signature))


def _by_uri(elements: tuple[Element, ...], id_names: tuple[str, ...]) -> dict[str, Element]:
    return {f"#{value}": element for element in elements for name in id_names if (value := element.get(name))}


def _check_named(reference: _Reference, elements: dict[str, Element], root: Element) -> None:
    named = elements.get(reference.uri)
    if named is None:
        raise _refused(f"a reference names {one_line(reference.uri)}, which is not where it belongs")
    # Whatever another verifier takes for an id, it finds no other element.
    if _ATTRIBUTES_OF_VALUE(root, value=reference.uri[1:]) != 1:
        raise _refused(f"the id {one_line(reference.uri)} stands at more than one element")
    _check(reference, _PART, canonical(named))


def _check(reference: _Reference, transforms: frozenset[tuple[str, ...]], octets: bytes) -> None:
    if reference.transforms not in transforms:
        raise _refused(f"a reference has the transforms {one_line(' '.join(reference.transforms))}")
    if hashlib.sha256(octets).digest() != reference.digest:
        raise _refused(f"the digest of {one_line(reference.uri) or 'the document'} is another")


def _read_replay_protect(element: Element) -> tuple[datetime, str]:
    timestamp, nonce = _children(element, _OF_REPLAY_PROTECT)
    if len(timestamp) or len(nonce):
        raise _refused("ReplayProtect has elements inside its values")
    text = nonce.text or ""
    if not text.strip() or len(text) > MAX_NONCE_CHARACTERS:
        raise _refused(f"a nonce takes 1 to {MAX_NONCE_CHARACTERS} characters")
    try:
        return read_datetime(timestamp.text or ""), text
    except InvalidData as error:
        raise _refused(f"the timestamp: {error}") from error


def _children(element: Element, tags: tuple[str, ...]) -> tuple[Element, ...]:
    """All children of `element`, which are `tags` in this order."""
    children = tuple(element)
    if tuple(child.tag for child in children) != tags:
        found = " ".join(short(str(child.tag)) for child in children[: len(tags) + 1])
        raise _refused(f"{short(str(element.tag))} holds {one_line(found) or 'nothing'}")
    return children


def _algorithm(element: Element) -> str:
    """The algorithm that `element` names; none of ours has parameters."""
    if len(element):
        raise _refused(f"{short(str(element.tag))} has parameters")
    return element.get("Algorithm", "")


def _base64(element: Element) -> bytes:
    try:
        return b64decode((element.text or "").encode("ascii").translate(None, b" \t\r\n"), validate=True)
    except ValueError as error:
        raise _refused(f"{short(str(element.tag))} is not base64") from error


def _refused(reason: str) -> WireError:
    return WireError(f"the signature is refused: {reason}", code=ComplianceError.code)


_PROPERTIES = clark("ds:SignatureProperties")
_PROPERTY = clark("ds:SignatureProperty")
_REPLAY_PROTECT = clark("dsp:ReplayProtect")
_TRANSFORM = clark("ds:Transform")
_CERTIFICATE = f"{clark('ds:X509Data')}/{clark('ds:X509Certificate')}"

_OF_SIGNATURE = tuple(map(clark, ("ds:SignedInfo", "ds:SignatureValue", "ds:KeyInfo", "ds:Object")))
_OF_INFO = tuple(map(clark, ("ds:CanonicalizationMethod", "ds:SignatureMethod", "ds:Reference", "ds:Reference")))
_OF_REFERENCE = tuple(map(clark, ("ds:Transforms", "ds:DigestMethod", "ds:DigestValue")))
_OF_REPLAY_PROTECT = tuple(map(clark, ("dsp:timestamp", "dsp:nonce")))

_PART = frozenset({(), (C14N,)})
_DOCUMENT = frozenset({(ENVELOPED,), (ENVELOPED, C14N)})

_XML = "{http://www.w3.org/XML/1998/namespace}"

_HAS_MORE_ELEMENTS = etree.XPath("count(//*) > $than")
_HAS_MANY_ATTRIBUTES = etree.XPath(f"boolean(//@*[{MAX_ATTRIBUTES + 1}])")
_ATTRIBUTES_OF_VALUE = etree.XPath("count(//@*[. = $value])")
