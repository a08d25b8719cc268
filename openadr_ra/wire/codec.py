"""Messages to bytes and back.

in:  bytes → `parse` → `schema.validate` → verified → `read` → Message
out: Message → `encode` → bytes, serialised once; nothing touches them after
"""

from __future__ import annotations

from copy import deepcopy

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import InvalidData, WireError
from openadr_ra.protocol.messages import PAYLOADS, Message
from openadr_ra.wire import schema
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import one_line, parse
from openadr_ra.wire.reader import END, Readers, stream
from openadr_ra.wire.values import unexpected
from openadr_ra.wire.writer import Writers


class Verified(msgspec.Struct, frozen=True):
    """An oadrSignedObject that may be decoded: schema-valid, and as authentic as its class says."""

    element: Element


class Plain(Verified, frozen=True):
    """Not signed; to be made only where the registration permits that."""


_READERS = Readers(PAYLOADS)
_WRITERS = Writers()


class Unusable(InvalidData):
    """A value that cannot be used. `said` is the message without what it lists, so that it can be answered by its natural
    reply; None where not even that can be read.
    """

    def __init__(self, why: str, said: Message | None) -> None:
        super().__init__(why)
        self.said = said


def read(verified: Verified) -> Message:
    """The payload inside. Raises Unusable for what the schema allows and no message of ours can hold."""
    payload = verified.element[0]
    try:
        return _read(payload)
    except InvalidData as error:
        raise Unusable(str(error), _bare(payload)) from error


_LISTS = frozenset(map(clark, ("oadr:oadrReport", "oadr:oadrReportRequest", "oadr:oadrEvent", "xcal:vavailability")))
"""What holds numbers and durations."""


def _bare(payload: Element) -> Message | None:
    bare = etree.Element(payload.tag)
    for name, value in payload.items():
        bare.set(name, value)
    bare.extend(deepcopy(child) for child in payload if child.tag not in _LISTS)
    try:
        return _read(bare)
    except InvalidData:
        return None


def _read(payload: Element) -> Message:
    try:
        message, rest = _READERS[payload.tag](payload, stream(payload))
    except ValueError as error:
        # The schema's validator lets a float end in a bare "e", and an integer have ten thousand zeros.
        raise InvalidData(f"a number cannot be read: {one_line(str(error))}") from error
    if rest is not END:
        raise unexpected(rest)
    return message


def decode(body: bytes) -> Message:
    """The message of an unsigned `body`; a signature in it is not looked at.

    Raises WireError for what is no schema-valid oadrPayload, Unusable for values that cannot be used.
    """
    root = parse(body)
    schema.validate(root)
    return read(Plain(schema.signed_object(root)))


def encode(message: Message) -> bytes:
    """`message` as an unsigned oadrPayload.

    Raises InvalidData for what XML cannot say: NaN, INF, control characters, broken opaque elements. Whether the schema
    accepts it (a value outside an enumeration, an empty list that needs a member) is not looked at; see `encode_checked`.
    """
    return _WRITERS[type(message)](message).encode()


def encode_checked(message: Message) -> bytes:
    """As `encode`; raises InvalidData also for what the schema does not accept."""
    body = encode(message)
    try:
        schema.validate(parse(body))
    except WireError as error:
        raise InvalidData(f"{message.xml} would be refused: {error}") from error
    return body
