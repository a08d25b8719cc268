"""The table "Sizing" of docs/scaling.md: what N VENs need, computed from the figures as they were measured last.

`python -m benchmarks.performance` writes it with the rest, and measures nothing. What is assumed is a constant here, and is
said above the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.measure import Figure, Section
from openadr_ra.run.files import SPARE_FILES
from openadr_ra.run.upstream import SIDE_KEEPALIVE_S
from openadr_ra.settings import Downstream, StoreSettings

PAGE = "scaling.md"
BEGIN, END = "<!-- sizing -->", "<!-- /sizing -->"

FLEETS = (1_000, 10_000, 100_000, 1_000_000)

BUSY = 0.6
"""Share of a core that a process is planned for. The rest is for what comes unevenly, for handshakes, and for old rows."""

# What a VEN does is what one of ours with one battery was seen to do, on a VTN as it is shipped.
HELD_S, LIVE_S, SLOT_S = Downstream().hold_s, Downstream().live_s, Downstream().slot_s
LIVE_REPORTS, LIVE_VALUES = 3, 14
"""Usage, state, and what could be given; together so many values."""
SLOT_VALUES = 2
EVENTS_A_DAY = 1
REQUESTS_AN_EVENT = 3
"""oadrCreatedEvent, a poll that asks whether there is more, and the next one that is held."""
CONNECTIONS = 2
"""At the most: a held poll's, and one for what is said meanwhile, which is closed again after `SIDE_KEEPALIVE_S`."""
LIVE_HANDSHAKES = 0 if SIDE_KEEPALIVE_S > LIVE_S else 1

SQLITE_READING_BYTES, POSTGRES_READING_BYTES = 30, 145
"""With the index; measured by itself with 100,000 readings of 100 series."""
KEPT_DAYS = StoreSettings().keep_readings_days
COMMITS = 500
"""A second, at most, of one process: it has one commit under way, which a disk that syncs in 1 ms makes 2 ms of."""

DAY_S = 86_400
KIB, GB = 1024, 1e9
SECONDS = {"us CPU": 1e-6, "ms CPU": 1e-3}
NONE = "\N{EN DASH}"

