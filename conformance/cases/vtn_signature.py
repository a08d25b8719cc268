"""XML signatures at a VTN: what it takes, what it refuses, and how it signs itself (rule 514, reference 6.5)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from conformance import clock, seal
from conformance.case import SHOULD, Failed, NotSupported, case, expect, expect_code, expect_kind
from conformance.endpoint import borne, good, refused
from conformance.forge import FORGERIES, Forge
from conformance.identity import Authority, Identity, KeyKind
from conformance.message import NAMESPACES, Message
from conformance.play import fresh, utc
from conformance.play_ven import PlayVen
from conformance.record import Exchange
from conformance.tested import Vtn

CLOCK_MINUTES = 5
"""How far the stamp of a VTN's signature may be from our clock; it is about stamps that are plainly wrong."""

UP_S = 3.0


async def signing(vtn: Vtn, *, kind: KeyKind = "ec") -> PlayVen:
    """A VEN that is registered to sign, and is answered so. NotSupported where the VTN does no signatures."""
    ven = await vtn.ven(identity=_who(vtn, kind))
    ven.sign = seal.sealer(ven.identity)
    exchange = await ven.try_(ven.write("oadrCreatePartyRegistration"), "EiRegisterParty")
    reply = exchange.answer
    if reply is None or reply.code != "200" or not reply.signed:
        said = exchange.fault or f"HTTP status {exchange.status}, signed: {reply.signed if reply else 'no'}"
        if vtn.sealer is not None:
            raise Failed("oadrCreatedPartyRegistration 200, signed", said, reply)
        raise NotSupported(f"XML signatures, which are an option: {said}")
    ven.adopt(reply)
    return ven


def _who(vtn: Vtn, kind: KeyKind) -> Identity:
    if vtn.authority is not None:
        return vtn.authority.issue(fresh("ven"), kind=kind)
    if kind == "rsa" or not (found := vtn.identity(len(vtn.vens))).cert:
        raise NotSupported("a certificate to sign with is needed")
    return found


def query(ven: PlayVen) -> bytes:
    """What any VEN may ask at any time."""
    return ven.write("oadrQueryRegistration")


async def tell(ven: PlayVen, raw: bytes) -> None:
    """It is refused; then a good message is answered well."""
    refused(await ven.try_(raw, "EiRegisterParty", signed=False))
    good(await ven.try_(query(ven), "EiRegisterParty"))


# -- what is right ---------------------------------------------------------------------------------------------------

for _kind in ("ec", "rsa"):

    @case(
        f"vtn.security.signed-{_kind}",
        rules=("514",),
        says="A message signed with SHA-256 and the key of the sender's certificate is taken, and answered signed.",
        sends=f"registration, METADATA and a query, signed with {'ECDSA' if _kind == 'ec' else 'RSA'}",
        expects="200 to each, each answer with a signature that holds",
        signed=True,
    )
    async def signed(vtn: Vtn, kind: KeyKind = _kind) -> None:
        ven = await signing(vtn, kind=kind)
        for reply in (await ven.offer(), await ven.say("oadrRequestEvent"), await ven.say("oadrQueryRegistration")):
            expect_code(reply, "200")
            holds(reply)


def holds(message: Message) -> None:
    """Its signature covers it and is right."""
    fault = seal.fault(message)
    expect(not fault, "a signature that holds", fault, message, ".")


@case(
    "vtn.security.signed-push",
    rules=("514",),
    says="What a VTN says of itself is signed too, for a VEN that is registered so.",
    sends="nothing but polls, or a place to post to",
    expects="oadrRegisterReport with a signature that holds",
    signed=True,
)
async def signed_by_itself(vtn: Vtn) -> None:
    ven = await signing(vtn)
    await ven.offer()
    holds(await ven.receive("oadrRegisterReport"))


