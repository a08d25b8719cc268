"""What the ven commands show of what the console says, and how they take what is written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.programs import vens
from openadr_ra.programs.tables import moment
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, OptId, ReportRequestId, ResourceId, Rid, VenId
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD
from openadr_ra.protocol.step import Entry
from openadr_ra.run.summary import Availability, OwnAvailability, Span, VenSummary
from openadr_ra.run.ven_orders import History, Ordered, Sample
from openadr_ra.run.wanted import AskedReport, OfferedPoint, OfferedReport, Reports

START = datetime(2026, 11, 21, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

VEN = VenSummary(
    ven_id=VenId("VEN1"),
    name="edge",
    registered=True,
    transport="pull",
    report_only=False,
    signs=False,
    last_seen=START,
    fingerprints=(),
    opts={EventId("ev-1"): OPT_IN, EventId("ev-2"): None},
    unacknowledged=(EventId("ev-2"),),
    refused_signals=(),
    availability=(),
    reports_running=(),
    reports_unanswered=(),
)
AWAY = Availability(
    id=OptId("opt-1"),
    opt=OPT_OUT,
    spans=(Span(start=START, end=START + HOUR),),
    event_id=None,
    modification=None,
    resources=(),
    device_classes=(),
    market_context="",
    reason="x-schedule",
    said=START,
)


def cells(line: str) -> list[str]:
    """What stands in the columns of a line."""
    return re.split(r"\s{2,}", line)


def test_vens_are_shown_with_what_they_owe() -> None:
    head, line = vens.ven_list((VEN,)).splitlines()

    assert head.startswith("VEN   name  registered  transport  last seen (")
    assert cells(line) == ["VEN1", "edge", "yes", "pull", moment(START), "ev-1 optIn", "ev-2", "-"]


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        ({"transport": None, "registered": False}, "-"),
        ({"transport": "push"}, "push"),
        ({"signs": True}, "pull, signed"),
        ({"signs": True, "report_only": True}, "pull, signed, report-only"),
    ],
)
def test_the_transport_of_a_ven_is_told_in_a_word_or_three(change: dict[str, object], cell: str) -> None:
    assert cells(vens.ven_list((replace(VEN, **change),)).splitlines()[1])[3] == cell


def test_availability_is_told_briefly() -> None:
    """Two declarations and of each two spans; opts for events stand with the events."""
    spans = tuple(Span(start=START + day * DAY, end=START + day * DAY + HOUR) for day in range(3))
    said = (
        replace(AWAY, event_id=EventId("ev-1"), spans=()),
        replace(AWAY, spans=spans),
        replace(AWAY, opt=OPT_IN, resources=(ResourceId("bat-1"),), spans=(Span(start=START, end=None),)),
        AWAY,
    )
    cell = cells(vens.ven_list((replace(VEN, availability=said),)).splitlines()[1])[-1]
    day = moment(START)[:10]

    assert re.fullmatch(
        rf"optOut {day} \d\d:\d\d-\d\d:\d\d, \S+ \d\d:\d\d-\d\d:\d\d and 1 more;"
        rf" optIn from {moment(START)} \(bat-1\) and 1 more",
        cell,
    )


def test_a_span_over_midnight_has_both_dates() -> None:
    (line,) = vens.ven_list(
        (replace(VEN, availability=(replace(AWAY, spans=(Span(start=START, end=START + DAY),)),)),)
    ).splitlines()[1:]

    assert line.endswith(f"optOut {moment(START)} to {moment(START + DAY)}")


def test_an_empty_list_says_what_to_do() -> None:
    assert vens.ven_list(()).startswith("no VEN is known yet; `openadr-ra ven enrol")
    assert vens.availability_text(()) == "nothing is declared; `openadr-ra ven unavailable --help` says how"
    assert vens.warnings_text("VEN1", ()) == "nothing in the messages of VEN1 had to be repaired"
    assert vens.reports_text("VEN1", Reports(offered=(), asked=())).startswith("VEN1 offers no reports; ")


def test_repairs_are_listed() -> None:
    entry = Entry(
        subject="party/VEN1", at=START, by="VEN1", what="interop warning", detail="unprefixed schemaVersion\x1b"
    )
    head, line = vens.warnings_text("VEN1", (entry,)).splitlines()

    assert head.startswith("at (")
    assert cells(line) == [moment(START), "unprefixed schemaVersion"]


def test_an_order_is_confirmed_in_one_line() -> None:
    assert vens.ordered_text(Ordered(ven_id=VenId("VEN1"), ordered="registration again")) == (
        "VEN1 is told: registration again"
    )
    ids = (ReportRequestId("rr-1"), ReportRequestId("rr-2"))
    assert vens.ordered_text(Ordered(ven_id=VenId("V"), ordered="reports", ids=ids)) == "V is told: reports rr-1, rr-2"


def test_reports_are_listed_by_point_and_by_request() -> None:
    points = (
        OfferedPoint(point=Rid("bat.kw"), resources=(ResourceId("bat"),), unit="kW", every=("PT1S", "PT30M")),
        OfferedPoint(point=Rid("0"), resources=(), unit=None, every=None),
    )
    asked = AskedReport(
        id=ReportRequestId("rr-1"),
        name="TELEMETRY_USAGE",
        points=(Rid("bat.kw"),),
        granularity="PT1M",
        back="PT2M",
        start=START,
        duration="PT0S",
        standing=True,
        state="running",
    )
    many = replace(asked, points=(Rid("a"),) * 4, start=None, standing=False, state="unanswered")
    offered = OfferedReport(name="TELEMETRY_USAGE", kept_for="P1D", points=points)
    lines = vens.reports_text(
        "VEN1", Reports(offered=(offered, replace(offered, name="x-", kept_for=None)), asked=(asked, many))
    ).splitlines()

    assert cells(lines[1]) == ["TELEMETRY_USAGE", "bat.kw", "bat", "kW", "PT1S to PT30M", "P1D"]
    assert cells(lines[2]) == ["TELEMETRY_USAGE", "0", "-", "-", "-", "P1D"]
    assert cells(lines[4]) == ["x-", "0", "-", "-", "-", "-"]
    assert cells(lines[7]) == ["rr-1", "TELEMETRY_USAGE", "bat.kw", "PT1M", "PT2M", moment(START), "running, standing"]
    assert cells(lines[8])[2:] == ["4 points", "PT1M", "PT2M", "-", "unanswered"]


def test_history_has_one_line_an_interval_and_one_column_a_point() -> None:
    first = Sample(start=START, duration_s=60.0, value=1.23456, quality=GOOD)
    then = replace(first, start=START + HOUR, value=-2.0, quality=COMM_FAILURE)
    history = History(ven_id=VenId("VEN1"), came=True, points={"b.kwh": (then,), "a.kw": (first, then)})
    head, *lines = vens.history_text(history).splitlines()

    assert cells(head)[1:] == ["s", "a.kw", "b.kwh"]
    assert [cells(line) for line in lines] == [
        [moment(START), "60", "+1.235", "-"],
        [moment(START + HOUR), "60", "-2.000 Bad - Comm Failure", "-2.000 Bad - Comm Failure"],
    ]
    sure = replace(history, points={"a.kw": (replace(first, accuracy=0.05, confidence=80),)})
    certain = replace(history, points={"a.kw": (replace(first, accuracy=0.0, confidence=100),)})
    assert vens.history_text(sure).endswith("+1.235 ±0.05 (80 %)")
    assert vens.history_text(certain).endswith("+1.235 ±0")


def test_a_history_that_has_not_come_and_one_that_is_empty_are_told_apart() -> None:
    absent = History(ven_id=VenId("VEN1"), came=False, points={})

    assert vens.history_text(absent).startswith(
        "VEN1 has sent no history yet; ask again, or see `openadr-ra ven reports"
    )
    assert vens.history_text(replace(absent, came=True)) == "VEN1 has kept nothing of that time"


def test_a_ven_shows_what_it_declared_where() -> None:
    shown = {name: getattr(AWAY, name) for name in AWAY.__struct_fields__}
    own = OwnAvailability(**shown, upstream="above", told=False)
    event = replace(own, event_id=EventId("ev-1"), spans=(), told=True, market_context="http://m/", upstream="other")
    _, line, other = vens.availability_text((own, event)).splitlines()

    assert cells(line)[0:2] + cells(line)[3:] == ["opt-1", "optOut", "all", "all", "x-schedule", "above", "NO"]
    assert cells(other)[2:] == ["event ev-1", "all", "http://m/", "x-schedule", "other", "yes"]


NOWHERE = Client("http://127.0.0.1:9", "x" * 43)


@pytest.mark.parametrize(
    ("ask", "stop", "wish", "last", "sentence"),
    [
        ("METADATA", ("rr-1",), {}, False, "--ask and --stop exclude one another"),
        (
            None,
            (),
            {"point": ("a",)},
            False,
            "--point, --granularity, --back, --on-change, --start and --duration belong to --ask",
        ),
        (None, ("rr-1",), {"back": "1m"}, False, "belong to --ask"),
        (None, (), {}, True, "--last belongs to --stop"),
        ("METADATA", (), {}, True, "--last belongs to --stop"),
        ("METADATA", (), {"back": "soon"}, False, "'soon' is no span of time"),
        ("METADATA", (), {"start": "yesterday"}, False, "'yesterday' is no time"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_asked(
    ask: str | None, stop: tuple[str, ...], wish: dict[str, object], last: bool, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        list(vens.orders(NOWHERE, "VEN1", ask, stop, wish, last=last))


def test_an_end_before_the_start_is_refused_before_anything_is_declared() -> None:
    said = {"start": "+2h", "end": "+1h", "market_context": "", "reason": "economic"}
    with pytest.raises(SettingsError, match=r"--to \+1h is not after --from; leave it out for good"):
        vens.declare(NOWHERE, "optOut", said)
