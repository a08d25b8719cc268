"""Party: the row of a VTN's knowledge of one VEN, and what it owes that VEN besides events."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.distribution import Distribution
from openadr_ra.protocol.model import ReportRequestId, VenId
from openadr_ra.protocol.opt import Opts
from openadr_ra.protocol.producer import Producer, Span, Standing
from openadr_ra.protocol.registration import Announcement, Registration
from openadr_ra.protocol.requester import Requester, Wanted
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Moment, State

MIN_RETRY = timedelta(seconds=10)
"""A delivery counts as lost after two polls without an answer, but never sooner than this."""


class Terms(Announcement, frozen=True, kw_only=True, gc=False):
    """What a VTN holds for all of its VENs; settings, so handed in with each message."""

    wanted: Wanted = Wanted()

    @property
    def retry(self) -> timedelta:
        """How long a delivery may stay unanswered."""
        return max(MIN_RETRY, 2 * timedelta(seconds=self.poll_s))


class Work(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """What there is to tell the VEN; written when it is sent."""


class Metadata(Work, frozen=True, kw_only=True, gc=False):
    """Our own oadrRegisterReport: after each new registration (rule 301), and when the VEN asked for it (rule 306)."""

    asked_by: ReportRequestId | None = None


class Again(Work, frozen=True, kw_only=True, gc=False):
    """oadrRequestReregistration."""


class End(Work, frozen=True, kw_only=True, gc=False):
    """oadrCancelPartyRegistration; nothing else is said any more."""


class Stop(Work, frozen=True, kw_only=True, gc=False):
    """oadrCancelReport."""

    ids: tuple[ReportRequestId, ...]
    to_follow: bool = False


class Data(Work, frozen=True, kw_only=True, gc=False):
    """oadrUpdateReport: a span of a report of ours that the VEN asked for."""

    standing: Standing
    span: Span


Told = Metadata | Again | End | Stop | Data


class Debt(Value, frozen=True, kw_only=True, gc=False):
    """One debt; `id` is the requestID of its message wherever that has one. Told again when it stays unanswered."""

    id: str
    work: Told
    sent_at: datetime | None = None


class Party(State, frozen=True, kw_only=True, gc=False):
    """One VEN. `fingerprints`: the certificates it may come with, several while one is being renewed; empty: any.

    `reports` are those we ask of it, `producer` those it asks of us. `push_tries` counts the posts to a push VEN that
    failed in a row; before `push_due` there is no further one.
    """

    ven_id: VenId
    name: str = ""
    fingerprints: tuple[str, ...] = ()
    registration: Registration | None = None
    events: Distribution = {}
    reports: Requester = Requester()
    producer: Producer = Producer()
    opts: Opts = {}
    refused_signals: tuple[str, ...] = ()
    debts: tuple[Debt, ...] = ()
    push_tries: int = 0
    push_due: datetime | None = None

    @property
    def pushed(self) -> bool:
        """Is it told by our posts, not by its polls?"""
        return self.registration is not None and not self.registration.pull

    @property
    def signs(self) -> bool:
        """Did it register for signed messages both ways (6.5)?"""
        return self.registration is not None and self.registration.xml_signature

    @property
    def report_only(self) -> bool:
        """Does it take neither events nor opts?"""
        return self.registration is not None and self.registration.report_only


def owe(state: Party, work: Told, moment: Moment) -> Party:
    """The party with one more debt, unless it is owed already."""
    if any(debt.work == work for debt in state.debts):
        return state
    name = moment.fresh(type(work).__name__.lower(), len(state.debts))
    return replace(state, debts=(*state.debts, Debt(id=name, work=work)))


def paid(state: Party, kind: type[Told], request_id: str) -> Party:
    """Without the debt of that kind which `request_id` names; an answer without one pays the first that was told."""
    for debt in state.debts:
        named = debt.id == request_id or (not request_id and debt.sent_at is not None)
        if isinstance(debt.work, kind) and named:
            return replace(state, debts=tuple(other for other in state.debts if other is not debt))
    return state
