"""What the fleet commands show, and how they are spelt."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.programs import fleet
from openadr_ra.programs.tables import moment
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.parts import GOOD
from openadr_ra.protocol.step import Entry
from openadr_ra.run.fleet_orders import FleetTotal, FleetView, MemberView, PromisedSlot, PromiseView, WordView

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HALF = timedelta(minutes=30)
SLOT = PromisedSlot(start=NOON, end=NOON + HALF, asked_kw=-600, covered_kw=-580, short_kw=20)
PROMISE = PromiseView(
    event_id=EventId("peak"),
    modification=1,
    asked_by="dras",
    state="short",
    reason="",
    priority=0,
    short_kw=20,
    slots=(SLOT, replace(SLOT, start=NOON + HALF, end=NOON + 2 * HALF, asked_kw=-1)),
)
BATTERY = MemberView(
    id=ResourceId("b1"),
    what="device",
    kind="battery",
    online=True,
    available=True,
    local_override=False,
    measured_at=NOON,
    quality=GOOD,
    kw=-2.5,
    baseline_kw=0,
    soc_percent=49.6,
    can_reduce_kw=2.5,
    can_raise_kw=7.5,
    can_reduce_kwh=4,
    can_raise_kwh=None,
    held_kw=-2.5,
    asked_kw=-2.5,
    events=(EventId("peak"),),
    word=None,
    notice_s=2700,
    price_per_kwh=12,
    weight=1,
)
AWAY = replace(
    BATTERY,
    id=ResourceId("EDGE"),
    what="VEN",
    kind="ven",
    available=False,
    soc_percent=None,
    held_kw=None,
    events=(),
    word=WordView(kw=None, until=NOON + HALF, by="operator", reason="works\x1b"),
    notice_s=0,
    price_per_kwh=0,
)
TOTAL = FleetTotal(
    members=2,
    available=1,
    kw=-5,
    can_reduce_kw=2.5,
    can_raise_kw=7.5,
    can_reduce_kwh=4,
    can_raise_kwh=None,
    asked_kw=-2.5,
)
VIEW = FleetView(name="ra", at=NOON, members=(BATTERY, AWAY), total=TOTAL, promises=(PROMISE,))


def cells(line: str) -> list[str]:
    """What stands in the columns of a line."""
    return re.split(r"\s{2,}", line)


def test_a_fleet_is_shown_with_members_sums_and_promises() -> None:
    text = fleet.fleet_text(VIEW)
    head, heads, battery, away, total, empty, promise_heads, promise = text.splitlines()

    assert head.startswith(f"fleet of ra, {moment(NOON)} ")
    assert "can reduce 下げ kW" in heads
    assert "can raise 上げ kW" in heads
    assert cells(battery) == [
        "b1", "battery", "yes", "-2.50", "50", "2.50", "4.00", "7.50", "∞", "-2.50", "-2.50", "peak", "-", "2700 s", "12",
    ]  # fmt: skip
    assert cells(away) == [
        "EDGE", "VEN", "yes", "-2.50", "-", "2.50", "-", "7.50", "-", "-", "-", "-",
        f"withdrawn 除外 until {moment(NOON + HALF)}: works", "-", "-",
    ]  # fmt: skip
    assert cells(total) == ["all 合計", "1 of 2", "-5.00", "2.50", "4.00", "7.50", "∞", "-2.50"]
    assert empty == ""
    assert "covered 確保量 kW" in promise_heads
    assert cells(promise)[:3] == ["peak", "dras", "short"]
    assert cells(promise)[4:] == ["-600.00", "-580.00", "20.00", "2"]
    assert "\x1b" not in text


def test_reducing_is_what_the_market_buys_as_a_raise() -> None:
    """Lower demand is more supply: 下げDR is 上げ調整力, and the two are told apart where they are shown."""
    head = fleet.fleet_text(VIEW).splitlines()[0]

    assert "下げ = 下げDR = 上げ調整力" in head
    assert "上げ = 上げDR = 下げ調整力" in head


def test_the_interval_that_runs_is_shown_then_the_next_then_the_last() -> None:
    for minutes, asked in ((-10, "-600.00"), (0, "-600.00"), (29, "-600.00"), (30, "-1.00"), (90, "-1.00")):
        at = NOON + timedelta(minutes=minutes)

        assert asked in fleet.fleet_text(replace(VIEW, at=at)).splitlines()[-1]


def test_members_that_are_not_there_are_shown_as_they_are() -> None:
    unknown = replace(BATTERY, measured_at=None, online=False, available=False, kw=None)
    gone = replace(BATTERY, online=False, available=False)
    by_hand = replace(BATTERY, local_override=True, available=False)
    lines = fleet.fleet_text(replace(VIEW, members=(unknown, gone, by_hand))).splitlines()[2:5]

    assert [cells(line)[2] for line in lines] == ["not yet", "NO", "by hand 手動"]


def test_an_empty_fleet_says_what_it_lacks() -> None:
    assert fleet.fleet_text(replace(VIEW, members=())).startswith("the fleet of ra has no members: the node has no")
    assert fleet.fleet_text(replace(VIEW, promises=())).endswith("\n\nnothing is promised")


def test_a_refused_promise_has_no_interval_and_an_open_one_no_end() -> None:
    refused = replace(PROMISE, state="refused", slots=(), reason="too much")
    opened = replace(PROMISE, slots=(replace(SLOT, end=None),))
    *_, first, second = fleet.fleet_text(replace(VIEW, promises=(refused, opened))).splitlines()

    assert cells(first) == ["peak", "dras", "refused", "-", "-", "-", "20.00", "0", "too much"]
    assert f"from {moment(NOON)}" in second


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("promised", "the fleet accepts 受託"),
        ("short", "the fleet accepts 受託, short 不足量 of it by up to 20.00 kW"),
        ("refused", "the fleet refuses 受託不可"),
        ("released", "the fleet is released from it"),
        ("over", "it is over"),
    ],
)
def test_a_promise_is_told_in_a_few_words(state: str, sentence: str) -> None:
    assert fleet.promised_text(replace(PROMISE, state=state)) == sentence
    assert fleet.promised_text(replace(PROMISE, state=state, reason="why")) == f"{sentence}: why"


def test_a_word_is_told_with_the_way_back() -> None:
    held = replace(BATTERY, word=WordView(kw=-2, until=None, by="operator", reason=""))

    assert fleet.member_said(held) == "b1 is held at -2.00 kW; `openadr-ra fleet give-back b1` takes that back"
    assert fleet.member_said(BATTERY) == "b1 is given back to the fleet"


def test_a_journal_has_one_line_a_word() -> None:
    entry = Entry(subject="resource/b1", at=NOON, by="operator", what="withdrawn", detail="until given back")

    assert cells(fleet.journal_text("b1", (entry,)).splitlines()[1]) == [
        moment(NOON), "operator", "withdrawn", "until given back",
    ]  # fmt: skip
    assert fleet.journal_text("b1", ()) == "no operator has said anything of b1"


@pytest.mark.parametrize(
    ("length", "until", "sentence"),
    [
        ("2h", "+2h", "--for and --until exclude one another; give one of them"),
        ("soon", None, "'soon' is no span of time; "),
        (None, "soon", "'soon' is no time; "),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(length: str | None, until: str | None, sentence: str) -> None:
    """Before anybody is asked."""
    nobody = Client("http://127.0.0.1:9", "x" * 43)
    with pytest.raises(SettingsError) as refused:
        fleet.order(nobody, "b1", None, length, until, "")

    assert str(refused.value).startswith(sentence)
