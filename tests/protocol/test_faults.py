"""A VTN and a VEN that talk over a bad line, and crash: afterwards both know the same."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol import event as events
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol import ven
from openadr_ra.protocol.model import (
    CANCELLED,
    NEVER,
    OPT_IN,
    OPT_OUT,
    EventId,
    OptId,
    OptType,
    ReportRequestId,
    ResourceId,
    Rid,
    SpecifierId,
)
from openadr_ra.protocol.opt import SCHEDULED, Opt
from openadr_ra.protocol.parts import Event, ReportRequest, SpecifierPayload
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.step import AskReports, Reregister
from openadr_ra.protocol.ven import Declared, Retracted
from openadr_ra.protocol.vtn import Party
from tests.world import DAY, HOUR, MINUTE, NOON, OFFER, SECOND, VEN1, Fate, Pair, in_memory, shed

AWAY = OptId("away")
CAPABILITIES = ReportRequest(
    id=ReportRequestId("m1"), specifier_id=SpecifierId("METADATA"), points=(SpecifierPayload(rid=Rid("0")),)
)
WIDER = replace(OFFER, usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kw", "m2")))


class Deed(NamedTuple):
    """Something that people or machines do, and how long nothing else is done afterwards."""

    what: str
    seconds: int


DEEDS = (
    "publish", "publish without answer", "change", "cancel", "opt out", "opt in", "opt back", "fleet refuses",
    "fleet agrees", "restart", "more to report", "less to report", "nothing", "VTN forgets", "register again",
    "declare", "take back", "ask for METADATA",
)  # fmt: skip
deeds = st.lists(st.builds(Deed, st.sampled_from(DEEDS), st.integers(0, 40)), min_size=1, max_size=10)
FATES: tuple[Fate, ...] = get_args(Fate)
fates = st.lists(st.sampled_from(FATES), max_size=60)


def does(pair: Pair, deed: Deed, number: int) -> None:
    live = [name for name, order in pair.orders.items() if not order.cancelled]
    last = live[-1] if live else EventId("none")
    match deed.what:
        case "publish" | "publish without answer":
            order = shed(f"E{number}", start=pair.now + deed.seconds * MINUTE, duration=2 * HOUR)
            pair.vtn_publishes(order if deed.what == "publish" else replace(order, response_required=NEVER))
        case "change" if live:
            pair.vtn_changes(replace(pair.orders[last], start=pair.now + MINUTE))
        case "cancel" if live:
            pair.vtn_cancels(last)
        case "opt out":
            pair.operator_opts(last, OPT_OUT)
        case "opt in":
            pair.operator_opts(last, OPT_IN)
        case "opt back":
            pair.operator_opts(last, None)
        case "fleet refuses":
            pair.site.refused = dict.fromkeys(live, "no")
        case "fleet agrees":
            pair.site.refused = {}
        case "restart":
            pair.ven_starts(offered=None)
        case "more to report":
            pair.ven_receives(WIDER)
        case "less to report":
            pair.ven_receives(OFFER)
        case "register again":
            pair.vtn_takes(Reregister())
        case "declare":
            span = opts.period(pair.now + DAY, HOUR)
            pair.ven_receives(
                Declared(opt=Opt(id=AWAY, opt=OPT_OUT, reason=SCHEDULED, created=pair.now, periods=(span,)))
            )
        case "take back" if pair.node.opts:
            pair.ven_receives(Retracted(opt_id=AWAY))
        case "ask for METADATA":
            pair.vtn_takes(AskReports(requests=(CAPABILITIES,)))
        case "VTN forgets":
            pair.party = Party(ven_id=VEN1, events=pair.party.events)


def live(item: Event, now: datetime) -> bool:
    return item.status != CANCELLED and now < events.listed_until(item)


def agree(pair: Pair) -> None:
    """Events with their versions and opts, report requests with their points, and what the site does."""
    given = {name: item for name, item in pair.party.events.items() if live(item.event, pair.now)}
    known = {name: item for name, item in pair.node.agenda.items() if live(item.event, pair.now)}
    assert {name: item.event.modification for name, item in given.items()} == {
        name: item.event.modification for name, item in known.items()
    }
    wanted = [name for name, item in given.items() if item.response_required != NEVER]
    assert {name: given[name].opt for name in wanted} == {name: known[name].opt for name in wanted}
    assert not [name for name in wanted if given[name].unanswered]
    asked = {name: item for name, item in pair.party.reports.requests.items() if name != CAPABILITIES.id}
    assert {name: item.request for name, item in asked.items()} == {
        name: item.request for name, item in pair.node.producer.requests.items()
    }
    assert all(item.running for item in asked.values())
    assert {name: item.periods for name, item in pair.party.opts.items()} == {
        name: item.periods for name, item in pair.node.opts.items()
    }
    follows = {name for name, schedule in pair.site.promised.items() if schedule.slots and schedule.end > pair.now}
    opted_in: set[OptType | None] = {OPT_IN}
    assert follows == {name for name, item in known.items() if item.opt in opted_in}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(deeds, fates)
def test_whatever_the_line_does_both_ends_agree_once_it_is_good_again(script: list[Deed], line: list[Fate]) -> None:
    """Five minutes are enough: the longest pause between two attempts is one."""
    pair = Pair(wire=in_memory, fates=line)
    pair.ven_starts()
    for number, deed in enumerate(script):
        does(pair, deed, number)
        pair.clock_reaches(pair.now + deed.seconds * SECOND)
        due = ven.deadline(pair.node, pair.now)
        assert due is not None
        assert due > pair.now
    pair.fates = iter(())

    pair.clock_reaches(pair.now + 5 * MINUTE)

    agree(pair)
    assert pair.node.debts == ()


@pytest.mark.parametrize("fate", FATES)
def test_one_fault_anywhere_does_no_harm(fate: Fate) -> None:
    """At each message of a registration, an event, its change and its cancellation in turn."""
    for position in range(25):
        pair = Pair(wire=in_memory)
        line: list[Fate] = ["carried" for _ in range(position)]
        pair.fates = iter((*line, fate))
        pair.ven_starts()
        for deed in ("publish", "change", "opt out", "cancel", "publish"):
            does(pair, Deed(deed, 0), position)
            pair.clock_reaches(pair.now + 15 * SECOND)
            position += 1

        pair.clock_reaches(pair.now + 5 * MINUTE)

        agree(pair)


def test_a_ven_that_dies_at_every_message_still_gets_through() -> None:
    """What it has stored is enough to go on."""
    pair = Pair(wire=in_memory, fates=["crash"] * 5)
    pair.vtn_publishes(shed())
    pair.ven_starts()
    pair.clock_reaches(NOON)

    agree(pair)
