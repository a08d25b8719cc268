"""EiOpt at both ends: availability schedules, opts for one event, and which word counts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.errors import InvalidId
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol.messages import (
    CanceledOpt,
    CancelOpt,
    CreatedEvent,
    CreatedOpt,
    CreateOpt,
    CreatePartyRegistration,
    Message,
)
from openadr_ra.protocol.model import (
    OPT_IN,
    OPT_OUT,
    EventId,
    MarketContext,
    OptId,
    OptReason,
    OptType,
    Period,
    QualifiedEventId,
    RequestId,
    ResourceId,
    Target,
)
from openadr_ra.protocol.opt import MAX_OPTS, SCHEDULED, Opt, spoken
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Declared, Retracted
from openadr_ra.protocol.vtn import Party
from tests.world import BAT, DAY, E1, HOUR, MINUTE, NOON, VEN1, Pair, code_of, shed

AWAY = Opt(
    id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON - HOUR, periods=(opts.period(NOON, 2 * HOUR),)
)  # fmt: skip
FOR_E1 = Opt(
    id=OptId("o2"),
    opt=OPT_OUT,
    reason=OptReason(Token("economic")),
    created=NOON - HOUR,
    event=QualifiedEventId(event_id=E1, modification=0),
)
MARKET = MarketContext(Token("http://market.example/a"))


def create(item: Opt = AWAY) -> CreateOpt:
    return opts.message(item, request_id=RequestId("c1"), ven_id=VEN1, now=NOON - HOUR)


def cancel(opt_id: str = "o1") -> CancelOpt:
    return CancelOpt(request_id=RequestId("x1"), opt_id=OptId(opt_id), ven_id=VEN1)


def says(pair: Pair, opt: OptType) -> Message:
    """The VEN's oadrCreatedEvent for E1."""
    event = QualifiedEventId(event_id=E1, modification=0)
    return pair.vtn_hears(CreatedEvent(result=Result(), responses=(EventResponse(event=event, opt=opt),), ven_id=VEN1))


def heard(pair: Pair, kind: type[Message]) -> list[Message]:
    return [each.request for each in pair.said if isinstance(each.request, kind)]


def test_a_schedule_is_kept_and_confirmed(pair: Pair) -> None:
    reply = pair.vtn_hears(create())

    assert reply == CreatedOpt(result=Result(request_id=RequestId("c1")), opt_id=OptId("o1"))
    assert pair.party.opts == {"o1": AWAY}


def test_a_schedule_of_a_known_optid_replaces_that_one(pair: Pair) -> None:
    """P0_7040: create, create again, cancel."""
    pair.vtn_hears(create())
    later = replace(AWAY, opt=OPT_IN, periods=(opts.period(NOON + DAY, HOUR),))
    pair.vtn_hears(create(later))
    assert pair.party.opts == {"o1": later}

    reply = pair.vtn_hears(cancel())

    assert reply == CanceledOpt(result=Result(request_id=RequestId("x1")), opt_id=OptId("o1"))
    assert pair.party.opts == {}


def test_x_opt_4_at_the_vtn_an_unknown_optid_cannot_be_cancelled(pair: Pair) -> None:
    assert code_of(pair.vtn_hears(cancel("none"))) == "452"


