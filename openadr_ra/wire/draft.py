"""A message on its way from what a peer sent to what the schema accepts: elements as plain values that can be changed.

A draft is made of a parsed tree and written as a new one; the parsed tree stays as it is. What costs lxml time that grows
with the square of the document, moving elements between namespace declarations, does not happen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.protocol.messages import PAYLOADS
from openadr_ra.protocol.shape import NAMESPACES, Value
from openadr_ra.wire.canonical import ID, SIGNATURE
from openadr_ra.wire.names import clark, short
from openadr_ra.wire.parse import parse
from openadr_ra.wire.plan import Item, Kind, Member, Slot, Wrapper, plan
from openadr_ra.wire.schema import PAYLOAD, SIGNED_OBJECT
from openadr_ra.wire.values import read_opaque

SPACE = " \t\r\n"

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in an element, by its declared shape.

    `places`: the elements it may hold, with their position among one another. `by_local`: their names by local name, where
    that names one alone. `by_type`: those that stand for one another, by the lower-case name of their type in the schema.
    """

    kind: Kind = Kind.STRUCT
    places: Mapping[str, Place] = {}
    by_local: Mapping[str, str] = {}
    by_type: Mapping[str, str] = {}
    attributes: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an element stands among its siblings, and what may stand in it."""

    rank: int
    outline: Outline


class Draft(msgspec.Struct, kw_only=True, eq=False):
    """An element being repaired; `tag` and the names of attributes are lxml's.

    `outline` holds once the element has its right name. `text` of an element that holds others is what stands between them.
    """

    tag: str
    parent: Draft | None = None
    outline: Outline = Outline()
    attributes: dict[str, str] = {}
    text: str = ""
    children: list[Draft] = []
    source: Element | None = None


def drafted(element: Element) -> Draft:
    """`element`, with nothing in it yet."""
    # The stubs know of bytes, which lxml no longer gives.
    attributes = {str(name): str(value) for name, value in element.items()}
    return Draft(tag=str(element.tag), attributes=attributes, text=element.text or "", source=element)


def open_up(draft: Draft) -> None:
    """Take what is in the source of `draft` into it."""
    if draft.source is None:
        return
    for element in draft.source.iterchildren("*"):
        draft.children.append(drafted(element))
        if element.tail and element.tail.strip(SPACE):
            draft.text += element.tail


def child(draft: Draft, tag: str) -> Draft | None:
    """The first child of that name."""
    return next((each for each in draft.children if each.tag == tag), None)


def insert(draft: Draft, tag: str, text: str = "") -> Draft:
    """A new child where the schema wants it; those that are there stand in order."""
    place = draft.outline.places[tag]
    new = Draft(tag=tag, parent=draft, outline=place.outline, text=text)
    ranks = [draft.outline.places[each.tag].rank for each in draft.children]
    draft.children.insert(sum(rank <= place.rank for rank in ranks), new)
    return new


def namespace(tag: str) -> str:
    """The namespace of lxml's `tag`; empty without one."""
    return tag[1:].rpartition("}")[0] if tag.startswith("{") else ""


def local(tag: str) -> str:
    """lxml's `tag` without its namespace."""
    return tag.rpartition("}")[2]


def path(draft: Draft) -> str:
    """The elements from the message down to `draft`, or the part of the envelope that it is."""
    names: list[str] = []
    at: Draft | None = draft
    while at is not None and at.tag not in _ENVELOPE:
        names.append(short(at.tag))
        at = at.parent
    return "/".join(reversed(names)) or short(draft.tag)


def written(document: Draft) -> Element:
    """The root in `document` as a tree, with OpenADR's prefixes declared on it, and without a signature: it would be wrong.

    Raises InvalidData for opaque elements that have no canonical form.
    """
    (draft,) = document.children
    root = etree.Element(draft.tag, draft.attributes, nsmap=_PREFIXES)
    _fill(root, draft)
    return root


# Those of opaque elements come with them: lxml would replace their prefixes by ours, and a value may name a prefix.
_PREFIXES = {prefix: uri for prefix, uri in NAMESPACES.items() if prefix not in ("atom", "gml", "ds", "dsp")}


def _fill(element: Element, draft: Draft) -> None:
    if not draft.outline.places:
        # Nothing is not the same as no text: only where there is none the schema puts a fixed one.
        element.text = draft.text or None
    for each in draft.children:
        if each.tag == SIGNATURE:
            continue
        if each.outline.kind is Kind.OPAQUE and each.source is not None:
            element.append(parse(read_opaque(each.source).encode()))
        else:
            _fill(etree.SubElement(element, each.tag, each.attributes), each)


@cache
def outline(struct: type[Value]) -> Outline:
    """The outline of `struct`."""
    return _holder(plan(struct).items, tuple(clark(each.name) for each in plan(struct).attributes))


def _holder(items: Iterable[Item], attributes: tuple[str, ...] = ()) -> Outline:
    places: dict[str, Place] = {}
    by_type: dict[str, str] = {}
    for rank, item in enumerate(items):
        match item:
            case Wrapper():
                places[clark(item.name)] = Place(rank=rank, outline=_holder(item.items))
            case Slot():
                own = {clark(member.steps[0]): Place(rank=rank, outline=_inside(member)) for member in item.members}
                places |= own
                if len(own) > 1:
                    by_type |= {f"{local(tag)}type".casefold(): tag for tag in own}
    # Four elements have this type.
    by_type.pop("currencytype", None)
    return _outline(places, by_type, attributes)


def _inside(member: Member) -> Outline:
    found = outline(member.struct) if member.struct is not None else Outline(kind=member.kind)
    for step in reversed(member.steps[1:]):
        found = _outline({clark(step): Place(rank=0, outline=found)})
    return found


def _outline(
    places: Mapping[str, Place], by_type: Mapping[str, str] | None = None, attributes: tuple[str, ...] = ()
) -> Outline:
    locals_ = [local(tag) for tag in places]
    return Outline(
        places=places,
        by_local={local(tag): tag for tag in places if locals_.count(local(tag)) == 1},
        by_type=by_type or {},
        attributes=attributes,
    )


MESSAGES: Mapping[str, Place] = {clark(each.xml): Place(rank=0, outline=outline(each)) for each in PAYLOADS}
"""The payloads by the name of their element."""

_SIGNED = _outline(MESSAGES, attributes=(ID,))
_PAYLOAD = _outline(
    {
        SIGNATURE: Place(rank=0, outline=Outline(kind=Kind.OPAQUE)),
        SIGNED_OBJECT: Place(rank=1, outline=_SIGNED),
    }
)
DOCUMENT = _outline({PAYLOAD: Place(rank=0, outline=_PAYLOAD)})
"""What holds the root."""

_ENVELOPE = ("", PAYLOAD, SIGNED_OBJECT)
