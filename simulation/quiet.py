"""What holds once all has been quiet for a while: both ends agree, and nothing that was acknowledged is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from openadr_ra.protocol import event as events
from openadr_ra.protocol.agenda import Known
from openadr_ra.protocol.debts import Update
from openadr_ra.protocol.distribution import Given
from openadr_ra.protocol.distribution_version import named
from openadr_ra.protocol.instruction import Instruction, party
from openadr_ra.protocol.instruction import key as event_key
from openadr_ra.protocol.model import ALWAYS, CANCELLED, OPT_IN, OPT_OUT, EventId, OptType
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.parts import GOOD, TELEMETRY_USAGE, ReportRequest
from openadr_ra.protocol.requester import SLOT, Requested, series_prefix
from openadr_ra.protocol.vtn import Party
from simulation.site import register_kwh
from simulation.timeline import done
from simulation.world import Link, World

Found = tuple[tuple[str, str], ...]

SAME_KWH = 1e-6


def _ends(world: World) -> Iterator[tuple[Link, EndNode, Party]]:
    """Both ends of each link, as they stand."""
    for link in world.links:
        held = link.vtn.party(link.ven_id)
        if held is not None:
            yield link, link.ven.state(), held


def every_ven_has_returned_by_itself(world: World) -> Found:
    """Whoever was not told to leave is registered, and has been heard of since the quiet began."""
    return tuple(
        (link.ven_id, f"it is {node.member.phase}: {node.member.refusal}")
        for link, node, held in _ends(world)
        if node.member.phase == "new" or (node.member.phase == "registered") != (held.registration is not None)
    )


def both_ends_agree_on_registrations(world: World) -> Found:
    """The ids are the same."""
    return tuple(
        (link.ven_id, f"it has {node.member.registration_id}, its VTN {held.registration.id}")
        for link, node, held in _ends(world)
        if held.registration is not None and held.registration.id != node.member.registration_id
    )


def both_ends_agree_on_events(world: World) -> Found:
    """Which run or are to come, and in which version. By whichever clock is ahead: about the rest they may differ."""
    found: list[tuple[str, str]] = []
    for link, node, held in _ends(world):
        if held.registration is None:
            # Events wait there for a VEN that may come back.
            continue
        now = max(link.vtn.node.clock.now(), link.ven.node.clock.now())
        given = {name: item.event.modification for name, item in _given(held, now).items()}
        known = {
            name: item.event.modification
            for name, item in node.agenda.items()
            if item.event.status != CANCELLED and now < events.listed_until(item.event)
        }
        if given != known:
            found.append((link.ven_id, f"it has {known}, its VTN {given}"))
    return tuple(found)


def _given(held: Party, now: datetime) -> dict[EventId, Given]:
    return {
        name: item
        for name, item in held.events.items()
        if item.event.status != CANCELLED and now < events.listed_until(item.event)
    }


def no_opt_is_lost(world: World) -> Found:
    """The VTN's opt for the newest version is what the VEN's operator said last, else what stands behind the VEN did."""
    found: list[tuple[str, str]] = []
    for link, node, held in _ends(world):
        if held.registration is None:
            continue
        for name, item in _given(held, max(link.vtn.node.clock.now(), link.ven.node.clock.now())).items():
            known = node.agenda.get(name)
            if known is None or item.response_required != ALWAYS:
                continue
            said = _said(world, link, known)
            if item.unanswered or item.opt != known.opt or known.opt != said:
                found.append(
                    (link.ven_id, f"event {name}: {said} was said, the VEN has {known.opt}, its VTN {item.opt}")
                )
    return tuple(found)


def _said(world: World, link: Link, known: Known) -> OptType | None:
    """What counts: a word, then an absence, then what the site or the fleet can do."""
    name = known.event.id
    if world.ledger.words.get((link.ven_id, name)) == OPT_OUT or known.absent:
        return OPT_OUT
    if link.site is not None:
        followed = link.site.state().promised.get(name)
        return OPT_IN if followed is not None and followed.follows else OPT_OUT
    if link.fleet is not None:
        for promise in link.fleet.state().promises:
            if promise.event_id == name and promise.reply_to == link.ven.key:
                return promise.verdict.opt
    return known.opt


def both_ends_agree_on_report_requests(world: World) -> Found:
    """What the VTN wants is what the VEN serves."""
    found: list[tuple[str, str]] = []
    for link, node, held in _ends(world):
        if held.registration is None:
            continue
        asked = {name: item.request for name, item in held.reports.requests.items() if _stands(item)}
        served = {name: item.request for name, item in node.producer.requests.items()}
        served = {name: item for name, item in served.items() if name in asked or not _ends_by_itself(item)}
        waiting = [name for name, item in held.reports.requests.items() if _stands(item) and not item.running]
        if asked != served or waiting:
            found.append((link.ven_id, f"asked {sorted(asked)}, served {sorted(served)}, waiting {waiting}"))
    return tuple(found)


def _stands(item: Requested) -> bool:
    """Is it to be served now and again?"""
    return not item.refused and not item.ending and not _ends_by_itself(item.request)


def _ends_by_itself(request: ReportRequest) -> bool:
    """What is asked for once is over with its report, and the rest with its time; the VTN is not told of that."""
    return not request.report_back.length or (request.interval is not None and bool(request.interval.duration.length))


def nothing_is_owed_any_more(world: World) -> Found:
    """But for what fell due just now."""
    found: list[tuple[str, str]] = []
    for link, node, held in _ends(world):
        debts = [debt for debt in node.debts if debt.tries > 1 or not isinstance(debt.work, Update)]
        if debts:
            found.append((link.ven_id, f"it owes {debts}"))
        if held.registration is not None and held.debts:
            found.append((link.vtn.node.name, f"it owes {link.ven_id} {held.debts}"))
    return tuple(found)


def every_acknowledged_event_is_in_the_store_exactly_once(world: World) -> Found:
    """With a line of the journal for each version."""
    found: list[tuple[str, str]] = []
    for link in {link.vtn.node.name: link for link in world.links}.values():
        store, node = link.vtn.node.store, link.vtn.node.name
        for (where, name), modification in world.ledger.published.items():
            if where != node:
                continue
            held = done(store.load(event_key(name), Instruction))
            lines = done(store.journal(event_key(name)))
            told = sum(line.what in ("published", "changed", "cancelled") for _, line in lines)
            if held is None or held.modification != modification or told != modification + 1:
                there = held.modification if held is not None else None
                found.append((node, f"event {name}: {modification} was said, {there} is there, {told} lines"))
    return tuple(found)


def every_acknowledged_opt_is_in_the_journal(world: World) -> Found:
    """An answer that was taken can be shown afterwards, and none stands there that nobody gave."""
    found: list[tuple[str, str]] = []
    stores = {link.vtn.node.name: link.vtn.node.store for link in world.links}
    for node, ven, name, modification, opt in sorted(world.ledger.opts):
        lines = [
            line
            for _, line in done(stores[node].journal(f"event/{name}"))
            if line.by == ven and line.what == opt
            if (version := named(line.detail)) is not None and version.modification == modification
        ]
        if not lines:
            found.append((node, f"{opt} of {ven} to modification {modification} of {name} is not in the journal"))
    return tuple(found)


def every_acknowledged_reading_is_still_in_the_store(world: World) -> Found:
    """Exactly once, as when it was acknowledged."""
    found: list[tuple[str, str]] = []
    stores = {link.vtn.node.name: link.vtn.node.store for link in world.links}
    for node, told in world.ledger.readings.items():
        for series, start, span in told:
            there = done(stores[node].readings((series,), start, start + timedelta(microseconds=1)))
            count = sum(reading.start == start and reading.span == span for reading in there)
            if count != 1:
                found.append((node, f"{series} at {start} is {count} times there"))
    return tuple(sorted(found))


def every_registration_is_in_the_journal_exactly_once(world: World) -> Found:
    """A line for each id that a VEN was given."""
    found: list[tuple[str, str]] = []
    for link in world.links:
        lines = done(link.vtn.node.store.journal(party(link.ven_id)))
        told = sum(line.what == "registered" for _, line in lines)
        ids = world.ledger.registered.get((link.vtn.node.name, party(link.ven_id)), [])
        if told != len(ids):
            found.append((link.ven_id, f"{len(ids)} registrations, and {told} lines"))
    return tuple(found)


def every_slot_asked_for_is_stored_exactly_once_with_its_true_time(world: World) -> Found:
    """Of each request for half-hour values: from the start that was asked for, as the meter was then."""
    found: list[tuple[str, str]] = []
    for link, node, held in _ends(world):
        if held.registration is None:
            continue
        for name, item in held.reports.requests.items():
            standing = node.producer.requests.get(name)
            if item.name != TELEMETRY_USAGE or item.request.granularity.length != SLOT or standing is None:
                continue
            start = item.request.interval.start if item.request.interval is not None else standing.sent_until
            waiting = [
                debt.work.span.start
                for debt in node.debts
                if isinstance(debt.work, Update) and debt.work.span.request_id == name
            ]
            end = min([standing.sent_until, *waiting])
            for point in item.request.points:
                series = series_prefix(link.ven_id, TELEMETRY_USAGE) + point.rid
                found += [(link.ven_id, why) for why in _slots(link, series, start, end)]
    return tuple(found)


def _slots(link: Link, series: str, start: datetime, end: datetime) -> Iterator[str]:
    readings = done(link.vtn.node.store.readings((series,), start, end))
    slots = [reading for reading in readings if reading.span == SLOT]
    wanted = [start + number * SLOT for number in range(int((end - start) / SLOT))]
    there = [reading.start for reading in slots if reading.start in wanted]
    if there != wanted:
        missing = sorted(set(wanted) - set(there))
        yield f"{series}: of {len(wanted)} slots from {start} to {end} {len(missing)} are missing: {missing[:3]}"
    for reading in slots if link.site is not None else ():
        if reading.quality == GOOD and abs(reading.value - register_kwh(reading.start)) > SAME_KWH:
            yield f"{series} at {reading.start} is {reading.value}, and the meter showed {register_kwh(reading.start)}"
