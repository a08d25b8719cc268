"""What moves a resource: found by name, guarded, and held to one contract."""

from __future__ import annotations

from openadr_ra.drivers.bench import ContractBroken
from openadr_ra.drivers.contract import check_driver
from openadr_ra.drivers.discovery import build, names
from openadr_ra.drivers.guard import Guard
from openadr_ra.drivers.virtual_clock import VirtualClock

__all__ = ["ContractBroken", "Guard", "VirtualClock", "build", "check_driver", "names"]
