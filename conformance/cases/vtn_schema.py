"""What a VTN does with XML that is invalid, or that means harm."""

from __future__ import annotations

import tempfile
from pathlib import Path

from conformance import shapes
from conformance.case import SHOULD, case, expect, expect_code, expect_kind
from conformance.endpoint import borne, good, of_vtn, refused
from conformance.listen import Arrived, Reply, listening
from conformance.message import SERVICES
from conformance.play import fresh
from conformance.shapes import Shape
from conformance.tested import Vtn

for _name, _what, _shape in shapes.WRONG:

    @case(
        f"vtn.schema.wrong-{_name}",
        rules=("33",),
        says="What is no message of the profile is refused, and nothing comes of it.",
        sends=_what,
        expects="HTTP 4xx, or responseCode 4xx; then a good answer to a right message",
        negative=True,
    )
    async def wrong(vtn: Vtn, shape: Shape = _shape) -> None:
        endpoint = await of_vtn(vtn)
        refused(await endpoint.caller.try_(shape(endpoint.write()), endpoint.service, signed=False))
        await endpoint.alive()


@case(
    "vtn.schema.entity-of-a-file",
    rules=("33",),
    says="No entity of a message brings out a file.",
    sends="oadrQueryRegistration whose requestID is an external entity, a file on this machine",
    expects="an answer without what is in the file",
    negative=True,
)
async def entity_of_a_file(vtn: Vtn) -> None:
    ven = await vtn.ven()
    name, secret = fresh("request"), "words-that-nobody-may-read"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secret.txt"
        path.write_text(secret)
        raw = shapes.entity(ven.write("oadrQueryRegistration", request_id=name), name, f'SYSTEM "{path.as_uri()}"')
        exchange = await ven.try_(raw, "EiRegisterParty", signed=False)
    borne(exchange)
    said = exchange.answer.raw if exchange.answer is not None else b""
    expect(secret.encode() not in said, "an answer without the file", "the answer has its words", exchange.answer)
    good(await ven.try_(ven.write("oadrQueryRegistration"), "EiRegisterParty"))


@case(
    "vtn.schema.entity-from-elsewhere",
    rules=("33",),
    says="No message makes a VTN fetch something from somewhere.",
    sends="oadrQueryRegistration whose requestID is an external entity, and one whose DTD is elsewhere",
    expects="nobody comes to fetch them",
    negative=True,
)
async def entity_from_elsewhere(vtn: Vtn) -> None:
    ven = await vtn.ven()
    fetched: list[str] = []

    async def hears(arrived: Arrived) -> Reply:
        fetched.append(arrived.path)
        return Reply(body=b"fetched")

    name = fresh("request")
    async with listening(hears) as port:
        url = f"http://127.0.0.1:{port}"
        raw = ven.write("oadrQueryRegistration", request_id=name)
        borne(await ven.try_(shapes.entity(raw, name, f'SYSTEM "{url}/entity"'), "EiRegisterParty", signed=False))
        elsewhere = f'<!DOCTYPE oadr:oadrPayload SYSTEM "{url}/dtd">\n'.encode()
        with_dtd = shapes.DECLARATION + elsewhere + shapes.bare(raw)
        borne(await ven.try_(with_dtd, "EiRegisterParty", signed=False))
        good(await ven.try_(ven.write("oadrQueryRegistration"), "EiRegisterParty"))
    expect(not fetched, "nothing is fetched", ", ".join(fetched))


@case(
    "vtn.schema.entities-of-entities",
    rules=("33",),
    says="Entities that grow without measure are not expanded.",
    sends="oadrQueryRegistration whose requestID would be three thousand million characters",
    expects="a refusal; then a good answer to a right message",
    negative=True,
)
async def entities_of_entities(vtn: Vtn) -> None:
    ven = await vtn.ven()
    name = fresh("request")
    raw = shapes.bomb(ven.write("oadrQueryRegistration", request_id=name), name)
    refused(await ven.try_(raw, "EiRegisterParty", signed=False))
    good(await ven.try_(ven.write("oadrQueryRegistration"), "EiRegisterParty"))


@case(
    "vtn.schema.entity-within",
    rules=("33",),
    says="An entity that a message declares itself is not expanded.",
    sends="oadrQueryRegistration whose requestID is an entity of the message's own",
    expects="a refusal; then a good answer to a right message",
    level=SHOULD,
    negative=True,
)
async def entity_within(vtn: Vtn) -> None:
    ven = await vtn.ven()
    name = fresh("request")
    raw = shapes.entity(ven.write("oadrQueryRegistration", request_id=name), name, '"expanded"')
    refused(await ven.try_(raw, "EiRegisterParty", signed=False))
    good(await ven.try_(ven.write("oadrQueryRegistration"), "EiRegisterParty"))


