"""The operators there are: a person at the terminal, an adapter configured in TOML, a class of somebody's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from conformance.adapter import Adapter
from conformance.operator import Mute, Operator
from conformance.prompt import Prompt
from conformance.subject import OperatorSettings, Places


def operator_of(settings: OperatorSettings, at: Places) -> Operator:
    """The operator that the settings name. Raises ValueError for one that cannot be had."""
    match settings.kind:
        case "none":
            return Mute()
        case "prompt":
            return Prompt()
        case "adapter":
            return Adapter(settings.actions, at)
        case name:
            module, _, attribute = name.partition(":")
            try:
                made: Callable[[Places], Operator] = getattr(importlib.import_module(module), attribute)
            except (ImportError, AttributeError, ValueError) as error:
                raise ValueError(f"operator.kind: {name} cannot be had: {error}") from error
            return made(at)
