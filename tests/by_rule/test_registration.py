"""EiRegisterParty and the services: how the two ends begin, what a registration brings, and where a payload belongs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import ven
from openadr_ra.protocol.messages import (
    EI_EVENT,
    EI_OPT,
    PROFILES,
    SERVICES,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import OPT_OUT, OptId, RequestId
from openadr_ra.protocol.opt import SCHEDULED, Opt, message, period
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.ven import Called, Declared
from openadr_ra.protocol.vtn import belongs
from tests.by_rule.session import Heard, elements, one
from tests.duplex import PUSHED, Duplex
from tests.protocol.answers import VALID
from tests.world import (
    HOUR,
    IDENTITY,
    METADATA,
    MINUTE,
    NOON,
    OFFER,
    VEN1,
    VTN1,
    Exchange,
    Moments,
    Pair,
    code_of,
    distributed,
    event,
    shed,
)

CREATE = CreatePartyRegistration(request_id=RequestId("c1"), ven_name="edge", pull=True)
GIVEN = "//oadr:oadrCreatedPartyRegistration"


@pytest.fixture
def begun() -> Pair:
    """A VEN that has just begun, at a VTN that has an event for it."""
    pair = Pair()
    pair.vtn_publishes(shed())
    pair.ven_starts()
    return pair


def kinds(said: list[Exchange]) -> list[tuple[str, str]]:
    """What was said, and by what it was answered."""
    return [(type(each.request).__name__, type(each.reply).__name__) for each in said]


def test_rules_401_402_at_both_ends_a_ven_begins_as_n1_0020_has_it(begun: Pair) -> None:
    """Registration, METADATA, events, polls; the VTN's own METADATA and what it asks for come with the polls."""
    said = kinds(begun.said)

    assert said[0] == ("CreatePartyRegistration", "CreatedPartyRegistration")
    assert said[1:3] == [("RegisterReport", "RegisteredReport"), ("RequestEvent", "DistributeEvent")]
    assert set(said[3:]) == {
        ("CreatedReport", "Response"),
        ("CreatedEvent", "Response"),
        ("Poll", "RegisterReport"),
        ("RegisteredReport", "Response"),
        ("Poll", "Response"),
    }
    assert {code_of(each.request) for each in begun.said} <= {"200", None}
    assert {code_of(each.reply) for each in begun.said} <= {"200", None}


def test_rules_401_402_at_the_vtn_its_metadata_and_the_vens_may_come_in_either_order() -> None:
    pair = Pair()
    assert code_of(pair.vtn_hears(CREATE)) == "200"
    offered = pair.vtn_is_polled()
    assert isinstance(offered, RegisterReport)

    answer = RegisteredReport(result=Result(request_id=offered.request_id), ven_id=VEN1)
    assert code_of(pair.vtn_hears(answer)) == "200"
    assert isinstance(pair.vtn_hears(METADATA), RegisteredReport)
    assert isinstance(pair.vtn_is_polled(), Response)


def test_rules_401_402_at_the_ven_nothing_is_said_before_it_is_registered() -> None:
    """Whatever it has to say: it says who it is until it is heard."""
    pair = Pair(fates=("request lost", "reply lost", "request lost"))
    pair.ven_receives(OFFER)
    pair.ven_receives(Declared(opt=AWAY))
    pair.ven_starts()
    pair.clock_reaches(pair.now + 10 * MINUTE)

    first = [type(each.request) for each in pair.said[:5]]
    assert first == [CreatePartyRegistration] * 4 + [RegisterReport]


def test_rule_405_at_the_vtn_events_are_handed_out_as_soon_as_the_ven_is_registered() -> None:
    """And not before."""
    pair = Pair()
    pair.vtn_publishes(shed())
    ask = RequestEvent(request_id=RequestId("re1"), ven_id=VEN1)
    assert code_of(pair.vtn_hears(ask)) == "463"
    pair.vtn_hears(CREATE)

    reply = pair.vtn_hears(ask)

    assert isinstance(reply, DistributeEvent)
    assert [item.event.id for item in reply.events] == ["E1"]


AWAY = Opt(id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON, periods=(period(NOON, HOUR),))


def test_rule_406_at_the_vtn_reports_and_opts_end_with_a_new_registration_and_not_with_a_repeated_one() -> None:
    pair = Pair()
    pair.ven_starts()
    pair.vtn_hears(message(AWAY, request_id=RequestId("o"), ven_id=VEN1, now=pair.now))
    held = pair.party.registration
    assert held is not None
    repeated = replace(CREATE, registration_id=held.id, ven_id=VEN1)

    pair.vtn_hears(repeated)
    assert (set(pair.party.opts), bool(pair.party.reports.requests)) == ({"o1"}, True)
    pair.vtn_hears(replace(CREATE, ven_id=VEN1))
    assert (set(pair.party.opts), pair.party.reports.requests) == (set(), {})


