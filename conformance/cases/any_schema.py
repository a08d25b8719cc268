"""XML at a subject that is called, a VTN or a push VEN: the same message in other words, and XML that does harm."""

from __future__ import annotations

from conformance import shapes
from conformance.case import SHOULD, Failed, expect
from conformance.endpoint import Endpoint, at_servers, borne, good, refused
from conformance.message import Message
from conformance.shapes import Shape

for _name, _what, _shape in shapes.SAME:

    @at_servers(
        f"schema.same-{_name}",
        rules=("33", "46"),
        says="How a message is written down is free as long as XML says it is the same message.",
        sends=f"a good message with {_what}",
        expects="a good answer",
    )
    async def same(endpoint: Endpoint, shape: Shape = _shape) -> None:
        good(await endpoint.caller.try_(shape(endpoint.write()), endpoint.service, signed=False))


@at_servers(
    "schema.byte-order-mark",
    rules=("33",),
    says="A byte order mark before the message is no part of it.",
    sends="a good message behind a byte order mark",
    expects="a good answer",
    level=SHOULD,
)
async def byte_order_mark(endpoint: Endpoint) -> None:
    good(await endpoint.caller.try_(shapes.marked(endpoint.write()), endpoint.service, signed=False))


@at_servers(
    "schema.version-of-answers",
    rules=("509",),
    says="Whatever a message says of its version, each answer says 2.0b.",
    sends="a good message, and the same without schemaVersion",
    expects="a good answer with schemaVersion 2.0b if it has a payload; then that, or a refusal",
)
async def version_of_answers(endpoint: Endpoint) -> None:
    exchange = await endpoint.caller.try_(endpoint.write(), endpoint.service)
    good(exchange)
    _says_version(exchange.answer)
    bad = await endpoint.caller.try_(shapes.unversioned(endpoint.write()), endpoint.service, signed=False)
    borne(bad)
    _says_version(bad.answer)


def _says_version(message: Message | None) -> None:
    if message is None or message.payload is None:
        return
    said = message.payload.get("{http://docs.oasis-open.org/ns/energyinterop/201110}schemaVersion")
    expect(said == "2.0b", 'ei:schemaVersion="2.0b"', str(said), message, ".")


@at_servers(
    "schema.version-unprefixed",
    rules=("509", "33"),
    says="schemaVersion has the namespace of Energy Interoperation; without it the message is invalid.",
    sends="a message with schemaVersion unprefixed",
    expects="a refusal; then a good answer to a right message",
    negative=True,
    level=SHOULD,
)
async def version_unprefixed(endpoint: Endpoint) -> None:
    refused(await endpoint.caller.try_(shapes.unprefixed_version(endpoint.write()), endpoint.service, signed=False))


@at_servers(
    "schema.location-heard",
    rules=("45",),
    says="schemaLocation, which nobody should send, leads nobody astray, and is in no answer.",
    sends="a message with xsi:schemaLocation",
    expects="a good answer or a refusal, without schemaLocation",
)
async def location_heard(endpoint: Endpoint) -> None:
    exchange = await endpoint.caller.try_(shapes.located(endpoint.write()), endpoint.service, signed=False)
    borne(exchange)
    if exchange.answer is None:
        raise Failed("an answer", exchange.fault, exchange.request)
    expect(b"schemaLocation" not in exchange.answer.raw, "no schemaLocation", "there is one", exchange.answer)


@at_servers(
    "schema.doctype",
    rules=("33",),
    says="A message with a document type is refused: no schema of OpenADR has one.",
    sends="a good message behind a DOCTYPE that declares nothing",
    expects="a refusal; then a good answer to a right message",
    level=SHOULD,
    negative=True,
)
async def doctype(endpoint: Endpoint) -> None:
    refused(await endpoint.caller.try_(shapes.doctype(endpoint.write()), endpoint.service, signed=False))


@at_servers(
    "schema.deep",
    rules=("33",),
    says="XML that is nested without end does no harm.",
    sends="a message whose payload is 50,000 elements deep",
    expects="a refusal; then a good answer to a right message",
    negative=True,
)
async def deep(endpoint: Endpoint) -> None:
    deep_down = b"<oadr:a>" * 50_000 + b"</oadr:a>" * 50_000
    raw = endpoint.write().replace(b"</oadr:oadrSignedObject>", deep_down + b"</oadr:oadrSignedObject>", 1)
    refused(await endpoint.caller.try_(raw, endpoint.service, signed=False))


@at_servers(
    "schema.many-attributes",
    rules=("33",),
    says="An element with attributes without end does no harm.",
    sends="a message whose root has 20,000 attributes",
    expects="a refusal; then a good answer to a right message",
    negative=True,
)
async def many_attributes(endpoint: Endpoint) -> None:
    more = "".join(f' a{number}="x"' for number in range(20_000)).encode()
    raw = endpoint.write().replace(b"<oadr:oadrPayload", b"<oadr:oadrPayload" + more, 1)
    refused(await endpoint.caller.try_(raw, endpoint.service, signed=False))
