"""What a VEN owes its VTN: debts, not documents, each tried again until a reply clears it."""

from __future__ import annotations

from datetime import datetime

from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CanceledReport,
    CreatedEvent,
    CreatedReport,
    RegisteredReport,
    Response,
    UpdatedReport,
)
from openadr_ra.protocol.model import EventId, OptId, ReportRequestId
from openadr_ra.protocol.parts import EventResponse
from openadr_ra.protocol.producer import Span, Standing
from openadr_ra.protocol.shape import Value


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


class Declare(Work, frozen=True, kw_only=True, gc=False):
    """oadrCreateOpt for an opt of ours."""

    opt_id: OptId


class Retract(Work, frozen=True, kw_only=True, gc=False):
    """oadrCancelOpt."""

    opt_id: OptId


class Ask(Work, frozen=True, kw_only=True, gc=False):
    """oadrCreateReport for whatever of the VTN's reports is wanted and not promised yet."""


class Stop(Work, frozen=True, kw_only=True, gc=False):
    """oadrCancelReport for reports of the VTN's; with `to_follow` one last of each is to come (rule 345)."""

    ids: tuple[ReportRequestId, ...]
    to_follow: bool = False


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


Duty = Register | Leave | Announce | Ask | Stop | Fetch | Answer | Declare | Retract | Update | Say


class Debt(Value, frozen=True, kw_only=True, gc=False):
    """One debt. `id` is also the requestID of the message that pays it; `due` the next attempt."""

    id: str
    work: Duty
    due: datetime
    tries: int = 0
