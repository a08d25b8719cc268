"""The first case of a run: if it fails there is nobody to test, and the others are blocked."""

from __future__ import annotations

from conformance.case import case, expect_there
from conformance.tested import Ven, Vtn


@case(
    "vtn.registration.sanity",
    rules=("401",),
    says="A VEN that registers is registered and given its ids.",
    sends="oadrCreatePartyRegistration",
    expects="oadrCreatedPartyRegistration 200 with registrationID, venID and vtnID",
    signed=True,
)
async def vtn_sanity(vtn: Vtn) -> None:
    ven = await vtn.ven()
    created = await ven.register()
    for path in ("./ei:registrationID", "./ei:venID", "./ei:vtnID"):
        expect_there(created, path)


@case(
    "ven.registration.sanity",
    rules=("401",),
    says="A VEN registers by itself.",
    sends="nothing: the harness listens",
    expects="oadrCreatePartyRegistration",
    signed=True,
)
async def ven_sanity(ven: Ven) -> None:
    await ven.start()
    await ven.hears("oadrCreatePartyRegistration", within_s=20)
