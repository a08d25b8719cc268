"""For each case of a VTN: the flaws of which each by itself makes it fail."""

from __future__ import annotations

from tests.conformance.vtn_flaw import Table
from tests.conformance.vtn_flaws_event import EVENT
from tests.conformance.vtn_flaws_report import REPORT
from tests.conformance.vtn_flaws_services import SERVICES
from tests.conformance.vtn_flaws_wire import WIRE

FLAWS: Table = {**EVENT, **REPORT, **SERVICES, **WIRE}

CERTIFIED = (
    "vtn.security.",
    "vtn.registration.query-registered",
    "vtn.registration.xml-signature",
    "vtn.registration.venid-of-another",
    "vtn.registration.registered-by-another",
    "vtn.registration.cancelled-by-another",
)
"""How the ids of cases begin that need certificates."""
