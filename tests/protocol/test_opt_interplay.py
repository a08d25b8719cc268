"""EiOpt over a bad line, and beside events: opts are told in order, count at both ends, and end with what they are about."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec.structs import replace

from openadr_ra.errors import NotAllowed
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol.messages import (
    CanceledOpt,
    CancelOpt,
    CreatedEvent,
    CreatedOpt,
    CreateOpt,
    DistributeEvent,
    Message,
    Response,
)
from openadr_ra.protocol.model import (
    OPT_IN,
    OPT_OUT,
    MarketContext,
    OptId,
    OptType,
    QualifiedEventId,
    RequestId,
    ResourceId,
    Target,
    VenId,
)
from openadr_ra.protocol.opt import SCHEDULED, Opt, spoken
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Verdict
from openadr_ra.protocol.ven import Answered, Chosen, Declared, Retracted
from tests.site import RELEASE
from tests.world import BAT, DAY, E1, HOUR, IDENTITY, MINUTE, NOON, SECOND, VEN1, Fate, Pair, code_of, shed

AWAY = Opt(
    id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON - HOUR, periods=(opts.period(NOON, 2 * HOUR),)
)  # fmt: skip
BACK = replace(AWAY, opt=OPT_IN)
MARKET = MarketContext(Token("http://market.example/a"))


def for_event(opt: OptType, modification: int = 0, id: str = "e1") -> Opt:
    about = QualifiedEventId(event_id=E1, modification=modification)
    return replace(AWAY, id=OptId(id), opt=opt, periods=(), event=about)


def create(item: Opt) -> CreateOpt:
    return opts.message(item, request_id=RequestId("c1"), ven_id=VEN1, now=NOON - HOUR)


def cancel(opt_id: str) -> CancelOpt:
    return CancelOpt(request_id=RequestId("x1"), opt_id=OptId(opt_id), ven_id=VEN1)


def told(pair: Pair, since: int = 0) -> list[tuple[type[Message], str]]:
    """The opt messages of the VEN, with their optIDs."""
    requests = [each.request for each in pair.said[since:]]
    return [(type(each), each.opt_id) for each in requests if isinstance(each, CreateOpt | CancelOpt)]


@pytest.fixture
def running(pair: Pair) -> Pair:
    """An event is published and opted in; it runs from noon."""
    pair.vtn_publishes(shed())
    pair.ven_polls()
    return pair


def test_all_that_a_schedule_says_is_kept_and_given_back_as_it_was(pair: Pair) -> None:
    """Several spans, a market context, resources, device classes, a reason."""
    rich = replace(
        AWAY,
        market_context=MARKET,
        periods=tuple(opts.period(NOON + n * DAY, HOUR) for n in range(5)),
        target=Target(vens=(VEN1,), resources=(BAT,)),
        device_class=Target(device_classes=("Storage", "EVSE")),
    )
    pair.ven_receives(Declared(opt=rich))
    pair.settles()

    assert pair.party.opts == pair.node.opts == {"o1": rich}
    for n in range(5):
        start = NOON + n * DAY
        assert spoken({rich.id: replace(rich, device_class=None)}, start, start + HOUR, resource=BAT) == OPT_OUT


def test_a_schedule_of_a_device_class_says_nothing_of_the_whole_ven(pair: Pair) -> None:
    """Which of its devices are of that class, only the VEN knows; an event is not opted out for it."""
    lights = replace(AWAY, device_class=Target(device_classes=("Exterior_Lighting",)))
    pair.ven_receives(Declared(opt=lights))
    pair.vtn_publishes(shed())
    pair.ven_polls()

    assert spoken(pair.party.opts, NOON, NOON + HOUR) is None
    assert pair.party.events[E1].opt == OPT_IN


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (Target(), OPT_OUT),
        (Target(vens=(VEN1,)), OPT_OUT),
        (Target(groups=("north",)), None),
        (Target(meters=("m1",)), None),
        (Target(vens=(VEN1,), resources=(BAT,)), None),
    ],
)
def test_a_schedule_speaks_for_the_whole_ven_if_its_target_names_nothing_else(
    target: Target, word: OptType | None
) -> None:
    assert spoken({AWAY.id: replace(AWAY, target=target)}, NOON, NOON + HOUR) == word


def test_a_ven_opts_for_no_other_ven(pair: Pair) -> None:
    foreign = replace(create(AWAY), target=Target(vens=(VenId("VEN2"),)))
    before = pair.party

    assert code_of(pair.vtn_hears(foreign)) == "452"
    assert pair.party == before


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_what_is_declared_anew_after_it_was_taken_back_stays_declared(pair: Pair, lost: int) -> None:
    """Though the retraction was lost on its way, and has to be repeated."""
    pair.ven_receives(Declared(opt=AWAY))
    pair.settles()
    pair.fates = iter(["request lost"] * lost)
    pair.ven_receives(Retracted(opt_id=AWAY.id))
    pair.settles()
    pair.ven_receives(Declared(opt=BACK))
    pair.clock_reaches(pair.now + MINUTE)

    assert pair.party.opts.keys() == pair.node.opts.keys() == {"o1"}
    assert pair.party.opts[AWAY.id].opt == OPT_IN
    assert pair.node.debts == ()


LATE: tuple[Fate, ...] = ("late", "request lost", "reply lost", "carried twice", "crash")


@pytest.mark.parametrize("first", LATE)
@pytest.mark.parametrize("second", LATE)
def test_opts_that_overtake_one_another_end_as_they_were_declared_last(pair: Pair, first: Fate, second: Fate) -> None:
    """Declared, taken back; declared, replaced, replaced; and one of another id in between."""
    other = replace(AWAY, id=OptId("o2"), opt=OPT_IN)
    pair.fates = iter([first, second, first])
    for given in (Declared(opt=AWAY), Retracted(opt_id=AWAY.id), Declared(opt=other), Declared(opt=AWAY)):
        pair.ven_receives(given)
        pair.settles()
    pair.ven_receives(Retracted(opt_id=AWAY.id))
    pair.ven_receives(Declared(opt=replace(other, opt=OPT_OUT)))
    pair.clock_reaches(pair.now + 2 * MINUTE)

    assert {name: item.opt for name, item in pair.party.opts.items()} == {"o2": OPT_OUT}
    assert {name: item.opt for name, item in pair.node.opts.items()} == {"o2": OPT_OUT}
    assert pair.node.debts == ()


def test_opts_are_told_one_after_the_other_in_the_order_of_their_declaration(pair: Pair) -> None:
    """The VTN goes by createdDateTime, which is the time of sending: the newest there must be the newest here."""
    pair.fates = iter(["request lost"])
    for number in range(3):
        item = replace(AWAY, id=OptId(f"o{number}"), opt=OPT_OUT if number < 2 else OPT_IN)
        pair.ven_receives(Declared(opt=item))
    pair.clock_reaches(pair.now + MINUTE)

    assert [name for _, name in told(pair)] == ["o0", "o0", "o1", "o2"]
    assert spoken(pair.party.opts, NOON, NOON + HOUR) == spoken(pair.node.opts, NOON, NOON + HOUR) == OPT_IN


def test_an_opt_that_is_declared_again_becomes_the_newest(pair: Pair) -> None:
    """At both ends, though all are of one moment."""
    for item in (AWAY, replace(AWAY, id=OptId("o2"), opt=OPT_IN), AWAY):
        pair.ven_receives(Declared(opt=item))
    pair.settles()

    assert spoken(pair.party.opts, NOON, NOON + HOUR) == spoken(pair.node.opts, NOON, NOON + HOUR) == OPT_OUT


def test_x_ev_3_at_the_ven_an_opt_is_created_when_it_is_sent(pair: Pair) -> None:
    """The harness wants createdDateTime within a minute of its clock."""
    pair.fates = iter(["request lost"] * 5)
    pair.ven_receives(Declared(opt=AWAY))
    pair.clock_reaches(pair.now + 2 * MINUTE)

    sent = [(each.request.created, each.at) for each in pair.said if isinstance(each.request, CreateOpt)]
    assert len({at for _, at in sent}) == len(sent) > 3
    assert all(created == at for created, at in sent)


@pytest.mark.parametrize(
    "answer", [CreatedOpt(result=Result(code="454"), opt_id=OptId("o1")), Response(result=Result(code="451"))]
)
def test_an_opt_that_is_refused_in_whatever_form_is_given_up(pair: Pair, answer: Message) -> None:
    pair.ven_receives(Declared(opt=AWAY))
    pair.settles()

    pair.ven_receives(Answered(request=pair.said[-1].request, answer=answer))

    assert pair.node.opts == {}


def test_an_opt_that_was_replaced_while_its_refusal_travelled_is_not_given_up(pair: Pair) -> None:
    pair.fates = iter(["reply lost"])
    pair.ven_receives(Declared(opt=replace(AWAY, target=Target(resources=(ResourceId("foreign"),)))))
    pair.settles()
    refused = pair.said[-1].request
    pair.ven_receives(Declared(opt=AWAY))

    pair.ven_receives(Answered(request=refused, answer=CreatedOpt(result=Result(code="452"), opt_id=OptId("o1"))))
    pair.clock_reaches(pair.now + MINUTE)

    assert list(pair.node.opts) == list(pair.party.opts) == ["o1"]


def test_a_report_only_ven_declares_nothing() -> None:
    """It has no EiOpt (1.2)."""
    pair = Pair(identity=replace(IDENTITY, report_only=True))
    pair.ven_starts()

    with pytest.raises(NotAllowed):
        pair.ven_receives(Declared(opt=AWAY))


def test_what_a_ven_declares_before_it_is_registered_is_told_after() -> None:
    pair = Pair()
    pair.ven_receives(Declared(opt=AWAY))
    pair.ven_starts()

    assert list(pair.party.opts) == ["o1"]
    assert told(pair) == [(CreateOpt, "o1")]


def test_rule_206_at_the_ven_an_opt_out_by_oadrcreateopt_releases_what_was_promised(running: Pair) -> None:
    """What the VTN is told, the site does."""
    running.clock_reaches(NOON + MINUTE)
    running.ven_receives(Declared(opt=for_event(OPT_OUT)))
    running.settles()

    assert running.party.events[E1].opt == OPT_OUT
    assert running.site.applied == [(NOON, -2.0), (NOON + MINUTE, RELEASE)]


def test_rule_206_at_both_ends_an_opt_in_that_the_fleet_cannot_follow_is_declared_as_what_became_of_it(
    running: Pair,
) -> None:
    """Another oadrCreatedEvent would be ignored."""
    running.site.refused = {"E1": "no"}
    running.ven_receives(Declared(opt=for_event(OPT_IN)))
    running.clock_reaches(running.now + MINUTE)

    assert running.party.events[E1].opt == running.node.agenda[E1].opt == OPT_OUT
    assert [item.opt for item in running.party.opts.values()] == [OPT_OUT]
    running.ven_receives(Verdict(event_id=E1, modification=0, opt=OPT_IN))
    running.settles()
    assert running.party.events[E1].opt == OPT_IN


def test_rule_206_at_the_ven_the_operators_later_word_is_declared_under_the_same_optid(running: Pair) -> None:
    running.ven_receives(Declared(opt=for_event(OPT_IN)))
    running.settles()
    since = len(running.said)

    running.ven_receives(Chosen(event_id=E1, opt=OPT_OUT, by="operator"))
    running.settles()

    assert told(running, since) == [(CreateOpt, "e1")]
    assert running.party.events[E1].opt == OPT_OUT


@pytest.mark.parametrize("fate", ["carried", "request lost", "reply lost", "late"])
def test_rule_206_at_both_ends_an_opt_that_is_taken_back_leaves_the_word_to_the_fleet_at_both_ends(
    running: Pair, fate: Fate
) -> None:
    """Whichever of oadrCancelOpt and oadrCreatedEvent comes first, the VTN asks anew."""
    running.ven_receives(Declared(opt=for_event(OPT_OUT)))
    running.settles()
    running.fates = iter([fate])
    running.ven_receives(Retracted(opt_id=OptId("e1")))
    running.clock_reaches(running.now + 2 * MINUTE)

    assert running.party.events[E1].opt == running.node.agenda[E1].opt == OPT_IN
    assert not running.party.events[E1].unanswered
    assert running.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


def answers(pair: Pair, opt: OptType, modification: int) -> None:
    event = QualifiedEventId(event_id=E1, modification=modification)
    pair.vtn_hears(CreatedEvent(result=Result(), responses=(EventResponse(event=event, opt=opt),), ven_id=VEN1))


def test_rule_206_at_the_vtn_an_answer_that_does_not_count_is_no_opt_in_the_journal(running: Pair) -> None:
    """Which is what tells the opts of an event that is over."""
    running.vtn_hears(create(for_event(OPT_OUT)))
    answers(running, OPT_IN, modification=0)

    spoken_by_the_ven = [entry.what for entry in running.journal if entry.subject == "event/E1" and entry.by == VEN1]
    assert spoken_by_the_ven == ["sent", OPT_IN, OPT_OUT, "optIn not counted"]


def test_rule_206_at_the_vtn_an_opt_for_one_version_does_not_bind_the_next(running: Pair) -> None:
    """It qualifies an eventID and a modificationNumber; a change is a new question."""
    running.vtn_hears(create(for_event(OPT_OUT)))
    running.vtn_changes(shed(delta_kw=-1.0))
    assert running.party.events[E1].unanswered

    answers(running, OPT_IN, modification=1)
    assert running.party.events[E1].opt == OPT_IN
    assert code_of(running.vtn_hears(cancel("e1"))) == "200"
    assert running.party.events[E1].opt == OPT_IN
    assert not running.party.events[E1].unanswered


def test_rule_206_at_the_vtn_of_two_opts_for_a_version_the_one_that_is_left_counts(running: Pair) -> None:
    running.vtn_hears(create(for_event(OPT_IN, id="first")))
    running.vtn_hears(create(for_event(OPT_OUT, id="second")))
    assert running.party.events[E1].opt == OPT_OUT

    running.vtn_hears(cancel("second"))
    answers(running, OPT_OUT, modification=0)
    assert running.party.events[E1].opt == OPT_IN

    running.vtn_hears(cancel("first"))
    answers(running, OPT_OUT, modification=0)
    assert running.party.events[E1].opt == OPT_OUT


def test_after_the_cancellation_of_an_opt_the_event_is_delivered_again_for_its_answer(running: Pair) -> None:
    running.vtn_hears(create(for_event(OPT_OUT)))
    running.vtn_hears(cancel("e1"))
    running.now += 20 * SECOND

    assert isinstance(running.vtn_is_polled(), DistributeEvent)


def test_after_the_end_of_an_event_nothing_more_is_asked_about_it(running: Pair) -> None:
    running.vtn_hears(create(for_event(OPT_OUT)))
    running.now = NOON + HOUR
    assert isinstance(running.vtn_hears(cancel("e1")), CanceledOpt)

    assert not running.party.events[E1].unanswered
    assert running.party.events[E1].opt == OPT_OUT


@pytest.mark.parametrize(("when", "kept"), [(NOON + 2 * HOUR, True), (NOON + 2 * HOUR + SECOND, False)])
def test_an_opt_for_an_event_goes_with_its_event(running: Pair, when: datetime, kept: bool) -> None:
    """Or a year of events would fill the row: the VTN knows one for an hour after its end."""
    running.vtn_hears(create(for_event(OPT_OUT)))
    running.now = when
    running.vtn_publishes(shed("E2", start=NOON + DAY))
    running.vtn_is_polled()
    running.vtn_hears(create(replace(AWAY, id=OptId("next"), periods=(opts.period(NOON + DAY, HOUR),))))

    assert ("e1" in running.party.opts) is kept


def test_the_ven_forgets_its_opt_for_an_event_that_it_has_forgotten(running: Pair) -> None:
    running.ven_receives(Declared(opt=for_event(OPT_OUT)))
    running.clock_reaches(NOON + 3 * HOUR)
    assert running.node.agenda == {}

    running.ven_receives(Declared(opt=replace(AWAY, id=OptId("next"), periods=(opts.period(NOON + DAY, HOUR),))))

    assert list(running.node.opts) == ["next"]


def test_an_event_in_another_market_than_that_of_the_absence_is_opted_in(pair: Pair) -> None:
    pair.ven_receives(Declared(opt=replace(AWAY, market_context=MARKET)))
    pair.vtn_publishes(shed("E1"))
    pair.vtn_publishes(replace(shed("E2"), market_context=MARKET))
    pair.ven_polls()

    assert {name: item.opt for name, item in pair.party.events.items()} == {"E1": OPT_IN, "E2": OPT_OUT}