def test_rule_406_at_the_ven_a_forced_new_registration_quotes_no_registrationid(begun: Pair) -> None:
    """After the VTN has disowned it; with a registration of its own it quotes both ids."""
    begun.party = replace(begun.party, registration=None)
    since = len(begun.said)
    begun.clock_reaches(begun.now + MINUTE)

    (again,) = [each.request for each in begun.said[since:] if isinstance(each.request, CreatePartyRegistration)]
    assert again.registration_id is None
    assert [kind for kind, _ in kinds(begun.said[since:])][1:4] == [
        "CreatePartyRegistration",
        "RegisterReport",
        "RequestEvent",
    ]


def test_x_reg_1_at_the_ven_the_pull_model_is_always_said_and_the_address_with_push(heard: Heard) -> None:
    found = set()
    for each in heard.ven.find("//oadr:oadrCreatePartyRegistration"):
        push = one(each, "oadr:oadrHttpPullModel") == "false"
        assert len(elements(each, "oadr:oadrTransportAddress")) == push
        found.add(push)

    assert found == {True, False}


def test_x_reg_2_at_the_vtn_the_frequency_is_in_every_answer_to_a_registration(heard: Heard) -> None:
    for each in heard.vtn.find(GIVEN):
        assert one(each, "oadr:oadrRequestedOadrPollFreq/xcal:duration") == "PT1M"


AT: dict[str, tuple[str, ...]] = {
    "EiEvent": ("oadrRequestEvent", "oadrDistributeEvent", "oadrCreatedEvent"),
    "EiReport": (
        "oadrRegisterReport", "oadrRegisteredReport", "oadrCreateReport", "oadrCreatedReport", "oadrUpdateReport",
        "oadrUpdatedReport", "oadrCancelReport", "oadrCanceledReport",
    ),
    "EiRegisterParty": (
        "oadrQueryRegistration", "oadrCreatePartyRegistration", "oadrCancelPartyRegistration",
        "oadrCanceledPartyRegistration", "oadrRequestReregistration",
    ),
    "EiOpt": ("oadrCreateOpt", "oadrCancelOpt"),
    "OadrPoll": ("oadrPoll",),
}  # fmt: skip
"""What belongs where, as the reference has it."""

ANYWHERE = {"oadrResponse", "oadrCreatedOpt", "oadrCanceledOpt", "oadrCreatedPartyRegistration"}
"""Answers that are only ever the response to something else; an oadrResponse of a VEN's goes where that thinks fit."""


def test_rules_501_507_at_the_vtn_each_payload_is_taken_at_its_own_service_and_at_no_other() -> None:
    for each in VALID:
        name = each.xml.removeprefix("oadr:")
        welcome = [service for service in AT if belongs(each, service)]
        assert welcome == (list(AT) if name in ANYWHERE else [service for service in AT if name in AT[service]])


def test_rules_501_507_at_the_ven_it_uses_all_five_services(heard: Heard) -> None:
    """That each of its posts goes to the right one is seen on the wire (rule 511)."""
    assert all(heard.ven.kinds() & set(names) for names in AT.values())


@pytest.mark.parametrize("service", SERVICES)
def test_rules_501_507_at_the_ven_what_is_posted_to_a_wrong_service_is_answered_453(service: str) -> None:
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    outcome = ven.receive(pair.node, Called(message=distributed(event()), service=service), Moments().at(pair.now))

    right = service == EI_EVENT
    assert [code_of(each) for each in outcome.replies] == ([] if right else ["453"])
    assert list(outcome.state.agenda) == (["E1"] if right else [])


def test_rules_501_507_at_both_ends_a_report_only_ven_has_neither_events_nor_opts() -> None:
    pair = Pair(identity=replace(IDENTITY, report_only=True))
    pair.vtn_publishes(shed(start=NOON - 30 * MINUTE))
    pair.ven_starts()
    pair.clock_reaches(NOON)

    said = [message for each in pair.said for message in (each.request, each.reply) if message is not None]
    assert {each.service for each in said}.isdisjoint({EI_EVENT, EI_OPT})
    opt = message(AWAY, request_id=RequestId("o"), ven_id=VEN1, now=NOON)
    for each in (RequestEvent(request_id=RequestId("re1"), ven_id=VEN1), opt):
        assert code_of(pair.vtn_hears(each)) == "451"


class Unwilling(Pair):
    """A VTN that does not take 2.0b."""

    def vtn_hears(self, message: Message) -> Message:
        result = Result(code="451", request_id=requested(message))
        return CreatedPartyRegistration(result=result, vtn_id=VTN1, profiles=PROFILES)


def test_rule_506_at_the_ven_a_vtn_that_refuses_2_0b_is_asked_for_nothing_else() -> None:
    """There is no older profile to fall back on."""
    pair = Unwilling()
    pair.ven_starts()
    pair.clock_reaches(pair.now + HOUR)

    asked = [each.request for each in pair.said]
    assert len(asked) > 2
    assert {each.profile for each in asked if isinstance(each, CreatePartyRegistration)} == {"2.0b"}
    assert {type(each) for each in asked} == {CreatePartyRegistration}
