"""For each case of a VEN, what makes it fail."""

from __future__ import annotations

from tests.conformance.ven_flaw import Table
from tests.conformance.ven_flaws_event import EVENT
from tests.conformance.ven_flaws_party import PARTY
from tests.conformance.ven_flaws_report import REPORTS
from tests.conformance.ven_flaws_wire import WIRE

FLAWS: Table = {**PARTY, **EVENT, **REPORTS, **WIRE}

CERTIFIED = ("ven.security.",)
"""Where a case's id begins like that there have to be certificates."""
