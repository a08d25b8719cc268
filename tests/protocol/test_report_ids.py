"""An id of a report request is one request's as long as that is served (X-REP-5)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.model import ReportRequestId
from openadr_ra.protocol.parts import ReportRequest
from tests.protocol.test_report_requests import START, asks, cancels, request, serve, spans
from tests.world import HOUR, MINUTE, SECOND, Pair, reading


@pytest.fixture
def ven(pair: Pair) -> Pair:
    """A registered VEN that has measured for hours, and of which nothing is asked yet."""
    pair.node = replace(pair.node, producer=replace(pair.node.producer, requests={}))
    pair.samples = [reading(start=START - HOUR + n * 30 * SECOND, value=float(n)) for n in range(480)]
    return pair


@pytest.mark.parametrize("other", [request(back=30 * SECOND), request("rr1", specifier="history")])
def test_rule_33_x_rep_5_at_the_ven_an_id_that_is_in_use_for_another_request_is_refused(
    ven: Pair, other: ReportRequest
) -> None:
    """It goes on as it was, and nothing else of that message is served; once it is cancelled the id is free."""
    serve(ven, request())
    served = ven.node.producer.requests

    answer = asks(ven, request("rr2"), other)

    assert (answer.result.code, answer.pending) == ("459", ("rr1",))
    assert answer.result.description == "reportRequestID rr1 is in use for another request; cancel that first"
    assert ven.node.producer.requests == served
    cancels(ven, "rr1")
    assert asks(ven, other).result.code == "200"


def test_x_rep_5_at_the_ven_one_id_for_two_requests_of_one_message_is_refused(ven: Pair) -> None:
    """The same request twice is one."""
    before = ven.node.producer.requests

    assert asks(ven, request(), request(back=30 * SECOND)).result.code == "459"
    assert ven.node.producer.requests == before
    answer = asks(ven, request(), request())
    assert (answer.result.code, answer.pending.count(ReportRequestId("rr1"))) == ("200", 1)


def test_a_request_that_is_repeated_is_answered_again_and_served_once(ven: Pair) -> None:
    """Its asker may not have heard the answer."""
    serve(ven, request(start=START + MINUTE))

    assert asks(ven, request(start=START + MINUTE)).result.code == "200"
    ven.clock_reaches(START + 2 * MINUTE)
    assert spans(ven) == [(MINUTE, MINUTE)]
