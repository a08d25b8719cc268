"""EiEvent at a VEN: whom an event means."""

from __future__ import annotations

from conformance.case import NotSupported, case
from conformance.play import fresh
from conformance.tested import Ven
from conformance.ven_steps import expect_refused, expect_taken, made, offered, offers, verdict

FOREIGN_VEN = "<ei:venID>Nobody-Here</ei:venID>"
FOREIGN_GROUP = "<ei:groupID>nobody-here</ei:groupID>"
FOREIGN_RESOURCE = "<ei:resourceID>nothing-here</ei:resourceID>"


def _own(ven: Ven) -> str:
    return f"<ei:venID>{ven.ven_id}</ei:venID>"


def _resource(ven: Ven) -> str:
    """A resource that the VEN names in its METADATA. NotSupported if it names none."""
    for offer in offers(ven.offers) if ven.offers is not None else ():
        for point in offer.points:
            if point.resource:
                return f"<ei:resourceID>{point.resource}</ei:resourceID>"
    raise NotSupported("the VEN names no resource in its METADATA")


@case(
    "ven.event.target-empty",
    rules=("22",),
    says="An event without a target means the VEN that gets it.",
    sends="an event with an empty eiTarget",
    expects="200 for it",
)
async def target_empty(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, target="")), name, "optIn")


@case(
    "ven.event.target-own",
    rules=("22",),
    says="An event whose target is the VEN's own venID is taken.",
    sends="an event with the VEN's venID in eiTarget",
    expects="200 for it",
)
async def target_own(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, target=_own(ven))), name)


@case(
    "ven.event.target-foreign",
    rules=("22", "33", "48"),
    says="An event for another VEN alone is refused, with optOut.",
    sends="an event with another venID in eiTarget",
    expects="an error for it (462 for choice) and optOut",
    negative=True,
)
async def target_foreign(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_refused(await verdict(ven, name, made(ven, name, target=FOREIGN_VEN)), name, opted_out=True)


@case(
    "ven.event.target-any",
    rules=("22",),
    says="Several criteria of a target are alternatives: one that fits is enough.",
    sends="an event with a foreign group and the VEN's own venID in eiTarget",
    expects="200 for it",
)
async def target_any(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, target=FOREIGN_GROUP + _own(ven))), name)


@case(
    "ven.event.target-resource",
    rules=("22",),
    says="An event for a resource of the VEN is taken.",
    sends="an event with a resourceID of the VEN's METADATA in eiTarget",
    expects="200 for it",
)
async def target_resource(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, target=_resource(ven))), name)


@case(
    "ven.event.target-foreign-resource",
    rules=("22", "48"),
    says="An event for a resource that the VEN has not got is refused, with optOut.",
    sends="an event with an unknown resourceID in eiTarget",
    expects="an error for it (462 for choice) and optOut",
    negative=True,
)
async def target_foreign_resource(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_refused(await verdict(ven, name, made(ven, name, target=FOREIGN_RESOURCE)), name, opted_out=True)


@case(
    "ven.event.target-some-resources",
    rules=("22",),
    says="An event for a resource of the VEN and another one's is answered; what to do with a partial match is its choice.",
    sends="an event with a known and an unknown resourceID in eiTarget",
    expects="200 for it",
)
async def target_some_resources(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    target = _resource(ven) + FOREIGN_RESOURCE
    expect_taken(await offered(ven, name, made(ven, name, target=target)), name)


@case(
    "ven.event.target-foreign-group",
    rules=("22", "48"),
    says="An event for a group that the VEN is not in is refused, with optOut.",
    sends="an event with an unknown groupID in eiTarget",
    expects="an error for it (462 for choice) and optOut",
    negative=True,
)
async def target_foreign_group(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_refused(await verdict(ven, name, made(ven, name, target=FOREIGN_GROUP)), name, opted_out=True)