WORDS = f"""*Computed* from the figures of [performance.md](performance.md), which were measured on the machine named there;
drawn with that page. No fleet of more than 10,000 was tried.

What is assumed: each VEN does what one of ours with one battery was seen to do, over mutual TLS, unsigned, with `hold_s`,
`live_s`, `slot_s` and `keep_readings_days` as shipped.

- It has a poll held, which it renews every {HELD_S} s.
- Each full minute it makes a second connection, sends {LIVE_REPORTS} reports with {LIVE_VALUES} values together over it, and
  closes it after {SIDE_KEEPALIVE_S:g} s. Each half hour it reports {SLOT_VALUES} more.
- It gets and accepts {EVENTS_A_DAY} event a day, over its first connection.

Cores are planned for {BUSY:.0%} over a minute, PostgreSQL's too; the rest is for what comes unevenly, and for what is too
old. But all VENs report at the start of the same minute: then the cores are full for as long as the table says. An event is
added up as if all cores had nothing else to do meanwhile. TLS adds to each request what it adds to an idle poll. {NONE}:
more than one process.
"""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures say of one of each: CPU seconds of the VTN, or of PostgreSQL, and bytes."""

    poll_s: float
    held_poll_s: float
    tls_s: float
    """What TLS adds to a request over a connection that is kept."""
    handshake_s: float
    """With all else that a new connection takes."""
    report_s: float
    event_s: float
    shared_report_s: float
    """On PostgreSQL, as the next three."""
    shared_event_s: float
    database_report_s: float
    database_event_s: float
    ven_bytes: float
    connection_bytes: float


def costs(sections: Sequence[Section]) -> Costs:
    """Raises LookupError for a figure that has not been measured."""
    poll = "idle oadrPoll at the VTN, "
    plain_s = _cpu_s(sections, "poll", f"{poll}plain HTTP")
    kept_s = _cpu_s(sections, "poll", f"{poll}mutual TLS, kept alive")
    return Costs(
        poll_s=plain_s,
        held_poll_s=_cpu_s(sections, "held", "oadrPoll at the VTN, held"),
        tls_s=kept_s - plain_s,
        handshake_s=_cpu_s(sections, "fresh", f"{poll}mutual TLS", "whole handshake") - kept_s,
        report_s=_cpu_s(sections, "report", "oadrUpdateReport", "beside a held poll"),
        event_s=_cpu_s(sections, "fleet", "the VTN's part of it", "mutual TLS"),
        shared_report_s=_cpu_s(sections, "workers", "a live report"),
        shared_event_s=_cpu_s(sections, "workers", "an event"),
        database_report_s=_cpu_s(sections, "workers", "PostgreSQL's own part of a live report"),
        database_event_s=_cpu_s(sections, "workers", "PostgreSQL's own part of an event"),
        ven_bytes=_figure(sections, "memory", "registered VEN").ours * KIB,
        connection_bytes=_figure(sections, "connections", "idle connection").ours * KIB,
    )


def _cpu_s(sections: Sequence[Section], section: str, begins: str, ends: str = "") -> float:
    figure = _figure(sections, section, begins, ends)
    return figure.ours * SECONDS[figure.unit]


def _figure(sections: Sequence[Section], section: str, begins: str, ends: str = "") -> Figure:
    for one in sections:
        for figure in one.figures:
            if one.name == section and figure.name.startswith(begins) and figure.name.endswith(ends):
                return figure
    raise LookupError(f"no figure {begins!r} … {ends!r}: run `python -m benchmarks {section} --write-docs`")


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What so many VENs need; `cores` at a load of `BUSY`, which may be more than one process can use."""

    vens: int
    requests_per_s: float
    changes_per_s: float
    cores: float
    workers: int
    workers_connected: int
    """Where VENs keep their second connection."""
    database_cores: float
    readings_per_day: float
    memory_bytes: float
    connection_bytes: float
    minute_s: float
    """CPU seconds of what all say at the start of a minute; the next three are CPU seconds, too."""
    event_s: float
    shared_event_s: float
    handshakes_s: float
    """One with each VEN."""

    @property
    def fits_one(self) -> bool:
        """Whether one process serves them."""
        return self.cores <= 1

    @property
    def commits_per_s(self) -> float:
        """At most: a commit has at least one change, and each worker one commit at a time."""
        return min(self.changes_per_s, self.workers * COMMITS)

    def kept_gb(self, reading_bytes: int) -> float:
        """What all readings take that are not too old."""
        return self.readings_per_day * KEPT_DAYS * reading_bytes / GB

    @property
    def files(self) -> int:
        """Of each process, for the others may be away."""
        return self.vens * CONNECTIONS + SPARE_FILES


def need(vens: int, cost: Costs) -> Need:
    """What `vens` VENs need, each of which does what stands above the table."""
    polls, minutes, slots, events = vens / HELD_S, vens / LIVE_S, vens / SLOT_S, vens * EVENTS_A_DAY / DAY_S
    reports = minutes * LIVE_REPORTS + slots
    connecting_s = minutes * LIVE_HANDSHAKES * cost.handshake_s
    polling_s = polls * (cost.held_poll_s + cost.tls_s)
    # The fan-out was measured over TLS, with the poll that is held, and without the one before it.
    event_s = cost.event_s + cost.poll_s + cost.tls_s
    shared_event_s = cost.shared_event_s + cost.poll_s + cost.held_poll_s + (1 + REQUESTS_AN_EVENT) * cost.tls_s
    own_s = polling_s + connecting_s + reports * (cost.report_s + cost.tls_s) + events * event_s
    shared_s = polling_s + reports * (cost.shared_report_s + cost.tls_s) + events * shared_event_s
    return Need(
        vens=vens,
        requests_per_s=polls + reports + events * REQUESTS_AN_EVENT,
        changes_per_s=reports + events * REQUESTS_AN_EVENT,
        cores=own_s / BUSY,
        workers=max(1, ceil((shared_s + connecting_s) / BUSY)),
        workers_connected=max(1, ceil(shared_s / BUSY)),
        database_cores=(reports * cost.database_report_s + events * cost.database_event_s) / BUSY,
        readings_per_day=vens * (LIVE_VALUES * DAY_S / LIVE_S + SLOT_VALUES * DAY_S / SLOT_S),
        memory_bytes=vens * cost.ven_bytes,
        connection_bytes=vens * CONNECTIONS * cost.connection_bytes,
        minute_s=vens * (LIVE_HANDSHAKES * cost.handshake_s + LIVE_REPORTS * (cost.shared_report_s + cost.tls_s)),
        event_s=vens * event_s,
        shared_event_s=vens * shared_event_s,
        handshakes_s=vens * cost.handshake_s,
    )


