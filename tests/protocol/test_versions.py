"""The journal of an event: when each version was sent to each VEN, received and answered, by its very number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol.distribution_version import effect, named, revision_of, version
from openadr_ra.protocol.messages import CreatedEvent, CreateOpt, DistributeEvent, Response
from openadr_ra.protocol.model import NEVER, OPT_IN, OPT_OUT, OptId, QualifiedEventId, RequestId
from openadr_ra.protocol.opt import SCHEDULED
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.step import Record
from openadr_ra.protocol.times import write_datetime
from openadr_ra.protocol.vtn import Pushed, receive
from tests.duplex import PUSHED, Duplex
from tests.world import E1, HOUR, MINUTE, NOON, VEN1, Moments, Pair, shed


def told(pair: Pair, *what: str) -> list[tuple[str, str]]:
    """What the journal of E1 has of those kinds, in order, with its detail."""
    return [
        (entry.what, entry.detail)
        for entry in pair.journal
        if entry.subject == "event/E1" and entry.by == VEN1 and entry.what in what
    ]


numbers = st.integers(min_value=0, max_value=10**6)


@given(numbers, numbers, st.sampled_from(["", ", code 460", ": so it is", " by oadrCreateOpt, economic"]))
def test_a_version_is_found_again_by_its_very_number(modification: int, revision: int, more: str) -> None:
    """1 is not 12, whatever follows, and the instruction's own number counts where the VEN was told another."""
    assert revision_of(version(modification, revision) + more) == revision


@pytest.mark.parametrize("detail", ["", "by the operator", "modification", "modification x", "modification 1x", "x 1"])
def test_what_names_no_version_is_about_none(detail: str) -> None:
    assert revision_of(detail) is None


def test_each_version_is_journalled_when_it_is_sent_and_answered() -> None:
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON + HOUR))
    pair.ven_polls()
    pair.vtn_changes(shed(start=NOON + 2 * HOUR))
    pair.ven_polls()

    assert told(pair, "sent", "optIn") == [
        ("sent", "modification 0"),
        ("optIn", f"modification 0, in effect from {write_datetime(NOON + HOUR)}"),
        ("sent", "modification 1"),
        ("optIn", f"modification 1, in effect from {write_datetime(NOON + 2 * HOUR)}"),
    ]


@pytest.mark.parametrize(
    ("after", "effective"),
    [(-HOUR, NOON), (timedelta(0), NOON), (MINUTE, NOON + MINUTE), (HOUR, None)],
    ids=["before it starts", "as it starts", "while it runs", "when it is over"],
)
def test_an_event_is_in_effect_from_its_start_or_from_the_opt_if_that_is_later(
    after: timedelta, effective: datetime | None
) -> None:
    """As far as a VTN can know. Who opts out of it follows nothing."""
    pair = Pair(now=NOON - HOUR)
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON, duration=HOUR))
    pair.vtn_is_polled()
    pair.now = NOON + after
    for opt in (OPT_IN, OPT_OUT):
        response = EventResponse(event=QualifiedEventId(event_id=E1, modification=0), opt=opt)
        pair.vtn_hears(CreatedEvent(result=Result(), responses=(response,), ven_id=VEN1))

    said = f", in effect from {write_datetime(effective)}" if effective is not None else ""
    assert told(pair, "optIn", "optOut") == [("optIn", f"modification 0{said}"), ("optOut", "modification 0")]


def test_a_cancellation_is_in_effect_when_it_is_acknowledged() -> None:
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON))
    pair.clock_reaches(NOON + MINUTE)
    pair.vtn_cancels("E1")
    pair.ven_polls()

    at = pair.journal[-1].at
    assert at > NOON + MINUTE
    assert told(pair, "optIn")[-1] == ("optIn", f"modification 1, in effect from {write_datetime(at)}")


def test_an_event_that_wants_no_answer_is_in_effect_once_it_is_sent() -> None:
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(replace(shed(start=NOON), response_required=NEVER))
    pair.ven_polls()

    assert told(pair, "sent") == [("sent", f"modification 0, in effect from {write_datetime(NOON)}")]


@given(numbers, numbers, st.datetimes(timezones=st.just(UTC)), st.sampled_from(["", ": in effect from me", " by oadr"]))
def test_from_when_on_a_version_is_in_effect_is_found_again(
    modification: int, revision: int, when: datetime, more: str
) -> None:
    """What a VEN adds in its own words is not taken for it."""
    detail = version(modification, revision)

    assert named(detail + effect(when) + more) == (modification, revision, when)
    assert named(f"{detail}, code 469: {effect(when)}") == (modification, revision, None)
    assert named(detail + more) == (modification, revision, None)


def test_a_push_ven_is_known_to_have_received_a_version_when_its_post_was_answered() -> None:
    """Once, however often it is posted; and its answer comes after that."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    pair.push_fates = iter(["request lost", "carried", "carried"])
    pair.site.silent = True
    pair.vtn_publishes(shed(start=NOON + HOUR))
    pair.clock_reaches(NOON)

    assert told(pair, "received") == [("received", "modification 0")]
    assert len([each for each in pair.pushes if isinstance(each.request, DistributeEvent)]) > 2
    sent = [entry.at for entry in pair.journal if entry.what == "sent"]
    (received,) = (entry.at for entry in pair.journal if entry.what == "received")
    assert sent[0] < received == sent[-1]


def test_what_a_push_ven_refuses_it_has_not_received() -> None:
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    pair.down = True
    pair.vtn_publishes(shed(start=NOON + HOUR))
    pair.settles()
    (post,) = [each.request for each in pair.pushes if isinstance(each.request, DistributeEvent)]
    refused = Response(result=Result(code="454"), ven_id=VEN1)
    for answer, count in ((refused, 0), (None, 1)):
        given = Pushed(message=post, answer=answer, terms=pair.terms)
        outcome = receive(pair.party, given, Moments().at(pair.now))
        entries = [entry.what for each in outcome.effects if isinstance(each, Record) for entry in each.entries]
        assert entries.count("received") == count


def test_the_journal_has_both_numbers_where_another_signal_was_offered() -> None:
    """The VEN refuses the change of power (460) and takes the level, which it is told as the next modification."""
    pair = Pair()
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON + HOUR))
    pair.vtn_is_polled()
    about = QualifiedEventId(event_id=E1, modification=0)
    for code, opt, number in (("460", OPT_OUT, 0), ("200", OPT_IN, 1)):
        response = EventResponse(code=code, event=replace(about, modification=number), opt=opt)
        pair.vtn_hears(CreatedEvent(result=Result(), responses=(response,), ven_id=VEN1))
        pair.vtn_is_polled()

    assert told(pair, "sent", "optIn", "optOut") == [
        ("sent", "modification 0"),
        ("optOut", "modification 0, code 460"),
        ("sent", "modification 1 (instruction 0)"),
        ("optIn", f"modification 1 (instruction 0), in effect from {write_datetime(NOON + HOUR)}"),
    ]
    qualified = CreateOpt(
        opt_id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, ven_id=VEN1, created=pair.now, request_id=RequestId("r1"),
        event=replace(about, modification=1),
    )  # fmt: skip
    pair.vtn_hears(qualified)
    assert [revision_of(detail) for _, detail in told(pair, "optOut")] == [0, 0]