@case(
    "vtn.security.signed-event",
    rules=("514",),
    says="An event goes out signed, to a VEN that is registered so.",
    sends="an event of the operator's, and the VEN's signed answer",
    expects="oadrDistributeEvent with a signature that holds, 200 to the answer",
    signed=True,
)
async def signed_event(vtn: Vtn) -> None:
    ven = await signing(vtn)
    await ven.offer()
    await ven.say("oadrRequestEvent")
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    holds(message)
    expect_code(await ven.opt(message, event_id), "200")


@case(
    "vtn.security.nonces-of-the-vtn",
    rules=("514",),
    says="Each message that a VTN signs has a nonce of its own, and the time of its signing.",
    sends="three queries",
    expects="three nonces, stamps near the clock",
    signed=True,
)
async def nonces_of_the_vtn(vtn: Vtn) -> None:
    ven = await signing(vtn)
    replies = [await ven.say("oadrQueryRegistration") for _ in range(3)]
    nonces = {_proof(reply, "nonce") for reply in replies}
    expect(len(nonces) == len(replies), "a nonce for each message", f"{len(nonces)} for {len(replies)}", replies[-1])
    for reply in replies:
        stamp = _proof(reply, "timestamp")
        away = abs(datetime.fromisoformat(stamp) - clock.now())
        expect(away < timedelta(minutes=CLOCK_MINUTES), "a stamp near the clock", f"{stamp}, {away} off", reply)


def _proof(message: Message, name: str) -> str:
    if message.root is None:
        return ""
    return message.root.findtext(f".//dsp:ReplayProtect/dsp:{name}", namespaces=NAMESPACES) or ""


@case(
    "vtn.security.enveloped",
    rules=("514",),
    says="A signature over the whole document, by the enveloped transform, is understood as well.",
    sends="a query whose first reference is to the document",
    expects="200",
    level=SHOULD,
    signed=True,
)
async def enveloped(vtn: Vtn) -> None:
    ven = await signing(vtn)
    raw = seal.sealed(query(ven), identity=ven.identity, references=("", "#prop"))
    good(await ven.try_(raw, "EiRegisterParty", signed=False))


@case(
    "vtn.security.clock-slightly-off",
    rules=("514",),
    says="Clocks differ: a stamp of two seconds ago is taken.",
    sends="a query that is stamped two seconds ago",
    expects="200",
    level=SHOULD,
    signed=True,
)
async def clock_slightly_off(vtn: Vtn) -> None:
    ven = await signing(vtn)
    exchange = await _stamped(ven, utc(plus_s=-2))
    if exchange.answer is not None and exchange.answer.code[:1] == "4":
        # One that was just started may not know what was said before.
        await asyncio.sleep(UP_S)
        exchange = await _stamped(ven, utc(plus_s=-2))
    good(exchange)


async def _stamped(ven: PlayVen, timestamp: str) -> Exchange:
    raw = seal.sealed(query(ven), identity=ven.identity, timestamp=timestamp)
    return await ven.try_(raw, "EiRegisterParty", signed=False)


# -- what is wrong ---------------------------------------------------------------------------------------------------

for _name, _what, _forge in FORGERIES:

    @case(
        f"vtn.security.signature-{_name}",
        rules=("514",),
        says="A signature that does not hold, is stale, or does not cover the message and its ReplayProtect is none.",
        sends=f"a query with {_what}",
        expects="HTTP 4xx, or responseCode 4xx; then 200 to one that is signed well",
        negative=True,
        signed=True,
    )
    async def bad_signature(vtn: Vtn, forge: Forge = _forge) -> None:
        ven = await signing(vtn)
        await tell(ven, forge(query(ven), ven.identity))


@case(
    "vtn.security.signature-replayed",
    rules=("514",),
    says="What was said once is not said again by anyone who heard it.",
    sends="METADATA, signed; then the same bytes once more",
    expects="200 to the first, a refusal to the second",
    negative=True,
    signed=True,
)
async def replayed(vtn: Vtn) -> None:
    ven = await signing(vtn)
    raw = seal.sealed(ven.write("oadrRegisterReport"), identity=ven.identity)
    good(await ven.try_(raw, "EiReport", signed=False))
    refused(await ven.try_(raw, "EiReport", signed=False))
    good(await ven.try_(query(ven), "EiRegisterParty"))


