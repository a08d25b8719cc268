"""In what unit the readings of a series are."""

from __future__ import annotations

from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.vtn import Party
from openadr_ra.run.wanted import reports
from openadr_ra.store.looking import Reader

_OF_QUANTITIES = {
    "kw": "kW",
    "asked": "kW",
    "baseline": "kW",
    "delta": "kW",
    "can_reduce": "kW",
    "can_raise": "kW",
    "kwh": "kWh",
    "can_reduce_kwh": "kWh",
    "can_raise_kwh": "kWh",
    "soc": "percent",
    "coverage": "percent",
    "frozen": "s",
}
"""What our own points end in, see `protocol/report.py`; the others have none."""

_OWN = ("live", "response", "x-RESPONSE", "x-AVAILABILITY")


class Units:
    """Units of points: of our own reports by their names, of others as their METADATA has them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, dict[tuple[str, str], str]] = {}

    def of(self, source: str, report: str, point: str) -> str:
        """Empty where nobody says."""
        if report in _OWN:
            return _OF_QUANTITIES.get(point.rpartition(".")[2], "")
        if source not in self._known:
            # Series come sorted by their source, so one is enough to keep.
            self._known = {source: self._told(source)}
        return self._known[source].get((report, point), "")

    def _told(self, source: str) -> dict[tuple[str, str], str]:
        held = self._reader.state(party(VenId(source)), Party)
        offered = reports(held.reports).offered if held is not None else ()
        return {(report.name, point.point): point.unit for report in offered for point in report.points if point.unit}
