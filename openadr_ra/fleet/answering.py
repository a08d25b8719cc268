"""The response to each interval of an event: read when all who had a part in it are in, said, and corrected."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from openadr_ra.fleet import below, response
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.promise import Account, Promise
from openadr_ra.fleet.state import Fleet, put
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Delivered, Effect, Fetched, Mail, Outcome, Record, Responded
from openadr_ra.protocol.times import shift

ASK_AGAIN = timedelta(seconds=30)
"""Readings that did not come by then are fetched once more: the effect may have died with its process."""


def closing(outcome: Outcome[Fleet], now: datetime) -> Outcome[Fleet]:
    """With the readings wanted by now asked for."""
    fleet = outcome.state
    reads: list[Effect] = []
    promises: list[Promise] = []
    for promise in fleet.promises:
        accounts: list[Account] = []
        for account in promise.accounts:
            if account.read_at is not None and account.read_at <= now:
                reads.append(response.read(promise, account, fleet))
                account = replace(account, read_at=now + ASK_AGAIN, overtaken=False)
            accounts.append(account)
        promises.append(replace(promise, accounts=tuple(accounts)))
    if not reads:
        return outcome
    state = replace(fleet, promises=tuple(promises))
    return msgspec.structs.replace(outcome, state=state, effects=(*outcome.effects, *reads))


def fetched(fleet: Fleet, given: Fetched, now: datetime) -> Outcome[Fleet]:
    """The readings of an interval have come."""
    for promise in fleet.promises:
        for account in promise.accounts:
            if response.tag(promise, account) == given.tag:
                return _closed(fleet, promise, account, given.readings, now)
    return Outcome(state=fleet)


def responded(fleet: Fleet, given: Responded, now: datetime) -> Outcome[Fleet]:
    """The response of a VEN below has come: its intervals are read once all are in, or, said already, read again."""
    id = ResourceId(given.ven)
    for promise in fleet.promises:
        if not below.has_been(promise, id, given.event_id):
            continue
        accounts = tuple(
            _with_response(account, id, fleet, now)
            if account.start < given.end and account.end > given.start
            else account
            for account in promise.accounts
        )
        return Outcome(state=put(fleet, promise, replace(promise, accounts=accounts)))
    return Outcome(state=fleet)


def _with_response(account: Account, ven: ResourceId, fleet: Fleet, now: datetime) -> Account:
    if account.revision >= 0:
        # Corrections of many VENs are read together.
        soon = now + fleet.terms.settle
        read_at = min(account.read_at, soon) if account.read_at is not None else soon
        return replace(account, read_at=read_at, overtaken=True)
    if ven not in account.awaited:
        return replace(account, overtaken=True)
    awaited = tuple(name for name in account.awaited if name != ven)
    return replace(account, awaited=awaited, read_at=account.read_at if awaited else now)


def _awaited(promise: Promise, lacking: tuple[ResourceId, ...], members: Members) -> tuple[ResourceId, ...]:
    """The VENs below of whose own response something is still to come; those that are silent are not waited for."""
    return tuple(
        id
        for id in lacking
        if id in promise.told and (member := members.get(id)) is not None and member.ven is not None
        if member.last is not None and member.last.online
    )


def _closed(
    fleet: Fleet, promise: Promise, account: Account, found: tuple[Reading, ...], now: datetime
) -> Outcome[Fleet]:
    """With the interval's response said, if it is not what was said before, and if nobody is waited for."""
    terms = fleet.terms
    if account.overtaken:
        # A response came while these were fetched.
        again = replace(account, read_at=now, overtaken=False)
        return Outcome(state=put(fleet, promise, _with(promise, account, again)))
    of = response.figures(promise, account, found, fleet)
    lacking = response.lacking(of)
    waiting = _awaited(promise, lacking, fleet.members)
    until = shift(account.end, terms.grace)
    if account.revision < 0 and waiting and now < until:
        waited = replace(account, read_at=until, awaited=waiting)
        return Outcome(state=put(fleet, promise, _with(promise, account, waited)))
    together = response.total(promise, account, of, fleet.members)
    final_at = shift(account.end, terms.correct)
    final = not lacking or now >= final_at
    said = response.said(together, final)
    told = said == account.said
    revision = account.revision if told else account.revision + 1
    done = replace(
        account, read_at=None if final else final_at, revision=revision, said=said, lacking=lacking, awaited=()
    )
    state = put(fleet, promise, _with(promise, account, done))
    if told:
        return Outcome(state=state)
    readings = tuple(response.readings(promise, account, of, together, revision, final))
    letter = Delivered(event_id=promise.event_id, start=account.start, end=account.end, revision=revision)
    return Outcome(
        state=state,
        effects=(Record(readings=readings),),
        mail=(Mail(to=promise.reply_to, body=letter),),
    )


def _with(promise: Promise, old: Account, new: Account) -> Promise:
    return replace(promise, accounts=tuple(new if one is old else one for one in promise.accounts))
