"""XML signatures at a VEN: how it signs, and what it takes for signed (rule 514, reference 6.5)."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode
from datetime import UTC, datetime, timedelta

from conformance import seal
from conformance.case import NotSupported, case, expect
from conformance.forge import FORGERIES, Forge, unsigned
from conformance.identity import Authority
from conformance.message import NAMESPACES, Message
from conformance.play import Sign, fresh
from conformance.play_vtn import response_path
from conformance.tested import Ven
from conformance.ven_steps import made
from conformance.ven_wire import BACK_WITHIN_S, not_taken, still_takes_events

CLOCK_MINUTES = 5
"""How far the stamp of a VEN's signature may be from our clock; it is about stamps that are plainly wrong."""

FIRST = ("oadrQueryRegistration", "oadrCreatePartyRegistration")
"""What may be said before it is known that messages are to be signed."""


async def signing(ven: Ven) -> Sign:
    """The VEN is registered to sign; the variant `signed` of a subject that does not always. How the VTN signs."""
    if not ven.identity.cert:
        raise NotSupported("a certificate to sign with is needed")
    usual = ven.sign is not None
    sign = ven.sign or seal.sealer(ven.identity)
    ven.sign = sign
    await ven.start("" if usual else "signed")
    await ven.bootstrapped()
    said = ven.registered.text("./oadr:oadrXmlSignature") if ven.registered is not None else None
    if said not in ("true", "1"):
        raise NotSupported("XML signatures, which are an option: the VEN registered without")
    return sign


@case(
    "ven.security.signs",
    rules=("514",),
    says="A VEN that registered to sign signs all that it says, with SHA-256 and the key of its certificate.",
    sends="signed answers and an event",
    expects="signatures that hold and cover message and ReplayProtect, by the certificate of the connection",
    signed=True,
)
async def signs(ven: Ven) -> None:
    await signing(ven)
    await still_takes_events(ven)
    for arrived, message in zip(ven.paths, ven.heard, strict=True):
        if message.kind in FIRST and not message.signed:
            continue
        fault = seal.fault(message)
        expect(not fault, "a signature that holds", fault, message, ".")
        signer = _fingerprint(message)
        expect(signer == arrived.fingerprint, f"the signer {arrived.fingerprint}", signer, message)


def _fingerprint(message: Message) -> str:
    text = message.root.findtext(".//ds:X509Certificate", "", NAMESPACES) if message.root is not None else ""
    digest = hashlib.sha256(b64decode("".join(text.split()))).digest()[-10:]
    return ":".join(f"{byte:02X}" for byte in digest)


@case(
    "ven.security.nonces",
    rules=("514",),
    says="Each message that a VEN signs has a nonce of its own, and the time of its signing.",
    sends="signed answers",
    expects="a nonce for each message, stamps near the clock",
    signed=True,
)
async def nonces(ven: Ven) -> None:
    await signing(ven)
    await still_takes_events(ven)
    signed = [one for one in ven.heard if one.signed]
    expect(len({_proof(one, "nonce") for one in signed}) == len(signed), "a nonce each", "one of them twice")
    for message in signed:
        stamp = _proof(message, "timestamp")
        away = abs(datetime.fromisoformat(stamp) - datetime.now(UTC))
        expect(away < timedelta(minutes=CLOCK_MINUTES), "a stamp near the clock", f"{stamp}, {away} off", message)


def _proof(message: Message, name: str) -> str:
    found = (
        message.root.findtext(f".//dsp:ReplayProtect/dsp:{name}", "", NAMESPACES) if message.root is not None else ""
    )
    return found or ""


@case(
    "ven.security.signed-event",
    rules=("514",),
    says="A signed event is taken.",
    sends="an event, signed well",
    expects="an answer to it, signed",
    signed=True,
)
async def signed_event(ven: Ven) -> None:
    await signing(ven)
    event_id = fresh("event")
    before = await ven.send_events(made(ven, event_id))
    answer = await ven.answered(event_id, after=before)
    fault = seal.fault(answer)
    expect(not fault, "a signature that holds", fault, answer, ".")


async def ignores(ven: Ven, sign: Sign, forge: Sign) -> None:
    """An event that is forged so is not taken; a right one after it is."""
    event_id = fresh("event")
    ven.sign = lambda raw: forge(raw) if event_id.encode() in raw else sign(raw)
    wait_s = float(ven.parameters.get("back_within_s", BACK_WITHIN_S))
    before = await ven.send_events(made(ven, event_id), within_s=wait_s)
    ven.events = ()
    await not_taken(ven, event_id, after=before)
    ven.sign = sign
    await still_takes_events(ven)


for _name, _what, _forge in (*FORGERIES, ("missing", "no signature at all", unsigned)):

    @case(
        f"ven.security.signature-{_name}",
        rules=("514",),
        says="A signature that does not hold, is stale, or does not cover the message and its ReplayProtect is none.",
        sends=f"an event with {_what}; then one that is signed well",
        expects="no optIn to the first, an answer to the second",
        negative=True,
        signed=True,
        within_s=120,
    )
    async def bad_signature(ven: Ven, forge: Forge = _forge) -> None:
        sign = await signing(ven)
        await ignores(ven, sign, lambda raw: forge(raw, ven.identity))


@case(
    "ven.security.signature-of-a-stranger",
    rules=("514",),
    says="A certificate of a CA that is not trusted signs nothing.",
    sends="an event that is signed with a certificate of a CA of the same name with another key; then one of the VTN's",
    expects="no optIn to the first, an answer to the second",
    negative=True,
    signed=True,
    within_s=120,
)
async def of_a_stranger(ven: Ven) -> None:
    if ven.authority is None:
        raise NotSupported("the harness cannot make certificates")
    sign = await signing(ven)
    stranger = Authority(ven.authority.folder / fresh("foreign")).issue("vtn")
    await ignores(ven, sign, seal.sealer(stranger))


@case(
    "ven.security.signature-of-another",
    rules=("514",),
    says="Only the VTN signs for the VTN: a VEN's certificate of the same CA does not.",
    sends="an event that is signed with the certificate of another VEN; then one of the VTN's",
    expects="no optIn to the first, an answer to the second",
    negative=True,
    signed=True,
    within_s=120,
)
async def of_another(ven: Ven) -> None:
    if ven.authority is None:
        raise NotSupported("the harness cannot make certificates")
    sign = await signing(ven)
    await ignores(ven, sign, seal.sealer(ven.authority.issue(fresh("ven"))))


@case(
    "ven.security.signature-replayed",
    rules=("514",),
    says="What was said once is not heard again.",
    sends="an event, signed well; then the very same bytes once more",
    expects="an answer to the first, none to the second",
    negative=True,
    signed=True,
    within_s=120,
)
async def replayed(ven: Ven) -> None:
    sign = await signing(ven)
    event_id = fresh("event")
    kept: list[bytes] = []

    def once(raw: bytes) -> bytes:
        if event_id.encode() not in raw:
            return sign(raw)
        kept.append(kept[0] if kept else sign(raw))
        return kept[-1]

    ven.sign = once
    before = await ven.send_events(made(ven, event_id))
    await ven.answered(event_id, after=before)
    after = await ven.send_events(made(ven, event_id))
    ven.events = ()
    await asyncio.sleep(2)
    where = response_path(event_id)
    again = [one for one in ven.heard[after:] if one.has(where)]
    expect(not again, "no second answer", "there is one", again[0] if again else None, where)
    ven.sign = sign
    await still_takes_events(ven)
