"""The demo in the terminal: a live table where there is one, plain lines where not, and the result as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openadr_ra.programs.demo_summary import EVERYONE, Interval
from openadr_ra.programs.demo_watch import Gauge, View

WIDTH = 110
"""Where the output is no terminal, and nobody knows how wide the reader's is."""

NOTHING = "·"


class Screen:
    """What the demo has to say. `quiet` keeps stdout free: everything goes to stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=quiet, highlight=False)
        if not self._console.is_terminal:
            self._console = Console(stderr=quiet, highlight=False, width=WIDTH)
        self._live: Live | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """In a terminal, the live table stays below all other lines until the block is left."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=4, transient=True) as self._live:
            yield
        self._live = None

    def show(self, view: View) -> None:
        """The live table, if there is one."""
        if self._live is not None:
            self._live.update(_live_table(view))

    def say(self, line: str, style: str = "") -> None:
        """A line, as it is."""
        self._console.print(Text(line, style=style), soft_wrap=True)

    def put(self, table: Table) -> None:
        """A table of somebody else's."""
        self._console.print(table)

    def interval(self, row: Interval, number: int, count: int) -> None:
        """That the response of an interval has come."""
        line = Text(f"  {row.event} {number}/{count}  {row.resource:<9}")
        line.append(f"asked {shown_kw(row.asked_kw):>7}  delivered {shown_kw(row.delivered_kw):>7}  ")
        line.append(f"deviation {shown_kw(row.deviation_kw):>6} kW  ").append_text(verdict(row.in_band))
        self._console.print(line, soft_wrap=True)

    def result(self, rows: Iterable[Interval]) -> None:
        """All that was asked and delivered."""
        table = Table(
            title="The response: kW against the baseline, load convention (+ import, - export)", box=box.ROUNDED
        )
        for heading in ("event", "from (UTC)"):
            table.add_column(heading)
        table.add_column("resource", min_width=18)
        for heading in ("asked\n要求", "delivered\n応動", "deviation\n偏差"):
            table.add_column(heading, justify="right")
        table.add_column("in ±10 %", justify="center")
        for row in rows:
            whole = row.resource.endswith(EVERYONE)
            everyone = row.resource == EVERYONE
            cells = (
                shown_kw(row.asked_kw),
                shown_kw(row.delivered_kw),
                shown_kw(row.deviation_kw),
                verdict(row.in_band),
            )
            shown = (
                "all" if everyone else row.resource.removesuffix("/*") if whole else "  " + row.resource.split("/")[1]
            )
            table.add_row(
                row.event if everyone else "",
                f"{row.start:%H:%M:%S}" if everyone else "",
                shown,
                *cells,
                style="bold" if everyone else "" if whole else "dim",
                end_section=everyone,
            )
        self._console.print(table)


def _live_table(view: View) -> Table:
    table = Table(title=view.words, box=box.ROUNDED, caption="kW against the plan, load convention")
    table.add_column("VEN, resource", min_width=14)
    for heading in ("asked\n要求", "now", "mean\n応動"):
        table.add_column(heading, justify="right", min_width=7)
    table.add_column("in ±10 %", justify="center")
    table.add_column("last seen", justify="right", min_width=10)
    for gauge in view.gauges:
        table.add_row(*_cells(gauge), style="dim" if gauge.part else "")
    return table


def _cells(gauge: Gauge) -> tuple[str | Text, ...]:
    return (
        f"  {gauge.name}" if gauge.part else gauge.name,
        shown_kw(gauge.asked_kw),
        shown_kw(gauge.now_kw),
        shown_kw(gauge.mean_kw),
        verdict(gauge.in_band),
        "" if gauge.seen_s is None else f"{gauge.seen_s:.1f} s ago",
    )


def shown_kw(value: float | None) -> str:
    """Signed; nothing is `·`, and what rounds to nothing has no sign."""
    if value is None:
        return NOTHING
    rounded = round(value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def verdict(in_band: bool | None) -> Text:
    """yes or no; nothing where nobody can say."""
    match in_band:
        case None:
            return Text(NOTHING)
        case True:
            return Text("yes", style="green")
        case False:
            return Text("no", style="bold red")
