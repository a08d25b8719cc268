"""Standing report requests that a VEN refuses: asked for no more, until it registers or tells anew what it offers."""

from __future__ import annotations

from datetime import datetime

import pytest

from openadr_ra.protocol.messages import (
    CreatedReport,
    CreatePartyRegistration,
    CreateReport,
    RegisteredReport,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import ReportRequestId, RequestId
from openadr_ra.protocol.parts import Report, Result
from openadr_ra.protocol.requester import next_unasked
from openadr_ra.run.wanted import state
from tests.world import METADATA, MINUTE, SECOND, VEN1, Pair

BAD = "usage"
"""The report whose requests this VEN refuses, with all that come with them."""


class Picky:
    """A VEN that is registered and polls; it refuses any message with a request for `refuses`, or for anything."""

    def __init__(
        self, reports: tuple[Report, ...] = METADATA.reports, *, refuses: str = "", quotes: bool = True
    ) -> None:
        self.pair = Pair()
        self.refuses, self.quotes = refuses, quotes
        self.asked: list[tuple[datetime, tuple[str, ...]]] = []
        self.registers("r1")
        self.offers(reports)

    def registers(self, name: str) -> None:
        self.pair.vtn_hears(CreatePartyRegistration(request_id=RequestId(name), ven_id=VEN1, pull=True))

    def offers(self, reports: tuple[Report, ...]) -> None:
        name = RequestId(f"md-{len(self.asked)}-{self.pair.now:%H%M%S}")
        said = self.pair.vtn_hears(RegisterReport(request_id=name, reports=reports, ven_id=VEN1))
        assert isinstance(said, RegisteredReport)
        self._answer(name, said)

    def _answer(self, name: RequestId, said: RegisteredReport | CreateReport) -> None:
        if not said.requests:
            return
        self.asked.append((self.pair.now, tuple(one.specifier_id for one in said.requests)))
        bad = not self.refuses or any(one.specifier_id == self.refuses for one in said.requests)
        result = Result(code="452" if bad else "200", request_id=name if self.quotes else RequestId(""))
        listed: tuple[ReportRequestId, ...] = () if bad else tuple(one.id for one in said.requests)
        self.pair.vtn_hears(CreatedReport(result=result, pending=listed, ven_id=VEN1))

    def polls_for(self, minutes: int) -> None:
        for _ in range(minutes * 6):
            self.pair.now += 10 * SECOND
            while not isinstance(said := self.pair.vtn_is_polled(), Response):
                if isinstance(said, CreateReport):
                    self._answer(said.request_id, said)
                if isinstance(said, RegisterReport):
                    result = Result(request_id=said.request_id)
                    self.pair.vtn_hears(RegisteredReport(result=result, ven_id=VEN1))

    def states(self) -> dict[str, set[str]]:
        """By report: how far the requests for it are, as the operator sees it."""
        found: dict[str, set[str]] = {}
        for item in self.pair.party.reports.requests.values():
            found.setdefault(item.request.specifier_id, set()).add(state(item))
        return found


@pytest.mark.parametrize("quotes", [True, False], ids=["quoting the requestID", "quoting nothing"])
def test_a_ven_that_refuses_all_is_asked_for_each_request_twice_and_never_again(quotes: bool) -> None:
    """Together once and alone once: they might have been refused because of one of them."""
    ven = Picky(quotes=quotes)
    together = ven.asked[0][1]
    assert len(together) > 2
    ven.polls_for(30)

    assert sorted(one for _, asked in ven.asked[1:] for one in asked) == sorted(together)
    assert all(len(asked) == 1 for _, asked in ven.asked[1:])
    assert set.union(*ven.states().values()) == {"refused"}
    assert next_unasked(ven.pair.party.reports, ven.pair.now, MINUTE) is None


def test_one_that_is_refused_takes_no_other_with_it() -> None:
    ven = Picky(refuses=BAD)
    ven.polls_for(10)

    found = ven.states()
    assert found.pop(BAD) == {"refused"}
    assert set.union(*found.values()) == {"running"}


def test_what_was_alone_in_its_message_is_asked_for_once() -> None:
    (response,) = (report for report in METADATA.reports if report.specifier_id == "response")
    ven = Picky((response,))
    ven.polls_for(30)

    assert [asked for _, asked in ven.asked] == [("response",)]


def test_new_metadata_and_a_new_registration_are_reasons_to_ask_again() -> None:
    (response,) = (report for report in METADATA.reports if report.specifier_id == "response")
    ven = Picky((response,))
    ven.polls_for(1)
    ven.offers((response,))
    ven.polls_for(1)
    assert len(ven.asked) == 2

    ven.registers("r2")
    ven.polls_for(2)
    assert len(ven.asked) == 2
    ven.refuses = BAD
    ven.offers((response,))
    assert len(ven.asked) == 3
    assert ven.states() == {"response": {"running"}}


def test_a_request_that_comes_to_be_served_though_it_was_refused_is_running() -> None:
    """A VEN may change its mind; what it lists counts."""
    (response,) = (report for report in METADATA.reports if report.specifier_id == "response")
    ven = Picky((response,))
    (name,) = ven.pair.party.reports.requests
    ven.pair.vtn_hears(CreatedReport(result=Result(request_id=RequestId("x")), pending=(name,), ven_id=VEN1))

    assert ven.states() == {"response": {"running"}}
