"""Who decides on an event, and how the VTN learns of it: the fleet, the embedding program, the operator at the VEN."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace

from openadr_ra.errors import ResponseCode
from openadr_ra.protocol.instruction import Ask
from openadr_ra.protocol.messages import CreatedEvent
from openadr_ra.protocol.model import (
    CANCELLED,
    ELECTRICITY_PRICE,
    OPT_IN,
    OPT_OUT,
    PRICE,
    EventId,
    OptType,
    SignalName,
    VenId,
)
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Verdict
from openadr_ra.protocol.ven import Answered, Opinion, unconsulted
from tests.site import RELEASE
from tests.world import E1, HOUR, IDENTITY, MINUTE, NOON, Pair, distributed, event, shed

VERDICT = Verdict(event_id=E1, modification=0, opt=OPT_IN)
OPINION = Opinion(event_id=E1, modification=0)


@pytest.fixture
def asking() -> Pair:
    """A VEN whose embedding program is asked about each event."""
    pair = Pair(identity=replace(IDENTITY, consult=True))
    pair.ven_starts()
    return pair


def opt(pair: Pair) -> OptType | None:
    """What the VTN knows of the VEN's opt, once all is said."""
    pair.settles()
    given = pair.party.events.get(E1)
    return given.opt if given is not None else None


def answers(pair: Pair) -> list[tuple[int, str, str, str | None]]:
    """modificationNumber, code, opt and description of every answer so far."""
    created = [each.request for each in pair.said if isinstance(each.request, CreatedEvent)]
    return [(r.event.modification, r.code, r.opt, r.description) for each in created for r in each.responses]


