"""EiRegisterParty at a VEN: registering again, and the pace that the VTN sets."""

from __future__ import annotations

import asyncio

from conformance.case import case, expect, expect_absent, expect_code, expect_text
from conformance.tested import Ven
from conformance.ven_steps import QUIET_S, alive, gaps_s

REQUEST = "oadrCreatePartyRegistration"


@case(
    "ven.registration.requested-again",
    rules=("401", "402"),
    certification=("N1_0050",),
    says="A VEN that is asked to register again acknowledges that, and does, with its registrationID and venID.",
    sends="oadrRequestReregistration",
    expects="oadrResponse 200, then oadrCreatePartyRegistration with both ids",
    signed=True,
)
async def requested_again(ven: Ven) -> None:
    await ven.bootstrapped()
    before, registration, name = len(ven.heard), ven.registration_id, ven.ven_id
    expect_code(await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse"), "200")
    again = await ven.hears(REQUEST, after=before)
    expect_text(again, "./ei:registrationID", registration)
    expect_text(again, "./ei:venID", name)


@case(
    "ven.registration.again-goes-on",
    rules=("402",),
    certification=("N1_0065",),
    says="After a re-registration under the same ids a VEN goes on with its venID.",
    sends="oadrRequestReregistration, answered with the same registrationID and venID, then an event",
    expects="an answer to the event",
)
async def again_goes_on(ven: Ven) -> None:
    await ven.bootstrapped()
    before = len(ven.heard)
    await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse")
    await ven.hears(REQUEST, after=before)
    await alive(ven)


@case(
    "ven.registration.again-of-itself",
    rules=("402",),
    certification=("N1_0065",),
    says="A VEN that registers again of itself names its registrationID and venID.",
    sends="the VEN's operator has it register again",
    expects="oadrCreatePartyRegistration with both ids",
)
async def again_of_itself(ven: Ven) -> None:
    await ven.bootstrapped()
    before, registration, name = len(ven.heard), ven.registration_id, ven.ven_id
    await ven.operator.register_again()
    again = await ven.hears(REQUEST, after=before)
    expect_text(again, "./ei:registrationID", registration)
    expect_text(again, "./ei:venID", name)


@case(
    "ven.registration.requested-of-another",
    rules=("21",),
    says="A request for registration that names another VEN is refused, and not followed.",
    sends="oadrRequestReregistration with another venID",
    expects="an error in oadrResponse, 452 for choice, and no oadrCreatePartyRegistration",
    negative=True,
)
async def requested_of_another(ven: Ven) -> None:
    await ven.bootstrapped()
    before = len(ven.heard)
    expect_code(await ven.ask(ven.write("oadrRequestReregistration", ven_id="Nobody-Here"), "oadrResponse"), "4xx")
    await ven.hears_no(REQUEST, after=before)


@case(
    "ven.registration.new-id",
    rules=("301", "405", "406"),
    says="A new registrationID is a new registration: reports are offered and events asked for anew.",
    sends="oadrRequestReregistration, answered with a new registrationID",
    expects="oadrRegisterReport and oadrRequestEvent after it",
)
async def new_id(ven: Ven) -> None:
    await ven.bootstrapped()
    ven.registration_id = "void"
    before = len(ven.heard)
    await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse")
    again = await ven.hears(REQUEST, after=before)
    after = ven.heard.index(again) + 1
    await ven.hears("oadrRegisterReport", after=after)
    await ven.hears("oadrRequestEvent", after=after)


@case(
    "ven.registration.forced-new",
    rules=("401", "406"),
    certification=("N1_0060",),
    says="A VEN that forgot everything registers anew: without registrationID, and its reports are offered again.",
    sends="the VEN is restarted with nothing kept; a new registrationID",
    expects="oadrCreatePartyRegistration without registrationID, oadrRegisterReport, oadrRequestEvent",
)
async def forced_new(ven: Ven) -> None:
    await ven.bootstrapped()
    await ven.stop()
    before = len(ven.heard)
    await ven.restart(fresh=True)
    again = await ven.hears(REQUEST, after=before, within_s=15)
    expect_absent(again, "./ei:registrationID")
    await ven.hears("oadrRegisterReport", after=before)
    await ven.hears("oadrRequestEvent", after=before)


@case(
    "ven.registration.restarted",
    rules=("21",),
    says="A VEN that was restarted goes on with its registration or begins a new one, but mixes no ids.",
    sends="the VEN is restarted",
    expects="no other registrationID and venID than those given",
)
async def restarted(ven: Ven) -> None:
    await ven.bootstrapped()
    registration, name, before = ven.registration_id, ven.ven_id, len(ven.heard)
    await ven.restart()
    if ven.pushes:
        # It may have nothing to say: its registration stands.
        await asyncio.sleep(QUIET_S)
    else:
        await ven.hears_any(after=before, within_s=15)
    for said in ven.heard[before:]:
        for path, own in ((".//ei:registrationID", registration), (".//ei:venID", name)):
            for text in said.texts(path):
                expect(text == own, own, text, said, path)


# -- the pace -------------------------------------------------------------------------------------------------------


async def _paced(ven: Ven, poll_s: int, after: int) -> None:
    """Three polls after `after` requests are about `poll_s` apart, and never much closer."""
    await ven.hears("oadrPoll", after=after, within_s=poll_s * 3 + 10)
    for gap_s in await gaps_s(ven, 2, after=after, within_s=poll_s * 6 + 10):
        expect(gap_s >= 0.8 * poll_s, f"polls at least {poll_s} s apart", f"{gap_s:.1f} s")


@case(
    "ven.registration.poll-frequency",
    rules=("X-REG-2",),
    certification=("N1_0015",),
    modes=("pull",),
    says="A VEN polls no more often than oadrRequestedOadrPollFreq.",
    sends="oadrRequestedOadrPollFreq of 3 s, and nothing to fetch",
    expects="polls 3 s apart or more",
)
async def poll_frequency(ven: Ven) -> None:
    ven.poll_s = 3
    await ven.bootstrapped()
    await _paced(ven, 3, len(ven.heard))


@case(
    "ven.registration.poll-frequency-changed",
    rules=("X-REG-2",),
    modes=("pull",),
    says="A VEN takes another oadrRequestedOadrPollFreq when it registers again.",
    sends="a registration with 1 s, then oadrRequestReregistration and 3 s",
    expects="polls 3 s apart or more",
    within_s=45,
)
async def poll_frequency_changed(ven: Ven) -> None:
    await ven.bootstrapped()
    before, ven.poll_s = len(ven.heard), 3
    await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse")
    again = await ven.hears(REQUEST, after=before)
    # The next poll may have been due already.
    poll = await ven.hears("oadrPoll", after=ven.heard.index(again) + 1)
    await _paced(ven, 3, ven.heard.index(poll) + 1)
