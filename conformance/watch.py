"""What is held against every message of the subject, whatever the case: schema, general rules, headers, correlation.

A watch is a case of its own in the report: it passes when no message of the whole run broke it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from conformance import schema
from conformance.case import MUST, Level, Role
from conformance.message import Message
from conformance.record import Exchange, Record


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A message that breaks a watch, and where. `line` counts in the indented text."""

    expected: str
    actual: str
    message_text: str
    line: int | None
    case: str
    exchange: int


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """What a watch found in one exchange."""

    expected: str
    actual: str
    message: Message
    line: int | None = None


Look = Callable[[Exchange], Iterator[Breach]]


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement on every exchange. `roles`: whose messages it is held against."""

    id: str
    look: Look
    rules: tuple[str, ...]
    says: str
    roles: tuple[Role, ...] = ("vtn", "ven")
    level: Level = MUST


WATCHES: list[Watch] = []


def watch(
    id: str, *, rules: tuple[str, ...], says: str, roles: tuple[Role, ...] = ("vtn", "ven"), level: Level = MUST
) -> Callable[[Look], Look]:
    """Declare a watch; its full id is `<role>.<id>`."""

    def declare(look: Look) -> Look:
        WATCHES.append(Watch(id=id, look=look, rules=rules, says=says, roles=roles, level=level))
        return look

    return declare


def findings(one: Watch, record: Record, case: str) -> Iterator[Finding]:
    """All that the watch finds in a case's exchanges."""
    for exchange in record.exchanges:
        for breach in one.look(exchange):
            yield Finding(
                expected=breach.expected,
                actual=breach.actual,
                message_text=breach.message.pretty,
                line=breach.line,
                case=case,
                exchange=exchange.number,
            )


def _theirs(exchange: Exchange) -> Iterator[Message]:
    """What the subject sent in that exchange and is a payload."""
    for message in exchange.messages:
        if message.sender == "subject" and message.kind:
            yield message


@watch("schema.valid", rules=("33",), says="Every message is valid under the 2.0b schemas.")
def _schema_valid(exchange: Exchange) -> Iterator[Breach]:
    for message in exchange.messages:
        answers_fault = message is exchange.answer and exchange.status != 200
        if message.sender == "subject" and message.raw and not answers_fault:
            for fault, line in schema.faults(message)[:1]:
                yield Breach(expected="a schema-valid message", actual=fault, message=message, line=line)


@watch("schema.version", rules=("509",), says='Every payload carries ei:schemaVersion="2.0b".')
def _schema_version(exchange: Exchange) -> Iterator[Breach]:
    name = "{http://docs.oasis-open.org/ns/energyinterop/201110}schemaVersion"
    for message in _theirs(exchange):
        if message.payload is not None and message.payload.get(name) != "2.0b":
            yield Breach(
                expected='ei:schemaVersion="2.0b"',
                actual=str(message.payload.get(name)),
                message=message,
                line=message.line_of("."),
            )


_UTC = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
_TIMES = ".//xcal:date-time | .//ei:createdDateTime | .//ei:modificationDateTime"


@watch("schema.utc", rules=("1",), says="All date-times are in UTC, with Z.")
def _utc(exchange: Exchange) -> Iterator[Breach]:
    for message in _theirs(exchange):
        for text in message.texts(_TIMES):
            if not _UTC.match(text):
                yield Breach(expected="a date-time that ends with Z", actual=text, message=message)


@watch("schema.location", rules=("45",), says="No message carries xsi:schemaLocation.")
def _location(exchange: Exchange) -> Iterator[Breach]:
    for message in _theirs(exchange):
        if b"schemaLocation" in message.raw:
            yield Breach(expected="no schemaLocation", actual="there is one", message=message, line=1)


@watch(
    "transport.headers",
    rules=("53", "X-HDR-1"),
    says="A message carries Content-Length and Content-Type application/xml.",
)
def _headers(exchange: Exchange) -> Iterator[Breach]:
    for message in exchange.messages:
        if message.sender != "subject" or not message.kind:
            continue
        if message.header("Content-Length") is None:
            yield Breach(expected="Content-Length", actual="no such header", message=message)
        kind = message.header("Content-Type") or "none"
        media, _, rest = kind.partition(";")
        if media.strip() != "application/xml" or rest.strip().lower() not in ("", "charset=utf-8", 'charset="utf-8"'):
            yield Breach(expected="Content-Type application/xml, charset utf-8 if any", actual=kind, message=message)


@watch("transport.host", rules=("53",), says="A request carries the Host header.")
def _host(exchange: Exchange) -> Iterator[Breach]:
    if exchange.sender == "subject" and exchange.request.kind and exchange.request.header("Host") is None:
        yield Breach(expected="Host", actual="no such header", message=exchange.request)


_ECHOED = {
    "oadrQueryRegistration": "oadrCreatedPartyRegistration",
    "oadrCreatePartyRegistration": "oadrCreatedPartyRegistration",
    "oadrCancelPartyRegistration": "oadrCanceledPartyRegistration",
    "oadrRegisterReport": "oadrRegisteredReport",
    "oadrCreateReport": "oadrCreatedReport",
    "oadrUpdateReport": "oadrUpdatedReport",
    "oadrCancelReport": "oadrCanceledReport",
    "oadrCreateOpt": "oadrCreatedOpt",
    "oadrCancelOpt": "oadrCanceledOpt",
}


@watch("schema.correlation", rules=(), says="An answer's requestID is that of its request.")
def _correlated(exchange: Exchange) -> Iterator[Breach]:
    request, answer = exchange.request, exchange.answer
    if answer is None or answer.sender != "subject" or _ECHOED.get(request.kind) != answer.kind:
        return
    wanted, actual = request.text("./pyld:requestID") or "", answer.text("./ei:eiResponse/pyld:requestID") or ""
    if wanted != actual:
        path = "./ei:eiResponse/pyld:requestID"
        yield Breach(expected=f"requestID {wanted}", actual=actual or "none", message=answer, line=answer.line_of(path))


_WITH_VEN_ID = {
    "oadrPoll",
    "oadrCreatedReport",
    "oadrCanceledReport",
    "oadrUpdateReport",
    "oadrUpdatedReport",
    "oadrCancelReport",
    "oadrCancelPartyRegistration",
    "oadrCanceledPartyRegistration",
    "oadrCreateOpt",
    "oadrCancelOpt",
}


@watch("schema.ven-id", rules=("21",), says="A payload of a registered VEN carries its venID.", roles=("ven",))
def _ven_id(exchange: Exchange) -> Iterator[Breach]:
    for message in _theirs(exchange):
        if message.kind in _WITH_VEN_ID and not message.text("./ei:venID"):
            yield Breach(expected="venID", actual="there is none", message=message, line=message.line_of("."))
