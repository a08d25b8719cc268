"""A VTN that turns messages away with a status that is not to be tried again (9.1.5): they are given up, and it shows."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pytest

from openadr_ra.protocol import vtn
from openadr_ra.protocol.debts import Answer, Fetch, Register, Update
from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CreatedEvent,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    Message,
    Poll,
    RegisterReport,
    RequestEvent,
    UpdateReport,
)
from openadr_ra.protocol.model import OPT_OUT, OptId
from openadr_ra.protocol.opt import SCHEDULED, Opt, period
from openadr_ra.protocol.step import Send
from openadr_ra.protocol.ven import Configured, Declared, Left, Rejected, Wanted, deadline, receive, wake
from openadr_ra.protocol.vtn import Lost
from tests.duplex import PUSHED, Duplex
from tests.protocol.answers import request
from tests.world import HOUR, IDENTITY, MINUTE, NOON, SECOND, Moments, Pair, shed

WHY = "http://vtn/EiReport answered 404 Not Found: check the path of the url"
AWAY = Opt(id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON, periods=(period(NOON, HOUR),))


class Away(Pair):
    """A pair whose VTN turns away every message of the kinds in `closed`."""

    closed: tuple[type[Message], ...] = ()

    def _exchange(self, message: Message) -> None:
        if not isinstance(message, self.closed):
            super()._exchange(message)
            return
        self.turned_away.append((self.now, message))
        self._stepped(receive(self.node, Rejected(request=message, why=WHY), self._moments.at(self.now)))

    def __init__(self) -> None:
        super().__init__()
        self.turned_away: list[tuple[datetime, Message]] = []


@pytest.fixture
def away() -> Away:
    made = Away()
    made.ven_starts()
    return made


def kinds(pair: Away) -> list[type[Message]]:
    return [type(message) for _, message in pair.turned_away]


def test_a_message_that_is_turned_away_is_said_once_and_shown_to_the_operator(away: Away) -> None:
    """Here each report as it falls due, and none of them again."""
    away.closed = (UpdateReport,)
    away.clock_reaches(NOON - HOUR + 10 * MINUTE)

    said = [getattr(message, "request_id", None) for _, message in away.turned_away]
    assert len(said) >= 10
    assert len(set(said)) == len(said)
    assert not any(isinstance(debt.work, Update) for debt in away.node.debts)
    (given_up,) = away.node.given_up
    assert (given_up.message, given_up.why) == ("UpdateReport", WHY)
    assert given_up.at == away.turned_away[-1][0]


def test_the_last_of_each_kind_is_shown(away: Away) -> None:
    away.closed = (UpdateReport, CreatedEvent)
    away.vtn_publishes(shed())
    away.clock_reaches(NOON - HOUR + 3 * MINUTE)

    assert {one.message for one in away.node.given_up} == {"UpdateReport", "CreatedEvent"}
    assert len(away.node.given_up) == 2


def test_an_answer_that_was_turned_away_is_given_again_only_when_the_event_comes_again(away: Away) -> None:
    away.closed = (CreatedEvent,)
    away.vtn_publishes(shed())
    away.ven_polls()

    assert kinds(away) == [CreatedEvent]
    assert not any(isinstance(debt.work, Answer) for debt in away.node.debts)
    away.closed = ()
    away.clock_reaches(away.now + MINUTE)
    assert away.party.events[shed().id].opt is not None


def test_an_opt_that_was_turned_away_does_not_stand(away: Away) -> None:
    away.closed = (CreateOpt,)
    away.ven_receives(Declared(opt=AWAY))
    away.settles()

    assert kinds(away) == [CreateOpt]
    assert away.node.opts == {}


def test_reports_of_the_vtns_that_it_will_not_hear_of_are_wanted_no_more(away: Away) -> None:
    away.closed = (CreateReport,)
    away.ven_receives(Wanted(requests=(request(specifier="METADATA"),)))
    away.clock_reaches(away.now + MINUTE)

    assert kinds(away) == [CreateReport]
    assert away.node.requester.requests == {}


def test_whoever_wants_to_leave_leaves_even_if_the_vtn_will_not_hear_of_it(away: Away) -> None:
    away.closed = (CancelPartyRegistration,)
    away.ven_receives(Left())
    away.settles()

    assert away.node.member.phase == "ended"
    assert deadline(away.node, away.now) is None


def test_registration_goes_on_at_the_slowest_pace_for_ever() -> None:
    """From the first time on: between half a minute and a minute apart."""
    pair = Away()
    pair.closed = (CreatePartyRegistration,)
    pair.ven_receives(Configured(identity=IDENTITY))
    pair.clock_reaches(NOON)

    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(pair.turned_away)]
    assert set(kinds(pair)) == {CreatePartyRegistration}
    assert all(30 * SECOND <= gap <= MINUTE for gap in gaps)
    assert len(gaps) >= 59
    assert (pair.node.member.phase, pair.node.member.refusal) == ("new", WHY)
    assert pair.node.given_up == ()
    pair.closed = ()
    pair.clock_reaches(NOON + MINUTE)
    assert pair.node.member.phase == "registered"


def test_polls_go_on_at_the_slowest_pace(away: Away) -> None:
    away.closed = (Poll,)
    count = len(away.turned_away)
    away.clock_reaches(away.now + HOUR)

    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(away.turned_away[count:])]
    assert len(gaps) >= 58
    assert all(30 * SECOND <= gap <= MINUTE for gap in gaps)
    assert away.node.given_up == ()


def test_a_start_begins_anew_and_tells_once_more_what_can_be_reported() -> None:
    """The operator has mended what was wrong; METADATA is nothing that comes by itself a second time."""
    pair = Away()
    pair.closed = (RegisterReport, RequestEvent)
    pair.ven_starts()
    assert {one.message for one in pair.node.given_up} == {"RegisterReport", "RequestEvent"}
    assert not any(isinstance(debt.work, Fetch | Register) for debt in pair.node.debts)
    assert pair.party.reports.offered == ()

    pair.closed = ()
    pair.ven_receives(Configured(identity=IDENTITY))
    pair.settles()

    assert pair.node.given_up == ()
    assert pair.party.reports.offered != ()


def test_a_start_after_nothing_was_given_up_tells_nothing_twice(away: Away) -> None:
    count = sum(isinstance(each.request, RegisterReport) for each in away.said)

    away.ven_receives(Configured(identity=IDENTITY))
    away.settles()

    assert sum(isinstance(each.request, RegisterReport) for each in away.said) == count


def test_a_metadata_that_is_owed_anyway_is_told_once_after_a_start() -> None:
    moments = Moments()
    pair = Away()
    pair.closed = (RegisterReport,)
    pair.ven_starts()
    node = pair.node
    for _ in range(2):
        node = receive(node, Configured(identity=IDENTITY), moments.at(pair.now)).state
    sent = wake(node, moments.at(pair.now)).effects

    assert [type(each.message) for each in sent if isinstance(each, Send)].count(RegisterReport) == 1


@pytest.mark.parametrize(("rejected", "soonest_s"), [(False, 0.5), (True, 30)])
def test_a_push_ven_that_turns_a_post_away_is_tried_as_slowly_as_can_be_and_loses_nothing(
    rejected: bool, soonest_s: float
) -> None:
    """Its operator may mend it; one that is merely away is tried again after a second."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    pair.down = True
    pair.vtn_publishes(shed(start=NOON + HOUR))
    (post,) = vtn.wake(pair.party, pair.terms, Moments().at(pair.now)).effects[-1:]
    assert isinstance(post, Send)

    lost = vtn.receive(pair.party, Lost(message=post.message, rejected=rejected), Moments().at(pair.now)).state

    assert lost.push_due is not None
    assert soonest_s * SECOND <= lost.push_due - pair.now <= 2 * soonest_s * SECOND
    assert vtn.wake(lost, pair.terms, Moments().at(lost.push_due)).effects != ()
