"""Devices that exist only here, with the physics of real ones: for demos, for tests, for trying an instruction out."""

from __future__ import annotations

from openadr_ra.drivers.simulated.battery import Battery
from openadr_ra.drivers.simulated.ev import EvCharger
from openadr_ra.drivers.simulated.generator import Generator
from openadr_ra.drivers.simulated.line import Line
from openadr_ra.drivers.simulated.load import InterruptibleLoad
from openadr_ra.drivers.simulated.pv import Pv
from openadr_ra.drivers.simulated.thermal import Thermal
from openadr_ra.drivers.simulated.v2h import V2h
from openadr_ra.drivers.simulated.wind import Wind

__all__ = ["Battery", "EvCharger", "Generator", "InterruptibleLoad", "Line", "Pv", "Thermal", "V2h", "Wind"]
