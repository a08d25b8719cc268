"""HTTP push (1.5) under good and bad luck: what is told in which order, what comes back, and what is lost (nothing)."""

from __future__ import annotations

from itertools import pairwise, repeat

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import (
    CanceledReport,
    CancelReport,
    CreatedEvent,
    CreatedReport,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    RegisteredReport,
    RegisterReport,
    RequestReregistration,
    Response,
)
from openadr_ra.protocol.model import (
    NEVER,
    OPT_IN,
    EventId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
    VtnId,
)
from openadr_ra.protocol.parts import ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.step import AskReports, EndRegistration, Reregister, StopReports
from openadr_ra.protocol.times import Duration
from tests.duplex import PUSHED, Duplex
from tests.site import RELEASE
from tests.world import (
    E1,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    VEN1,
    Fate,
    Moments,
    code_of,
    distributed,
    event,
    shed,
)

ASKED = ReportRequest(
    id=ReportRequestId("op1"),
    specifier_id=SpecifierId("usage"),
    granularity=Duration(seconds=60),
    report_back=Duration(seconds=60),
    points=(SpecifierPayload(rid=Rid("bat.kw")),),
)


@pytest.fixture
def pair() -> Duplex:
    """A push VEN that is registered and has nothing left to say, nor has its VTN."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    return pair


def posted(pair: Duplex, since: int = 0) -> list[type[Message]]:
    return [type(each.request) for each in pair.pushes[since:]]


def test_x_poll_1_at_the_ven_a_push_ven_never_polls(pair: Duplex) -> None:
    """Neither after its start, nor in a day, nor after a restart, nor while its VTN is away."""
    pair.vtn_publishes(shed())
    pair.clock_reaches(NOON + 2 * HOUR)
    pair.restarts()
    pair.fates = iter(["request lost"] * 10)
    pair.clock_reaches(NOON + 3 * HOUR)

    assert [each for each in pair.said if isinstance(each.request, Poll)] == []


def test_a_pushed_event_moves_the_load_for_exactly_its_period(pair: Duplex) -> None:
    pair.vtn_publishes(shed(duration=HOUR, delta_kw=-2.0))
    pair.clock_reaches(NOON + 2 * HOUR)

    assert pair.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


def test_what_wants_no_answer_is_posted_once_and_not_answered(pair: Duplex) -> None:
    """Rules 12 and 62 hold for every way of delivery."""
    since, said = len(pair.pushes), len(pair.said)
    pair.vtn_publishes(replace(shed(), response_required=NEVER))
    pair.clock_reaches(pair.now + 5 * MINUTE)

    assert posted(pair, since) == [DistributeEvent]
    assert not [each for each in pair.said[said:] if isinstance(each.request, CreatedEvent)]
    assert E1 in pair.node.agenda


def test_changes_and_cancellations_are_posted_as_they_come(pair: Duplex) -> None:
    pair.vtn_publishes(shed())
    pair.settles()
    pair.vtn_changes(shed(delta_kw=-1.0))
    pair.settles()
    assert pair.node.agenda[E1].event.modification == 1

    pair.vtn_cancels("E1")
    pair.settles()

    assert pair.site.applied == []
    assert not pair.party.events[E1].unanswered


def test_an_event_that_is_not_answered_is_posted_again_after_the_retry_time(pair: Duplex) -> None:
    """Two polls' time, as for a pull VEN; and no oftener."""
    pair.site.silent = True
    pair.vtn_publishes(shed())
    since = len(pair.pushes)
    pair.clock_reaches(pair.now + MINUTE)

    times = [each.at for each in pair.pushes[since:]]
    assert [later - sooner for sooner, later in pairwise(times)] == [20 * SECOND] * 3


def test_one_payload_at_a_time_is_posted_and_the_next_after_its_answer() -> None:
    """What ends or renews the registration comes first, then events, then the rest."""
    pair = Duplex(identity=PUSHED)
    pair.down = True
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.vtn_takes(AskReports(requests=(ASKED,)))
    pair.vtn_takes(Reregister())
    since = len(pair.pushes)
    pair.down = False

    pair.clock_reaches(pair.now + MINUTE)

    carried = pair.pushes[since:]
    assert [type(each.request) for each in carried][:4] == [
        RequestReregistration, DistributeEvent, RegisterReport, CreateReport,
    ]  # fmt: skip
    assert [type(each.reply) for each in carried][:4] == [Response, type(None), RegisteredReport, CreatedReport]