@case(
    "vtn.schema.odd-characters",
    rules=("46",),
    says="A text may have any character of XML, and an answer quotes it as it was.",
    sends="oadrQueryRegistration whose requestID has & < > quotes, accents, kanji and a character beyond 16 bits",
    expects="the very same requestID in the answer",
)
async def odd_characters(vtn: Vtn) -> None:
    ven = await vtn.ven()
    name = "a&b<c>d\"e'f-é-需要-\U0001f50c"
    reply = await ven.say("oadrQueryRegistration", request_id=name)
    expect_kind(reply, "oadrCreatedPartyRegistration")
    expect_code(reply, "200")
    expect(reply.request_id == name, f"requestID {name}", reply.request_id, reply, "./ei:eiResponse/pyld:requestID")


@case(
    "vtn.schema.long-ids",
    rules=("46",),
    says="Ids of 50 characters and texts of 250 are taken.",
    sends="a registration with a requestID and an oadrVenName of 50 characters, an answer with 250 of responseDescription",
    expects="200, and the requestID whole",
)
async def long_ids(vtn: Vtn) -> None:
    ven = await vtn.ven()
    name = fresh("r").ljust(50, "x")
    reply = await ven.register(request_id=name, ven_name="v" * 50)
    expect(reply.request_id == name, f"requestID {name}", reply.request_id, reply, "./ei:eiResponse/pyld:requestID")
    answer = await ven.say("oadrRegisteredReport", description="d" * 250, requests="", request_id=name)
    expect_kind(answer, "oadrResponse")


@case(
    "vtn.schema.comment-in-a-text",
    rules=("33",),
    says="A comment in the middle of a text cuts nothing off: the text is read whole, or the message is refused.",
    sends="oadrQueryRegistration whose requestID has a comment in the middle",
    expects="the whole requestID in the answer, or a refusal",
    negative=True,
)
async def comment_in_a_text(vtn: Vtn) -> None:
    ven = await vtn.ven()
    name = fresh("request")
    raw = ven.write("oadrQueryRegistration", request_id=name)
    raw = raw.replace(name.encode(), name[:4].encode() + b"<!-- cut -->" + name[4:].encode())
    exchange = await ven.try_(raw, "EiRegisterParty", signed=False)
    borne(exchange)
    if (answer := exchange.answer) is not None and answer.code == "200":
        path = "./ei:eiResponse/pyld:requestID"
        expect(answer.request_id == name, f"requestID {name}", answer.request_id, answer, path)


_NOT_FOR_A_VTN: tuple[tuple[str, dict[str, str | tuple[str, ...]]], ...] = (
    ("oadrDistributeEvent", {"vtn_id": "Conformance-VTN", "events": ""}),
    ("oadrCreatedOpt", {"opt_id": "opt"}),
    ("oadrCanceledOpt", {"opt_id": "opt"}),
    ("oadrCreatedPartyRegistration", {"vtn_id": "Conformance-VTN", "profiles": ("2.0b",), "more": ""}),
    ("oadrRequestReregistration", {}),
)

for _kind, _holes in _NOT_FOR_A_VTN:

    @case(
        f"vtn.schema.not-for-a-vtn-{_kind}",
        rules=("33",),
        says="What only a VTN may say is refused when a VEN says it.",
        sends=f"{_kind} from a registered VEN",
        expects="HTTP 4xx, or responseCode 4xx",
        negative=True,
    )
    async def not_for_a_vtn(
        vtn: Vtn,
        kind: str = _kind,
        holes: dict[str, str | tuple[str, ...]] = _holes,
    ) -> None:
        ven = await vtn.registered()
        refused(await ven.try_(ven.write(kind, **holes), SERVICES[kind]))
        await (await of_vtn(vtn)).alive()


_MISPLACED = (("oadrPoll", "EiEvent"), ("oadrRequestEvent", "EiReport"), ("oadrQueryRegistration", "EiOpt"))

for _kind, _service in _MISPLACED:

    @case(
        f"vtn.schema.misplaced-{_kind}",
        rules=("33", "507"),
        says="A payload at another service than its own is refused.",
        sends=f"{_kind} at {_service}",
        expects="HTTP 4xx, or responseCode 4xx",
        negative=True,
    )
    async def misplaced(vtn: Vtn, kind: str = _kind, service: str = _service) -> None:
        ven = await vtn.registered()
        refused(await ven.try_(ven.write(kind), service))
        await (await of_vtn(vtn)).alive()
