"""Messages made from `payloads/*.xml`: text with explicit holes, so that what no correct stack would send can be sent.

`{{name}}` is replaced by a value, escaped; `{{&name}}` by a piece of XML as it is; `{{?name}} … {{/name}}` stays only if
`name` is given and not None. `{{#name}} … {{/name}}` is repeated for each of a list of values (`{{.}}` in it).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from lxml import etree

from conformance.message import NAMESPACES, Element

FOLDER = Path(__file__).parent / "payloads"

Hole = str | int | float | bool | None | Sequence[str]

_SECTION = re.compile(r"\{\{([?#])(\w+)\}\}(.*?)\{\{/\2\}\}", re.DOTALL)
_HOLE = re.compile(r"\{\{(&?)(\w+|\.)\}\}")


@cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.xml").read_text().strip()


def fill(name: str, /, **holes: Hole) -> str:
    """The piece of XML in `payloads/<name>.xml` with its holes filled. KeyError names a hole that was forgotten."""
    return _fill(_text(name), holes)


def _fill(text: str, holes: dict[str, Hole]) -> str:
    def section(match: re.Match[str]) -> str:
        sort, name, inner = match.groups()
        value = holes.get(name)
        if sort == "?":
            return "" if value is None else _fill(inner, holes)
        if value is None:
            return ""
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"{name} has to be a list")
        return "".join(_fill(inner, {**holes, ".": one}) for one in value)

    while _SECTION.search(text):
        text = _SECTION.sub(section, text)
    return _HOLE.sub(lambda match: _value(holes, match[2], raw=bool(match[1])), text)


def _value(holes: dict[str, Hole], name: str, *, raw: bool) -> str:
    value = holes[name]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(value)
    return str(value) if raw else escape(str(value))


def wrapped(payload: str) -> bytes:
    """The whole message: oadrPayload and oadrSignedObject round a payload, all prefixes on the root."""
    return _text("envelope").replace("{{&payload}}", payload).encode()


def message(kind: str, /, **holes: Hole) -> bytes:
    """A whole message of that kind."""
    return wrapped(fill(kind, **holes))


def edited(raw: bytes, *, drop: Sequence[str] = (), put: dict[str, str] | None = None) -> bytes:
    """`raw` without the elements at the XPaths `drop`, and with other texts at those in `put`.

    Raises LookupError for a path that names nothing: a case that changes nothing could not fail.
    """
    root = etree.fromstring(raw)
    for path in drop:
        for element in _found(root, path):
            if (parent := element.getparent()) is not None:
                parent.remove(element)
    for path, text in (put or {}).items():
        for element in _found(root, path):
            element.text = text
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _found(root: Element, path: str) -> list[Element]:
    found = root.xpath(path, namespaces=NAMESPACES)
    elements = [one for one in found if isinstance(one, Element)] if isinstance(found, list) else []
    if not elements:
        raise LookupError(f"the message has nothing at {path}")
    return elements