def test_a_ven_that_was_down_loses_nothing(pair: Duplex) -> None:
    """Events, their changes and cancellations, report requests and orders: all is told within a minute of its return."""
    pair.vtn_publishes(shed("E0", start=NOON + HOUR))
    pair.settles()
    pair.down = True
    pair.vtn_publishes(shed("E1", start=NOON + 3 * HOUR))
    pair.vtn_publishes(replace(shed("E2", start=NOON + 5 * HOUR), response_required=NEVER))
    pair.clock_reaches(NOON - 30 * MINUTE)
    pair.vtn_changes(shed("E1", start=NOON + 4 * HOUR))
    pair.vtn_cancels("E0")
    pair.vtn_takes(AskReports(requests=(ASKED,)))
    pair.vtn_takes(Reregister())
    pair.clock_reaches(NOON)
    since = len(pair.said)
    pair.down = False

    pair.clock_reaches(NOON + MINUTE)

    known = {name: (item.event.modification, item.event.status) for name, item in pair.node.agenda.items()}
    assert known == {"E0": (1, "cancelled"), "E1": (1, "far"), "E2": (0, "far")}
    assert not any(item.unanswered for item in pair.party.events.values())
    assert pair.party.events[EventId("E0")].opt == OPT_IN
    assert "op1" in pair.node.producer.requests
    assert CreatePartyRegistration in {type(each.request) for each in pair.said[since:]}
    assert pair.party.debts == ()


def test_rule_52_at_the_vtn_a_cancellation_whose_post_was_lost_is_told_again_until_it_is_acknowledged(
    pair: Duplex,
) -> None:
    """It is not merely left out: the VEN's word on it is still wanted."""
    pair.vtn_publishes(shed())
    pair.settles()
    pair.push_fates = iter(["request lost"])
    pair.vtn_cancels("E1")
    pair.clock_reaches(pair.now + MINUTE)

    assert not pair.party.events[E1].unanswered
    assert pair.node.agenda[E1].event.status == "cancelled"


def test_an_event_that_was_cancelled_while_its_ven_seemed_to_be_down_is_told_as_cancelled(pair: Duplex) -> None:
    """It may have arrived though its answer did not; to a VEN that never heard of it, it is no error (rule 60)."""
    pair.down = True
    pair.vtn_publishes(shed())
    pair.settles()
    pair.vtn_cancels("E1")
    pair.down = False
    pair.clock_reaches(pair.now + MINUTE)

    assert pair.node.agenda[E1].event.status == "cancelled"
    assert pair.site.applied == []
    assert not pair.party.events[E1].unanswered


@pytest.mark.parametrize("fate", ["request lost", "reply lost"])
def test_a_cancelled_event_is_told_until_it_is_known_that_it_is_gone(pair: Duplex, fate: Fate) -> None:
    """Though neither the event nor its cancellation seems to have arrived at first."""
    pair.push_fates = iter(["reply lost", fate, fate])
    pair.vtn_publishes(shed())
    pair.settles()
    pair.vtn_cancels("E1")
    pair.clock_reaches(pair.now + MINUTE)

    assert pair.site.applied == []
    assert not pair.party.events[E1].unanswered


def test_an_event_that_was_cancelled_before_it_was_ever_sent_is_not_mentioned(pair: Duplex) -> None:
    since = len(pair.pushes)
    pair.vtn_publishes(shed())
    pair.vtn_cancels("E1")
    pair.clock_reaches(pair.now + MINUTE)

    assert all(each.request.events == () for each in pair.pushes[since:] if isinstance(each.request, DistributeEvent))
    assert pair.node.agenda == {}


def test_after_a_success_the_next_failure_is_the_first_again(pair: Duplex) -> None:
    pair.push_fates = iter(["request lost"] * 5)
    pair.vtn_publishes(shed())
    pair.clock_reaches(NOON - 30 * MINUTE)
    assert pair.party.push_tries == 0
    pair.push_fates = iter(["request lost"] * 2)
    since = len(pair.pushes)
    pair.vtn_changes(shed(delta_kw=-1.0))
    pair.clock_reaches(NOON)

    times = [each.at for each in pair.pushes[since:]]
    assert times[1] - times[0] <= SECOND


def test_a_vtn_that_dies_with_a_post_on_its_way_tells_it_again(pair: Duplex) -> None:
    """After the retry time: until then it cannot know that there will be no answer."""
    pair.push_fates = iter(["crash"])
    pair.vtn_takes(AskReports(requests=(ASKED,)))
    since = len(pair.pushes)
    pair.clock_reaches(pair.now + MINUTE)

    assert posted(pair, since) == [CreateReport, CreateReport]
    assert pair.pushes[-1].at - pair.pushes[-2].at == 20 * SECOND
    assert pair.party.reports.requests[ASKED.id].running


