"""What `openadr-ra export` does: CSV from a node's store, page by page, while the node runs or not.

Times are UTC, power and energy in load convention: import and charging +, export and discharging -.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TextIO

from openadr_ra.errors import SettingsError, StoreError
from openadr_ra.programs.db import store_url
from openadr_ra.programs.export_events import EVENTS, Cell, events, utc
from openadr_ra.programs.export_units import Units
from openadr_ra.programs.spelling import when
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.times import FOREVER
from openadr_ra.run.clock import SystemClock
from openadr_ra.store import looking
from openadr_ra.store.looking import Reader
from openadr_ra.store.rows import micros, span_micros

What = Literal["readings", "events", "journal"]

READINGS = (
    "source", "report", "point", "start_utc", "span_s", "value", "unit", "quality", "revision", "confidence_percent",
    "accuracy",
)  # fmt: skip
JOURNAL = ("number", "at_utc", "subject", "by", "what", "detail")

EVER = datetime(1970, 1, 1, tzinfo=UTC)

PAGE = 1000
"""Lines that are read in one go: so the node's log of writes is never kept from being cut."""

_OBEYED = ("=", "+", "-", "@", "\t", "\r")
"""What begins so a spreadsheet takes for a formula, and what peers say is written here."""


class Range(NamedTuple):
    """What begins in [start, end), of these VENs or (none) of all."""

    start: datetime
    end: datetime
    vens: frozenset[str]


def main(
    what: What, store: str, *, start: str | None, end: str | None, vens: tuple[str, ...], out: Path | None
) -> None:
    """Write it to a new file, or to stdout. Raises SettingsError for what is misspelt, StoreError."""
    now = SystemClock().now()
    asked = Range(
        start=EVER if start is None else when(start, now),
        end=FOREVER if end is None else when(end, now),
        vens=frozenset(vens),
    )
    if asked.end <= asked.start:
        raise SettingsError("--to is not after --from")
    with looking.reading(store_url(store)) as reader, _opened(out) as sheet:
        write(sheet, *_table(what, reader, asked))


def _table(what: What, reader: Reader, asked: Range) -> tuple[tuple[str, ...], Iterator[tuple[Cell, ...]]]:
    match what:
        case "readings":
            return READINGS, readings(reader, asked)
        case "events":
            return EVENTS, events(reader, asked.start, asked.end, asked.vens)
        case "journal":
            return JOURNAL, journal(reader, asked)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """A new file, for its owner alone, which is gone where something fails; or stdout, whose reader may leave when it has
    enough."""
    if out is None:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still to be flushed at the end has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    try:
        sheet = os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="")
    except OSError as error:
        raise SettingsError(f"{out}: {error.strerror}; name another file with --out") from error
    with ExitStack() as failed:
        failed.callback(partial(out.unlink, missing_ok=True))
        try:
            with sheet:
                yield sheet
        except OSError as error:
            raise StoreError(f"{out} could not be written ({error.strerror})") from error
        failed.pop_all()


def write(sheet: TextIO, heads: tuple[str, ...], lines: Iterable[tuple[Cell, ...]]) -> None:
    """One line after the other, as they come."""
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(tuple(_plain(cell) for cell in line) for line in lines)


def _plain(cell: Cell) -> Cell:
    """Text that a spreadsheet would obey gets an apostrophe, which it takes for a sign that this is text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_OBEYED) else cell


def readings(reader: Reader, asked: Range) -> Iterator[tuple[Cell, ...]]:
    """Series by series, each in order of time."""
    units = Units(reader)
    after = ""
    while names := reader.next_series(after, PAGE):
        after = names[-1]
        for name in names:
            source, report, point = parted(name)
            if asked.vens and source not in asked.vens:
                continue
            unit = units.of(source, report, point)
            for one in _samples(reader, name, asked):
                sure = one.confidence, one.accuracy
                span_s = one.span.total_seconds()
                yield source, report, point, utc(one.start), span_s, one.value, unit, one.quality, one.revision, *sure


def parted(series: str) -> tuple[str, str, str]:
    """Whose it is, in which report, and the rest: `live/bat-1.kw` and `response/E1/*.kw` are the node's own."""
    source, _, rest = series.partition("/")
    if source in ("live", "response"):
        return "", source, rest
    report, _, point = rest.partition("/")
    return source, report, point


def _samples(reader: Reader, name: str, asked: Range) -> Iterator[Reading]:
    """Page by page."""
    after = (micros(asked.start), -1)
    while page := reader.page(name, after, micros(asked.end), PAGE):
        yield from page
        after = (micros(page[-1].start), span_micros(page[-1].span))


def journal(reader: Reader, asked: Range) -> Iterator[tuple[Cell, ...]]:
    """In the order of writing; of VENs what they did and what is about them."""
    after = 0
    while page := reader.entries(after, PAGE):
        after = page[-1][0]
        for number, entry in page:
            concerns = not asked.vens or entry.by in asked.vens or entry.subject.removeprefix("party/") in asked.vens
            if asked.start <= entry.at < asked.end and concerns:
                yield number, utc(entry.at), entry.subject, entry.by, entry.what, entry.detail
