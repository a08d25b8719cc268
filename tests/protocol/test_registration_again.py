"""EiRegisterParty at the VEN when its people wish it: it asks what the VTN offers, and registers again."""

from __future__ import annotations

from itertools import repeat

import pytest
from msgspec.structs import replace

from openadr_ra.errors import NotAllowed, OadrError
from openadr_ra.protocol.messages import (
    PROFILES,
    CanceledPartyRegistration,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    Message,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import RegistrationId, RequestId, VenId, VtnId
from openadr_ra.protocol.node import Identity
from openadr_ra.protocol.parts import Extension, Info, Profile, Result, ServiceInfo
from openadr_ra.protocol.registration import HELD_POLLS, Offering, offering, question
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Answered, Left, Renewed, deadline
from tests.duplex import PUSHED, Duplex
from tests.world import IDENTITY, MINUTE, NOON, SECOND, VEN1, VTN1, Pair, shed

each_way = pytest.mark.parametrize("way", [IDENTITY, PUSHED], ids=["pull", "push"])
ASKED = question(RequestId("q1"))
NO = CreatedPartyRegistration(result=Result(code="463", description="who?"), vtn_id=VTN1, profiles=PROFILES)


def registered(identity: Identity) -> Duplex:
    """A VEN with an event, and asked for its reports."""
    pair = Duplex(identity=identity, now=NOON - 2 * MINUTE)
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON + 30 * MINUTE))
    pair.clock_reaches(NOON)
    return pair


def said(pair: Pair, kind: type[Message], since: int = 0) -> list[Message]:
    return [each.request for each in pair.said[since:] if isinstance(each.request, kind)]


@each_way
def test_rule_402_at_the_ven_it_registers_again_under_its_ids_when_its_operator_wishes(way: Identity) -> None:
    """Nothing else begins anew, and to wish it twice is to wish it once."""
    pair = registered(way)
    member, agenda, served, since = pair.node.member, pair.node.agenda, set(pair.node.producer.requests), len(pair.said)
    pair.ven_receives(Renewed())
    pair.ven_receives(Renewed())
    pair.settles()

    (message,) = said(pair, CreatePartyRegistration, since)
    assert isinstance(message, CreatePartyRegistration)
    assert (message.registration_id, message.ven_id) == (member.registration_id, VEN1)
    assert said(pair, RegisterReport, since) == said(pair, RequestEvent, since) == []
    assert (pair.node.member, pair.node.agenda, set(pair.node.producer.requests)) == (member, agenda, served)
    assert pair.node.debts == ()


def test_whoever_has_left_registers_anew_when_its_operator_wishes(pair: Pair) -> None:
    pair.ven_receives(Left())
    pair.settles()
    since = len(pair.said)
    pair.ven_receives(Renewed())
    pair.settles()

    (message,) = said(pair, CreatePartyRegistration, since)
    assert isinstance(message, CreatePartyRegistration)
    assert message.registration_id is None
    assert said(pair, RegisterReport, since)
    assert pair.node.member.phase == "registered"
    assert pair.party.registration is not None


def test_whoever_is_leaving_has_to_wait_with_that(pair: Pair) -> None:
    pair.fates = iter(["request lost"])
    pair.ven_receives(Left())
    pair.settles()

    with pytest.raises(NotAllowed, match="the registration is being ended; register again when it has ended"):
        pair.ven_receives(Renewed())


def test_an_attempt_at_a_registration_that_is_waited_for_is_made_at_once() -> None:
    pair = Pair(fates=repeat("request lost"))
    pair.ven_starts()
    pair.clock_reaches(pair.now + 10 * MINUTE)
    due, now = deadline(pair.node, pair.now), pair.now
    assert due is not None
    assert due > now + SECOND

    pair.fates = iter(())
    pair.ven_receives(Renewed())
    pair.settles()
    assert (pair.node.member.phase, pair.now < due) == ("registered", True)


def test_rule_401_at_the_ven_what_a_vtn_offers_is_read_whole() -> None:
    xmpp = Profile(name=Token("2.0b"), transports=(Token("simpleHttp"), Token("xmpp")))
    infos = (ServiceInfo(service=Token("EiEvent"), infos=(Info(key="lead", value="PT5M"),)),)
    held = (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="30"),)),)
    answer = CreatedPartyRegistration(
        result=Result(), vtn_id=VtnId("V"), profiles=(xmpp,), poll_freq=Duration(seconds=20), service_info=infos,
        extensions=held, registration_id=RegistrationId("r"), ven_id=VenId("v"),
    )  # fmt: skip

    assert offering(answer) == Offering(
        vtn_id=VtnId("V"), profiles=(xmpp,), poll_s=20, hold_s=30, registration_id=RegistrationId("r"),
        ven_id=VenId("v"), service_info=infos, extensions=held,
    )  # fmt: skip
    bare = replace(answer, poll_freq=None, extensions=(), registration_id=None, ven_id=None)
    assert (offering(bare).poll_s, offering(bare).hold_s, offering(bare).registration_id) == (0, 0, None)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (NO, "the VTN refuses to say what it offers: 463 who?"),
        (Response(result=Result(code="453")), "the VTN refuses to say what it offers: 453"),
        (Response(result=Result()), "the VTN answers Response when it is asked what it offers"),
        (CanceledPartyRegistration(result=Result()), "the VTN answers CanceledPartyRegistration when it is asked"),
        (None, "the VTN answers an empty message when it is asked what it offers"),
    ],
)
def test_an_answer_that_offers_nothing_is_an_error(answer: Message | None, sentence: str) -> None:
    with pytest.raises(OadrError) as refused:
        offering(answer)

    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("answer", [NO, replace(NO, result=Result()), None, Response(result=Result(code="452"))])
def test_rule_401_at_the_ven_to_ask_changes_nothing_whatever_the_answer(pair: Pair, answer: Message | None) -> None:
    """A VTN that says that it does not know us says so to a poll, too."""
    before = pair.node
    pair.ven_receives(Answered(request=ASKED, answer=answer))

    assert pair.node == before


def test_rule_401_at_both_ends_a_registered_ven_that_asks_is_told_its_ids(pair: Pair) -> None:
    before = pair.party
    found = offering(pair.vtn_hears(ASKED))

    assert (found.ven_id, found.registration_id) == (VEN1, pair.node.member.registration_id)
    assert pair.party == before