SPAN = opts.period(NOON, HOUR)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (replace(create(), opt_id=OptId("")), "452"),
        (replace(create(FOR_E1), availability=(SPAN,)), "459"),
        (replace(create(FOR_E1), market_context=MARKET), "459"),
        (replace(create(), availability=()), "459"),
        (replace(create(), availability=(replace(SPAN, ramp_up=Duration()),)), "459"),
        (replace(create(), availability=(replace(SPAN, startafter=Duration()),)), "459"),
        (replace(create(), availability=(Period(start=NOON, duration=Duration(seconds=-1)),)), "454"),
        (replace(create(), availability=(Period(start=NOON, duration=Duration(months=1)),)), "454"),
        (replace(create(), target=Target(resources=(ResourceId("foreign"),))), "452"),
        (create(FOR_E1), "452"),
        (replace(create(FOR_E1), event=QualifiedEventId(event_id=EventId("e1"), modification=0)), "452"),
    ],
    ids=["no optID", "event and schedule", "event and market", "neither", "ramp-up", "tolerance", "negative", "a month",
         "another's resource", "unknown event", "other letter case"],
)  # fmt: skip
def test_x_opt_1_2_3_at_the_vtn_a_wrong_opt_is_refused_and_changes_nothing(
    pair: Pair, bad: CreateOpt, code: str
) -> None:
    before = pair.party

    reply = pair.vtn_hears(bad)

    assert isinstance(reply, CreatedOpt)
    assert (reply.result.code, reply.result.request_id, reply.opt_id) == (code, "c1", bad.opt_id)
    assert pair.party == before


def test_a_ven_may_opt_for_its_own_resources(pair: Pair) -> None:
    assert code_of(pair.vtn_hears(replace(create(), target=Target(resources=(BAT,))))) == "200"


def test_a_ven_that_told_of_no_resources_may_name_any() -> None:
    pair = Pair()
    pair.ven_starts(offered=None)

    assert code_of(pair.vtn_hears(replace(create(), target=Target(resources=(ResourceId("any"),))))) == "200"


@pytest.mark.parametrize(("opt_id", "code"), [("o1", "200"), ("another", "454")])
def test_a_ven_keeps_a_thousand_schedules_and_no_more(pair: Pair, opt_id: str, code: str) -> None:
    """Replacing one of them is no further one."""
    many = {OptId(f"o{number}"): replace(AWAY, id=OptId(f"o{number}")) for number in range(MAX_OPTS)}
    pair.party = replace(pair.party, opts=many)

    assert code_of(pair.vtn_hears(create(replace(AWAY, id=OptId(opt_id))))) == code


def test_schedules_that_are_over_are_forgotten() -> None:
    endless = replace(AWAY, id=OptId("o3"), periods=(Period(start=NOON),))
    held = {item.id: item for item in (AWAY, FOR_E1, endless)}

    assert set(opts.forget(held, NOON + 2 * HOUR - MINUTE, {E1})) == {"o1", "o2", "o3"}
    assert set(opts.forget(held, NOON + 2 * HOUR, {E1})) == {"o2", "o3"}


def test_rule_206_at_the_vtn_an_opt_for_an_event_stands_against_later_answers(pair: Pair) -> None:
    """E0_6065: after oadrCreateOpt optIn, oadrCreatedEvent optOut, it is opted in still."""
    pair.vtn_publishes(shed())
    pair.ven_polls()
    assert code_of(pair.vtn_hears(create(FOR_E1))) == "200"
    assert code_of(says(pair, OPT_IN)) == "200"

    assert pair.party.events[E1].opt == OPT_OUT
    assert not pair.party.events[E1].unanswered
    assert pair.journal[-2].detail == "modification 0 by oadrCreateOpt, economic"


