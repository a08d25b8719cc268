"""EiRegisterParty at the VEN: it registers, adopts what the VTN says, begins anew when it has to, and ends when told."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise, repeat
from typing import get_args

import pytest
from msgspec.structs import replace

from openadr_ra.errors import NotAllowed
from openadr_ra.protocol import ven
from openadr_ra.protocol.messages import (
    PROFILES,
    CanceledPartyRegistration,
    CancelPartyRegistration,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    Message,
    Poll,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
)
from openadr_ra.protocol.model import RegistrationId, RequestId, VenId
from openadr_ra.protocol.pacing import LONGEST_BACKOFF_S, backoff
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.registration import TRANSITIONS, Move, Phase, moved
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Answered, Left
from openadr_ra.protocol.vtn import Party, Terms
from tests.world import E1, HOUR, IDENTITY, MINUTE, NOON, SECOND, VEN1, VTN1, Pair, code_of, in_memory, shed


def requests(pair: Pair, kind: type[Message] = Message, since: int = 0) -> list[Message]:
    """What the VEN has said."""
    return [each.request for each in pair.said[since:] if isinstance(each.request, kind)]


def created(pair: Pair) -> CreatePartyRegistration:
    """The VEN's newest oadrCreatePartyRegistration."""
    message = requests(pair, CreatePartyRegistration)[-1]
    assert isinstance(message, CreatePartyRegistration)
    return message


def times(pair: Pair, kind: type[Message]) -> list[datetime]:
    return [each.at for each in pair.said if isinstance(each.request, kind)]


def test_rules_301_405_500_at_the_ven_a_new_registration_is_followed_by_metadata_events_and_polls(pair: Pair) -> None:
    """In the order in which the test harness goes through it (N1_0020)."""
    said = [type(each.request) for each in pair.said]

    assert said[:4] == [CreatePartyRegistration, RegisterReport, RequestEvent, Poll]
    assert said[-1] is Poll
    assert isinstance(pair.said[-1].reply, Response)
    assert pair.party.debts == ()


def test_a_first_registration_asks_with_the_preassigned_venid_and_no_registrationid(pair: Pair) -> None:
    message = created(pair)

    assert (message.ven_id, message.registration_id) == (VEN1, None)
    assert (message.profile, message.transport, message.pull) == ("2.0b", "simpleHttp", True)
    assert (message.xml_signature, message.report_only, message.ven_name) == (False, False, "edge")


def test_a_venid_that_the_vtn_assigns_is_adopted() -> None:
    pair = Pair(identity=replace(IDENTITY, preassigned=None))
    pair.ven_starts()

    assert created(pair).ven_id is None
    assert pair.node.member.ven_id == VEN1
    assert pair.node.member.vtn_id == VTN1


def test_a_venid_other_than_the_one_asked_for_is_adopted() -> None:
    """The VTN has the last word on names."""
    pair = Pair()
    answer = CreatedPartyRegistration(
        result=Result(), registration_id=RegistrationId("reg"), ven_id=VenId("VEN2"), vtn_id=VTN1, profiles=PROFILES
    )

    pair.ven_receives(Answered(request=CreatePartyRegistration(request_id=RequestId("c")), answer=answer))

    assert pair.node.member.ven_id == "VEN2"


@pytest.mark.parametrize(
    ("frequency", "poll_s"),
    [
        (Duration(seconds=45), 45),
        (None, 10),
        (Duration(), 10),
        (Duration(seconds=-5), 10),
        (Duration(months=1), 10),
    ],
    ids=["given", "absent", "zero", "negative", "a month"],
)
def test_the_requested_poll_frequency_is_adopted_where_it_makes_sense(frequency: Duration | None, poll_s: int) -> None:
    pair = Pair()
    answer = CreatedPartyRegistration(
        result=Result(),
        registration_id=RegistrationId("reg"),
        ven_id=VEN1,
        vtn_id=VTN1,
        profiles=PROFILES,
        poll_freq=frequency,
    )

    pair.ven_receives(Answered(request=CreatePartyRegistration(request_id=RequestId("c")), answer=answer))

    assert pair.node.member.poll_s == poll_s


