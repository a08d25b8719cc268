"""Pages for people as tests read them: their blocks, their tables, and the tables that the code would write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import inspect

ROOT = Path(__file__).parent.parent

REQUIRED = "**required**"
NONE = "none"

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)#]+)(?:#[^)]*)?\)")
_CODE = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    text: str


class Setting(NamedTuple):
    """The first cells of a line in a table of settings; the last says what it means, and is for people."""

    key: str
    values: str
    default: str


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, *languages: str) -> tuple[Block, ...]:
    """The blocks of these languages, in order; all without."""
    found = (Block(each["language"], each["text"]) for each in _BLOCK.finditer(text))
    return tuple(block for block in found if not languages or block.language in languages)


def prose(text: str) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", text)


def code(text: str) -> tuple[str, ...]:
    """What the prose sets in code."""
    return tuple(_CODE.findall(prose(text)))


def links(text: str) -> tuple[str, ...]:
    """Where the page points to, without the anchors."""
    return tuple(each["target"] for each in _LINK.finditer(prose(text)))


def headings(text: str, level: int) -> tuple[str, ...]:
    return tuple(re.findall(rf"^{'#' * level} (.+)$", prose(text), re.MULTILINE))


def rows(text: str, heading: str) -> tuple[tuple[str, ...], ...]:
    """The first table after a heading that begins like this, without its head; none if another heading comes before."""
    after = re.split(rf"^#+ {re.escape(heading)}.*$", prose(text), maxsplit=1, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", after, maxsplit=1, flags=re.MULTILINE)[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    lines = table[0].splitlines()[2:] if table else []
    return tuple(tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines)


def tables(kind: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Each table that a settings file may have, by its TOML heading; the outermost has none."""
    yield path, kind
    name = path.strip("[]")
    for field in msgspec.structs.fields(kind):
        inner = _table(field)
        if inner is not None:
            below = f"{name}.{field.encode_name}".lstrip(".")
            yield from tables(inner, f"[[{below}]]" if _several(field) else f"[{below}]")


def settings(kind: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """The settings of a struct, as a page has to list them."""
    return tuple(
        Setting(f"`{field.encode_name}`", _values(inspect.type_info(field.type)), _default(field))
        for field in msgspec.structs.fields(kind)
        if _table(field) is None and not _several(field)
    )


def _parts(field: msgspec.structs.FieldInfo) -> tuple[inspect.Type, ...]:
    """The type of a field, or each of them."""
    found = inspect.type_info(field.type)
    return found.types if isinstance(found, inspect.UnionType) else (found,)


def _table(field: msgspec.structs.FieldInfo) -> type[msgspec.Struct] | None:
    """The struct that a field holds, once or several times."""
    for part in _parts(field):
        inner = part.item_type if isinstance(part, inspect.VarTupleType) else part
        if isinstance(inner, inspect.StructType):
            return inner.cls
    return None


def _several(field: msgspec.structs.FieldInfo) -> bool:
    """Is it a list of tables? Some, like a device's, have no struct of their own."""
    return any(
        isinstance(part, inspect.VarTupleType) and isinstance(part.item_type, inspect.StructType | inspect.DictType)
        for part in _parts(field)
    )


def _values(kind: inspect.Type) -> str:
    """What may stand there, in words."""
    match kind:
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "`true` or `false`"
        case inspect.IntType():
            return ", ".join(filter(None, ("whole number", _bounds(kind))))
        case inspect.FloatType():
            return ", ".join(filter(None, ("number", _bounds(kind))))
        case inspect.LiteralType(values=values):
            return " or ".join(f"`{json.dumps(value)}`" for value in values)
        case inspect.VarTupleType(item_type=item, min_length=least):
            return f"list of {_values(item)}" + (f"; {least} or more of them" if least else "")
        case inspect.UnionType(types=types):
            return " or ".join(_values(one) for one in types if not isinstance(one, inspect.NoneType))
    raise AssertionError(f"no words for {kind}")


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f"{kind.ge:g} to {kind.le:g}"
    signs = {">": kind.gt, "≥": kind.ge, "<": kind.lt, "≤": kind.le}
    return ", ".join(f"{sign} {bound:g}" for sign, bound in signs.items() if bound is not None)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return REQUIRED
    return NONE if field.default is None else f"`{_toml(field.default)}`"


def _toml(value: object) -> str:
    match value:
        case bool() | str():
            return json.dumps(value)
        case int():
            return str(value)
        case float():
            return f"{value:g}"
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
    raise AssertionError(f"no spelling for {value!r}")
