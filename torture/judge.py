"""Whether the books balance: what was acknowledged is there exactly once, and both ends agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Literal

import msgspec

from openadr_ra.errors import OK
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreateOpt,
    CreatePartyRegistration,
    Message,
)
from openadr_ra.protocol.model import CANCELLED, EventId, VenId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.vtn import Party
from openadr_ra.wire import codec
from torture.ends import Ends, VtnEnd
from torture.ledger import Book, Heard, Ordered
from torture.scene import Cell

Sort = Literal["lost", "doubled", "differs", "overrun", "ended", "absent"]
"""An acknowledgement without what it acknowledged; the same twice; two ends that disagree; a device driven past its lease;
a process that ended by itself; a VEN that did not come back."""

_NUMBER = re.compile(r"modification (\d+)")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong. `of` is an event, an opt, a registration, a reading, a device, a process or a VEN."""

    sort: Sort
    of: str
    what: str

    def line(self) -> str:
        """For people."""
        return f"{self.sort}: {self.of}: {self.what}"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a VEN's; `acknowledged`: the VTN answered it with 200, in HTTP and in OpenADR."""

    message: Message
    acknowledged: bool
    at_s: float


def said(heard: Iterable[Heard]) -> Iterator[Said]:
    """What a VEN's ledger holds."""
    for line in heard:
        yield Said(message=_decoded(line.request), acknowledged=is_acknowledged(line), at_s=line.at_s)


def is_acknowledged(line: Heard) -> bool:
    """Did the VTN take it?"""
    if line.status != 200 or not line.reply:
        return False
    result = getattr(_decoded(line.reply), "result", None)
    return isinstance(result, Result) and result.code == OK


@cache
def _decoded(body: bytes) -> Message:
    return codec.decode(body)


# --- events -----------------------------------------------------------------------------------------------------------


def events(book: Book, cell: Cell, end: VtnEnd) -> Iterator[Finding]:
    """Every order that was acknowledged was carried out, once, and the newest counts."""
    mine = sorted((line for line in book.orders if line.cell == cell.name), key=lambda line: line.event)
    for name, group in groupby(mine, key=lambda line: line.event):
        orders = tuple(group)
        if any(line.modification is not None for line in orders):
            yield from _event(name, orders, end)
    asked = {line.event for line in mine}
    for name in end.events.keys() - asked:
        yield Finding(sort="doubled", of=f"event {name}", what="is there, and nobody ordered it")


def _event(name: str, orders: tuple[Ordered, ...], end: VtnEnd) -> Iterator[Finding]:
    of = f"event {name}"
    held = end.events.get(EventId(name))
    if held is None:
        yield Finding(sort="lost", of=of, what="its order was acknowledged, and it is not there")
        return
    taken = [line for line in orders if line.modification is not None]
    done = Counter(
        int(matched[1])
        for entry in end.journal
        if entry.subject == f"event/{name}" and entry.what in ("published", "changed", "cancelled")
        if (matched := _NUMBER.match(entry.detail)) is not None
    )
    for line in taken:
        if done[line.modification or 0] == 0:
            yield Finding(sort="lost", of=of, what=f"modification {line.modification} ({line.verb}) was acknowledged")
    for number, times in done.items():
        if times > 1:
            yield Finding(sort="doubled", of=of, what=f"modification {number} was carried out {times} times")
    possible = len({line.modification for line in taken}) + sum(not line.sure for line in orders if line not in taken)
    if len(done) > possible:
        yield Finding(sort="doubled", of=of, what=f"{possible} orders at most came to {len(done)} modifications")
    newest = max(taken, key=lambda line: line.modification or 0)
    if newest.modification == held.modification and not _is_so(newest, held):
        yield Finding(sort="differs", of=of, what=f"it is not as modification {newest.modification} was acknowledged")


def _is_so(order: Ordered, held: Instruction) -> bool:
    if order.verb == "cancel" or held.cancelled:
        return order.verb == "cancel" and held.cancelled
    values = tuple(value for ven in sorted(held.asks) for value in held.asks[ven].values)
    return tuple(sorted(held.asks)) == order.vens and values == order.kw


# --- opts -------------------------------------------------------------------------------------------------------------


def opts(ven: str, heard: tuple[Heard, ...], book: Book, ends: Ends, end: VtnEnd) -> Iterator[Finding]:
    """Every answer to an event and every declared absence that was acknowledged is there, once."""
    given = [item for item in said(heard) if item.acknowledged]
    answered: dict[tuple[str, int], list[str]] = {}
    for item in given:
        match item.message:
            case CreatedEvent(responses=responses):
                for one in responses:
                    answered.setdefault((one.event.event_id, one.event.modification), []).append(one.opt)
            case _:
                pass
    journal = _journalled(ven, end)
    for (event, number), sequence in answered.items():
        kept = journal.get((event, number), [])
        if not _holds(kept, [opt for opt, _ in groupby(sequence)]):
            what = (
                f"{ven} had {', '.join(sequence)} acknowledged for modification {number}; the VTN has {kept or 'none'}"
            )
            yield Finding(sort="lost", of=f"opt to {event}", what=what)
    for (event, number), kept in journal.items():
        if any(len(list(group)) > 1 for _, group in groupby(kept)):
            yield Finding(sort="doubled", of=f"opt to {event}", what=f"{ven}, modification {number}: {', '.join(kept)}")
    yield from _absences(ven, given, book, ends, end)