def test_rule_206_at_the_vtn_once_the_opt_is_cancelled_answers_count_again(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.vtn_hears(create(FOR_E1))
    pair.vtn_hears(cancel("o2"))
    assert pair.party.events[E1].opt == OPT_OUT

    says(pair, OPT_IN)

    assert pair.party.events[E1].opt == OPT_IN


def test_an_opt_for_another_version_of_the_event_is_refused(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.vtn_changes(shed(delta_kw=-1.0))

    assert code_of(pair.vtn_hears(create(FOR_E1))) == "452"


def test_rule_406_at_the_vtn_opts_die_with_the_registration(pair: Pair) -> None:
    pair.vtn_hears(create())
    pair.vtn_hears(CreatePartyRegistration(request_id=RequestId("new"), pull=True))

    assert pair.party.opts == {}


@pytest.mark.parametrize(
    ("start", "end", "word"),
    [
        (NOON - HOUR, NOON, None),
        (NOON - HOUR, NOON + MINUTE, OPT_OUT),
        (NOON + 119 * MINUTE, NOON + 3 * HOUR, OPT_OUT),
        (NOON + 2 * HOUR, NOON + 3 * HOUR, None),
    ],
)
def test_a_schedule_speaks_of_its_own_time_only(start: datetime, end: datetime, word: OptType | None) -> None:
    """Its start is inside, its end is not."""
    assert spoken({AWAY.id: AWAY}, start, end) == word


def test_the_newest_schedule_decides() -> None:
    newer = replace(AWAY, id=OptId("o9"), opt=OPT_IN, created=NOON, periods=(opts.period(NOON, HOUR),))
    held = {item.id: item for item in (newer, AWAY, FOR_E1)}

    assert spoken(held, NOON, NOON + HOUR) == OPT_IN
    assert spoken(held, NOON + HOUR, NOON + 2 * HOUR) == OPT_OUT


def test_of_equally_old_schedules_the_last_one_declared_decides(pair: Pair) -> None:
    """They are declared anew at one time after a new registration; both ends must still mean the same."""
    for item in (AWAY, replace(AWAY, id=OptId("o9"), opt=OPT_IN, created=NOON)):
        pair.ven_receives(Declared(opt=item))
    pair.settles()
    pair.party = Party(ven_id=VEN1)
    pair.clock_reaches(pair.now + MINUTE)

    assert len({item.created for item in pair.party.opts.values()}) == 1
    assert [spoken(held.opts, NOON, NOON + HOUR) for held in (pair.node, pair.party)] == [OPT_IN, OPT_IN]


def test_a_schedule_for_one_market_or_one_resource_says_nothing_of_others() -> None:
    for_market = {AWAY.id: replace(AWAY, market_context=MARKET)}
    for_battery = {AWAY.id: replace(AWAY, target=Target(resources=(BAT,)))}
    other = MarketContext(Token("http://market.example/b"))

    assert spoken(for_market, NOON, NOON + HOUR, market_context=MARKET) == OPT_OUT
    assert spoken(for_market, NOON, NOON + HOUR, market_context=other) is None
    assert spoken(for_market, NOON, NOON + HOUR) == OPT_OUT
    assert spoken(for_battery, NOON, NOON + HOUR, resource=BAT) == OPT_OUT
    assert spoken(for_battery, NOON, NOON + HOUR, resource=ResourceId("pv")) is None
    assert spoken(for_battery, NOON, NOON + HOUR) is None


def test_what_a_ven_declares_the_vtn_has(pair: Pair) -> None:
    pair.ven_receives(Declared(opt=AWAY))
    pair.settles()

    assert pair.party.opts == pair.node.opts == {"o1": AWAY}
    (message,) = heard(pair, CreateOpt)
    assert isinstance(message, CreateOpt)
    assert (message.created, message.ven_id) == (pair.now, VEN1)


def test_a_declaration_is_repeated_until_it_is_heard(pair: Pair) -> None:
    pair.fates = iter(["request lost", "reply lost"])
    pair.ven_receives(Declared(opt=AWAY))
    pair.clock_reaches(pair.now + MINUTE)

    assert list(pair.party.opts) == ["o1"]
    assert pair.node.debts == ()


def test_a_declaration_that_is_replaced_before_it_was_heard_is_said_once(pair: Pair) -> None:
    newer = replace(AWAY, opt=OPT_IN)
    pair.ven_receives(Declared(opt=AWAY))
    pair.ven_receives(Declared(opt=newer))
    pair.settles()

    assert pair.party.opts == {"o1": newer}
    assert len(heard(pair, CreateOpt)) == 1


def test_what_is_taken_back_is_taken_back_at_the_vtn(pair: Pair) -> None:
    pair.ven_receives(Declared(opt=AWAY))
    pair.settles()
    pair.ven_receives(Retracted(opt_id=OptId("o1")))
    pair.settles()

    assert (pair.node.opts, pair.party.opts) == ({}, {})
    assert pair.node.debts == ()


def test_what_is_taken_back_before_it_was_heard_is_not_declared(pair: Pair) -> None:
    """The VTN answers 452, which is as good."""
    pair.ven_receives(Declared(opt=AWAY))
    pair.ven_receives(Retracted(opt_id=OptId("o1")))
    pair.settles()

    assert heard(pair, CreateOpt) == []
    assert pair.node.debts == ()


def test_a_declaration_that_is_over_before_it_was_heard_is_withdrawn(pair: Pair) -> None:
    """Should the VTN have it after all, it has it no more."""
    pair.fates = iter(["request lost"] * 3)
    pair.ven_receives(Declared(opt=AWAY))
    pair.settles()
    pair.now = NOON + 2 * HOUR
    pair.ven_receives(Declared(opt=replace(AWAY, id=OptId("o9"), periods=(opts.period(NOON + DAY, HOUR),))))
    pair.clock_reaches(pair.now + 2 * MINUTE)

    assert list(pair.party.opts) == ["o9"]
    assert [message.opt_id for message in heard(pair, CancelOpt) if isinstance(message, CancelOpt)][-1] == "o1"
    assert pair.node.debts == ()


def test_what_was_never_declared_cannot_be_taken_back(pair: Pair) -> None:
    with pytest.raises(InvalidId):
        pair.ven_receives(Retracted(opt_id=OptId("none")))


def test_a_declaration_that_the_vtn_refuses_is_given_up(pair: Pair) -> None:
    pair.ven_receives(Declared(opt=replace(AWAY, target=Target(resources=(ResourceId("foreign"),)))))
    pair.settles()

    assert (pair.node.opts, pair.node.debts) == ({}, ())


def test_rule_406_at_the_ven_schedules_are_declared_again_after_a_new_registration(pair: Pair) -> None:
    """Not those that are over, and none for events, which begin anew."""
    pair.vtn_publishes(shed())
    pair.ven_polls()
    past = replace(AWAY, id=OptId("o0"), periods=(opts.period(NOON - DAY, HOUR),))
    for item in (AWAY, FOR_E1, past):
        pair.ven_receives(Declared(opt=item))
    pair.settles()
    pair.party = Party(ven_id=VEN1)

    pair.clock_reaches(pair.now + MINUTE)

    assert pair.node.opts == {"o1": AWAY}
    assert list(pair.party.opts) == ["o1"]


def test_an_event_while_the_ven_declared_itself_away_is_opted_out(pair: Pair) -> None:
    pair.ven_receives(Declared(opt=AWAY))
    pair.vtn_publishes(shed("E1", start=NOON + HOUR))
    pair.vtn_publishes(shed("E2", start=NOON + 2 * HOUR))
    pair.ven_polls()

    assert {name: item.opt for name, item in pair.party.events.items()} == {"E1": OPT_OUT, "E2": OPT_IN}
    assert list(pair.site.promised) == ["E2"]


def test_a_change_into_the_time_of_absence_releases_what_was_promised(pair: Pair) -> None:
    pair.vtn_publishes(shed(start=NOON + 3 * HOUR))
    pair.ven_polls()
    pair.ven_receives(Declared(opt=AWAY))
    pair.vtn_changes(shed(start=NOON))
    pair.ven_polls()

    assert pair.party.events[E1].opt == OPT_OUT
    assert pair.site.applied == []


def test_the_operators_word_on_an_event_beats_the_schedule(pair: Pair) -> None:
    pair.ven_receives(Declared(opt=AWAY))
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.operator_opts("E1", OPT_IN)
    pair.vtn_changes(shed(delta_kw=-1.0))
    pair.ven_polls()

    assert pair.party.events[E1].opt == OPT_IN


def test_a_span_is_in_whole_seconds() -> None:
    assert opts.period(NOON, timedelta(seconds=59.6)).duration == Duration(seconds=60)
