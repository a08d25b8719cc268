"""Events as CSV: a line for each VEN and interval, with the response where it was said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from openadr_ra.errors import InvalidData
from openadr_ra.protocol import signals_table
from openadr_ra.protocol.instruction import Instruction, key
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, VenId
from openadr_ra.protocol.parts import X_RESPONSE
from openadr_ra.protocol.report import TOTAL, Quantity, rid
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.times import FOREVER
from openadr_ra.run.order import FLEET_VEN
from openadr_ra.run.wanted import unit_name
from openadr_ra.store.looking import Reader

EVENTS = (
    "event", "modification", "cancelled", "ven", "opt", "interval", "start_utc", "end_utc", "signal", "asked", "unit",
    "response_asked_kw", "response_kw", "baseline_kw", "delta_kw", "coverage_percent", "final",
)  # fmt: skip

SAID: tuple[Quantity, ...] = ("asked", "kw", "baseline", "delta", "coverage", "final")
"""What a line has of the response of all resources together."""

OPTS = {"optIn": OPT_IN, "optOut": OPT_OUT, "promised": OPT_IN, "refused": OPT_OUT, "opted out": OPT_OUT}
"""Words of the journal: a VEN's, and a fleet's."""

Cell = str | int | float | None

Span = tuple[datetime, datetime]


def events(reader: Reader, start: datetime, end: datetime, vens: frozenset[str]) -> Iterator[tuple[Cell, ...]]:
    """Intervals that begin in [start, end), of these VENs or (none) of all: events for VENs, those for the node's own
    fleet, then those from above that its fleet answered for.

    Of a VEN that is not ours there is no response: it is derived from what it reported.
    """

    def within(line: tuple[Span, tuple[Cell, ...]]) -> bool:
        return start <= line[0][0] < end

    for prefix in ("event/", "own/"):
        for name in reader.keys(prefix):
            held = reader.state(name, Instruction)
            if held is None:
                continue
            opts = _opts(reader, held.id)
            for ven in held.asks:
                if not vens or ven in vens:
                    yield from (line for _, line in filter(within, _of_ven(reader, held, ven, opts.get(ven))))
    if not vens or FLEET_VEN in vens:
        yield from (line for _, line in filter(within, _from_above(reader)))


def _of_ven(reader: Reader, held: Instruction, ven: VenId, opt: str | None) -> Iterator[tuple[Span, tuple[Cell, ...]]]:
    """Its intervals, then those of responses that were said of others, as of one that was split by a change."""
    prefix = f"response/{held.id}/" if ven == FLEET_VEN else series_prefix(ven, X_RESPONSE, held.id)
    said = _said(reader, prefix)
    about = held.id, held.modification, _yes(held.cancelled), ven, opt
    signal, unit = f"{held.signal}/{held.kind}", _unit(held)
    for number, slot in enumerate(held.slots(ven)):
        span = slot.start, slot.end
        yield span, (*about, number, *_times(span), signal, slot.kw, unit, *_figures(said.pop(span, {})))
    for span, figures in sorted(said.items()):
        yield span, (*about, None, *_times(span), signal, None, unit, *_figures(figures))


def _from_above(reader: Reader) -> Iterator[tuple[Span, tuple[Cell, ...]]]:
    ending = f"/{rid(TOTAL, 'asked')}"
    own = {name.removeprefix("own/") for name in reader.keys("own/")}
    for name in reader.series("response/"):
        event = EventId(name.removeprefix("response/").removesuffix(ending))
        if not name.endswith(ending) or event in own:
            continue
        about = event, None, None, FLEET_VEN, _opts(reader, event).get(FLEET_VEN)
        for span, figures in sorted(_said(reader, f"response/{event}/").items()):
            yield span, (*about, None, *_times(span), None, None, None, *_figures(figures))


def _said(reader: Reader, prefix: str) -> dict[Span, dict[str, float]]:
    """By interval what was said of all resources together."""
    found: dict[Span, dict[str, float]] = {}
    names = {f"{prefix}{rid(TOTAL, quantity)}": quantity for quantity in SAID}
    for one in reader.readings(tuple(names), datetime.min.replace(tzinfo=UTC), FOREVER):
        found.setdefault((one.start, one.start + one.span), {})[names[one.series]] = one.value
    return found


def _figures(said: dict[str, float]) -> tuple[Cell, ...]:
    *figures, final = (said.get(quantity) for quantity in SAID)
    return (*figures, None if final is None else _yes(bool(final)))


def _opts(reader: Reader, event: EventId) -> dict[str, str]:
    """What each said last."""
    return {entry.by: OPTS[entry.what] for _, entry in reader.journal(key(event), 0) if entry.what in OPTS}


def _unit(held: Instruction) -> str | None:
    if held.unit is not None:
        return unit_name(held.unit)
    try:
        usual = signals_table.usual_unit(held.signal, held.kind, currency=held.currency, attributes=held.attributes)
    except InvalidData:
        return None
    return unit_name(usual)


def _times(span: Span) -> tuple[Cell, Cell]:
    """An interval without end has none."""
    start, end = span
    return utc(start), None if end == FOREVER else utc(end)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def utc(when: datetime) -> str:
    """`2026-11-21T03:00:00Z`, with microseconds where there are any."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
