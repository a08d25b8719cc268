"""Devices that speak ECHONET Lite: their driver, and such devices to try it on."""

from __future__ import annotations

from openadr_ra.drivers.echonet.driver import Echonet
from openadr_ra.drivers.echonet.kind import EchonetSettings

__all__ = ["Echonet", "EchonetSettings"]
