"""The operators there are, of a VTN or a VEN: a person at the terminal, an adapter configured in TOML, a class of
somebody's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TypeVar

from conformance.adapter import Adapter
from conformance.operator import Mute, Operator
from conformance.prompt import Prompt
from conformance.subject import OperatorSettings, Places
from conformance.ven_operator import MuteVen, VenAdapter, VenOperator, VenPrompt


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
            made: Callable[[Places], Operator] = operator_class(name)
            return made(at)


def ven_operator_of(settings: OperatorSettings, at: Places) -> VenOperator:
    """The same for a VEN."""
    match settings.kind:
        case "none":
            return MuteVen()
        case "prompt":
            return VenPrompt()
        case "adapter":
            return VenAdapter(settings.actions, at)
        case name:
            made: Callable[[Places], VenOperator] = operator_class(name)
            return made(at)


Made = TypeVar("Made")


def operator_class(name: str) -> Callable[[Places], Made]:
    """What `package.module:Class` names. Raises ValueError where there is none."""
    module, _, attribute = name.partition(":")
    try:
        found: Callable[[Places], Made] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"operator.kind: {name} cannot be had: {error}") from error
    return found
