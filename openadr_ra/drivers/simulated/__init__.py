"""Devices that exist only here, with the physics of real ones: for demos, for tests, for trying an instruction out."""

from __future__ import annotations

from openadr_ra.drivers.simulated.battery import Battery
from openadr_ra.drivers.simulated.ev import EvCharger
from openadr_ra.drivers.simulated.generator import Generator
from openadr_ra.drivers.simulated.line import Line
from openadr_ra.drivers.simulated.pv import Pv

__all__ = ["Battery", "EvCharger", "Generator", "Line", "Pv"]
