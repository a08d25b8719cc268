"""What always holds. Each invariant is one function, and its name is the sentence; None, or nothing, says that it holds.

Those about a step are asked before the ledger has noted it; those of `quiet` some time after the last fault.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.errors import OK
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.fleet.track import LEASE_MARGIN
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.instruction import key as event_key
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreatedOpt,
    CreatedPartyRegistration,
    CreateOpt,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import CANCELLED, EventId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.parts import X_RESPONSE, ReportPayload
from openadr_ra.protocol.report import spans
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.step import Apply
from openadr_ra.protocol.ven import Answered
from openadr_ra.protocol.vtn import Party
from openadr_ra.seams import Store
from simulation.quiet import (
    both_ends_agree_on_events,
    both_ends_agree_on_registrations,
    both_ends_agree_on_report_requests,
    every_acknowledged_event_is_in_the_store_exactly_once,
    every_acknowledged_opt_is_in_the_journal,
    every_acknowledged_reading_is_still_in_the_store,
    every_registration_is_in_the_journal_exactly_once,
    every_slot_asked_for_is_stored_exactly_once_with_its_true_time,
    every_ven_has_returned_by_itself,
    no_opt_is_lost,
    nothing_is_owed_any_more,
)
from simulation.site import SITE, Site
from simulation.stage import Acknowledged, Sight, Told
from simulation.timeline import SECOND, done
from simulation.world import Checks, Ledger


def mail_is_applied_once_and_in_sequence(ledger: Ledger, seen: Sight, store: Store) -> str | None:
    """A step reads all that was posted to its row since the last one, in that order."""
    waiting = ledger.mail.get((seen.node, seen.key), ())
    if not waiting and not seen.letters:
        return None
    if len(waiting) == len(seen.letters) and all(
        one is other for one, other in zip(waiting, seen.letters, strict=True)
    ):
        return None
    return f"{seen.key} read {seen.letters}, and {waiting} had been posted"


def modification_numbers_never_go_down_at_a_ven(ledger: Ledger, seen: Sight, store: Store) -> str | None:
    """Whatever comes late, or again."""
    after = seen.outcome.state
    if not isinstance(after, EndNode) or (isinstance(seen.before, EndNode) and after.agenda is seen.before.agenda):
        return None
    for name, item in after.agenda.items():
        highest = ledger.highest.get((seen.node, name), -1)
        if item.event.modification < highest:
            return f"event {name} is at modification {item.event.modification}, and was at {highest}"
    return None


def an_answer_counts_only_for_a_version_that_the_ven_held(ledger: Ledger, seen: Sight, store: Store) -> str | None:
    """An oadrCreatedEvent is taken for what its VEN has had."""
    after = seen.outcome.state
    if not isinstance(after, Party) or (isinstance(seen.before, Party) and after.events is seen.before.events):
        return None
    before = seen.before.events if isinstance(seen.before, Party) else {}
    for name, item in after.events.items():
        known = before[name].answered if name in before else -1
        if item.answered > known and (after.ven_id, name, item.answered) not in ledger.held:
            return f"{after.ven_id} answered modification {item.answered} of event {name}, which it never had"
    return None


def a_cancelled_event_is_not_followed_once_that_is_acknowledged(
    ledger: Ledger, seen: Sight, store: Store
) -> str | None:
    """Nor is it taken up again."""
    after = seen.outcome.state
    if isinstance(after, Site):
        return _followed(after, {name for node, name in ledger.over if node == seen.node}, seen.now)
    if not isinstance(seen.before, EndNode) or not any(isinstance(given, Answered) for given in seen.inputs):
        return None
    told = {
        item.event.event_id
        for given in seen.inputs
        if isinstance(given, Answered) and isinstance(given.request, CreatedEvent)
        for item in given.request.responses
        if (known := seen.before.agenda.get(item.event.event_id)) is not None and known.event.status == CANCELLED
    }
    site = store.peek(SITE, Site) if told else None
    return _followed(site, told, seen.now) if site is not None else None


def _followed(site: Site, over: set[EventId], now: datetime) -> str | None:
    held = {name: site.promised[name] for name in over if name in site.promised}
    followed = sorted(name for name, item in held.items() if item.follows and now < item.until)
    return f"the cancellation of {followed[0]} is acknowledged, and the site follows it still" if followed else None


def a_device_gets_no_set_point_of_an_event_whose_cancellation_is_acknowledged(ledger: Ledger, told: Told) -> str | None:
    """The same of devices; to let go of them is always right."""
    order = told.order
    if order.kw is None or (told.node, order.event_id) not in ledger.over:
        return None
    return f"{order.resource} is told {order.kw:g} kW for {order.event_id}, which is cancelled"


def a_lease_is_no_longer_than_it_may_be(ledger: Ledger, told: Told) -> str | None:
    """It runs for the fleet's lease at most."""
    if told.order.kw is None:
        return None
    length = told.order.lease_until - told.clock.now()
    if length <= ledger.lease + SECOND:
        return None
    return f"the lease of {told.order.resource} is {length.total_seconds():g} s long"


def a_lease_ends_with_what_was_promised(ledger: Ledger, seen: Sight, store: Store) -> str | None:
    """No set-point outlasts the schedule that it is for."""
    after = seen.outcome.state
    if not isinstance(after, Fleet):
        return None
    for effect in seen.outcome.effects:
        if not isinstance(effect, Apply) or effect.kw is None:
            continue
        # Where several events move a device, the set-point is for all of them.
        ends = [promise.until for promise in after.promises if effect.resource in promise.shares]
        if ends and effect.lease_until > max(ends) + LEASE_MARGIN:
            return f"{effect.resource} is held until {effect.lease_until}, and its events end {max(ends)}"
    return None


