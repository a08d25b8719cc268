"""EiOpt at the VEN: what its operator declares, and the oadrCreateOpt and oadrCancelOpt that become of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.errors import OadrError
from openadr_ra.protocol.messages import CancelOpt, CreateOpt
from openadr_ra.protocol.model import OPT_OUT, MarketContext, OptId, Period, QualifiedEventId
from openadr_ra.protocol.opt import SCHEDULED, Opt, period
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Declared, Retracted
from tests.by_rule.session import Heard, elements, one, texts
from tests.world import E1, HOUR, NOON, Pair, shed

AWAY = Opt(id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON, periods=(period(NOON, HOUR),))
ABOUT_E1 = replace(AWAY, periods=(), event=QualifiedEventId(event_id=E1, modification=0))
MARKET = MarketContext(Token("http://market.example/a"))


@pytest.fixture
def ven() -> Pair:
    """A VEN that has one event."""
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.ven_polls()
    return pair


def told(pair: Pair) -> list[CreateOpt | CancelOpt]:
    """What the VEN has said of opts."""
    pair.settles()
    return [each.request for each in pair.said if isinstance(each.request, CreateOpt | CancelOpt)]


def test_x_opt_1_2_3_at_the_ven_each_opt_has_its_id_and_is_about_an_event_or_a_time(heard: Heard) -> None:
    about = set()
    for each in heard.ven.find("//oadr:oadrCreateOpt"):
        assert one(each, "ei:optID")
        parts = len(elements(each, "ei:qualifiedEventID")), len(elements(each, "xcal:vavailability"))
        assert parts == (1, 0) or parts == (0, 1)
        assert parts == (0, 1) or not elements(each, "emix:marketContext")
        about.add(parts)
        for span in elements(each, ".//xcal:available/xcal:properties"):
            assert [child.tag.rpartition("}")[2] for child in elements(span, "*")] == ["dtstart", "duration"]

    assert about == {(1, 0), (0, 1)}


@pytest.mark.parametrize(
    "bad",
    [
        replace(AWAY, id=OptId("")),
        replace(ABOUT_E1, periods=AWAY.periods),
        replace(ABOUT_E1, market_context=MARKET),
        replace(AWAY, periods=()),
        replace(AWAY, periods=(Period(start=NOON, duration=Duration(seconds=60), startafter=Duration()),)),
        replace(AWAY, periods=(Period(start=NOON, duration=Duration(seconds=60), notification=Duration()),)),
        replace(AWAY, periods=(Period(start=NOON, duration=Duration(seconds=60), ramp_up=Duration()),)),
        replace(AWAY, periods=(Period(start=NOON, duration=Duration(seconds=60), recovery=Duration()),)),
    ],
    ids=["no id", "event and time", "event and market", "neither", "tolerance", "notification", "ramp-up", "recovery"],
)
def test_x_opt_1_2_3_at_the_ven_what_is_no_opt_is_not_declared(ven: Pair, bad: Opt) -> None:
    with pytest.raises(OadrError):
        ven.ven_receives(Declared(opt=bad))

    assert told(ven) == []


@pytest.mark.parametrize("good", [AWAY, ABOUT_E1, replace(AWAY, market_context=MARKET)])
def test_x_opt_2_at_the_ven_either_of_them_is_declared(ven: Pair, good: Opt) -> None:
    ven.ven_receives(Declared(opt=good))

    assert [type(each) for each in told(ven)] == [CreateOpt]
    assert list(ven.party.opts) == ["o1"]


def test_x_opt_4_at_the_ven_what_it_cancels_is_what_it_created(heard: Heard) -> None:
    created = {text for each in heard.ven.find("//oadr:oadrCreateOpt") for text in texts(each, "ei:optID")}

    assert {each.text for each in heard.ven.find("//oadr:oadrCancelOpt/ei:optID")} == {"o1"} <= created


def test_x_opt_4_at_the_ven_an_optid_that_it_never_gave_cannot_be_taken_back(ven: Pair) -> None:
    ven.ven_receives(Declared(opt=AWAY))
    count = len(told(ven))

    with pytest.raises(OadrError):
        ven.ven_receives(Retracted(opt_id=OptId("O1")))
    assert len(told(ven)) == count

    ven.ven_receives(Retracted(opt_id=OptId("o1")))
    assert [type(each) for each in told(ven)[count:]] == [CancelOpt]
    assert ven.party.opts == {}


def test_rule_206_at_the_ven_after_its_opt_it_says_no_more_by_oadrcreatedevent(ven: Pair) -> None:
    """It would not count; a change of the verdict is declared under the same optID."""
    ven.ven_receives(Declared(opt=ABOUT_E1))

    assert [each.opt for each in told(ven) if isinstance(each, CreateOpt)] == [OPT_OUT]
    assert ven.party.events[E1].opt == OPT_OUT
    assert ven.site.applied == []
