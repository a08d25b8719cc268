"""HISTORY_GREENBUTTON: a feed that a program hands in, offered, asked for, sent as it is, and kept where it came."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import report_feeds
from openadr_ra.protocol.messages import CreatedReport, UpdatedReport, UpdateReport
from openadr_ra.protocol.model import GreenButtonUnit, Period, RequestId, ResourceId, Rid, SpecifierId
from openadr_ra.protocol.parts import (
    HISTORY_GREENBUTTON,
    GreenButtonPayload,
    Interval,
    Report,
    ReportPayload,
    ReportRequest,
    SpecifierPayload,
)
from openadr_ra.protocol.report_feeds import MAX_SENT_CHARACTERS, FeedPoint, Shelf, Source, kept, shelf
from openadr_ra.protocol.schedule import Feed
from openadr_ra.protocol.shape import Opaque
from openadr_ra.protocol.step import Key, Shelve
from openadr_ra.protocol.times import duration
from openadr_ra.protocol.ven import Shelved
from openadr_ra.wire.feeds import described
from tests.protocol.reports import offered
from tests.protocol.wishes import NONE, asks, request, said
from tests.world import BAT, DAY, HOUR, NOON, VEN1, Pair, code_of

START = NOON - HOUR
JUNE = Feed(start=START - 2 * DAY, span=DAY, text=described("bat", START))
"""Any feed will do: what is in it is not understood. This one is about yesterday's yesterday."""

GRID = ResourceId("grid")
SERVED = request("gb", "bat.greenbutton", specifier="greenbutton", granularity=NONE, back=NONE)


def point(resource: ResourceId = BAT, feed: Feed = JUNE) -> FeedPoint:
    return report_feeds.offered(resource, feed, described(resource, feed.start))


def offering(*points: FeedPoint) -> Pair:
    """A VEN whose program handed in feeds, each of a resource."""
    pair = Pair()
    pair.feeds = {report_feeds.shelf(report_feeds.OWN, one.description.rid): JUNE for one in points}
    pair.ven_receives(Shelved(feeds=points))
    pair.ven_starts()
    return pair


def span(start: datetime, length: timedelta) -> Period:
    return Period(start=start, duration=duration(length))


def sent(pair: Pair) -> list[Report]:
    messages = [each for each in said(pair, UpdateReport) if isinstance(each, UpdateReport)]
    return [report for message in messages for report in message.reports if report.name == HISTORY_GREENBUTTON]


def test_metadata_has_a_green_button_report_where_a_feed_was_handed_in_and_nowhere_else(pair: Pair) -> None:
    (report,) = [one for one in offered(offering(point())).reports if one.specifier_id == "greenbutton"]
    (described_point,) = report.descriptions

    assert report.name == "METADATA_HISTORY_GREENBUTTON"
    assert report.duration is not None
    assert (described_point.rid, described_point.sampling) == ("bat.greenbutton", None)
    assert isinstance(described_point.unit, GreenButtonUnit)
    assert described_point.source is not None
    assert described_point.source.resources == (BAT,)
    assert [one for one in offered(pair).reports if one.specifier_id == "greenbutton"] == []


def test_a_feed_that_is_handed_in_later_is_registered_at_once_and_one_that_stays_is_not(pair: Pair) -> None:
    before = len(pair.said)
    pair.ven_receives(Shelved(feeds=(point(),)))
    pair.ven_receives(Shelved(feeds=(point(),)))
    pair.settles()

    assert [one.specifier_id for one in offered(pair).reports][-2:] == ["greenbutton", "response"]
    assert len(pair.said) == before + 1


def test_a_feed_goes_out_as_it_was_handed_in_and_is_kept_for_its_point() -> None:
    pair = offering(point())
    asks(pair, SERVED)
    pair.ven_polls()

    (report,) = sent(pair)
    assert (report.start, report.duration, report.request_id) == (JUNE.start, duration(DAY), "gb")
    assert report.intervals == (
        Interval(start=JUNE.start, duration=duration(DAY), uid="0", payloads=(GreenButtonPayload(feed=JUNE.text),)),
    )
    (mail,) = pair.shelved
    assert mail.to == Key("greenbutton/VEN1/bat.greenbutton")
    assert mail.body == Shelve(feeds=(JUNE,), at=pair.now)
    assert pair.node.producer.requests.keys() == {
        name for name, item in pair.party.reports.requests.items() if item.standing
    }
    assert pair.party.reports.requests[SERVED.id].served