def _journalled(ven: str, end: VtnEnd) -> dict[tuple[str, int], list[str]]:
    """The VEN's answers by event and modification, as the VTN's journal has them."""
    found: dict[tuple[str, int], list[str]] = {}
    for entry in end.journal:
        if entry.by != ven or not entry.subject.startswith("event/") or not entry.what.startswith("opt"):
            continue
        number = _NUMBER.match(entry.detail)
        if number is not None:
            name = entry.subject.removeprefix("event/"), int(number[1])
            found.setdefault(name, []).append(entry.what.partition(" ")[0])
    return found


def _holds(kept: list[str], wanted: list[str]) -> bool:
    """Whether `wanted` is there in that order, whatever lies between."""
    rest = iter(kept)
    return all(one in rest for one in wanted)


def _absences(ven: str, given: list[Said], book: Book, ends: Ends, end: VtnEnd) -> Iterator[Finding]:
    party, node = end.parties.get(VenId(ven)), ends.vens.get(ven)
    if party is None or node is None:
        return
    for name in (line.opt_id for line in book.declared if line.ven == ven and line.acknowledged):
        if name not in node.opts:
            yield Finding(
                sort="lost", of=f"opt {name}", what=f"{ven} acknowledged it to its operator, and has it no more"
            )
    for item in given:
        match item.message:
            case CreateOpt(opt_id=opt_id) if opt_id not in party.opts:
                yield Finding(
                    sort="lost", of=f"opt {opt_id}", what=f"was acknowledged to {ven}, and the VTN has it not"
                )
            case _:
                pass
    for name in party.opts.keys() ^ node.opts.keys():
        where = "the VTN" if name in party.opts else ven
        yield Finding(sort="differs", of=f"opt {name}", what=f"only {where} has it")


# --- registrations, and what both ends have of events -----------------------------------------------------------------


def registrations(ven: str, heard: tuple[Heard, ...], ends: Ends, end: VtnEnd) -> Iterator[Finding]:
    """Every registration that was acknowledged was stored, and the newest stands at both ends."""
    of = f"registration of {ven}"
    taken = sum(item.acknowledged and isinstance(item.message, CreatePartyRegistration) for item in said(heard))
    party, node = end.parties.get(VenId(ven)), ends.vens.get(ven)
    stored = sum(entry.by == ven and entry.what.startswith("registered") for entry in end.journal)
    if stored < taken:
        yield Finding(sort="lost", of=of, what=f"{taken} were acknowledged, {stored} were stored")
    if party is None or party.registration is None:
        yield Finding(sort="lost", of=of, what="the VTN has none")
    elif node is None or node.member.registration_id != party.registration.id:
        here = None if node is None else node.member.registration_id
        yield Finding(sort="differs", of=of, what=f"{here} at the VEN, {party.registration.id} at the VTN")


def strangers(cell: Cell, end: VtnEnd) -> Iterator[Finding]:
    """A VEN is known once."""
    for name in end.parties.keys() - {ven.name for ven in cell.vens}:
        yield Finding(sort="doubled", of=f"registration of {name}", what="there is no such VEN")


def agreement(ven: str, book: Book, ends: Ends, end: VtnEnd) -> Iterator[Finding]:
    """Of each event that is still to come both ends have the same version, and the same answer to it."""
    party, node = end.parties.get(VenId(ven)), ends.vens.get(ven)
    if party is None or node is None:
        return
    later = {line.event for line in book.orders if not line.near}
    for name, held in end.events.items():
        if name in later and VenId(ven) in held.asks:
            yield from _agreed(ven, held, party, node)


def _agreed(ven: str, held: Instruction, party: Party, node: EndNode) -> Iterator[Finding]:
    of = f"event {held.id}"
    given, known = party.events.get(held.id), node.agenda.get(held.id)
    if held.cancelled:
        if known is not None and known.event.status != CANCELLED:
            yield Finding(sort="differs", of=of, what=f"cancelled at the VTN, {known.event.status} at {ven}")
        return
    if known is None or given is None:
        where = "the VTN's row of it" if known is not None else ven
        yield Finding(sort="differs", of=of, what=f"{where} has it not" if known is None else f"{where} lacks it")
        return
    versions = held.modification, given.revision, given.event.modification - known.event.modification
    if versions != (held.modification, held.modification, 0):
        yield Finding(
            sort="differs",
            of=of,
            what=f"modification {held.modification} at the VTN, {given.revision} told, {known.event.modification} at {ven}",
        )
    elif given.unanswered or known.unanswered or given.opt != known.opt:
        yield Finding(sort="differs", of=of, what=f"{ven} says {known.opt}, the VTN has {given.opt}")
