"""Signed messages that say the same again: verified without XML, because all of them but four texts is known already.

A VEN polls with the same bytes each time, but for the stamp and the nonce, the digest of these, and the signature value.
Of a message that was verified whole, `cut` keeps everything round these four texts, as it came and in its canonical forms.
What has the same bytes round other texts, and in these nothing that XML gives a meaning to, has the same tree with other
texts in it: so the rest of it is as schema-valid, and as covered, as it was, and its canonical forms are those that are
kept, with its own texts. Its digest and its signature are then made sure of as ever.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from datetime import datetime

import msgspec

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.times import read_datetime
from openadr_ra.wire.keys import Certified, certified, is_signed_by
from openadr_ra.wire.signature import Outline, Signed, outline

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
_NONCE = re.compile(rb"[A-Za-z0-9+/=._:-]+")

_DECLARATION = re.compile(rb"\s*<\?xml [^?<&]*\?>")

_WITH_A_MEANING = (b"&", b"<!", b"<?", b"\0")
"""References, comments, CDATA sections and instructions: with these a text may be another than what stands in the bytes.

Zeros are in whatever is UTF-16; all else that the parser takes writes ASCII as ASCII.
"""

MAX_KEPT_BYTES = 24 * 1024
"""Of a stencil. Polls with one certificate take about 5 kB; a peer could make one of several megabytes."""


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """What the signature says of a message that its stencil has verified."""

    fingerprint: str
    timestamp: datetime
    nonce: str


class Stencil(msgspec.Struct, frozen=True, kw_only=True):
    """A message with `holes`: its digest, signature value, stamp and nonce, in this order. `fixed` stands round them.

    `info` is the canonical SignedInfo round the digest, `proof` what that is the digest of, round stamp and nonce.
    """

    message: Message
    signer: Certified
    length: int
    fixed: tuple[tuple[slice, bytes], ...]
    holes: tuple[slice, ...]
    info: tuple[bytes, bytes]
    proof: tuple[bytes, bytes, bytes]

    def read(self, body: bytes) -> Again | None:
        """What `body` says of itself, if it is this message and its signer signed it; None: it is to be looked at whole."""
        if len(body) != self.length or any(body[place] != piece for place, piece in self.fixed):
            return None
        digest, value, stamp, nonce = (body[hole] for hole in self.holes)
        digested, signed, timestamp = _octets(digest), _octets(value), _time(stamp)
        if digested is None or signed is None or timestamp is None or not _NONCE.fullmatch(nonce):
            return None
        proof, info = self.proof, self.info
        if hashlib.sha256(b"".join((proof[0], stamp, proof[1], nonce, proof[2]))).digest() != digested:
            return None
        if not is_signed_by(self.signer.key, b"".join((info[0], digest, info[1])), signed):
            return None
        return Again(fingerprint=self.signer.fingerprint, timestamp=timestamp, nonce=nonce.decode("ascii"))


def cut(body: bytes, signed: Signed, message: Message) -> Stencil | None:
    """The stencil of `body`, which was verified as `signed` and holds `message`.

    None if its four texts cannot be told, if it is too large to be kept, and if `signed` had to be made anew.
    """
    said = outline(signed) if len(body) <= MAX_KEPT_BYTES else None
    if said is None or len(body) + len(said.info) + len(said.proof) > MAX_KEPT_BYTES:
        return None
    declared = _DECLARATION.match(body)
    if any(each in body[declared.end() if declared else 0 :] for each in _WITH_A_MEANING) or not _is_plain(said):
        return None
    holes = [_only(body, text) for text in (said.digest, said.value, said.timestamp, said.nonce)]
    digest = _only(said.info, said.digest)
    stamp, nonce = _only(said.proof, said.timestamp), _only(said.proof, said.nonce)
    if digest is None or stamp is None or nonce is None:
        return None
    found = tuple(hole for hole in holes if hole is not None)
    if len(found) < len(holes) or list(found) != sorted(found, key=lambda hole: hole.start):
        return None
    return Stencil(
        message=message,
        signer=certified(signed.certificate),
        length=len(body),
        fixed=tuple((place, body[place]) for place in _between(found, len(body))),
        holes=found,
        info=(said.info[: digest.start], said.info[digest.stop :]),
        proof=(said.proof[: stamp.start], said.proof[stamp.stop : nonce.start], said.proof[nonce.stop :]),
    )


def _is_plain(said: Outline) -> bool:
    """Whether the four texts are as `read` takes them.

    They are the same in the bytes, then, in whatever encoding. A line's end or an umlaut is not: its bytes in UTF-8 could
    be those of another place.
    """
    digest, value, stamp, nonce = (text.encode() for text in (said.digest, said.value, said.timestamp, said.nonce))
    read = (_octets(digest), _octets(value), _time(stamp), _NONCE.fullmatch(nonce))
    return all(each is not None for each in read)


def _octets(text: bytes) -> bytes | None:
    """What `text` is the base64 of, in the one spelling that XML Schema takes: without blanks, the spare bits zero."""
    try:
        octets = b64decode(text, validate=True)
    except ValueError:
        return None
    return octets if b64encode(octets) == text else None


def _time(stamp: bytes) -> datetime | None:
    if not _STAMP.fullmatch(stamp):
        return None
    try:
        return read_datetime(stamp.decode("ascii"))
    except InvalidData:
        return None


def _only(octets: bytes, text: str) -> slice | None:
    """Where an element is that holds `text` and nothing else; None if there is more than one, or none."""
    sought = f">{text}<".encode()
    if octets.count(sought) != 1:
        return None
    start = octets.index(sought) + 1
    return slice(start, start + len(sought) - 2)


def _between(holes: tuple[slice, ...], length: int) -> tuple[slice, ...]:
    edges = (0, *(edge for hole in holes for edge in (hole.start, hole.stop)), length)
    return tuple(slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True))