def test_an_event_that_the_fleet_can_follow_is_opted_in(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()

    assert opt(pair) == OPT_IN
    assert not pair.party.events[E1].unanswered


def test_an_event_that_the_fleet_cannot_follow_is_opted_out_with_its_reason(pair: Pair) -> None:
    pair.site.refused = {"E1": "1 kW of 2 kW cannot be covered"}
    pair.vtn_publishes(shed())
    pair.ven_polls()

    assert opt(pair) == OPT_OUT
    assert answers(pair) == [(0, "200", "optOut", "1 kW of 2 kW cannot be covered")]


def test_the_vtn_hears_nothing_before_the_fleet_has_decided(pair: Pair) -> None:
    """Meanwhile the event is delivered again; that is no second question."""
    pair.site.silent = True
    pair.vtn_publishes(shed())
    pair.clock_reaches(pair.now + MINUTE)
    assert answers(pair) == []
    assert list(pair.site.promised) == ["E1"]

    pair.ven_receives(VERDICT)

    assert opt(pair) == OPT_IN


def test_rule_17_at_the_ven_a_later_verdict_is_told_unasked(pair: Pair) -> None:
    """What was promised can be withdrawn while the event runs."""
    pair.vtn_publishes(shed())
    pair.clock_reaches(NOON + MINUTE)

    pair.ven_receives(replace(VERDICT, opt=OPT_OUT, reason="engine failed"))

    assert opt(pair) == OPT_OUT
    assert answers(pair)[-1] == (0, "200", "optOut", "engine failed")


def test_the_same_verdict_twice_is_one_answer(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    count = len(answers(pair))

    pair.ven_receives(VERDICT)
    pair.settles()

    assert len(answers(pair)) == count


@pytest.mark.parametrize(
    "late",
    [replace(VERDICT, modification=0, opt=OPT_OUT), replace(VERDICT, event_id=EventId("E9"), opt=OPT_OUT)],
    ids=["an older version", "an unknown event"],
)
def test_a_verdict_that_was_overtaken_is_ignored(pair: Pair, late: Verdict) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.vtn_changes(shed(delta_kw=-1.0))
    pair.ven_polls()

    pair.ven_receives(late)

    assert opt(pair) == OPT_IN


def test_a_verdict_on_a_cancelled_or_a_bad_event_is_ignored(pair: Pair) -> None:
    """It was on its way when the event changed."""
    pair.ven_hears(distributed(replace(event(), status=CANCELLED)))
    pair.ven_receives(replace(VERDICT, opt=OPT_OUT))
    assert pair.node.agenda[E1].opt == OPT_IN

    bad = replace(event(modification=1), signals=(replace(event().signals[0], name=SignalName(Token("x-OURS"))),))
    pair.ven_hears(distributed(bad))
    pair.ven_receives(replace(VERDICT, modification=1))
    assert (pair.node.agenda[E1].opt, pair.node.agenda[E1].code) == (OPT_OUT, "460")


def test_a_change_asks_the_fleet_anew(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.site.refused = {"E1": "too much"}
    pair.vtn_changes(shed(delta_kw=-200.0))
    pair.ven_polls()

    assert opt(pair) == OPT_OUT
    assert [(number, opt) for number, _, opt, _ in answers(pair)] == [(0, "optIn"), (1, "optOut")]


def test_an_opt_that_changes_while_its_answer_travels_is_said_again(pair: Pair) -> None:
    pair.site.silent = True
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.fates = iter(["reply lost"])
    pair.ven_receives(VERDICT)
    pair.settles()

    pair.ven_receives(replace(VERDICT, opt=OPT_OUT))
    pair.ven_receives(Answered(request=pair.said[-1].request, answer=None))

    assert opt(pair) == OPT_OUT


def test_the_embedding_program_is_asked_about_each_version_once(asking: Pair) -> None:
    """Nothing is said to the VTN before it has spoken."""
    asking.vtn_publishes(shed())
    asking.ven_polls()
    assert [item.event.modification for item in unconsulted(asking.node)] == [0]
    assert opt(asking) is None

    asking.ven_receives(OPINION)
    assert opt(asking) == OPT_IN
    assert unconsulted(asking.node) == ()

    asking.vtn_changes(shed(delta_kw=-1.0))
    asking.ven_polls()
    assert [item.event.modification for item in unconsulted(asking.node)] == [1]


def test_the_embedding_program_may_opt_out_with_a_code_and_words_of_its_own(asking: Pair) -> None:
    """What the fleet had promised is released."""
    asking.vtn_publishes(shed())
    asking.ven_polls()

    asking.ven_receives(replace(OPINION, opt=OPT_OUT, code=ResponseCode("469"), description="nobody is here"))

    assert opt(asking) == OPT_OUT
    assert answers(asking) == [(0, "469", "optOut", "nobody is here")]
    assert asking.site.applied == []


def test_an_opinion_on_one_version_binds_no_later_one(asking: Pair) -> None:
    asking.vtn_publishes(shed())
    asking.ven_polls()
    asking.ven_receives(replace(OPINION, opt=OPT_OUT))
    asking.vtn_changes(shed(delta_kw=-1.0))
    asking.ven_polls()

    asking.ven_receives(replace(OPINION, modification=1))

    assert opt(asking) == OPT_IN


@pytest.mark.parametrize("verdict", [OPT_IN, OPT_OUT])
@pytest.mark.parametrize("opinion", [None, OPT_IN, OPT_OUT])
def test_opinion_and_verdict_give_the_same_in_either_order(verdict: OptType, opinion: OptType | None) -> None:
    """Either may opt out; in takes both."""
    found = []
    words: tuple[Verdict | Opinion, ...] = (replace(VERDICT, opt=verdict), replace(OPINION, opt=opinion))
    for order in permutations(words):
        pair = Pair(identity=replace(IDENTITY, consult=True))
        pair.ven_starts()
        pair.site.silent = True
        pair.vtn_publishes(shed())
        pair.ven_polls()
        for said in order:
            pair.ven_receives(said)
        found.append(opt(pair))

    assert found == [OPT_OUT if OPT_OUT in (verdict, opinion) else OPT_IN] * 2


@pytest.mark.parametrize(
    "opinion",
    [replace(OPINION, modification=1), replace(OPINION, event_id=EventId("E9")), OPINION],
    ids=["another version", "an unknown event", "a second time"],
)
def test_an_opinion_that_nobody_waits_for_is_ignored(asking: Pair, opinion: Opinion) -> None:
    asking.vtn_publishes(shed())
    asking.ven_polls()
    if opinion == OPINION:
        asking.ven_receives(OPINION)
    before = asking.node

    asking.ven_receives(replace(opinion, opt=OPT_OUT))

    assert asking.node == before


def test_an_event_that_asks_for_no_power_needs_nobody_but_the_program(asking: Pair) -> None:
    """A price is acknowledged; the edge schedules by itself."""
    price = replace(shed(delta_kw=30.0), signal=ELECTRICITY_PRICE, kind=PRICE)
    asking.vtn_publishes(price)
    asking.ven_polls()
    assert opt(asking) is None

    asking.ven_receives(OPINION)

    assert opt(asking) == OPT_IN
    assert asking.site.applied == []


def test_the_operator_beats_the_event(pair: Pair) -> None:
    """What runs is released, the VTN is told, the journal knows who it was."""
    pair.vtn_publishes(shed())
    pair.clock_reaches(NOON + MINUTE)

    pair.operator_opts("E1", OPT_OUT)

    assert opt(pair) == OPT_OUT
    assert pair.site.applied == [(NOON, -2.0), (NOON + MINUTE, RELEASE)]
    assert [(e.what, e.by, e.detail) for e in pair.journal if e.by == "operator"][-1] == (
        "optOut", "operator", "by the operator",
    )  # fmt: skip


def test_the_operators_opt_out_is_given_again_to_each_modification(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.operator_opts("E1", OPT_OUT)
    pair.vtn_changes(shed(delta_kw=-1.0))
    pair.ven_polls()

    assert opt(pair) == OPT_OUT
    assert answers(pair)[-1] == (1, "200", "optOut", "withdrawn by the operator")
    assert pair.site.applied == []


def test_the_operators_opt_out_outlasts_a_version_that_leaves_the_ven_out(pair: Pair) -> None:
    """Whom a change withdraws the event from, and the next asks again, has opted out of it still. Found by simulation."""
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.operator_opts("E1", OPT_OUT)
    pair.settles()
    pair.vtn_changes(replace(shed(), asks={VenId("VEN2"): Ask(values=(-1.0,))}))
    pair.ven_polls()
    assert pair.node.agenda[E1].event.status == CANCELLED
    assert pair.party.events[E1].opt == OPT_IN

    pair.vtn_changes(shed())
    pair.ven_polls()

    assert pair.party.events[E1].opt == OPT_OUT
    assert pair.site.applied == []


def test_the_operators_opt_out_comes_before_any_question_to_the_program(asking: Pair) -> None:
    asking.vtn_publishes(shed())
    asking.ven_polls()

    asking.operator_opts("E1", OPT_OUT)
    assert opt(asking) == OPT_OUT
    asking.vtn_changes(shed(delta_kw=-1.0))
    asking.ven_polls()

    assert unconsulted(asking.node) == ()
    assert opt(asking) == OPT_OUT


def test_an_opt_out_that_is_taken_back_asks_the_fleet_anew(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.operator_opts("E1", OPT_OUT)
    pair.settles()

    pair.operator_opts("E1", None)

    assert opt(pair) == OPT_IN
    assert pair.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]
    assert pair.journal[-2].what == "opt withdrawn"


def test_an_opt_out_that_is_taken_back_does_not_move_a_load_for_a_test(pair: Pair) -> None:
    """Nor for a price, nor for an event that is over: there is nothing to ask the fleet."""
    pair.vtn_publishes(replace(shed(), test=True))
    pair.ven_polls()

    for choice, expected in ((OPT_OUT, OPT_OUT), (None, OPT_IN), (OPT_IN, OPT_IN)):
        pair.operator_opts("E1", choice)
        assert opt(pair) == expected
    assert pair.site.applied == []


def test_the_operator_opts_in_and_the_fleet_has_the_last_word(pair: Pair) -> None:
    """It can only follow what it can follow."""
    pair.site.refused = {"E1": "no"}
    pair.vtn_publishes(shed())
    pair.ven_polls()
    pair.operator_opts("E1", OPT_IN)
    assert opt(pair) == OPT_OUT

    pair.site.refused = {}
    pair.operator_opts("E1", OPT_IN)

    assert opt(pair) == OPT_IN


def test_the_operator_beats_the_embedding_program(asking: Pair) -> None:
    """And takes the code back with which it had refused."""
    asking.vtn_publishes(shed())
    asking.ven_polls()
    asking.ven_receives(replace(OPINION, opt=OPT_OUT, code=ResponseCode("469")))

    asking.operator_opts("E1", OPT_IN)
    assert opt(asking) == OPT_IN
    assert answers(asking)[-1][1] == "200"
    asking.operator_opts("E1", None)
    assert opt(asking) == OPT_OUT


def test_there_is_no_word_on_an_unknown_a_cancelled_or_a_bad_event(pair: Pair) -> None:
    bad = replace(event("bad"), signals=(replace(event().signals[0], name=SignalName(Token("x-OURS"))),))
    pair.ven_hears(distributed(replace(event("gone"), status=CANCELLED), bad))
    before = pair.node

    for name in ("none", "gone", "bad"):
        for choice in (OPT_IN, OPT_OUT, None):
            pair.operator_opts(name, choice)

    assert pair.node == before
    assert pair.site.applied == []


def test_change_then_opt_out_and_opt_out_then_change_end_alike(pair: Pair) -> None:
    other = Pair()
    other.ven_starts()
    for each in (pair, other):
        each.vtn_publishes(shed())
        each.ven_polls()

    pair.vtn_changes(shed(delta_kw=-1.0))
    pair.ven_polls()
    pair.operator_opts("E1", OPT_OUT)
    other.operator_opts("E1", OPT_OUT)
    other.vtn_changes(shed(delta_kw=-1.0))
    other.ven_polls()

    assert opt(pair) == opt(other) == OPT_OUT
    assert pair.site.applied == other.site.applied == []