def test_a_post_whose_answer_was_lost_is_told_again_and_does_no_harm(pair: Duplex) -> None:
    for order in (AskReports(requests=(ASKED,)), Reregister(), StopReports(ids=(ASKED.id,)), EndRegistration()):
        pair.push_fates = iter(["reply lost"])
        pair.vtn_takes(order)
        pair.clock_reaches(pair.now + MINUTE)

    assert pair.node.member.phase == "ended"
    assert pair.party.registration is None
    assert pair.party.debts == ()


def test_a_report_request_is_answered_in_the_http_response(pair: Duplex) -> None:
    pair.vtn_takes(AskReports(requests=(ASKED,)))
    pair.settles()
    asked = pair.pushes[-1]
    assert isinstance(asked.request, CreateReport)
    assert isinstance(asked.reply, CreatedReport)
    assert asked.reply.result == Result(request_id=asked.request.request_id)
    assert "op1" in asked.reply.pending

    pair.vtn_takes(StopReports(ids=(ASKED.id,)))
    pair.settles()
    stopped = pair.pushes[-1]
    assert isinstance(stopped.request, CancelReport)
    assert isinstance(stopped.reply, CanceledReport)
    assert "op1" not in stopped.reply.pending
    assert ASKED.id not in pair.party.reports.requests


def test_a_refused_payload_is_answered_by_its_natural_reply(pair: Duplex) -> None:
    """452 in the answer's eiResponse; nothing of it remains to be said."""
    since = len(pair.said)
    cancel = CancelReport(request_id=RequestId("x1"), report_request_ids=(ReportRequestId("rr9"),), ven_id=VEN1)

    reply = pair.ven_is_called(cancel)
    pair.settles()

    assert isinstance(reply, CanceledReport)
    assert (code_of(reply), reply.result.request_id) == ("452", "x1")
    assert len(pair.said) == since


def test_rule_21_at_the_ven_events_of_another_vtn_are_refused_by_the_vens_own_post(pair: Duplex) -> None:
    """The whole message is refused; an oadrDistributeEvent has no answer in the HTTP response."""
    since = len(pair.said)

    assert pair.ven_is_called(distributed(event(), vtn_id=VtnId("vTN1"))) is None
    pair.settles()

    (refused,) = [each.request for each in pair.said[since:]]
    assert isinstance(refused, CreatedEvent)
    assert (code_of(refused), refused.responses) == ("452", ())
    assert pair.node.agenda == {}


@pytest.mark.parametrize("ended", [False, True], ids=["new", "ended"])
def test_x_act_1_at_the_ven_a_ven_without_registration_answers_463_and_takes_nothing(pair: Duplex, ended: bool) -> None:
    """Nothing it may answer with is left out, and nothing of it is said later."""
    phase = "ended" if ended else "new"
    pair.node = replace(pair.node, member=replace(pair.node.member, phase=phase, ven_id=None), debts=())
    before = pair.node

    for message, kind in (
        (distributed(event()), Response),
        (CreateReport(request_id=RequestId("c"), requests=(ASKED,), ven_id=VEN1), CreatedReport),
        (RequestReregistration(ven_id=VEN1), Response),
        (RegisterReport(request_id=RequestId("m")), RegisteredReport),
    ):
        reply = pair.ven_is_called(message)
        assert isinstance(reply, kind)
        assert code_of(reply) == "463"
    assert pair.node == before


@pytest.mark.parametrize("fate", ["carried", "request lost", "reply lost", "crash", "slow"])
def test_the_next_wake_of_a_push_party_is_always_later_than_this_one(pair: Duplex, fate: Fate) -> None:
    """And what is posted until then is bounded: an hour of bad luck is no hour of posts."""
    pair.push_fates = repeat(fate)
    pair.site.silent = True
    pair.vtn_publishes(shed(start=NOON + 2 * HOUR))
    pair.vtn_takes(AskReports(requests=(ASKED,)))
    since = len(pair.pushes)
    while pair.now < NOON:
        due = vtn.wake(pair.party, pair.terms, Moments().at(pair.now)).due
        assert due is not None
        assert due > pair.now
        pair.clock_reaches(pair.now + MINUTE)

    assert len(pair.pushes) - since <= 2 * 60 * 3
