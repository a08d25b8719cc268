"""What the tiny VTN itself reports: one usage report of one point."""

from __future__ import annotations

from conformance import template
from conformance.play_ven import described, metadata_report, usage_report

SPECIFIER = "tiny-usage"
POINTS = ("load", "energy")
SHORTEST_S = 2


def metadata() -> str:
    """Its METADATA."""
    power, energy = template.fill("powerReal", scale="none"), template.fill("energyReal", scale="none")
    points = (
        described(rid, "usage", unit, "Direct Read", min_s=SHORTEST_S)
        for rid, unit in zip(POINTS, (power, energy), strict=True)
    )
    return metadata_report(SPECIFIER, "METADATA_TELEMETRY_USAGE", "".join(points))


def values(request: str, points: tuple[str, ...]) -> str:
    """What it measured just now."""
    return usage_report(request, specifier=SPECIFIER, points=points)
