"""EiRegisterParty at a VEN: how it registers, registers again, and what it takes from the VTN's answer."""

from __future__ import annotations

import asyncio

from conformance.case import NotSupported, case, expect, expect_absent, expect_code, expect_text
from conformance.message import Message
from conformance.play import seconds
from conformance.play_vtn import own_request_id
from conformance.tested import Ven
from conformance.ven_steps import QUIET_S, SERVICES_OF_THE_REGISTERED, alive

REQUEST = "oadrCreatePartyRegistration"


async def _registering(ven: Ven) -> Message:
    await ven.start()
    return await ven.hears(REQUEST, within_s=15)


def _from(ven: Ven, message: Message) -> int:
    """How many requests there were up to that one: a VEN that ran already had said something before it."""
    return ven.heard.index(message) + 1


@case(
    "ven.registration.bootstrap",
    rules=("301", "401", "402", "405"),
    certification=("N1_0020",),
    says="A VEN registers, offers its reports, asks for events and polls.",
    sends="right answers to whatever the VEN says",
    expects="oadrCreatePartyRegistration, oadrRegisterReport, oadrRequestEvent, then oadrPoll of a pull VEN",
    signed=True,
)
async def bootstrap(ven: Ven) -> None:
    asked = await _registering(ven)
    expect_text(asked, "./oadr:oadrProfileName", "2.0b")
    await ven.hears("oadrRegisterReport")
    await ven.hears("oadrRequestEvent")
    if not ven.pushes:
        await ven.hears("oadrPoll")


@case(
    "ven.registration.bootstrap-with-vtn-reports",
    rules=("301", "401"),
    certification=("N1_0020",),
    says="The whole bootstrap: the VEN answers the VTN's METADATA too.",
    sends="right answers, and an empty oadrRegisterReport",
    expects="oadrRegisterReport, oadrRequestEvent, oadrRegisteredReport 200",
)
async def bootstrap_with_vtn_reports(ven: Ven) -> None:
    await ven.bootstrapped()
    reply = await ven.ask(ven.write("oadrRegisterReport", reports=""), "oadrRegisteredReport")
    expect_code(reply, "200")


@case(
    "ven.registration.profile",
    rules=("506",),
    says="A VEN registers with profile 2.0b over simpleHttp.",
    sends="nothing: the harness listens",
    expects="oadrProfileName 2.0b and oadrTransportName simpleHttp",
)
async def profile(ven: Ven) -> None:
    asked = await _registering(ven)
    expect_text(asked, "./oadr:oadrProfileName", "2.0b")
    expect_text(asked, "./oadr:oadrTransportName", "simpleHttp")


@case(
    "ven.registration.pull-model",
    rules=("37", "X-REG-1"),
    modes=("pull",),
    says="A VEN that polls says so.",
    sends="nothing: the harness listens",
    expects="oadrHttpPullModel true",
)
async def pull_model(ven: Ven) -> None:
    expect_text(await _registering(ven), "./oadr:oadrHttpPullModel", "true")


@case(
    "ven.registration.push-address",
    rules=("X-REG-1",),
    modes=("push",),
    says="A VEN that is pushed to says so, and where.",
    sends="nothing: the harness listens",
    expects="oadrHttpPullModel false and an oadrTransportAddress",
)
async def push_address(ven: Ven) -> None:
    asked = await _registering(ven)
    expect_text(asked, "./oadr:oadrHttpPullModel", "false")
    address = asked.text("./oadr:oadrTransportAddress") or ""
    expect("://" in address or ":" in address, "a root address", address or "none", asked, ".")


@case(
    "ven.registration.first",
    rules=("401", "406"),
    says="A VEN that was never registered names no registrationID.",
    sends="nothing: the harness listens to a fresh VEN",
    expects="oadrCreatePartyRegistration without registrationID",
)
async def first(ven: Ven) -> None:
    if not ven.starts:
        raise NotSupported("a VEN that runs already is not fresh")
    expect_absent(await _registering(ven), "./ei:registrationID")


@case(
    "ven.registration.adopts-ids",
    rules=("21", "402"),
    says="A VEN takes the venID that the VTN gives, and uses it in all that it says.",
    sends="a registration with a venID of the VTN's choice",
    expects="that venID in oadrRegisterReport and oadrRequestEvent, and in oadrPoll of a pull VEN",
)
async def adopts_ids(ven: Ven) -> None:
    ven.ven_id = "Chosen-By-The-VTN"
    ven.answers[REQUEST] = lambda message: _answered(ven, message, "Chosen-By-The-VTN")
    since = _from(ven, await _registering(ven))
    ven.ven_id = "Chosen-By-The-VTN"
    expect_text(await ven.hears("oadrRegisterReport", after=since), "./ei:venID", "Chosen-By-The-VTN")
    events = await ven.hears("oadrRequestEvent", after=since)
    expect_text(events, "./pyld:eiRequestEvent/ei:venID", "Chosen-By-The-VTN")
    if not ven.pushes:
        expect_text(await ven.hears("oadrPoll", after=since), "./ei:venID", "Chosen-By-The-VTN")


