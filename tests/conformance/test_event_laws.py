"""What is held against every oadrDistributeEvent: a right one breaks nothing, and each wrong one breaks its own law."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from conformance import cases, template
from conformance.message import Message
from conformance.operator import DISPATCH, SIMPLE, EventWish
from conformance.play import utc
from conformance.play_vtn import event
from conformance.record import Record
from conformance.watch import WATCHES, findings

cases.load()

NOW = datetime.now(UTC).replace(microsecond=0)
RUNNING = EventWish(
    ven_id="VEN",
    start=NOW - timedelta(minutes=75),
    every_s=3600,
    signals=(replace(SIMPLE, values=(1.0, 2.0, 3.0)), replace(DISPATCH, values=(1.0, 2.0, 3.0))),
)
"""In its second interval for three quarters of an hour more, however long the tests before these take."""

LATER = EventWish(ven_id="VEN", start=NOW + timedelta(hours=1), signals=(replace(SIMPLE, values=(1.0, 0.0)),))
DATED = "<ei:interval><xcal:dtstart><xcal:date-time>2030-01-01T00:00:00Z</xcal:date-time></xcal:dtstart>"
TWO_VENS = "<ei:eiTarget><ei:venID>VEN</ei:venID><ei:venID>other</ei:venID></ei:eiTarget>"


def baseline() -> str:
    """Two intervals of 5 min."""
    intervals = "".join(
        template.fill(
            "interval", duration="PT5M", uid=number, payloads=template.fill("signal_payload", value=float(number))
        )
        for number in range(2)
    )
    return template.fill(
        "baseline",
        start=utc(LATER.start),
        duration="PT10M",
        intervals=intervals,
        baseline_id="1",
        name="plan",
        unit=template.fill("powerReal", scale="none"),
    )


def right() -> bytes:
    """An event in its second interval, and one in an hour with a baseline."""
    active = event("running", RUNNING, status="active").replace(
        "<ei:currentValue><ei:payloadFloat><ei:value>1.0<", "<ei:currentValue><ei:payloadFloat><ei:value>2.0<"
    )
    events = (active, event("later", LATER, baseline=baseline()))
    return template.message("oadrDistributeEvent", code="200", request_id="r", vtn_id="VTN", events=events)


def broken(raw: bytes, *, answers: bool = True) -> set[str]:
    """The watches of events that find something in it."""
    record = Record()
    if answers:
        exchange = record.begin("harness", "EiEvent", Message(b"", sender="harness"))
        exchange.ended(200, Message(raw, sender="subject"))
    else:
        record.begin("subject", "EiEvent", Message(raw, sender="subject"))
    return {one.id for one in WATCHES if one.id.startswith("event.") and any(findings(one, record, "case"))}


def test_a_right_distribution_breaks_no_law_of_events() -> None:
    assert broken(right()) == set()


SIGNAL = "//ei:eiEventSignal"
LATER_AT = "//ei:eiEvent[ei:eventDescriptor/ei:eventID='later']"


@pytest.mark.parametrize(
    ("law", "path", "text"),
    [
        ("uids", f"{SIGNAL}[1]//xcal:uid/xcal:text", "1"),
        ("sums", f"{LATER_AT}/ei:eiActivePeriod//xcal:duration/xcal:duration", "PT11M"),
        ("levels", f"{LATER_AT}{SIGNAL}//ei:signalPayload//ei:value", "4"),
        ("levels", f"{LATER_AT}{SIGNAL}//ei:signalPayload//ei:value", "0.5"),
        ("calm", f"{LATER_AT}//ei:currentValue//ei:value", "1"),
        ("unique-events", "//ei:eventID", "running"),
        ("running", "//ei:eiEvent[1]//ei:currentValue//ei:value", "3"),
        ("unique-signals", "//ei:signalID", "1"),
        ("baselines", "//ei:eiEventBaseline/xcal:duration/xcal:duration", "PT11M"),
        ("status", f"{LATER_AT}//ei:eventStatus", "active"),
        ("status", f"{LATER_AT}//ei:eventStatus", "near"),
        # Its name must not tell the time: tests that run side by side are found by their names.
        pytest.param("fresh", f"{LATER_AT}//ei:createdDateTime", utc(NOW, plus_s=-400), id="fresh"),
    ],
)
def test_a_wrong_text_breaks_the_law_that_is_about_it(law: str, path: str, text: str) -> None:
    assert f"event.always-{law}" in broken(template.edited(right(), put={path: text}))


@pytest.mark.parametrize(
    ("law", "old", "new"),
    [
        ("undated", "<ei:interval>", DATED),
        ("one-value", "</ei:signalPayload>", "</ei:signalPayload>" + template.fill("signal_payload", value=1.0)),
        ("one-venid", "<ei:eiTarget></ei:eiTarget>", TWO_VENS),
    ],
)
def test_an_element_too_many_breaks_the_law_that_is_about_it(law: str, old: str, new: str) -> None:
    assert old.encode() in right()
    assert f"event.always-{law}" in broken(right().replace(old.encode(), new.encode()))


def test_what_is_to_come_before_what_is_active_is_found() -> None:
    events = (event("later", LATER), event("running", RUNNING, status="active"))
    raw = template.message("oadrDistributeEvent", code="200", request_id="r", vtn_id="VTN", events=events)

    assert "event.always-order" in broken(raw)


def test_a_distribution_without_its_ids_is_found() -> None:
    bare = template.edited(right(), drop=("//ei:eiResponse",))
    nameless = template.edited(right(), drop=("//oadr:oadrDistributeEvent/pyld:requestID",))

    assert broken(bare) == {"event.always-answers"}
    assert broken(bare, answers=False) == set()
    assert broken(nameless) == {"event.always-request-id"}


def test_a_request_for_events_that_a_vtn_sends_is_found() -> None:
    raw = template.message("oadrRequestEvent", request_id="r", ven_id="VEN")

    assert broken(raw, answers=False) == {"event.never-requests"}


def test_an_event_that_cannot_be_read_is_left_to_the_schema() -> None:
    """It stops no run."""
    unreadable = template.edited(right(), put={"//ei:createdDateTime": "yesterday"})

    assert broken(unreadable) == set()
