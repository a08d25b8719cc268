"""What the installed schema files say may stand in an element, read from them independently of the codec."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.protocol.shape import NAMESPACES

XS = "{http://www.w3.org/2001/XMLSchema}"
EXTENSION_TYPE = "{http://docs.oasis-open.org/ns/energyinterop/201110}EiExtensionTokenType"


class Words(NamedTuple):
    """The texts that a schema lists for an element; `is_open`: any `x-` token besides."""

    listed: tuple[str, ...]
    is_open: bool


def words(name: str, parent: str = "") -> Words:
    """What may stand in element or attribute `ei:name`, declared globally, or in the type of element `parent`."""
    declaration = _globals()[_clark(name)]["element"] if parent == "" else _child(parent, name)
    fixed = declaration.get("fixed")
    if fixed is not None:
        return Words((fixed,), is_open=False)
    inline = declaration.find(f"{XS}simpleType")
    return _of_type(inline if inline is not None else _type(declaration, declaration.get("type", "")))


def _child(parent: str, name: str) -> Element:
    """The declaration of `name` inside the type of `parent`: its own, or the global one that it refers to."""
    declared = _globals()[_clark(parent)]["element"]
    kind = _type(declared, declared.get("type", ""))
    assert kind is not None
    local = next((e for e in kind.iter(f"{XS}element") if e.get("name") == name.partition(":")[2]), None)
    return local if local is not None else _globals()[_clark(name)]["element"]


def _of_type(kind: Element | None) -> Words:
    """The words of a simple type; none for one that is not an enumeration."""
    if kind is None:
        return Words((), is_open=False)
    listed = tuple(each.get("value", "") for each in kind.iter(f"{XS}enumeration"))
    union = kind.find(f"{XS}union")
    if union is None:
        return Words(listed, is_open=False)
    members = [_qualified(union, member) for member in union.get("memberTypes", "").split()]
    parts = [_of_type(_globals()[member]["type"]).listed for member in members if member != EXTENSION_TYPE]
    return Words(tuple(word for part in parts for word in part), is_open=EXTENSION_TYPE in members)


def _type(at: Element, name: str) -> Element | None:
    return _globals().get(_qualified(at, name), {}).get("type") if name else None


def _qualified(at: Element, name: str) -> str:
    prefix, _, local = name.rpartition(":")
    return f"{{{at.nsmap[prefix or None]}}}{local}"


def _clark(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


@cache
def _globals() -> dict[str, dict[str, Element]]:
    """By qualified name: the global `element` (or attribute) and the global `type` of that name."""
    found: dict[str, dict[str, Element]] = {}
    spec = find_spec("openleadr")
    assert spec is not None
    assert spec.origin is not None
    for file in Path(spec.origin).with_name("schema").glob("*.xsd"):
        root = etree.parse(str(file)).getroot()
        for each in root:
            name = each.get("name")
            if name is not None:
                sort = "type" if each.tag in (f"{XS}simpleType", f"{XS}complexType") else "element"
                found.setdefault(f"{{{root.get('targetNamespace')}}}{name}", {})[sort] = each
    return found