def test_a_vtn_that_is_away_is_asked_again_and_again_but_never_hammered() -> None:
    """Truncated exponential back-off with jitter: from one second, at most a minute apart, and no end to it."""
    pair = Pair(fates=repeat("request lost"))
    pair.ven_starts()
    pair.clock_reaches(NOON)

    tries = times(pair, Message)
    gaps = [later - sooner for sooner, later in pairwise(tries)]
    assert gaps[0] <= SECOND
    assert max(gaps) <= timedelta(seconds=LONGEST_BACKOFF_S)
    assert min(gaps[8:]) >= timedelta(seconds=LONGEST_BACKOFF_S / 2)
    assert 60 <= len(tries) <= 130


@pytest.mark.parametrize("tries", range(1, 40))
def test_the_pause_after_a_failure_is_between_half_of_a_bound_and_the_bound(tries: int) -> None:
    bound = min(2.0 ** (tries - 1), LONGEST_BACKOFF_S)

    assert backoff(tries, 0.0) == timedelta(seconds=bound / 2)
    assert backoff(tries, 0.5) == timedelta(seconds=bound * 0.75)
    assert timedelta(seconds=bound / 2) < backoff(tries, 1 - 2**-32) <= timedelta(seconds=bound)


def test_a_refused_registration_is_tried_again_without_ids_and_ever_more_slowly() -> None:
    """What the VTN said is kept for whoever looks at this VEN."""
    pair = Pair()
    pair.party = replace(pair.party, fingerprints=("ANOTHER",))
    pair.ven_starts()
    pair.clock_reaches(NOON)

    assert pair.node.member.phase == "new"
    assert pair.node.member.refusal.startswith("463 ")
    assert created(pair).registration_id is None
    assert 60 <= len(pair.said) <= 130


def test_an_unusable_answer_to_a_registration_is_no_registration() -> None:
    pair = Pair()
    request = CreatePartyRegistration(request_id=RequestId("c"))

    for answer in (
        None,
        Response(result=Result()),
        CreatedPartyRegistration(result=Result(), vtn_id=VTN1, profiles=()),
    ):
        pair.ven_receives(Answered(request=request, answer=answer))
        assert pair.node.member.phase == "new"


def test_a_vtn_that_forgot_the_ven_gets_it_back_a_poll_later(pair: Pair) -> None:
    """Under a new registrationID, with METADATA and events anew."""
    pair.vtn_publishes(shed())
    pair.ven_polls()
    old = pair.node.member.registration_id
    pair.party = Party(ven_id=VEN1, events=pair.party.events)
    since = len(pair.said)

    pair.ven_polls()
    assert pair.node.member.phase == "new"
    assert code_of(pair.said[-1].reply) == "463"
    pair.clock_reaches(pair.now + 10 * SECOND)

    assert [type(each) for each in requests(pair, since=since)][:4] == [
        Poll, CreatePartyRegistration, RegisterReport, RequestEvent,
    ]  # fmt: skip
    assert created(pair).registration_id is None
    assert pair.node.member.registration_id not in (None, old)
    assert pair.party.events[E1].opt == "optIn"


def test_an_unknown_venid_in_a_poll_means_the_same(pair: Pair) -> None:
    """VTNs differ in what they say to a VEN they do not know: 463 or 452."""
    refused = Response(result=Result(code="452"))

    pair.ven_receives(Answered(request=Poll(ven_id=VEN1), answer=refused))

    assert pair.node.member.phase == "new"
    assert pair.node.member.ven_id is None


def test_a_vtn_that_forgets_the_ven_all_the_time_is_not_hammered() -> None:
    """Two that disagree meet once a poll period, no faster."""
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    while pair.now < NOON:
        pair.party = Party(ven_id=VEN1)
        pair.clock_reaches(pair.now + 5 * SECOND)

    registrations = times(pair, CreatePartyRegistration)
    assert len(registrations) > 100
    assert min(later - sooner for sooner, later in pairwise(registrations)) >= 10 * SECOND


