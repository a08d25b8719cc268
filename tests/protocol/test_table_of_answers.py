"""`AT_THE_VTN` and `AT_THE_VEN` are walked: every payload, in every situation, at either end (references 1.3, 1.6)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from openadr_ra.errors import NotRecognized, WireError
from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import (
    PAYLOADS,
    SERVICES,
    CancelPartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    Response,
)
from openadr_ra.protocol.parts import (
    Result,
)
from openadr_ra.protocol.producer import Rates
from openadr_ra.protocol.refusal import refusal, requested
from openadr_ra.protocol.step import AskReports
from openadr_ra.protocol.ven import Wanted
from openadr_ra.wire import codec
from tests.duplex import PUSHED, Duplex
from tests.protocol.answers import AT_THE_VEN, AT_THE_VTN, BY_KIND, END, NEVER, OPT, R1, VALID, Row, request
from tests.world import (
    IDENTITY,
    OFFER,
    VEN1,
    VTN1,
    code_of,
    over_the_wire,
    shed,
)


def at_the_vtn() -> Duplex:
    """A VTN that holds an event, an opt, a registration and report requests of its VEN, and serves it one of its own."""
    pair = Duplex()
    pair.vtn_takes(replace(OFFER, status=(), response=()))
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.vtn_is_polled()
    pair.vtn_takes(AskReports(requests=(request(),)))
    pair.vtn_hears(CreateReport(request_id=R1, requests=(request(),), ven_id=VEN1))
    pair.vtn_hears(OPT)
    drained(pair)
    return pair


def drained(pair: Duplex) -> None:
    while not isinstance(pair.vtn_is_polled(), Response):
        pass


def at_the_ven() -> Duplex:
    """A push VEN that is registered, samples once in ten seconds, serves a request and has one of its own."""
    pair = Duplex(identity=replace(PUSHED, rates=Rates(shortest_s=10)))
    pair.vtn_takes(replace(OFFER, status=(), response=()))
    pair.ven_starts()
    pair.vtn_takes(AskReports(requests=(request(),)))
    pair.ven_receives(Wanted(requests=(request(),)))
    pair.settles()
    return pair


def present(message: Message, pair: Duplex) -> Message:
    """The message with the registrationID of this pair, where the right one is meant."""
    if isinstance(message, CancelPartyRegistration) and message.registration_id == END.registration_id:
        return replace(message, registration_id=pair.node.member.registration_id)
    return message


def cells(table: dict[type[Message], Row]) -> Iterator[object]:
    """Each cell that has something in it: the situation, the message, and what it is answered with."""
    for kind, row in table.items():
        situations = {
            "accepted": (row.accepted, BY_KIND[kind]),
            "unknown id": (row.unknown[0], row.unknown[1] or BY_KIND[kind]),
            "not registered": (row.unregistered, BY_KIND[kind]),
            "not supported": (row.unsupported[0], row.unsupported[1] or BY_KIND[kind]),
        }
        for situation, (cell, message) in situations.items():
            if cell is not NEVER:
                yield pytest.param(situation, message, cell, id=f"{kind.__name__}, {situation}")


def test_the_table_has_every_payload_at_either_end_and_every_cell_says_something() -> None:
    assert set(BY_KIND) == set(AT_THE_VTN) == set(AT_THE_VEN) == set(PAYLOADS)
    assert len(list(cells(AT_THE_VTN))) > 60
    assert len(list(cells(AT_THE_VEN))) > 40


@pytest.mark.parametrize(("situation", "message", "cell"), list(cells(AT_THE_VTN)))
def test_rules_33_48_at_the_vtn_what_it_answers(
    situation: str, message: Message, cell: tuple[type[Message], str]
) -> None:
    """With HTTP 200, schema-valid, quoting the requestID and, in the venID, the VEN that it speaks to."""
    pair = at_the_vtn()
    if situation == "not registered":
        pair.vtn_hears(present(END, pair))
    if situation == "not supported":
        limited = replace(IDENTITY, report_only=True) if not isinstance(message, Poll) else PUSHED
        assert pair.party.registration is not None
        registration = replace(
            pair.party.registration, report_only=limited.report_only, pull=not limited.push_address, address="https://x"
        )
        pair.party = replace(pair.party, registration=registration)
    before = pair.party

    reply = pair.vtn_hears(present(message, pair))

    kind, code = cell
    assert isinstance(reply, kind)
    assert code_of(reply) == code
    assert quoted(reply) == requested(message)
    assert getattr(reply, "ven_id", VEN1) in (VEN1, None)
    if code != "200":
        assert pair.party == before


def quoted(reply: Message) -> str:
    result = getattr(reply, "result", None)
    assert isinstance(result, Result)
    return result.request_id


@pytest.mark.parametrize(("situation", "message", "cell"), list(cells(AT_THE_VEN)))
def test_rules_33_48_at_the_ven_what_it_answers(
    situation: str, message: Message, cell: tuple[type[Message] | None, str | None]
) -> None:
    """An empty 200 where there is nothing to say, or where it is said later."""
    pair = at_the_ven()
    if situation == "not registered":
        pair.node = replace(pair.node, member=replace(pair.node.member, phase="new", ven_id=None))
    if situation == "not supported" and isinstance(message, DistributeEvent):
        pair.node = replace(pair.node, identity=replace(pair.node.identity, report_only=True))
    before = pair.node

    reply = pair.ven_is_called(present(message, pair))

    kind, code = cell
    assert type(reply) is (kind or type(None))
    assert code_of(reply) == code
    if reply is not None:
        assert quoted(reply) == requested(message)
    if code not in ("200", None):
        assert pair.node == before


@pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)
def test_what_comes_to_a_wrong_service_is_answered_453_by_its_natural_reply(message: Message) -> None:
    """Each payload has one service; an oadrResponse, oadrCreatedOpt or oadrCanceledOpt, which are answers, have none."""
    own = type(message).service
    welcome = [service for service in SERVICES if vtn.belongs(message, service)]
    assert welcome == ([own] if own is not None else list(SERVICES))

    reply = over_the_wire(refusal(message, NotRecognized("elsewhere"), ven_id=VEN1, vtn_id=VTN1))

    assert code_of(reply) == "453"
    assert quoted(reply) == requested(message)


@pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("broken", ["an element too many", "no envelope", "an attribute too many", "cut off"])
def test_what_is_not_schema_valid_is_refused_before_it_is_a_message(message: Message, broken: str) -> None:
    """By HTTP 400; the oadrResponse that goes with it says 454, or 453 where not even a payload is to be seen."""
    body = codec.encode_checked(message)
    end = f"</{type(message).xml}></oadr:oadrSignedObject>".encode()
    assert body.count(end) == 1
    bad, code = {
        "an element too many": (body.replace(end, b"<oadr:bogus/>" + end), "454"),
        "an attribute too many": (
            body.replace(b' ei:schemaVersion="2.0b"', b' ei:schemaVersion="2.0b" ei:bogus="1"', 1),
            "454",
        ),
        "no envelope": (body.replace(b"oadr:oadrPayload", b"oadr:oadrPaylode"), "453"),
        "cut off": (body[:-20], "453"),
    }[broken]

    with pytest.raises(WireError) as refused:
        codec.decode(bad)

    assert (refused.value.code, refused.value.status) == (code, 400)
