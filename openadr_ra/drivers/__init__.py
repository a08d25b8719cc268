"""What moves a resource: found by name, guarded, and held to one contract."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openadr_ra.drivers.bench import ContractBroken
    from openadr_ra.drivers.contract import check_driver
    from openadr_ra.drivers.discovery import build, names
    from openadr_ra.drivers.guard import Guard
    from openadr_ra.drivers.virtual_clock import VirtualClock

_HOMES = {
    "ContractBroken": "bench",
    "Guard": "guard",
    "VirtualClock": "virtual_clock",
    "build": "discovery",
    "check_driver": "contract",
    "names": "discovery",
}
"""Where each name lives. They are imported when first used: a gateway does not carry the contract's tests."""

__all__ = ["ContractBroken", "Guard", "VirtualClock", "build", "check_driver", "names"]

if not TYPE_CHECKING:
    # A type checker that sees it takes every name for one of ours, a misspelt one too.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
