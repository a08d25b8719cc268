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


class Nonce(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a signed message unique, to be remembered until the message is too old in any case."""

    key: str
    until: datetime


def verify(root: Element, *, lenient: bool = False) -> Signed:
    """What is signed in `root`, an oadrPayload with its signature.

    `lenient` also takes the signature behind oadrSignedObject and the id of that as an unprefixed attribute, neither of which
    the schema allows; so in that case `root` need not be schema-valid, and whether the element is remains to be seen.

    Raises WireError, HTTP status 400 and code 459, for everything else: nobody is known to have said anything, so there is no
    one to answer to. Its text is for our own log.
    """
    try:
        return _verified(root, lenient)
    except etree.LxmlError as error:
        raise _refused(f"it has no canonical form: {one_line(str(error))}") from error


def fresh(signed: Signed, now: datetime, *, past: timedelta, future: timedelta) -> Nonce:
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


def _verified(root: Element, lenient: bool) -> Signed:
    signature, message = _parts(root, lenient)
    info, value, key_info, proof = _children(signature, _OF_SIGNATURE)
    (properties,) = _children(proof, (_PROPERTIES,))
    (holder,) = _children(properties, (_PROPERTY,))
    (replay,) = _children(holder, (_REPLAY_PROTECT,))
    _refuse_inherited_attributes((root, signature, proof, properties, holder))
    _refuse_costly(root)
    signer = _signer(key_info)
    references = _signed_references(info, value, signer)
    of_proof, of_message = _sorted_out(references, _uris((proof, properties, holder), "Id"))
    _check_in_place(of_proof, root)
    if of_message.uri:
        _check_in_place(_named(of_message, _uris((message,), ID) | (_uris((message,), "Id") if lenient else {})), root)
    else:
        _check(of_message, _ENVELOPED, lambda: canonical_without(root, signature))
    timestamp, nonce = _replay_protect(replay)
    return Signed(
        element=message,
        certificate=signer.certificate,
        fingerprint=signer.fingerprint,
        timestamp=timestamp,
        nonce=nonce,
    )
