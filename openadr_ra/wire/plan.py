"""The declared paths of a type, as the tree of elements that they describe: what both code generators work from.

The grammar of the paths is in `openadr_ra.protocol.shape`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum, auto
from functools import cache
from itertools import groupby
from types import NoneType, UnionType
from typing import Annotated, NewType, Union, get_args, get_origin

import msgspec

from openadr_ra.protocol.shape import NAMESPACES, At, Decimal, Opaque, Token, Value
from openadr_ra.protocol.times import Duration


class Kind(Enum):
    """How a single value is written."""

    TEXT = auto()
    TOKEN = auto()
    INTEGER = auto()
    FLOAT = auto()
    DECIMAL = auto()
    BOOLEAN = auto()
    DATETIME = auto()
    DURATION = auto()
    OPAQUE = auto()
    EMPTY = auto()
    STRUCT = auto()


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One form a value may take: elements from the outermost, which tells the members of a choice apart, to its own."""

    steps: tuple[str, ...]
    kind: Kind
    struct: type[Value] | None = None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a field.

    `many`: a tuple; `nullable`: may be None. `needed`: an element must be there whenever its surroundings are.
    """

    field: str
    members: tuple[Member, ...]
    many: bool
    nullable: bool
    needed: bool
    default: object


class Wrapper(msgspec.Struct, frozen=True, kw_only=True):
    """An element that is no value of its own, only holds others."""

    name: str
    optional: bool
    items: tuple[Slot | Wrapper, ...]


Item = Slot | Wrapper


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """A field that is an attribute of the type's own element. All are tokens."""

    field: str
    name: str
    default: object


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A type as attributes and elements, in schema order."""

    struct: type[Value]
    attributes: tuple[Attribute, ...]
    items: tuple[Item, ...]


@cache
def plan(struct: type[Value]) -> Plan:
    """The plan of `struct`. Raises TypeError for a declaration outside the grammar."""
    places = [_place(field) for field in msgspec.structs.fields(struct)]
    return Plan(
        struct=struct,
        attributes=tuple(
            Attribute(field=place.slot.field, name=place.steps[0][1:], default=place.slot.default)
            for place in places
            if place.steps[0].startswith("@")
        ),
        items=tuple(_items([place for place in places if not place.steps[0].startswith("@")])),
    )


def first_names(items: Iterable[Item]) -> frozenset[str]:
    """The elements that `items` may begin with, up to the first that has to be there."""
    names: set[str] = set()
    for item in items:
        match item:
            case Wrapper():
                names.add(item.name)
                if not item.optional:
                    break
            case Slot():
                names.update(member.steps[0] for member in item.members)
                if item.needed:
                    break
    return frozenset(names)


def open_names(items: Sequence[Item]) -> frozenset[str]:
    """The elements that `items`, already read to their end, could still go on with."""
    names: set[str] = set()
    for item in reversed(items):
        match item:
            case Wrapper():
                names |= open_names(item.items)
                if not item.optional:
                    break
                names.add(item.name)
            case Slot():
                for member in item.members:
                    if member.struct is not None:
                        names |= open_names(plan(member.struct).items)
                if item.many or not item.needed:
                    names.update(member.steps[0] for member in item.members)
                if item.needed:
                    break
    return frozenset(names)


def slots(items: Iterable[Item]) -> Iterator[Slot]:
    """The fields among `items` and inside their wrappers, in schema order."""
    for item in items:
        match item:
            case Wrapper():
                yield from slots(item.items)
            case Slot():
                yield item


def structs(roots: Iterable[type[Value]]) -> tuple[type[Value], ...]:
    """`roots` and every type that a value of theirs can hold, each once."""
    found: dict[type[Value], None] = {}
    ahead = list(roots)
    while ahead:
        struct = ahead.pop()
        if struct not in found:
            found[struct] = None
            ahead += [
                member.struct
                for slot in slots(plan(struct).items)
                for member in slot.members
                if member.struct is not None
            ]
    return tuple(found)


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """A slot and the steps that still lead to it."""

    steps: tuple[str, ...]
    slot: Slot


def _place(field: msgspec.structs.FieldInfo) -> _Place:
    declared, path = _annotated(field.type)
    steps = tuple(path.split("/"))
    for step in steps:
        if step != "*" and step.removeprefix("@").partition(":")[0] not in NAMESPACES:
            raise TypeError(
                f"{field.name} is declared at {path!r}; {step!r} has no prefix of openadr_ra.protocol.shape"
            )
    forms = _forms(declared)
    many = len(forms) == 1 and get_origin(forms[0]) is tuple
    if many:
        forms = _forms(get_args(forms[0])[0])
    optional = NoneType in forms and len(forms) > 1
    forms = tuple(form for form in forms if form is not NoneType) if optional else forms
    # Inside an optional wrapper it is the wrapper that may be missing.
    in_optional = not many and any(step.endswith("?") for step in steps[:-1])
    return _Place(
        steps=steps,
        slot=Slot(
            field=field.name,
            members=tuple(_member(form, steps) for form in forms),
            many=many,
            nullable=optional,
            needed=forms == (NoneType,)
            or (not steps[-1].endswith("?") if in_optional else field.required and not optional),
            default=() if many else None if field.required else field.default,
        ),
    )


def _member(form: object, steps: tuple[str, ...]) -> Member:
    if steps != ("*",):
        start = next((at for at, step in enumerate(steps) if step.endswith("*")), len(steps) - 1)
        own = tuple(step.rstrip("*?") for step in steps[start:])
        return Member(steps=own, kind=_kind(form), struct=_struct(form))
    plain, path = _annotated(form)
    struct = _struct(plain)
    own = tuple((struct.xml if struct and not path else path).split("/"))
    return Member(steps=own, kind=_kind(plain), struct=struct)


def _items(places: Sequence[_Place]) -> Iterator[Item]:
    for step, group in groupby(places, key=lambda place: place.steps[0]):
        inside = tuple(group)
        if step.endswith("*") or len(inside[0].steps) == 1:
            yield from (place.slot for place in inside)
        else:
            deeper = [_Place(steps=place.steps[1:], slot=place.slot) for place in inside]
            yield Wrapper(name=step.rstrip("?"), optional=step.endswith("?"), items=tuple(_items(deeper)))


def _annotated(declared: object) -> tuple[object, str]:
    """A declared type and its path, empty where there is none."""
    if get_origin(declared) is not Annotated:
        return declared, ""
    plain, *notes = get_args(declared)
    return plain, next((note.path for note in notes if isinstance(note, At)), "")


def _forms(declared: object) -> tuple[object, ...]:
    return get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)


def _struct(form: object) -> type[Value] | None:
    return form if isinstance(form, type) and issubclass(form, Value) and form is not Duration else None


_KINDS: dict[object, Kind] = {
    Token: Kind.TOKEN,
    Decimal: Kind.DECIMAL,
    Opaque: Kind.OPAQUE,
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    datetime: Kind.DATETIME,
    Duration: Kind.DURATION,
    NoneType: Kind.EMPTY,
}


def _kind(form: object) -> Kind:
    if _struct(form) is not None:
        return Kind.STRUCT
    while form not in _KINDS and isinstance(form, NewType):
        form = form.__supertype__
    if form not in _KINDS:
        raise TypeError(f"{form} has no form in XML; see openadr_ra.protocol.shape")
    return _KINDS[form]
