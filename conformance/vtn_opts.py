"""What the played VEN says by EiOpt: the holes of oadrCreateOpt for a schedule and for one event."""

from __future__ import annotations

from conformance import template
from conformance.case import expect_code, expect_kind
from conformance.message import Message
from conformance.play import fresh, seconds, utc
from conformance.play_ven import PlayVen, number_of
from conformance.template import Hole

Holes = dict[str, Hole]


def span(*, in_s: int = 3600, lasts_s: int = 1800, more: str = "") -> str:
    """An available: a start and a length, and what should not be there."""
    return template.fill("span", start=utc(plus_s=in_s), duration=seconds(lasts_s), more=more)


def availability(*spans: str) -> str:
    return template.fill("availability", spans="".join(spans or (span(),)))


def resource(name: str) -> str:
    """An eiTarget's content that narrows to a resource."""
    return f"<ei:resourceID>{name}</ei:resourceID>"


def schedule(ven: PlayVen, **holes: Hole) -> Holes:
    """An availability schedule of one span, for the whole VEN; `holes` say otherwise."""
    usual: Holes = {
        "opt_id": fresh("opt"),
        "opt": "optOut",
        "reason": "economic",
        "availability": availability(),
        "target": f"<ei:venID>{ven.ven_id}</ei:venID>",
    }
    return {**usual, **holes}


def event_opt(message: Message, event_id: str, opt: str = "optOut", **holes: Hole) -> Holes:
    """An opt for one event, in the modification that the message has."""
    usual: Holes = {
        "opt_id": fresh("opt"),
        "opt": opt,
        "reason": "overrideStatus",
        "availability": "",
        "event_id": event_id,
        "modification": number_of(message, event_id) or 0,
        "target": "",
    }
    return {**usual, **holes}


async def created_opt(ven: PlayVen, holes: Holes) -> Message:
    """Post it. Failed unless the VTN takes it."""
    reply = await ven.say("oadrCreateOpt", **holes)
    expect_kind(reply, "oadrCreatedOpt")
    expect_code(reply, "200")
    return reply
