"""The driver `sunspec`: inverters and batteries that speak SunSpec over Modbus TCP."""

from __future__ import annotations

from openadr_ra.drivers.sunspec.driver import Sunspec
from openadr_ra.drivers.sunspec.settings import SunspecSettings

__all__ = ["Sunspec", "SunspecSettings"]