def no_device_holds_a_set_point_beyond_its_lease(ledger: Ledger, late: timedelta) -> str | None:
    """By its own watch, whatever became of its node."""
    return f"holds a set-point {late.total_seconds():g} s after the end of its lease"


def an_acknowledged_registration_is_in_the_store(ledger: Ledger, seen: Acknowledged, store: Store) -> str | None:
    """With the id that was told."""
    reply = seen.reply
    if not isinstance(reply, CreatedPartyRegistration) or reply.result.code != OK or reply.registration_id is None:
        return None
    held = _party(seen, store)
    if held is not None and held.registration is not None and held.registration.id == reply.registration_id:
        return None
    return f"{seen.key} was told registration {reply.registration_id}, which is not in the store"


def an_acknowledged_opt_is_in_the_store(ledger: Ledger, seen: Acknowledged, store: Store) -> str | None:
    """An answer to an event stands with it, a schedule among the opts."""
    held = _party(seen, store)
    match seen.message, seen.reply:
        case CreateOpt() as message, CreatedOpt(result=result) if result.code == OK:
            if held is None or message.opt_id not in held.opts:
                return f"opt {message.opt_id} of {seen.key} is acknowledged, and not in the store"
        case CreatedEvent() as message, Response(result=result) if result.code == OK:
            for item in message.responses:
                given = held.events.get(item.event.event_id) if held is not None else None
                if given is None or given.answered < item.event.modification:
                    return f"{item.opt} of {seen.key} to {item.event.event_id} is acknowledged, and not in the store"
                if not given.by_opt:
                    ledger.opts.add((seen.node, message.ven_id, item.event.event_id, item.event.modification, item.opt))
    return None


def an_acknowledged_reading_is_in_the_store_exactly_once(
    ledger: Ledger, seen: Acknowledged, store: Store
) -> str | None:
    """Each value of an oadrUpdateReport, at its time."""
    reply = seen.reply
    if not isinstance(seen.message, UpdateReport) or not isinstance(reply, UpdatedReport) or reply.result.code != OK:
        return None
    for series, start, span in _told(seen):
        found = done(store.readings((series,), start, start + timedelta(microseconds=1)))
        count = sum(reading.start == start and reading.span == span for reading in found)
        if count != 1:
            return f"{series} at {start} is acknowledged, and {count} times in the store"
        ledger.readings.setdefault(seen.node, set()).add((series, start, span))
    return None


def _told(seen: Acknowledged) -> list[tuple[str, datetime, timedelta]]:
    """Series, start and span of all values in the message."""
    before = seen.before if isinstance(seen.before, Party) else None
    if before is None or not isinstance(seen.message, UpdateReport):
        return []
    found: list[tuple[str, datetime, timedelta]] = []
    for report in seen.message.reports:
        asked = before.reports.requests.get(report.request_id)
        if asked is None:
            continue
        prefix = series_prefix(before.ven_id, asked.name, report.report_id if asked.name == X_RESPONSE else None)
        for start, length, interval in spans(report):
            found += [
                (f"{prefix}{payload.rid}", start, length)
                for payload in interval.payloads
                if isinstance(payload, ReportPayload) and isinstance(payload.value, float | int)
            ]
    return found


def _party(seen: Acknowledged, store: Store) -> Party | None:
    return done(store.load(seen.key, Party))


def an_acknowledged_event_is_in_the_store(ledger: Ledger, seen: Sight, store: Store) -> str | None:
    """What an operator publishes, changes or cancels is there when he is told so."""
    after = seen.outcome.state
    if not isinstance(after, Instruction):
        return None
    held = done(store.load(seen.key, Instruction))
    if held is None or held.modification < after.modification or seen.key != event_key(after.id):
        return f"modification {after.modification} of event {after.id} is acknowledged, and not in the store"
    ledger.published[seen.node, after.id] = after.modification
    return None


CHECKS = Checks(
    steps=(
        mail_is_applied_once_and_in_sequence,
        modification_numbers_never_go_down_at_a_ven,
        an_answer_counts_only_for_a_version_that_the_ven_held,
        a_cancelled_event_is_not_followed_once_that_is_acknowledged,
        a_lease_ends_with_what_was_promised,
        an_acknowledged_event_is_in_the_store,
    ),
    replies=(
        an_acknowledged_registration_is_in_the_store,
        an_acknowledged_opt_is_in_the_store,
        an_acknowledged_reading_is_in_the_store_exactly_once,
    ),
    orders=(
        a_lease_is_no_longer_than_it_may_be,
        a_device_gets_no_set_point_of_an_event_whose_cancellation_is_acknowledged,
    ),
    drifts=(no_device_holds_a_set_point_beyond_its_lease,),
    quiet=(
        every_ven_has_returned_by_itself,
        both_ends_agree_on_registrations,
        both_ends_agree_on_events,
        no_opt_is_lost,
        both_ends_agree_on_report_requests,
        nothing_is_owed_any_more,
        every_acknowledged_event_is_in_the_store_exactly_once,
        every_acknowledged_opt_is_in_the_journal,
        every_acknowledged_reading_is_still_in_the_store,
        every_registration_is_in_the_journal_exactly_once,
        every_slot_asked_for_is_stored_exactly_once_with_its_true_time,
    ),
)
"""All of them. Of those of one moment the first that fails is told."""