def _answered(ven: Ven, message: Message, ven_id: str, **holes: str | None) -> bytes:
    return ven.write(
        "oadrCreatedPartyRegistration",
        **{
            "request_id": own_request_id(message),
            "registration_id": ven.registration_id,
            "ven_id": ven_id,
            "poll_freq": seconds(ven.poll_s),
            **holes,
        },
    )


@case(
    "ven.registration.assigned-id",
    rules=("401",),
    certification=("N1_0025",),
    says="A VEN whose venID was assigned beforehand names it when it registers, and goes on with it.",
    sends="the same venID in the answer",
    expects="that venID in oadrCreatePartyRegistration and in oadrRegisterReport",
)
async def assigned_id(ven: Ven) -> None:
    wanted = str(ven.parameters.get("assigned_id", ""))
    if not wanted:
        raise NotSupported("the subject's parameters have no assigned_id")
    await ven.start("assigned-id")
    expect_text(await ven.hears(REQUEST, within_s=15), "./ei:venID", wanted)
    expect_text(await ven.hears("oadrRegisterReport"), "./ei:venID", wanted)


@case(
    "ven.registration.assigned-id-replaced",
    rules=("402",),
    says="Where the VTN gives another venID than was assigned beforehand, the VEN takes the VTN's.",
    sends="another venID in the answer to the registration",
    expects="the VTN's venID in oadrRegisterReport",
)
async def assigned_id_replaced(ven: Ven) -> None:
    ven.answers[REQUEST] = lambda message: _answered(ven, message, "Chosen-By-The-VTN")
    await ven.start("assigned-id")
    await ven.hears(REQUEST, within_s=15)
    ven.ven_id = "Chosen-By-The-VTN"
    expect_text(await ven.hears("oadrRegisterReport"), "./ei:venID", "Chosen-By-The-VTN")


MORE = (
    "<oadr:oadrServiceSpecificInfo><oadr:oadrService><oadr:oadrServiceName>EiEvent</oadr:oadrServiceName>"
    "<oadr:oadrInfo><oadr:oadrKey>colour</oadr:oadrKey><oadr:oadrValue>blue</oadr:oadrValue></oadr:oadrInfo>"
    "</oadr:oadrService></oadr:oadrServiceSpecificInfo><oadr:oadrExtensions><oadr:oadrExtension>"
    "<oadr:oadrExtensionName>nobody-knows-this</oadr:oadrExtensionName></oadr:oadrExtension></oadr:oadrExtensions>"
)


@case(
    "ven.registration.all-options",
    rules=("46",),
    says="What a VTN may add to its answer is understood or passed over.",
    sends="oadrCreatedPartyRegistration with two profiles, service-specific info and an extension that nobody knows",
    expects="the rest of the bootstrap",
)
async def all_options(ven: Ven) -> None:
    def full(message: Message) -> bytes:
        return ven.write(
            "oadrCreatedPartyRegistration",
            request_id=own_request_id(message),
            registration_id=ven.registration_id,
            ven_id=ven.ven_id,
            poll_freq=seconds(ven.poll_s),
            profiles=("2.0a", "2.0b"),
            more=MORE,
        )

    ven.answers[REQUEST] = full
    await ven.bootstrapped()
    await alive(ven)


@case(
    "ven.registration.query",
    rules=("401",),
    certification=("N1_0010", "N1_0015"),
    says="A VEN can query what the VTN offers; that registers nothing and ends nothing.",
    sends="only what an answer has to have: ids, and a profile",
    expects="oadrQueryRegistration; the VEN goes on",
)
async def query(ven: Ven) -> None:
    await ven.bootstrapped()
    before = len(ven.heard)
    await ven.operator.query_registration()
    await ven.hears("oadrQueryRegistration", after=before)
    await alive(ven)


# -- refusals -------------------------------------------------------------------------------------------------------


@case(
    "ven.registration.refused",
    rules=("X-ACT-1",),
    says="A VEN whose registration was refused sends nothing of events, reports, opts or polls.",
    sends="oadrCreatedPartyRegistration 463",
    expects="nothing but EiRegisterParty",
    negative=True,
)
async def refused(ven: Ven) -> None:
    ven.answers[REQUEST] = lambda message: ven.write(
        "oadrCreatedPartyRegistration", request_id=own_request_id(message), code="463", ven_id=None
    )
    since = _from(ven, await _registering(ven))
    await _nothing_but_registration(ven, since)


async def _nothing_but_registration(ven: Ven, since: int = 0) -> None:
    """The VEN sent from then on, and for a while sends, only what a VEN without a registration may."""
    await asyncio.sleep(QUIET_S)
    for message in ven.heard[since:]:
        good = message.kind not in SERVICES_OF_THE_REGISTERED
        expect(good, "nothing without a registration", message.kind, message, ".")
