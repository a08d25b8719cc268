"""The chain's result as a table: each link between two tiers, slot by slot."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from openadr_ra.programs.chain_summary import HopSlot, Summary
from openadr_ra.programs.demo_screen import shown_kw, verdict


def table(summary: Summary) -> Table:
    """Asked, accepted, delivered, and whether that is in the band."""
    made = Table(title="Tier by tier: kW against the baseline, load convention", box=box.ROUNDED)
    made.add_column("link", min_width=12)
    made.add_column("slot")
    made.add_column("from (UTC)")
    for heading in ("asked\n要求", "accepted\n受託", "delivered\n応動", "deviation\n偏差"):
        made.add_column(heading, justify="right", min_width=9)
    made.add_column("in ±10 %", justify="center")
    last = {link.hop: link.slot for link in summary.hops}
    for link in summary.hops:
        made.add_row(*_cells(link), end_section=link.slot == last[link.hop])
    return made


def _cells(link: HopSlot) -> tuple[str | Text, ...]:
    known = link.asked_kw is not None and link.delivered_kw is not None
    return (
        link.hop if link.slot == 1 else "",
        str(link.slot),
        f"{link.start:%H:%M:%S}",
        shown_kw(link.asked_kw),
        shown_kw(link.accepted_kw),
        shown_kw(link.delivered_kw),
        shown_kw((link.delivered_kw or 0.0) - (link.asked_kw or 0.0) if known else None),
        verdict(link.in_band),
    )
