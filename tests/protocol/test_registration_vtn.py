"""EiRegisterParty at the VTN: who is let in, under which ids, and what a registration carries away with it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CancelPartyRegistration,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import RegistrationId, RequestId, VenId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.vtn import Terms, belongs, is_creating, is_plain, is_poll, is_registering
from tests.world import E1, FINGERPRINT, HOUR, METADATA, NOON, SECOND, VEN1, VTN1, Pair, code_of, shed

QUERY = QueryRegistration(request_id=RequestId("q1"))
CREATE = CreatePartyRegistration(request_id=RequestId("c1"), ven_name="edge", pull=True)
FOREIGN = "FF:FF:FF:FF:FF:FF:FF:FF:FF:FF"


def registration(reply: Message) -> CreatedPartyRegistration:
    assert isinstance(reply, CreatedPartyRegistration)
    return reply


def held(pair: Pair) -> RegistrationId:
    assert pair.party.registration is not None
    return pair.party.registration.id


def test_a_query_does_not_register_and_names_no_ids() -> None:
    """Whoever asks may know what is offered; ids are for the registered."""
    pair = Pair()

    reply = registration(pair.vtn_hears(QUERY))

    assert (reply.result.code, reply.result.request_id) == ("200", "q1")
    assert (reply.ven_id, reply.registration_id) == (None, None)
    assert (reply.vtn_id, reply.profiles[0].name, reply.profiles[0].transports) == (VTN1, "2.0b", ("simpleHttp",))
    assert pair.party.registration is None


def test_a_query_of_a_registered_ven_names_its_ids(pair: Pair) -> None:
    reply = registration(pair.vtn_hears(QUERY))

    assert (reply.ven_id, reply.registration_id) == (VEN1, held(pair))


@pytest.mark.parametrize("message", [QUERY, CREATE], ids=["query", "creation"])
def test_x_reg_2_at_the_vtn_the_poll_frequency_is_always_given(message: Message) -> None:
    """A VEN of EPRI's cannot do without it."""
    pair = Pair(terms=Terms(vtn_id=VTN1, poll_s=30))

    assert registration(pair.vtn_hears(message)).poll_freq == Duration(seconds=30)


def test_a_first_creation_gives_both_ids_and_is_journalled() -> None:
    pair = Pair()

    reply = registration(pair.vtn_hears(CREATE))

    assert (reply.result.code, reply.result.request_id) == ("200", "c1")
    assert (reply.ven_id, reply.vtn_id, reply.registration_id) == (VEN1, VTN1, held(pair))
    assert [(entry.subject, entry.what, entry.detail) for entry in pair.journal] == [
        ("party/VEN1", "registered", "edge")
    ]
    assert pair.party.name == "edge"


def test_registering_again_with_both_ids_changes_neither_them_nor_anything_else(pair: Pair) -> None:
    """No METADATA is exchanged anew (N1_0065)."""
    before = pair.party
    pair.now += 60 * SECOND

    reply = registration(pair.vtn_hears(replace(CREATE, registration_id=held(pair), ven_id=VEN1, ven_name="moved")))

    assert (reply.result.code, reply.registration_id) == ("200", held(pair))
    assert (pair.party.reports, pair.party.debts) == (before.reports, before.debts)
    assert pair.party.name == "moved"
    assert pair.journal[-1].what == "registered again"


def test_rule_406_at_the_vtn_a_forced_new_registration_drops_reports_and_hands_out_events_again(pair: Pair) -> None:
    """Without a registrationID the VEN has forgotten everything: a new id, METADATA of both ends anew (rule 301)."""
    old = held(pair)
    pair.vtn_publishes(shed())
    pair.ven_polls()
    assert pair.party.reports.requests

    reply = registration(pair.vtn_hears(replace(CREATE, request_id=RequestId("c2"), ven_id=VEN1)))

    assert reply.registration_id != old
    assert (pair.party.reports.offered, pair.party.reports.requests) == ((), {})
    delivery = pair.vtn_is_polled()
    assert isinstance(delivery, DistributeEvent)
    assert [item.event.id for item in delivery.events] == ["E1"]
    assert isinstance(pair.vtn_is_polled(), RegisterReport)
    assert pair.party.events[E1].opt is None


def test_a_creation_that_is_repeated_is_the_same_registration() -> None:
    """A VEN that did not hear the answer asks again under the same requestID: that is no second registration."""
    pair = Pair()
    first = registration(pair.vtn_hears(CREATE))
    pair.vtn_hears(METADATA)

    again = registration(pair.vtn_hears(CREATE))

    assert again.registration_id == first.registration_id
    assert pair.party.reports.offered == METADATA.reports


def test_a_creation_under_a_requestid_that_was_used_long_ago_is_a_new_registration() -> None:
    """Some VENs use one requestID for everything, so that a repetition counts as one for two minutes only."""
    pair = Pair()
    first = registration(pair.vtn_hears(CREATE))
    pair.now += 120 * SECOND
    within = registration(pair.vtn_hears(CREATE))
    pair.now += 121 * SECOND
    beyond = registration(pair.vtn_hears(CREATE))

    assert within.registration_id == first.registration_id
    assert beyond.registration_id != first.registration_id


def test_an_attempt_to_register_that_comes_after_a_later_one_is_the_same_registration() -> None:
    """A VEN tries for as long as it hears nothing; an attempt that was held up on its way must not void what it has by
    then. Found by simulation."""
    pair = Pair()
    pair.vtn_hears(CREATE)
    pair.now += 110 * SECOND
    heard = registration(pair.vtn_hears(CREATE))
    pair.vtn_hears(METADATA)
    pair.now += 50 * SECOND

    late = registration(pair.vtn_hears(CREATE))

    assert late.registration_id == heard.registration_id
    assert pair.party.reports.offered == METADATA.reports