@pytest.mark.parametrize(
    ("interval", "code"),
    [
        (None, "200"),
        (span(JUNE.start, NONE), "200"),
        (span(JUNE.start - DAY, DAY), "454"),
        (span(JUNE.start - DAY, DAY + HOUR), "200"),
        (span(JUNE.start + DAY - HOUR, NONE), "200"),
        (span(JUNE.start + DAY, NONE), "454"),
        (span(START, NONE), "454"),
    ],
    ids=["whenever", "from its start", "up to its start", "into it", "its last hour", "from its end", "now"],
)
def test_a_feed_is_told_to_who_asks_for_its_time(interval: Period | None, code: str) -> None:
    """Else the VEN says at once that it has none, rather than nothing."""
    pair = offering(point())
    asks(pair, replace(SERVED, interval=interval))
    pair.ven_polls()

    assert code_of(said(pair, CreatedReport)[-1]) == code
    assert len(sent(pair)) == (code == "200")


@pytest.mark.parametrize(
    "bad",
    [replace(SERVED, granularity=duration(HOUR)), replace(SERVED, report_back=duration(HOUR))],
    ids=["granularity", "reportBackDuration"],
)
def test_a_feed_comes_once_and_whole(bad: ReportRequest) -> None:
    """Both are zero for a history (3.3)."""
    pair = offering(point())
    asks(pair, bad)
    pair.ven_polls()

    assert code_of(said(pair, CreatedReport)[-1]) == "454"


@pytest.mark.parametrize(
    ("characters", "code"), [(MAX_SENT_CHARACTERS // 2, "200"), (MAX_SENT_CHARACTERS // 2 + 1, "454")]
)
def test_feeds_that_are_too_long_for_one_message_are_asked_for_one_by_one(characters: int, code: str) -> None:
    pair = offering(replace(point(), characters=characters), replace(point(GRID), characters=characters))
    both = replace(SERVED, points=(*SERVED.points, SpecifierPayload(rid=Rid("grid.greenbutton"))))
    asks(pair, both)
    pair.ven_polls()

    assert code_of(said(pair, CreatedReport)[-1]) == code


def test_several_feeds_stand_beside_one_another_in_a_report() -> None:
    pair = offering(point(), point(GRID))
    asks(pair, replace(SERVED, points=(*SERVED.points, SpecifierPayload(rid=Rid("grid.greenbutton")))))
    pair.ven_polls()

    (report,) = sent(pair)
    assert [(one.start, one.uid) for one in report.intervals] == [(JUNE.start, "0"), (JUNE.start, "1")]
    assert report.duration is None


def test_a_feed_that_was_taken_back_is_not_sent_any_more() -> None:
    pair = offering(point())
    asks(pair, SERVED)
    pair.feeds = {}
    pair.ven_polls()

    assert sent(pair) == []
    assert pair.node.debts == ()


def test_only_the_first_report_of_a_request_is_kept() -> None:
    """Who sends ever more feeds for one request does not fill the store; its answer is yes all the same."""
    pair = offering(point())
    asks(pair, SERVED)
    pair.ven_polls()
    again = UpdateReport(request_id=RequestId("u"), reports=tuple(sent(pair)), ven_id=VEN1)

    assert code_of(pair.vtn_hears(again)) == "200"
    assert len(pair.shelved) == 1


def test_what_is_no_feed_in_such_a_report_is_passed_over() -> None:
    pair = offering(point())
    asks(pair, SERVED)
    pair.vtn_is_polled()
    stray = Interval(payloads=(ReportPayload(rid=Rid("bat.greenbutton"), value=1.0),))
    report = Report(
        start=START, duration=duration(HOUR), intervals=(stray,), request_id=SERVED.id,
        specifier_id=SpecifierId("greenbutton"), name=HISTORY_GREENBUTTON, created=START,
    )  # fmt: skip
    reply = pair.vtn_hears(
        UpdateReport(request_id=RequestId("u"), reports=(replace(report, intervals=(stray,)),), ven_id=VEN1)
    )

    assert isinstance(reply, UpdatedReport)
    assert (reply.result.code, [mail.body for mail in pair.shelved]) == ("200", [Shelve(feeds=(), at=pair.now)])


def test_a_shelf_has_what_came_last() -> None:
    later = replace(JUNE, text=Opaque("<later/>"))
    letters = (Shelve(feeds=(JUNE,), at=START), Shelve(feeds=(later,), at=NOON))

    assert kept(None, letters).state == Shelf(feeds=(later,), since=NOON)
    assert kept(Shelf(feeds=(JUNE,), since=START), ()).state == Shelf(feeds=(JUNE,), since=START)


def test_shelves_of_several_sources_are_apart() -> None:
    names = {shelf(Source(source), Rid("bat.greenbutton")) for source in ("", "VEN1", "VEN2")}

    assert len(names) == 3
