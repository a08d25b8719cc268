"""Devices that exist only here, with the physics of real ones: for demos, for tests, for trying an instruction out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openadr_ra.drivers.simulated.battery import Battery
    from openadr_ra.drivers.simulated.ev import EvCharger
    from openadr_ra.drivers.simulated.generator import Generator
    from openadr_ra.drivers.simulated.line import Line
    from openadr_ra.drivers.simulated.load import InterruptibleLoad
    from openadr_ra.drivers.simulated.pv import Pv
    from openadr_ra.drivers.simulated.thermal import Thermal
    from openadr_ra.drivers.simulated.v2h import V2h
    from openadr_ra.drivers.simulated.wind import Wind

_HOMES = {
    "Battery": "battery",
    "EvCharger": "ev",
    "Generator": "generator",
    "Line": "line",
    "InterruptibleLoad": "load",
    "Pv": "pv",
    "Thermal": "thermal",
    "V2h": "v2h",
    "Wind": "wind",
}
"""Where each lives. A gateway imports only those that it has."""

__all__ = ["Battery", "EvCharger", "Generator", "InterruptibleLoad", "Line", "Pv", "Thermal", "V2h", "Wind"]

if not TYPE_CHECKING:
    # A type checker that sees it takes every name for one of ours, a misspelt one too.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
