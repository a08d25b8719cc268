"""What a VEN owes its VTN: debts, not documents, each tried again until a reply clears it."""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CanceledReport,
    CreatedEvent,
    CreatedReport,
    RegisteredReport,
    Response,
    UpdatedReport,
)
from openadr_ra.protocol.model import EventId, ReportRequestId
from openadr_ra.protocol.parts import EventResponse
from openadr_ra.protocol.producer import Span, Standing
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Moment

LONGEST_BACKOFF_S = 60.0
"""Truncated binary exponential back-off with jitter, from one second (reference 6.2, 9.1.7)."""


class Work(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """What there is to say; the words are found when it is said."""


class Register(Work, frozen=True, kw_only=True, gc=False):
    """oadrCreatePartyRegistration."""


class Leave(Work, frozen=True, kw_only=True, gc=False):
    """oadrCancelPartyRegistration."""


class Announce(Work, frozen=True, kw_only=True, gc=False):
    """oadrRegisterReport with all that can be reported; `asked_by` the METADATA request that wanted it."""

    asked_by: ReportRequestId | None = None


class Fetch(Work, frozen=True, kw_only=True, gc=False):
    """oadrRequestEvent (rule 405)."""


class Answer(Work, frozen=True, kw_only=True, gc=False):
    """oadrCreatedEvent for whatever is decided and unanswered, and for `strays`, which belong to no kept version."""

    strays: tuple[EventResponse, ...] = ()


class Update(Work, frozen=True, kw_only=True, gc=False):
    """oadrUpdateReport on one span; of an event's interval where `event_id` is given."""

    standing: Standing
    span: Span
    event_id: EventId | None = None


class Say(Work, frozen=True, kw_only=True, gc=False):
    """A short reply to something that came with a poll."""

    message: (
        Response | RegisteredReport | CreatedReport | CanceledReport | UpdatedReport
        | CanceledPartyRegistration | CreatedEvent
    )  # fmt: skip


Duty = Register | Leave | Announce | Fetch | Answer | Update | Say


class Debt(Value, frozen=True, kw_only=True, gc=False):
    """One debt. `id` is also the requestID of the message that pays it; `due` the next attempt."""

    id: str
    work: Duty
    due: datetime
    tries: int = 0


def backoff(tries: int, dice: float) -> timedelta:
    """How long to wait after the `tries`-th attempt (from 1) got no reply; `dice` in [0, 1) spreads a fleet."""
    longest = min(LONGEST_BACKOFF_S, 2.0 ** min(tries - 1, 10))
    return timedelta(seconds=longest * (0.5 + dice / 2))


def dice(moment: Moment) -> float:
    """A number in [0, 1) that differs from step to step, drawn from the moment's token."""
    return int(moment.token[-8:], 16) / 2**32
