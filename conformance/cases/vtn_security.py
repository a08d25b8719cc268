"""TLS at a VTN: the suites of 2.0b, and who a VEN is by its certificate (reference 6.4)."""

from __future__ import annotations

import ssl

from cryptography.hazmat.primitives.asymmetric import rsa

from conformance.case import SHOULD, Failed, case, expect, expect_code, expect_kind
from conformance.cases.any_security import call, shown_by, tls
from conformance.endpoint import Endpoint, good, of_vtn
from conformance.identity import KeyKind
from conformance.message import Message
from conformance.play import fresh
from conformance.play_ven import PlayVen
from conformance.record import Exchange
from conformance.tested import Vtn

RSA_SUITE = "AES128-SHA256"
EC_SUITE = "ECDHE-ECDSA-AES128-SHA256"
_NAMES = {RSA_SUITE: "TLS_RSA_WITH_AES_128_CBC_SHA256", EC_SUITE: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"}


def _only(endpoint: Endpoint, suite: str) -> ssl.SSLContext:
    return tls(endpoint, suites=f"{suite}:@SECLEVEL=0", most=ssl.TLSVersion.TLSv1_2)


for _name, _suite, _of in (("rsa", RSA_SUITE, "an RSA"), ("ec", EC_SUITE, "an EC")):

    @case(
        f"vtn.security.suite-{_name}",
        rules=("67", "68"),
        says=f"A VTN speaks TLS 1.2 with {_NAMES[_suite]}, and has {_of} certificate for it.",
        sends="a good message over TLS 1.2, offering that suite alone",
        expects=f"a good answer, under {_of} certificate",
    )
    async def suite_alone(vtn: Vtn, suite: str = _suite) -> None:
        endpoint = await of_vtn(vtn)
        context = _only(endpoint, suite)
        good(await call(endpoint, context))
        key = (await shown_by(endpoint, context)).public_key()
        wanted = suite == RSA_SUITE
        expect(
            isinstance(key, rsa.RSAPublicKey) == wanted,
            "an RSA certificate" if wanted else "an EC certificate",
            type(key).__name__,
        )


@case(
    "vtn.security.event-under-each-suite",
    rules=("67",),
    certification=("G1_4010",),
    says="An event goes out and is answered under the RSA suite, and another under the second one.",
    sends="an event, received and answered under each suite in turn",
    expects="each event, and 200 to each answer",
)
async def event_under_each_suite(vtn: Vtn) -> None:
    endpoint = await of_vtn(vtn)
    ven = vtn.vens[0]
    for number, suite in enumerate((RSA_SUITE, EC_SUITE), 1):
        ven.tls = _only(endpoint, suite)
        event_id = await vtn.create(ven, in_s=900 * number)
        message = await ven.event(event_id)
        expect_code(await ven.opt(message, event_id), "200")


@case(
    "vtn.security.single-poll",
    rules=("67",),
    certification=("G1_4011",),
    says="A single poll under mutual TLS is answered.",
    sends="one oadrPoll",
    expects="a payload without a refusal",
    modes=("pull",),
    signed=True,
)
async def single_poll(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.poll()
    expect(bool(reply.kind), "a payload", reply.problem, reply)
    expect(reply.code in ("", "200"), "responseCode 200 if any", reply.code, reply, ".//ei:responseCode")


for _kind in ("rsa", "ec"):

    @case(
        f"vtn.security.{_kind}-client",
        rules=("68",),
        says="A VEN may have an RSA or an EC certificate.",
        sends=f"the whole bootstrap of a VEN with {'an RSA' if _kind == 'rsa' else 'an EC'} certificate",
        expects="200 at each step",
    )
    async def client_of_kind(vtn: Vtn, kind: KeyKind = _kind) -> None:
        endpoint = await of_vtn(vtn)
        tls(endpoint)
        identity = endpoint.issuer.issue(fresh("ven"), kind=kind)
        reply = await (await vtn.registered(identity=identity)).say("oadrQueryRegistration")
        expect_code(reply, "200")


# -- whose venID -----------------------------------------------------------------------------------------------------


async def _as_another(vtn: Vtn, *, registered: bool) -> tuple[PlayVen, PlayVen]:
    """A registered VEN, and another certificate that says it is that VEN."""
    victim = await vtn.registered()
    tls(await of_vtn(vtn))
    thief = await vtn.ven()
    if registered:
        await thief.bootstrap()
    thief.ven_id, thief.registration_id = victim.ven_id, victim.registration_id
    return victim, thief


def _turned_away(exchange: Exchange, *codes: str) -> Message | None:
    if exchange.answer is None:
        raise Failed("a refusal that can be read", exchange.fault, exchange.request)
    if 400 <= exchange.status < 500:
        return None
    expect(exchange.status == 200, "HTTP 200 or 4xx", f"HTTP status {exchange.status}", exchange.answer)
    expect_code(exchange.answer, *codes)
    return exchange.answer


for _kind, _service in (("oadrPoll", "OadrPoll"), ("oadrRequestEvent", "EiEvent")):
    for _who in (True, False):

        @case(
            f"vtn.security.anothers-id-{_kind}-{'registered' if _who else 'stranger'}",
            rules=("21",),
            says="A venID belongs to its certificate: under another one nobody is that VEN.",
            sends=f"{_kind} with the venID of another VEN, under a certificate that is "
            + ("registered as somebody else" if _who else "not registered"),
            expects="HTTP 4xx, or responseCode 4xx without any event",
            modes=("pull",) if _kind == "oadrPoll" else ("pull", "push"),
            negative=True,
        )
        async def anothers_id(vtn: Vtn, kind: str = _kind, service: str = _service, who: bool = _who) -> None:
            _, thief = await _as_another(vtn, registered=who)
            reply = _turned_away(await thief.try_(thief.write(kind), service), "4xx")
            if reply is not None:
                expect(not reply.has("./oadr:oadrEvent"), "no event", "there is one", reply, "./oadr:oadrEvent")


@case(
    "vtn.security.anothers-id-463",
    rules=("21",),
    says="Who uses the venID of another certificate is told 463.",
    sends="oadrRegisterReport with the venID of another VEN",
    expects="responseCode 463",
    level=SHOULD,
    negative=True,
)
async def anothers_id_463(vtn: Vtn) -> None:
    _, thief = await _as_another(vtn, registered=True)
    reply = await thief.say("oadrRegisterReport")
    expect_code(reply, "463")


@case(
    "vtn.security.anothers-registration",
    rules=("21",),
    says="Nobody ends the registration of another certificate.",
    sends="oadrCancelPartyRegistration with both ids of another VEN; then that VEN asks for its events",
    expects="a refusal; the other VEN is still registered",
    negative=True,
)
async def anothers_registration(vtn: Vtn) -> None:
    victim, thief = await _as_another(vtn, registered=True)
    raw = thief.write("oadrCancelPartyRegistration", registration_id=victim.registration_id)
    _turned_away(await thief.try_(raw, "EiRegisterParty"), "4xx")
    reply = await victim.say("oadrRequestEvent")
    expect_kind(reply, "oadrDistributeEvent")
    expect_code(reply, "200")
