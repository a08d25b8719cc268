"""Where a field lives in the XML, declared beside it.

    start: Annotated[datetime, at("xcal:properties/xcal:dtstart/xcal:date-time")]

Fields stand in schema order. The steps of a path are element names with the prefixes of `NAMESPACES`:

- `a/b`: `b` inside `a`; `a?/b`: `a` holds this one field and is written only when the field is. Where there is an `a`
  there is a `b`; `a?/b?` reads an empty `a` too;
- `@a:b`: an attribute of the element;
- `*` as the last step: the XSD's choice. The field is a union whose members are told apart by their element: structs by
  their class attribute `xml`, plain values by the `at(…)` of their own;
- a `tuple[T, ...]` repeats the last step, or the step marked `a*`;
- a field of type `None` is an element that is always there and always empty;
- `T | None` is minOccurs=0; so is a field with a default: an absent element means the default. So does an empty one where
  the default is text, which is what the schema says of its fixed values.
"""

from __future__ import annotations

from typing import ClassVar, NewType

import msgspec

NAMESPACES = {
    "oadr": "http://openadr.org/oadr-2.0b/2012/07",
    "ei": "http://docs.oasis-open.org/ns/energyinterop/201110",
    "pyld": "http://docs.oasis-open.org/ns/energyinterop/201110/payloads",
    "emix": "http://docs.oasis-open.org/ns/emix/2011/06",
    "power": "http://docs.oasis-open.org/ns/emix/2011/06/power",
    "scale": "http://docs.oasis-open.org/ns/emix/2011/06/siscale",
    "xcal": "urn:ietf:params:xml:ns:icalendar-2.0",
    "strm": "urn:ietf:params:xml:ns:icalendar-2.0:stream",
    "gml": "http://www.opengis.net/gml/3.2",
    "atom": "http://www.w3.org/2005/Atom",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "dsp": "http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties",
}

Token = NewType("Token", str)
"""xs:token and xs:anyURI: white space collapsed. A `NewType` over it is an enumeration, open where the XSD has it open."""

Decimal = NewType("Decimal", float)
"""xs:decimal: written without an exponent."""

Opaque = NewType("Opaque", str)
"""One element with all that is in it, as text: validated, carried, not understood."""


class At(msgspec.Struct, frozen=True):
    """The place of a field in its element; made by `at`."""

    path: str


def at(path: str) -> At:
    """Declare where the annotated field lives; see the module's grammar."""
    return At(path)


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Base of every value: immutable, comparable, JSON for the store at no cost.

    `xml` is the element of a type that is a choice's member or a message; other types take the name from the field.
    """

    xml: ClassVar[str] = ""
