"""EV chargers that speak OCPP 1.6 or 2.0.1: the gateway is their CSMS, and a set-point is a charging limit."""

from __future__ import annotations

from openadr_ra.drivers.ocpp.driver import Charger
from openadr_ra.drivers.ocpp.settings import OcppSettings

__all__ = ["Charger", "OcppSettings"]