def test_asked_to_register_again_the_ven_acknowledges_and_does_so_with_both_ids(pair: Pair) -> None:
    """No METADATA is exchanged anew."""
    member, since = pair.node.member, len(pair.said)

    pair.ven_hears(RequestReregistration(ven_id=VEN1))
    pair.settles()

    said = requests(pair, since=since)
    assert [type(each) for each in said] == [Response, CreatePartyRegistration, Poll]
    assert said[0] == Response(result=Result(), ven_id=VEN1)
    assert (created(pair).registration_id, created(pair).ven_id) == (member.registration_id, VEN1)
    assert pair.node.member == member


def test_a_new_poll_frequency_is_adopted_when_registering_again(pair: Pair) -> None:
    pair.terms = Terms(vtn_id=VTN1, poll_s=30)
    pair.ven_hears(RequestReregistration(ven_id=VEN1))
    pair.settles()

    assert pair.node.member.poll_s == 30
    assert pair.node.poll_due >= pair.now + 30 * SECOND


def test_rule_406_at_the_ven_a_registrationid_that_has_changed_voids_events_and_reports(pair: Pair) -> None:
    """What was promised for them is released; METADATA and events are exchanged anew."""
    pair.vtn_publishes(shed(start=NOON - 30 * MINUTE))
    pair.clock_reaches(NOON)
    answer = next(each.reply for each in pair.said if isinstance(each.reply, CreatedPartyRegistration))
    other = replace(answer, registration_id=RegistrationId("reg-2"))

    pair.ven_receives(Answered(request=CreatePartyRegistration(request_id=RequestId("c")), answer=other))

    assert (pair.node.agenda, pair.node.producer.requests) == ({}, {})
    assert pair.site.applied == [(NOON - 30 * MINUTE, -2.0), (NOON, "release")]
    since = len(pair.said)
    pair.settles()
    assert [type(each) for each in requests(pair, since=since)][:3] == [RegisterReport, RequestEvent, Poll]


def test_a_re_registration_that_is_refused_begins_anew_without_ids(pair: Pair) -> None:
    """A VTN that kept other ids says 452; the next attempt asks for a new registration."""
    assert pair.party.registration is not None
    other = replace(pair.party.registration, id=RegistrationId("reg-2"))
    pair.party = replace(pair.party, registration=other)

    pair.ven_hears(RequestReregistration(ven_id=VEN1))
    pair.clock_reaches(pair.now + 10 * SECOND)

    replies = [code_of(each.reply) for each in pair.said if isinstance(each.request, CreatePartyRegistration)]
    assert replies[-2:] == ["452", "200"]
    assert created(pair).registration_id is None


CANCEL = CancelPartyRegistration(request_id=RequestId("x1"), registration_id=RegistrationId(""), ven_id=VEN1)


def test_a_registration_that_the_vtn_cancels_is_over(pair: Pair) -> None:
    """The VEN confirms, releases what it promised, and says nothing more until it is started again."""
    pair.vtn_publishes(shed(start=NOON - 30 * MINUTE))
    pair.clock_reaches(NOON)
    registration = pair.node.member.registration_id
    assert registration is not None

    pair.ven_hears(replace(CANCEL, registration_id=registration))
    pair.settles()

    answer = pair.said[-1].request
    assert isinstance(answer, CanceledPartyRegistration)
    assert (answer.result, answer.registration_id) == (Result(request_id=RequestId("x1")), registration)
    assert pair.site.applied[-1] == (NOON, "release")
    assert ven.deadline(pair.node, pair.now) is None
    pair.ven_starts()
    assert pair.node.member.phase == "registered"


def test_a_vtn_that_disowns_the_confirmation_of_its_cancellation_is_not_told_again(pair: Pair) -> None:
    """It has no registration any more, so 463 is all that it may have to say."""
    registration = pair.node.member.registration_id
    assert registration is not None
    pair.party = Party(ven_id=VEN1)

    pair.ven_hears(replace(CANCEL, registration_id=registration))
    pair.settles()

    assert code_of(pair.said[-1].reply) == "463"
    assert (pair.node.member.phase, pair.node.debts) == ("ended", ())


