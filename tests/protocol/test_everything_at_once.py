"""All services, both ways, in any order, over a line that loses, repeats, delays and reorders, between ends that die.

Every state is stored as JSON and loaded again after each step, so an end may die between any two of them; "restart" and
the fate "crash" are a VEN's death, "crash" of a post is the VTN's. Once the line is good again both ends know the same.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol import event as events
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol import report_feeds, ven
from openadr_ra.protocol.model import (
    CANCELLED,
    NEVER,
    OPT_IN,
    OPT_OUT,
    EventId,
    OptId,
    OptType,
    QualifiedEventId,
    ReportRequestId,
    ResourceId,
    Rid,
    SpecifierId,
)
from openadr_ra.protocol.opt import SCHEDULED, Opt
from openadr_ra.protocol.parts import Event, ReportRequest, SpecifierPayload
from openadr_ra.protocol.producer import Rates
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.requester import Requester, Wanted
from openadr_ra.protocol.schedule import Feed
from openadr_ra.protocol.step import AskReports, Changed, EndRegistration, Reregister, StopReports
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Declared, Left, Retracted
from openadr_ra.protocol.vtn import Party, Terms
from openadr_ra.wire.feeds import described
from tests.duplex import PUSHED, Duplex
from tests.world import BAT, DAY, HOUR, IDENTITY, MINUTE, NOON, OFFER, SECOND, VEN1, VTN1, Fate, shed

WIDER = replace(OFFER, usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kw", "m2")))
TERMS = Terms(vtn_id=VTN1, wanted=Wanted(live_s=60, slot_s=120))
"""A request that came back to life by a late message ends with its next report, which is to come before the end."""

TARIFF = replace(OFFER, status=(), response=())
"""What the VTN may have to report."""


FEED = Feed(start=NOON - 2 * DAY, span=DAY, text=described("bat", NOON))
POINT = report_feeds.offered(BAT, FEED, FEED.text)
"""What a program may hand in as Green Button."""

EAGER = replace(IDENTITY, rates=Rates(status_on_change=True, power_on_change=True))
"""A VEN that tells of changes."""
EAGER_PUSHED = replace(EAGER, push_address=PUSHED.push_address)


class Deed(NamedTuple):
    """Something that people or machines do, and how long nothing else is done afterwards."""

    what: str
    seconds: int


EVENT_DEEDS = ("publish", "publish without answer", "change", "cancel")
CHOICES: dict[str, OptType | None] = {"choose out": OPT_OUT, "choose in": OPT_IN, "choose nothing": None}
FLEET_DEEDS = ("fleet refuses", "fleet agrees")
OPT_DEEDS = ("declare absence", "declare presence", "opt event out", "opt event in", "retract")
ASKED = {
    "ask": ("op", "usage", "bat.kw", 60, 60),
    "ask of a meter that may be gone": ("pv", "usage", "pv.kw", 60, 60),
    "ask too fast": ("fast", "usage", "bat.kw", 1, 60),
    "ask METADATA": ("meta", "METADATA", "0", 0, 60),
    "ask history": ("past", "history", "bat.kw", 0, 0),
    "ask status": ("stands", "status", "bat", 60, 60),
    "ask on change": ("change", "status", "bat", 0, 60),
    "ask a feed that may be gone": ("feed", "greenbutton", "bat.greenbutton", 0, 0),
}
"""Id, specifier, rID, granularity and back-duration in seconds."""
REPORT_DEEDS = (
    *ASKED, "stop", "stop with one to follow", "more to report", "less to report", "VTN offers", "VEN wants",
    "VEN wants METADATA", "VEN stops", "a device changes", "a feed is handed in", "the feed is taken back",
)  # fmt: skip
OTHER_DEEDS = (
    "register again", "end", "leave", "restart", "become push", "become pull", "VTN forgets", "nothing",
)  # fmt: skip
DEEDS = (*EVENT_DEEDS, *CHOICES, *FLEET_DEEDS, *OPT_DEEDS, *REPORT_DEEDS, *OTHER_DEEDS)
FATES: tuple[Fate, ...] = get_args(Fate)


def request(id: str, specifier: str, rid: str, granularity_s: int, back_s: int) -> ReportRequest:
    return ReportRequest(
        id=ReportRequestId(id),
        specifier_id=SpecifierId(specifier),
        granularity=Duration(seconds=granularity_s),
        report_back=Duration(seconds=back_s),
        points=(SpecifierPayload(rid=Rid(rid)),),
    )


def does(pair: Duplex, deed: Deed, number: int) -> None:
    """The deed, by whom it is done."""
    if deed.what in EVENT_DEEDS:
        on_events(pair, deed, number)
    elif deed.what in CHOICES:
        pair.operator_opts(last_live(pair), CHOICES[deed.what])
    elif deed.what in FLEET_DEEDS:
        pair.site.refused = dict.fromkeys(pair.orders, "no") if deed.what == "fleet refuses" else {}
    elif deed.what in OPT_DEEDS:
        with_opts(pair, deed, number)
    elif deed.what in REPORT_DEEDS:
        on_reports(pair, deed)
    else:
        on_the_registration(pair, deed)


def last_live(pair: Duplex) -> EventId:
    live = [name for name, order in pair.orders.items() if not order.cancelled]
    return live[-1] if live else EventId("none")


def on_events(pair: Duplex, deed: Deed, number: int) -> None:
    last = last_live(pair)
    order = shed(f"E{number}", start=pair.now + deed.seconds * MINUTE, duration=2 * HOUR)
    match deed.what:
        case "publish":
            pair.vtn_publishes(order)
        case "publish without answer":
            pair.vtn_publishes(replace(order, response_required=NEVER))
        case "change" if last != "none":
            pair.vtn_changes(replace(pair.orders[last], start=pair.now + MINUTE))
        case "cancel" if last != "none":
            pair.vtn_cancels(last)


def with_opts(pair: Duplex, deed: Deed, number: int) -> None:
    """Schedules have two ids, so that they replace one another; an opt for an event has one of its own."""
    span = (opts.period(pair.now + deed.seconds * MINUTE, DAY),)
    schedule = Opt(
        id=OptId(f"o{number % 2}"), opt=OPT_OUT, reason=SCHEDULED, created=pair.now + number * SECOND, periods=span
    )
    known = list(pair.node.agenda.values())
    match deed.what:
        case "declare absence":
            pair.ven_receives(Declared(opt=schedule))
        case "declare presence":
            pair.ven_receives(Declared(opt=replace(schedule, opt=OPT_IN)))
        case "opt event out" | "opt event in" if known:
            event = known[-1].event
            about = QualifiedEventId(event_id=event.id, modification=event.modification)
            word = OPT_OUT if deed.what == "opt event out" else OPT_IN
            item = replace(schedule, id=OptId(f"for {event.id}"), opt=word, periods=(), event=about)
            pair.ven_receives(Declared(opt=item))
        case "retract" if pair.node.opts:
            pair.ven_receives(Retracted(opt_id=next(iter(pair.node.opts))))


def on_reports(pair: Duplex, deed: Deed) -> None:
    asked = tuple(name for name, item in pair.party.reports.requests.items() if not item.standing)
    match deed.what:
        case what if what in ASKED:
            pair.vtn_takes(AskReports(requests=(request(*ASKED[what]),)))
        case "stop":
            pair.vtn_takes(StopReports(ids=asked))
        case "stop with one to follow":
            pair.vtn_takes(StopReports(ids=asked[-1:], to_follow=True))
        case "more to report":
            pair.ven_receives(WIDER)
        case "less to report":
            pair.ven_receives(OFFER)
        case "VTN offers":
            pair.vtn_takes(TARIFF)
        case "VEN wants":
            pair.ven_receives(ven.Wanted(requests=(request("w", "usage", "bat.kw", 60, 60),)))
        case "VEN wants METADATA":
            pair.ven_receives(ven.Wanted(requests=(request("wm", "METADATA", "0", 0, 0),)))
        case "VEN stops":
            pair.ven_receives(ven.Unwanted(ids=tuple(pair.node.requester.requests)))
        case "a device changes":
            pair.ven_receives(Changed(points=(Rid("bat"), Rid("bat.kw"))))
        case "a feed is handed in":
            pair.feeds[report_feeds.shelf(report_feeds.OWN, POINT.description.rid)] = FEED
            pair.ven_receives(ven.Shelved(feeds=(POINT,)))
        case "the feed is taken back":
            pair.feeds.clear()
            pair.ven_receives(ven.Shelved(feeds=()))


def on_the_registration(pair: Duplex, deed: Deed) -> None:
    match deed.what:
        case "register again":
            pair.vtn_takes(Reregister())
        case "end":
            pair.vtn_takes(EndRegistration())
        case "leave" if pair.node.member.phase == "registered":
            # Before, a VEN does not know which registration it would end.
            pair.ven_receives(Left())
        case "restart":
            pair.restarts()
        case "become push":
            pair.restarts(EAGER_PUSHED)
        case "become pull":
            pair.restarts(EAGER)
        case "VTN forgets" if not pair.identity.push_address:
            # A push VEN would find out when it next has something to say, which may be never.
            pair.late_ones_arrive()
            pair.party = Party(ven_id=VEN1, events=pair.party.events, producer=pair.party.producer)


def agree(pair: Duplex) -> None:
    """On the registration and on all that hangs on it."""
    registration, member = pair.party.registration, pair.node.member
    if member.phase == "ended":
        assert registration is None
        assert (pair.node.agenda, pair.node.producer.requests, pair.party.opts) == ({}, {}, {})
        return
    assert member.phase == "registered"
    assert registration is not None
    assert (registration.id, registration.pull) == (member.registration_id, not pair.identity.push_address)
    assert (pair.node.debts, pair.party.debts) == ((), ())
    agree_on_events(pair)
    agree_on_opts(pair)
    agree_on_reports(pair)


def agree_on_events(pair: Duplex) -> None:
    given = {name: item for name, item in pair.party.events.items() if live(item.event, pair)}
    known = {name: item for name, item in pair.node.agenda.items() if live(item.event, pair)}
    assert {name: item.event.modification for name, item in given.items()} == {
        name: item.event.modification for name, item in known.items()
    }
    wanted = [name for name, item in given.items() if item.response_required != NEVER]
    assert {name: given[name].opt for name in wanted} == {name: known[name].opt for name in wanted}
    assert not [name for name in wanted if given[name].unanswered]
    follows = {name for name, schedule in pair.site.promised.items() if schedule.slots and schedule.end > pair.now}
    opted_in: set[OptType | None] = {OPT_IN}
    assert follows == {name for name, item in known.items() if item.opt in opted_in}


def live(item: Event, pair: Duplex) -> bool:
    return item.status != CANCELLED and pair.now < events.listed_until(item)


def agree_on_opts(pair: Duplex) -> None:
    """Schedules, which of them is the newer one, and the opts for events in their present version."""
    present = [
        QualifiedEventId(event_id=name, modification=item.event.modification) for name, item in pair.node.agenda.items()
    ]
    held, declared = (
        {name: replace(item, created=pair.now) for name, item in each.items() if item.event in (None, *present)}
        for each in (pair.party.opts, pair.node.opts)
    )
    assert held == declared
    for hours in range(25):
        start = pair.now + hours * HOUR
        assert opts.spoken(pair.party.opts, start, start + HOUR) == opts.spoken(pair.node.opts, start, start + HOUR)


def agree_on_reports(pair: Duplex) -> None:
    """What is asked for is served, at either end; what was one-shot is over."""
    for asking, serving in (
        (pair.party.reports, pair.node.producer.requests),
        (pair.node.requester, pair.party.producer.requests),
    ):
        assert {name: item.request for name, item in serving.items()} == periodic(asking)
        assert all(item.running for item in asking.requests.values() if not item.ending)


def periodic(asking: Requester) -> dict[ReportRequestId, ReportRequest]:
    return {name: item.request for name, item in asking.requests.items() if not item.ending and not item.served}


def runs(pair: Duplex, script: list[Deed]) -> None:
    """The deeds, one after the other, and then time enough: the longest pause between two attempts is a minute."""
    pair.ven_starts()
    for number, deed in enumerate(script):
        does(pair, deed, number)
        pair.clock_reaches(pair.now + deed.seconds * SECOND)
        due = ven.deadline(pair.node, pair.now)
        assert due is None or due > pair.now
    pair.fates = pair.push_fates = iter(())
    pair.clock_reaches(pair.now + 6 * MINUTE)


FINE: list[Fate] = ["carried"]
HISTORIES: dict[str, tuple[bool, list[Deed], list[Fate], list[Fate]]] = {
    "a VEN leaves that its VTN has forgotten": (False, [Deed("VTN forgets", 11), Deed("leave", 0)], [], []),
    "one of several reports is unknown": (
        True, [Deed("ask METADATA", 0), Deed("ask history", 0), Deed("stop", 0)], [], []
    ),
    "an opt for an event, and then another word": (
        False, [Deed("publish", 0), Deed("restart", 0), Deed("opt event in", 0), Deed("choose out", 0)], [], []
    ),
    "a posted event is overtaken by the next": (
        True, [Deed("publish", 0), Deed("publish without answer", 0), Deed("publish", 0)], [], ["carried", "late"]
    ),
    "a word on a version that is no longer the newest": (
        False, [Deed("publish", 11), Deed("opt event out", 0), Deed("change", 0), Deed("choose in", 0)], [], []
    ),
    "a retraction is overtaken by a new declaration": (
        False, [Deed("declare absence", 0), Deed("retract", 0), Deed("nothing", 0), Deed("declare presence", 30)],
        [*FINE * 6, "late", "late", "late"], [],
    ),
    "a cancellation of an event that was never answered is lost": (
        True, [Deed("fleet refuses", 0), Deed("publish", 0), Deed("cancel", 20)],
        [*FINE * 4, "request lost", "request lost", "request lost"],
        ["carried", "carried", "request lost"],
    ),
    "an event that seemed lost is cancelled, and that is lost": (
        True, [Deed("publish", 1), Deed("cancel", 2)], [], ["request lost", "reply lost", "request lost"]
    ),
    "a report request that seemed lost is replaced": (
        True, [Deed("nothing", 20), Deed("more to report", 0)], ["carried", "reply lost"], ["carried", "reply lost"]
    ),
    "a refused request beside the standing ones": (
        False, [Deed("ask too fast", 0), Deed("more to report", 0), Deed("restart", 5)], ["reply lost"] * 8, []
    ),
}  # fmt: skip
"""Is it a push VEN, what is done, and what becomes of what it says and of what is posted to it."""


@pytest.mark.parametrize(("push", "script", "line", "push_line"), HISTORIES.values(), ids=HISTORIES)
def test_histories_that_were_hard_end_in_agreement(
    push: bool, script: list[Deed], line: list[Fate], push_line: list[Fate]
) -> None:
    pair = Duplex(identity=EAGER_PUSHED if push else EAGER, fates=line, push_fates=push_line, terms=TERMS)

    runs(pair, script)

    agree(pair)


deeds = st.lists(st.builds(Deed, st.sampled_from(DEEDS), st.integers(0, 40)), min_size=1, max_size=16)
fates = st.lists(st.sampled_from(FATES), max_size=60)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), deeds, fates, fates)
def test_whatever_happens_both_ends_agree_once_the_line_is_good_again(
    push: bool, script: list[Deed], line: list[Fate], push_line: list[Fate]
) -> None:
    pair = Duplex(identity=EAGER_PUSHED if push else EAGER, fates=line, push_fates=push_line, terms=TERMS)

    runs(pair, script)

    agree(pair)