def test_an_empty_requestid_repeats_nothing() -> None:
    pair = Pair()
    nameless = replace(CREATE, request_id=RequestId(""))

    one, other = registration(pair.vtn_hears(nameless)), registration(pair.vtn_hears(nameless))

    assert one.registration_id != other.registration_id


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"registration_id": RegistrationId("reg-none")}, "452"),
        ({"ven_id": VenId("ven1")}, "452"),
        ({"profile": Token("2.0a")}, "451"),
        ({"transport": Token("xmpp")}, "451"),
        ({"pull": False}, "454"),
    ],
    ids=["registrationID", "venID in lower case", "2.0a", "xmpp", "push without an address"],
)
def test_rules_21_506_at_the_vtn_a_creation_with_wrong_ids_or_for_what_is_not_offered_is_refused(
    pair: Pair, wrong: dict[str, object], code: str
) -> None:
    """The answer is schema-valid: the profiles are there even in a refusal."""
    before = pair.party

    reply = registration(pair.vtn_hears(replace(CREATE, **wrong)))

    assert (reply.result.code, reply.result.request_id) == (code, "c1")
    assert (reply.registration_id, reply.ven_id) == (None, None)
    assert pair.party == before


def test_a_registrationid_that_nobody_holds_is_refused_with_452() -> None:
    """After a VTN lost its memory its VENs are told to begin anew."""
    reply = registration(Pair().vtn_hears(replace(CREATE, registration_id=RegistrationId("reg-old"), ven_id=VEN1)))

    assert reply.result.code == "452"


def test_a_creation_without_a_name_keeps_the_one_that_is_known(pair: Pair) -> None:
    pair.vtn_hears(replace(CREATE, registration_id=held(pair), ven_id=VEN1, ven_name=None))

    assert pair.party.name == "edge"


def test_the_first_certificate_is_the_vens_from_then_on(pair: Pair) -> None:
    assert pair.party.fingerprints == (FINGERPRINT,)

    pair.fingerprint = FOREIGN
    assert code_of(pair.vtn_is_polled()) == "463"
    assert code_of(pair.vtn_hears(QUERY)) == "463"


def test_several_certificates_are_admitted_at_once(pair: Pair) -> None:
    """While one is being renewed."""
    pair.party = replace(pair.party, fingerprints=(FINGERPRINT, FOREIGN))

    for pair.fingerprint in (FINGERPRINT, FOREIGN):
        assert code_of(pair.vtn_is_polled()) == "200"


def test_without_tls_a_ven_is_who_it_says_it_is() -> None:
    pair = Pair(fingerprint=None)
    pair.ven_starts()

    assert pair.party.fingerprints == ()
    assert code_of(pair.vtn_is_polled()) == "200"


def test_rule_21_at_the_vtn_a_venid_in_another_letter_case_is_unknown(pair: Pair) -> None:
    assert code_of(pair.vtn_hears(Poll(ven_id=VenId("ven1")))) == "452"


def test_x_act_1_at_the_vtn_a_cancelled_registration_leaves_nothing(pair: Pair) -> None:
    """Events, reports and debts are void, and nothing but a registration is heard (X-ACT-1)."""
    pair.vtn_publishes(shed())
    pair.ven_polls()
    registered = held(pair)
    cancel = CancelPartyRegistration(request_id=RequestId("x1"), registration_id=registered, ven_id=VEN1)

    reply = pair.vtn_hears(cancel)

    assert isinstance(reply, CanceledPartyRegistration)
    assert (reply.result.code, reply.result.request_id) == ("200", "x1")
    assert (reply.registration_id, reply.ven_id) == (registered, VEN1)
    assert (pair.party.events, pair.party.reports.requests, pair.party.debts) == ({}, {}, ())
    assert code_of(pair.vtn_is_polled()) == "463"
    assert code_of(pair.vtn_hears(CREATE)) == "200"


def test_a_cancellation_of_another_registration_is_refused(pair: Pair) -> None:
    before = pair.party
    cancel = CancelPartyRegistration(request_id=RequestId("x1"), registration_id=RegistrationId("reg-none"))

    assert code_of(pair.vtn_hears(cancel)) == "452"
    assert pair.party == before


def test_an_event_for_a_ven_that_is_not_registered_waits_for_it() -> None:
    pair = Pair()
    pair.vtn_publishes(shed())
    assert code_of(pair.vtn_hears(RequestEvent(request_id=RequestId("r"), ven_id=VEN1))) == "463"

    pair.ven_starts()

    assert pair.site.applied == [(NOON, -2.0), (NOON + HOUR, "release")]


def test_a_message_is_taken_at_its_own_service_only() -> None:
    """An oadrResponse goes where its VEN thinks fit."""
    answered = Response(result=Result())
    assert belongs(Poll(ven_id=VEN1), "OadrPoll")
    assert not belongs(Poll(ven_id=VEN1), "EiEvent")
    assert all(belongs(answered, service) for service in ("EiRegisterParty", "OadrPoll"))


def test_what_a_vtn_wants_to_know_of_a_message_before_it_steps() -> None:
    answered = Response(result=Result())
    assert [is_registering(message) for message in (QUERY, CREATE, METADATA)] == [True, True, False]
    assert [is_creating(message) for message in (QUERY, CREATE)] == [False, True]
    assert [is_poll(message) for message in (Poll(ven_id=VEN1), QUERY)] == [True, False]
    assert [is_plain(message) for message in (answered, QUERY)] == [True, False]