@pytest.mark.parametrize(
    "wrong", [{"registration_id": RegistrationId("reg-none")}, {"ven_id": VenId("ven1")}], ids=["id", "venID"]
)
def test_rule_21_at_the_ven_a_cancellation_with_wrong_ids_is_answered_452(pair: Pair, wrong: dict[str, str]) -> None:
    registration = pair.node.member.registration_id
    assert registration is not None

    pair.ven_hears(replace(replace(CANCEL, registration_id=registration), **wrong))
    pair.settles()

    assert [code_of(each) for each in requests(pair, CanceledPartyRegistration)] == ["452"]
    assert pair.node.member.phase == "registered"


def test_a_ven_that_leaves_says_so_and_is_silent_afterwards(pair: Pair) -> None:
    pair.vtn_publishes(shed(start=NOON - 30 * MINUTE))
    pair.clock_reaches(NOON)
    registration = pair.node.member.registration_id

    pair.ven_receives(Left())
    pair.settles()

    (message,) = requests(pair, CancelPartyRegistration)
    assert isinstance(message, CancelPartyRegistration)
    assert (message.registration_id, message.ven_id) == (registration, VEN1)
    assert pair.party.registration is None
    assert pair.site.applied[-1] == (NOON, "release")
    assert ven.deadline(pair.node, pair.now) is None


def test_a_ven_whose_farewell_was_heard_but_not_answered_does_not_come_back(pair: Pair) -> None:
    """The VTN answers the repetition with 463, which is no reason to register again."""
    pair.fates = iter(["reply lost"])

    pair.ven_receives(Left())
    pair.clock_reaches(pair.now + MINUTE)

    assert pair.node.member.phase == "ended"
    assert pair.party.registration is None


def test_a_ven_that_is_disowned_while_it_leaves_has_left(pair: Pair) -> None:
    pair.fates = iter(["request lost"])
    pair.ven_receives(Left())
    pair.party = Party(ven_id=VEN1)
    pair.settles()
    pair.ven_receives(Answered(request=Poll(ven_id=VEN1), answer=Response(result=Result(code="463"))))

    assert pair.node.member.phase == "ended"


def test_a_ven_leaves_at_once_where_it_is_not_registered_and_only_once() -> None:
    pair = Pair(fates=["request lost"])
    pair.ven_starts()
    pair.ven_receives(Left())
    assert (pair.node.member.phase, pair.node.debts) == ("ended", ())

    pair.ven_receives(Left())

    assert ven.deadline(pair.node, pair.now) is None


def test_leaving_twice_is_one_farewell(pair: Pair) -> None:
    pair.ven_receives(Left())
    pair.ven_receives(Left())
    pair.settles()
    assert len(requests(pair, CancelPartyRegistration)) == 1


def test_answers_that_arrive_after_the_end_change_nothing(pair: Pair) -> None:
    """A registration that ended does not begin anew with a late answer."""
    answers = [each for each in pair.said if isinstance(each.request, CreatePartyRegistration)]
    registration = pair.node.member.registration_id or RegistrationId("")
    pair.ven_receives(Left())
    pair.settles()
    ended = pair.node

    for late in answers:
        pair.ven_receives(Answered(request=late.request, answer=late.reply))
    farewell = replace(CANCEL, registration_id=registration)
    pair.ven_receives(Answered(request=farewell, answer=CanceledPartyRegistration(result=Result())))

    assert pair.node == ended


@pytest.mark.parametrize("phase", get_args(Phase))
@pytest.mark.parametrize("move", get_args(Move))
def test_a_move_that_the_table_does_not_have_is_refused_with_451(phase: Phase, move: Move) -> None:
    if (phase, move) in TRANSITIONS:
        assert moved(phase, move) in get_args(Phase)
        return
    with pytest.raises(NotAllowed, match=f"{phase} cannot be {move}"):
        moved(phase, move)


def test_a_registration_that_fails_for_an_hour_succeeds_at_last() -> None:
    pair = Pair(fates=["request lost"] * 60)
    pair.ven_starts()
    pair.clock_reaches(NOON + HOUR)

    assert pair.node.member.phase == "registered"
