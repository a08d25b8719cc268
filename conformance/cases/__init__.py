"""The cases, by role and service. `load` declares them all."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every module here; each declares its cases."""
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")
