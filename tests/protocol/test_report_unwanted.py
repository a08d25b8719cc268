"""A VEN ends its requests for reports of the VTN's: oadrCancelReport from below."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import CanceledReport, CancelReport
from openadr_ra.protocol.model import Period, ReportRequestId, RequestId, ResourceId
from openadr_ra.protocol.parts import ReportRequest, Result
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.step import Offer
from openadr_ra.protocol.ven import Answered, Unwanted, Wanted
from tests.protocol.wishes import request, said
from tests.world import HOUR, MINUTE, NOON, SECOND, Fate, Pair, reading

START = NOON - HOUR
AREA = Offer(usage=(usage_description(ResourceId("area"), "kw", "grid"),), status=(), response=())


def load(id: str = "v1") -> ReportRequest:
    return request(id, "area.kw", interval=Period(start=START))


@pytest.fixture
def served() -> Pair:
    """A VEN that is told the load of its area each minute, by two requests."""
    pair = Pair()
    pair.vtn_takes(AREA)
    pair.ven_starts()
    pair.vtn_samples = [reading("live/area.kw", start=START + n * 10 * SECOND, value=50.0) for n in range(720)]
    pair.ven_receives(Wanted(requests=(load(), load("v2"))))
    pair.settles()
    assert pair.party.producer.requests.keys() == {"v1", "v2"}
    return pair


def ends(pair: Pair, *ids: str, to_follow: bool = False) -> None:
    pair.ven_receives(Unwanted(ids=tuple(ReportRequestId(name) for name in ids), to_follow=to_follow))
    pair.settles()


def test_a_report_that_is_not_wanted_any_more_comes_no_more(served: Pair) -> None:
    ends(served, "v1")

    assert served.party.producer.requests.keys() == {"v2"}
    assert served.node.requester.requests.keys() == {"v2"}
    assert served.node.debts == ()


def test_rule_345_at_both_ends_one_last_report_comes_where_it_is_wanted(served: Pair) -> None:
    served.clock_reaches(START + 3 * MINUTE)
    served.clock_reaches(START + 3 * MINUTE + 40 * SECOND)
    before = len(served.of_the_vtn)
    ends(served, "v1", to_follow=True)
    served.ven_polls()

    last = [one for one in served.of_the_vtn[before:] if one.span != MINUTE]
    assert [(one.start, one.value) for one in last] == [(START + 3 * MINUTE, 50.0)]
    assert served.party.producer.requests.keys() == {"v2"}


def test_a_cancellation_is_said_until_it_is_heard(served: Pair) -> None:
    fates: list[Fate] = ["request lost", "reply lost"]
    served.fates = iter(fates)
    ends(served, "v1")
    served.clock_reaches(served.now + 10 * MINUTE)

    assert served.party.producer.requests.keys() == {"v2"}
    assert "v1" not in served.node.requester.requests
    assert len(said(served, CancelReport)) > 1


def test_of_several_that_the_vtn_knows_in_part_each_is_ended_by_itself(served: Pair) -> None:
    """A VTN that knows one of them not may have ended none."""
    gone = {name: item for name, item in served.party.producer.requests.items() if name != "v1"}
    served.party = replace(served.party, producer=replace(served.party.producer, requests=gone))
    ends(served, "v1", "v2")

    assert served.party.producer.requests == {}
    assert served.node.requester.requests == {}
    assert [each.report_request_ids for each in said(served, CancelReport) if isinstance(each, CancelReport)] == [
        ("v1", "v2"), ("v1",), ("v2",),
    ]  # fmt: skip


def test_what_the_vtn_lists_as_pending_goes_on(served: Pair) -> None:
    both = (ReportRequestId("v1"), ReportRequestId("v2"))
    cancel = CancelReport(request_id=RequestId("x"), report_request_ids=both)
    answer = CanceledReport(result=Result(request_id=cancel.request_id), pending=(ReportRequestId("v2"),))
    served.ven_receives(Answered(request=cancel, answer=answer))

    assert {name: item.ending for name, item in served.node.requester.requests.items()} == {"v2": False}


def test_what_was_never_asked_for_is_ended_without_a_word() -> None:
    pair = Pair()
    pair.vtn_takes(AREA)
    pair.ven_starts()
    pair.ven_receives(Unwanted(ids=(ReportRequestId("v9"),)))
    pair.settles()

    assert said(pair, CancelReport) == []
