"""Messages of peers that do not keep to the schema, as far as it is certain what they mean.

    in: bytes → `parse` → `repair` → `codec.read` → Message          what the schema takes is not touched
    signed:     `parse` → `signature.verify` → `repaired` → `codec.read`

Repairing comes before the schema and does not replace it: what is read is schema-valid, whoever sent it. A signature is
verified in the tree as it was sent, which nothing here changes; what is repaired afterwards is made of the verified element
alone, and of nothing that stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import InvalidData, WireError
from openadr_ra.protocol.messages import Message
from openadr_ra.wire import schema
from openadr_ra.wire.canonical import SIGNATURE
from openadr_ra.wire.codec import Plain, Verified, read
from openadr_ra.wire.draft import DOCUMENT, SPACE, XSI, Draft, drafted, open_up, path, written
from openadr_ra.wire.names import short
from openadr_ra.wire.parse import NOT_RECOGNIZED, one_line, parse
from openadr_ra.wire.plan import Kind
from openadr_ra.wire.repairs import ATTRIBUTES, HOLDERS, LEAVES, PARTS, REQUEST_ID, Repair

MAX_WARNINGS = 32
"""Different ones of one message; the rest is counted together."""

MAX_DETAIL_CHARACTERS = 120

MAX_ELEMENTS = 20_000
"""Of a message that is repaired: about 2,500 report values. Repairs take 5 µs for each, and hold up everyone else meanwhile;
and lxml compares each declaration in an opaque element with each element there."""

MAX_NAMESPACES = 64
"""Declarations in scope at one place of what is repaired. Peers that declare all of OpenADR's have 16."""

MAX_ATTRIBUTES = 16
"""Of one element of what is repaired; OpenADR's have one."""

MAX_NAMESPACE_CHARACTERS = 256
"""Of a namespace's name, which becomes a part of the name of each element in it. OpenADR's have up to 66."""

V = TypeVar("V", bound=Verified)


class InteropWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A repair that a message needed: its name in the table, the element, a few words; `count` times in that message.

    There are no ids and no measured values in it, only names and words of the kind that was repaired.
    """

    repair: str
    path: str
    detail: str
    count: int = 1


def decode_lenient(body: bytes) -> tuple[Message, tuple[InteropWarning, ...]]:
    """As `codec.decode`, of a `body` that may need repairs, with what they were. The same errors."""
    root, warnings = repair(parse(body))
    return read(Plain(schema.signed_object(root))), warnings


def repair(root: Element) -> tuple[Element, tuple[InteropWarning, ...]]:
    """`root` if the schema accepts it; otherwise a repaired copy, which it does accept. `root` stays as it is.

    Raises WireError for what is still refused, with what is wrong after the repairs; InvalidData for opaque elements that
    have no canonical form.
    """
    if _is_valid(root):
        return root, ()
    mended, warnings = mend(root)
    schema.validate(mended)
    return mended, warnings


def repaired(verified: V) -> tuple[V, tuple[InteropWarning, ...]]:
    """As `repair`, of the element that was verified, and of nothing else that came with it."""
    root = verified.element.getroottree().getroot()
    if _is_valid(root) and schema.signed_object(root) is verified.element:
        return verified, ()
    # A signature is there for its place alone: it is not looked into, and not in the copy.
    children = [drafted(each) for each in root if each is verified.element or each.tag == SIGNATURE]
    document = _document(Draft(tag=schema.PAYLOAD, children=children), root)
    warnings = _mend(document)
    copy = written(document)
    schema.validate(copy)
    return msgspec.structs.replace(verified, element=schema.signed_object(copy)), warnings


def mend(root: Element) -> tuple[Element, tuple[InteropWarning, ...]]:
    """All repairs that `root` needs, in a copy; `root` itself if it needs none. The schema is not asked.

    The copy has no signature. Time grows with the size of the tree and no faster.
    Raises WireError for what has no place in OpenADR; else as `repair`.
    """
    document = _document(drafted(root), root)
    warnings = _mend(document)
    return (written(document), warnings) if warnings else (root, ())


def _is_valid(root: Element) -> bool:
    try:
        schema.validate(root)
    except WireError:
        return False
    return True


def _document(draft: Draft, root: Element) -> Draft:
    """What holds `draft`, which is made of the tree of `root`. Raises WireError for a tree that would take too long."""
    if _HAS_MORE_ELEMENTS(root, than=MAX_ELEMENTS):
        raise _refusal(f"more than {MAX_ELEMENTS} elements are too many to repair")
    in_scope = 0
    for event, declared in etree.iterwalk(root, events=("start-ns", "end-ns")):
        in_scope += 1 if event == "start-ns" else -1
        if in_scope > MAX_NAMESPACES:
            raise _refusal(f"more than {MAX_NAMESPACES} namespace declarations are in scope")
        if declared is not None and len(declared[1]) > MAX_NAMESPACE_CHARACTERS:
            raise _refusal(f"the name of a namespace has more than {MAX_NAMESPACE_CHARACTERS} characters")
    return Draft(tag="", outline=DOCUMENT, children=[draft])


def _mend(document: Draft) -> tuple[InteropWarning, ...]:
    ledger = _Ledger()
    _visit_holder(document, ledger)
    return ledger.warnings()


def _visit(element: Draft, ledger: _Ledger) -> None:
    """Repair `element`, and what is in it."""
    kind = element.outline.kind
    if kind is Kind.OPAQUE:
        return
    if kind is Kind.EMPTY:
        # The schema lets anything stand in it, and nothing is read from it.
        element.attributes, element.text = {}, ""
        return
    if len(element.attributes) > MAX_ATTRIBUTES:
        raise _refusal(f"{short(element.tag)} has more than {MAX_ATTRIBUTES} attributes", short(element.tag))
    if element.attributes:
        ledger.run(ATTRIBUTES, element)
        _refuse_attributes(element)
    if kind is Kind.STRUCT:
        _visit_holder(element, ledger)
        return
    if element.source is not None and len(element.source):
        raise _refusal(f"{short(element.tag)} holds elements", short(element.tag))
    ledger.run(LEAVES.get(kind, ()), element)


def _visit_holder(element: Draft, ledger: _Ledger) -> None:
    open_up(element)
    ledger.run(HOLDERS, element)
    if element.text.strip(SPACE):
        raise _refusal(f"{short(element.tag)} holds text between its elements", short(element.tag))
    for each in element.children:
        place = element.outline.places.get(each.tag)
        if place is None:
            raise _misplaced(each, element)
        each.outline = place.outline
        each.parent = element
        _visit(each, ledger)
    ledger.run((*PARTS.get(element.tag, ()), REQUEST_ID), element)


def _refuse_attributes(element: Draft) -> None:
    for name in element.attributes:
        if name not in element.outline.attributes and name != f"{XSI}nil":
            raise _refusal(f"{short(element.tag)} has the attribute {one_line(short(name))}", short(element.tag))


def _misplaced(element: Draft, parent: Draft) -> WireError:
    name = one_line(short(element.tag))
    match parent.tag:
        case "":
            return WireError(f"the root is {name}, not oadr:oadrPayload", code=NOT_RECOGNIZED, element=name)
        case schema.SIGNED_OBJECT:
            return WireError(f"{name} is no payload of OpenADR 2.0b", code=NOT_RECOGNIZED, element=name)
        case _:
            return _refusal(f"{name} stands in {short(parent.tag)}", name)


def _refusal(reason: str, element: str = "") -> WireError:
    why = f"not schema-valid, and not certain what is meant: {reason}"
    return WireError(why, code=InvalidData.code, element=element)


class _Ledger:
    """What was repaired, and how often."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str, str], int] = {}
        self._more = 0

    def run(self, repairs: Iterable[Repair], element: Draft) -> None:
        """Let each of `repairs` do its work on `element`, and note what it says."""
        for each in repairs:
            for detail in each.mend(element):
                self._note((each.name, path(element), detail[:MAX_DETAIL_CHARACTERS]))

    def warnings(self) -> tuple[InteropWarning, ...]:
        """In the order in which they were first met."""
        listed = tuple(
            InteropWarning(repair=name, path=place, detail=detail, count=count)
            for (name, place, detail), count in self.found.items()
        )
        if not self._more:
            return listed
        return (*listed, InteropWarning(repair="more", path="", detail="further repairs, not listed", count=self._more))

    def _note(self, key: tuple[str, str, str]) -> None:
        if key in self.found or len(self.found) < MAX_WARNINGS:
            self.found[key] = self.found.get(key, 0) + 1
        else:
            self._more += 1


_HAS_MORE_ELEMENTS = etree.XPath("count(//*) > $than")