@case(
    "vtn.security.poll-replayed",
    rules=("514",),
    says="A poll is not taken twice either.",
    sends="a poll, signed; then the same bytes once more",
    expects="an answer to the first, a refusal to the second",
    modes=("pull",),
    negative=True,
    signed=True,
)
async def poll_replayed(vtn: Vtn) -> None:
    ven = await signing(vtn)
    raw = seal.sealed(ven.write("oadrPoll"), identity=ven.identity)
    good(await ven.try_(raw, "OadrPoll", signed=False))
    refused(await ven.try_(raw, "OadrPoll", signed=False))


@case(
    "vtn.security.signature-of-another",
    rules=("514",),
    says="The signer is the one whose connection it is.",
    sends="a query over one VEN's connection, signed by another VEN that is registered too",
    expects="a refusal",
    negative=True,
    signed=True,
)
async def of_another(vtn: Vtn) -> None:
    ven = await signing(vtn)
    other = await signing(vtn)
    await tell(ven, seal.sealed(query(ven), identity=other.identity))


@case(
    "vtn.security.signature-of-a-stranger",
    rules=("514",),
    says="A certificate of a CA that is not trusted signs nothing.",
    sends="a query that is signed with a certificate of a CA of the same name with another key",
    expects="a refusal",
    negative=True,
    signed=True,
)
async def of_a_stranger(vtn: Vtn) -> None:
    if vtn.authority is None:
        raise NotSupported("the harness cannot make certificates")
    ven = await signing(vtn)
    stranger = Authority(vtn.authority.folder / "foreign").issue("ven")
    await tell(ven, seal.sealed(query(ven), identity=stranger))


@case(
    "vtn.security.unsigned-though-registered",
    rules=("514",),
    says="Of a VEN that registered to sign nothing is taken that is not signed.",
    sends="oadrRegisterReport and oadrRequestEvent without signatures, after a registration with oadrXmlSignature true",
    expects="a refusal to each",
    negative=True,
    signed=True,
)
async def unsigned_though_registered(vtn: Vtn) -> None:
    ven = await signing(vtn)
    refused(await ven.try_(ven.write("oadrRegisterReport"), "EiReport", signed=False))
    refused(await ven.try_(ven.write("oadrRequestEvent"), "EiEvent", signed=False))
    good(await ven.try_(query(ven), "EiRegisterParty"))


@case(
    "vtn.security.signed-though-not-asked-for",
    rules=("514",),
    says="Who signs though it registered not to is understood, or refused.",
    sends="a signed query from a VEN that is registered with oadrXmlSignature false",
    expects="an answer without an error of the server; then 200 to one without a signature",
)
async def signed_though_not_asked_for(vtn: Vtn) -> None:
    ven = await vtn.ven(identity=_who(vtn, "ec"), signed=False)
    await ven.register()
    raw = seal.sealed(query(ven), identity=ven.identity)
    borne(await ven.try_(raw, "EiRegisterParty", signed=False))
    good(await ven.try_(query(ven), "EiRegisterParty"))


@case(
    "vtn.security.unsigned-answers",
    rules=("514",),
    says="To a VEN that registered without signatures nothing is signed.",
    sends="registration with oadrXmlSignature false, METADATA, and waits for the VTN's own",
    expects="no signature in any of it",
)
async def unsigned_answers(vtn: Vtn) -> None:
    ven = await vtn.ven(signed=False)
    replies = [await ven.register(), await ven.offer(), await ven.receive("oadrRegisterReport")]
    expect_kind(replies[-1], "oadrRegisterReport")
    for reply in replies:
        expect(not reply.signed, "no ds:Signature", "there is one", reply)
