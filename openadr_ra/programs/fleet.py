"""What the fleet commands ask and show: members, what holds them, what was promised, and operators' words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.programs.spelling import span, start
from openadr_ra.programs.tables import NOTHING, clock, day, moment, number, percent, printable, table, zone
from openadr_ra.protocol.times import shift
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.fleet_orders import (
    FleetTotal,
    FleetView,
    MemberOrder,
    MemberView,
    PromisedSlot,
    PromiseView,
    WordView,
)
from openadr_ra.run.orders import Entry

POWER = "power is load: import +, export -; 下げ = 下げDR = 上げ調整力, 上げ = 上げDR = 下げ調整力"
"""Lower demand is what a balancing market buys as a raise of supply; the two words must not be taken for one another."""

ENDLESS = "∞"
"""The energy of what does not run empty."""

_ONLINE = {True: "yes", False: "NO"}


def order(
    client: Client, resource: str, kw: float | None, length: str | None, until: str | None, reason: str
) -> MemberView:
    """Have the member held at `kw`, or (None) left out, for so long or until then. Raises SettingsError for what is misspelt
    or does not go together."""
    if length is not None and until is not None:
        raise SettingsError("--for and --until exclude one another; give one of them")
    now = SystemClock().now()
    end = start(until, now) if until is not None else None
    if length is not None:
        end = shift(now, span(length))
    return client.member_order(resource, MemberOrder(kw=kw, until=end, reason=reason))


def fleet_text(view: FleetView) -> str:
    """Members, sums, and promises."""
    here = zone(view.at)
    head = f"fleet of {view.name}, {moment(view.at)} {here}; {POWER}"
    if not view.members:
        return printable(
            f"the fleet of {view.name} has no members: the node has no [[device]], and no VEN is registered below"
        )
    return f"{printable(head)}\n{_members(view)}\n\n{_promises(view.promises, view.at)}"


def _members(view: FleetView) -> str:
    heads = (
        "member リソース", "kind", "online", "now kW", "SoC %", "can reduce 下げ kW", "kWh", "can raise 上げ kW", "kWh",
        "held at 設定 kW", "asked 指令値 kW", "for event", "operator's word", "notice", "price /kWh",
    )  # fmt: skip
    rows = [_member(one) for one in view.members]
    return table(heads, [*rows, _total(view.total)], right=(3, 4, 5, 6, 7, 8, 9, 10, 13, 14))


def _member(one: MemberView) -> tuple[str, ...]:
    return (
        one.id,
        "VEN" if one.what == "VEN" else one.kind,
        _online(one),
        number(one.kw),
        percent(one.soc_percent),
        f"{one.can_reduce_kw:.2f}",
        _energy(one.can_reduce_kwh, one.available),
        f"{one.can_raise_kw:.2f}",
        _energy(one.can_raise_kwh, one.available),
        number(one.held_kw),
        number(one.asked_kw) if one.events else NOTHING,
        ", ".join(one.events) or NOTHING,
        word_text(one.word) if one.word is not None else NOTHING,
        f"{one.notice_s:g} s" if one.notice_s else NOTHING,
        f"{one.price_per_kwh:g}" if one.price_per_kwh else NOTHING,
    )


def _online(one: MemberView) -> str:
    if one.measured_at is None:
        return "not yet"
    return "by hand 手動" if one.online and one.local_override else _ONLINE[one.online]


def _energy(kwh: float | None, there: bool) -> str:
    if not there:
        return NOTHING
    return ENDLESS if kwh is None else f"{kwh:.2f}"


def _total(total: FleetTotal) -> tuple[str, ...]:
    return (
        "all 合計",
        "",
        f"{total.available} of {total.members}",
        number(total.kw),
        "",
        f"{total.can_reduce_kw:.2f}",
        _energy(total.can_reduce_kwh, total.available > 0),
        f"{total.can_raise_kw:.2f}",
        _energy(total.can_raise_kwh, total.available > 0),
        "",
        number(total.asked_kw),
        *("",) * 4,
    )


def word_text(word: WordView) -> str:
    """What an operator said, until when, and why."""
    what = "withdrawn 除外" if word.kw is None else f"held at {number(word.kw)} kW"
    until = f" until {moment(word.until)}" if word.until is not None else ""
    return f"{what}{until}{f': {word.reason}' if word.reason else ''}"


def _promises(promises: Iterable[PromiseView], now: datetime) -> str:
    found = tuple(promises)
    if not found:
        return "nothing is promised"
    heads = (
        "event", "asked by", "state 受託", f"interval ({zone(now)})", "asked 指令値 kW", "covered 確保量 kW",
        "short 不足量 kW", "intervals", "reason",
    )  # fmt: skip
    return table(heads, (_promise(one, now) for one in found), right=(4, 5, 6, 7))


def _promise(promise: PromiseView, now: datetime) -> tuple[str, ...]:
    """With the interval that runs, else the next one, else the last."""
    slot = next((one for one in promise.slots if one.end is None or one.end > now), None)
    slot = slot or next(reversed(promise.slots), None)
    figures = (
        (when(slot), number(slot.asked_kw), number(slot.covered_kw), f"{slot.short_kw:.2f}")
        if slot is not None
        else (NOTHING, NOTHING, NOTHING, f"{promise.short_kw:.2f}")
    )
    return (promise.event_id, promise.asked_by, promise.state, *figures, str(len(promise.slots)), promise.reason)


def when(slot: PromisedSlot) -> str:
    """From when to when, here."""
    return f"{day(slot.start)} {clock(slot.start, slot.end)}" if slot.end is not None else f"from {moment(slot.start)}"


def promised_text(promise: PromiseView) -> str:
    """What came of an instruction, in a few words."""
    return "".join(_promised(promise))


def _promised(promise: PromiseView) -> Iterator[str]:
    match promise.state:
        case "promised":
            yield "the fleet accepts 受託"
        case "short":
            yield f"the fleet accepts 受託, short 不足量 of it by up to {promise.short_kw:.2f} kW"
        case "refused":
            yield "the fleet refuses 受託不可"
        case "released":
            yield "the fleet is released from it"
        case "over":
            yield "it is over"
    if promise.reason:
        yield f": {promise.reason}"


def member_said(member: MemberView) -> str:
    """One line after an order."""
    if member.word is None:
        return printable(f"{member.id} is given back to the fleet")
    return printable(
        f"{member.id} is {word_text(member.word)}; `openadr-ra fleet give-back {member.id}` takes that back"
    )


def journal_text(resource: str, entries: Iterable[Entry]) -> str:
    """One line a word."""
    found = tuple(entries)
    if not found:
        return printable(f"no operator has said anything of {resource}")
    return table(
        (f"at ({zone(found[0].at)})", "by", "what", "detail"),
        ((moment(entry.at), entry.by, entry.what, entry.detail) for entry in found),
    )