class Line(NamedTuple):
    """What is told of each fleet, and where it comes from."""

    says: str
    of: Callable[[Need], str]
    origin: str


LINES = (
    Line("requests a second, over a minute", lambda one: short(one.requests_per_s), "the above"),
    Line("of these change something", lambda one: short(one.changes_per_s), "the above"),
    Line(
        "one process on SQLite: cores",
        lambda one: short(one.cores) if one.fits_one else NONE,
        "`fresh`, `report`, `held`, `poll`, `fleet`",
    ),
    Line("workers on PostgreSQL, a core each", lambda one: f"{one.workers:,}", "`fresh`, `workers`, `held`, `poll`"),
    Line(
        "the same if VENs kept their second connection",
        lambda one: f"{one.workers_connected:,}",
        "`workers`, `held`, `poll`",
    ),
    Line("PostgreSQL's own cores", lambda one: short(one.database_cores), "`workers`"),
    Line("commits a second there, at most", lambda one: short(one.commits_per_s), f"{COMMITS} a worker: assumed"),
    Line("GB of memory for VENs, all workers together", lambda one: short(one.memory_bytes / GB), "`memory`"),
    Line("GB of memory for TLS connections, at most", lambda one: short(one.connection_bytes / GB), "`connections`"),
    Line("open files of each process, at most", lambda one: f"{one.files:,}", f"{CONNECTIONS} a VEN"),
    Line("millions of readings a day", lambda one: short(one.readings_per_day / 1e6), "the above"),
    Line(
        f"GB of them in {KEPT_DAYS} days, SQLite",
        lambda one: short(one.kept_gb(SQLITE_READING_BYTES)) if one.fits_one else NONE,
        f"{SQLITE_READING_BYTES} bytes each",
    ),
    Line(
        f"GB of them in {KEPT_DAYS} days, PostgreSQL",
        lambda one: short(one.kept_gb(POSTGRES_READING_BYTES)),
        f"{POSTGRES_READING_BYTES} bytes each",
    ),
    Line(
        "seconds of each minute that its reports fill, those workers",
        lambda one: short(one.minute_s / one.workers),
        "`fresh`, `workers`, `poll`",
    ),
    Line(
        "seconds until all have answered an event, SQLite",
        lambda one: short(one.event_s) if one.fits_one else NONE,
        "`fleet`, `poll`",
    ),
    Line(
        "the same, those workers on PostgreSQL",
        lambda one: short(one.shared_event_s / one.workers),
        "`workers`, `held`, `poll`",
    ),
    Line(
        "seconds of handshakes if all come back at once, those workers",
        lambda one: short(one.handshakes_s / one.workers),
        "`fresh`",
    ),
)


def table(sections: Sequence[Section]) -> str:
    """What stands between the marks: what each VEN does, and what so many need. Raises LookupError."""
    cost = costs(sections)
    return "\n".join((WORDS, *_rows([need(vens, cost) for vens in FLEETS])))


def _rows(needs: Sequence[Need]) -> Iterator[str]:
    yield f"| VENs | {' | '.join(f'{one.vens:,}' for one in needs)} | computed from |"
    yield f"|---|{'---:|' * len(needs)}---|"
    for line in LINES:
        yield f"| {line.says} | {' | '.join(line.of(one) for one in needs)} | {line.origin} |"


def short(value: float) -> str:
    """Two digits of it: it was computed."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.2g}"


def write(sections: Sequence[Section], docs: Path) -> None:
    """Put the table into its page, if that is there. Raises LookupError."""
    page = docs / PAGE
    if page.exists():
        page.write_text(drawn(page.read_text("utf-8"), table(sections)), "utf-8")


def drawn(text: str, between: str) -> str:
    """The page's text with that between its marks. Raises LookupError if they are not there."""
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise LookupError(f"{PAGE} lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{between}\n{END}{after}"
