"""EiRegisterParty at a VEN."""

from __future__ import annotations

from conformance.case import case, expect_text
from conformance.tested import Ven


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
    await ven.start()
    asked = await ven.hears("oadrCreatePartyRegistration")
    expect_text(asked, "./oadr:oadrProfileName", "2.0b")
    await ven.hears("oadrRegisterReport")
    await ven.hears("oadrRequestEvent")
    if not ven.pushes:
        await ven.hears("oadrPoll")
