"""What rows are made of is not looked through by the garbage collector, however many rows there are."""

from __future__ import annotations

import gc
import pkgutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Annotated, ClassVar, Literal, NewType, get_args, get_origin, get_type_hints

import msgspec
import pytest

import openadr_ra
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.party import Party
from openadr_ra.protocol.step import Letter, State
from openadr_ra.store.world import Row, Waiting

PLAIN = (str, int, float, bool, bytes, type(None), datetime, timedelta)
"""They hold nothing, so the collector never knows them. Whatever else a row holds has to be a struct, a tuple or a dict."""


def of_ours(struct: type) -> bool:
    return struct.__module__.partition(".")[0] == "openadr_ra"


def made_of(hint: object) -> Iterator[type]:
    """The classes that stand in a type hint."""
    if isinstance(hint, NewType):
        yield from made_of(hint.__supertype__)
    elif get_origin(hint) is Annotated:
        yield from made_of(get_args(hint)[0])
    elif get_origin(hint) not in (None, Literal, ClassVar):
        for part in get_args(hint):
            yield from made_of(part)
    elif isinstance(hint, type):
        yield hint


def reached() -> Iterator[type]:
    """All classes in rows and in mail, with those derived from them."""
    for module in pkgutil.walk_packages(openadr_ra.__path__, "openadr_ra."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found: set[type] = set()
    sought: list[type] = [State, Letter, Row, Waiting]
    while sought:
        kind = sought.pop()
        if kind in found:
            continue
        found.add(kind)
        yield kind
        if not issubclass(kind, msgspec.Struct):
            continue
        sought += [each for each in kind.__subclasses__() if of_ours(each)]
        for hint in get_type_hints(kind, include_extras=True).values():
            sought += made_of(hint)


def test_every_struct_in_a_row_or_in_its_mail_is_outside_the_collector() -> None:
    """They are frozen and made from the inside out, so none can be in a circle."""
    kinds = set(reached())
    structs = {kind for kind in kinds if issubclass(kind, msgspec.Struct)}

    assert {Party, Row, Waiting} < structs
    assert [kind for kind in structs if kind.__struct_config__.gc] == []
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []
    assert [kind for kind in kinds - structs if kind not in PLAIN] == []


@pytest.mark.parametrize("kind", [Party, Row], ids=["state", "row"])
def test_a_struct_of_a_row_is_not_tracked(kind: type[msgspec.Struct]) -> None:
    """A dict in it makes no difference."""
    party = Party(ven_id=VenId("ven-1"))
    made = party if kind is Party else Row(state=party, version=1, due=None)

    assert not gc.is_tracked(made)
