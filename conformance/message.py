"""A message as it went over the wire: its bytes, and what can be read from them by path."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from lxml import etree

NAMESPACES = {
    "oadr": "http://openadr.org/oadr-2.0b/2012/07",
    "ei": "http://docs.oasis-open.org/ns/energyinterop/201110",
    "pyld": "http://docs.oasis-open.org/ns/energyinterop/201110/payloads",
    "emix": "http://docs.oasis-open.org/ns/emix/2011/06",
    "power": "http://docs.oasis-open.org/ns/emix/2011/06/power",
    "scale": "http://docs.oasis-open.org/ns/emix/2011/06/siscale",
    "xcal": "urn:ietf:params:xml:ns:icalendar-2.0",
    "strm": "urn:ietf:params:xml:ns:icalendar-2.0:stream",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "dsp": "http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}

SERVICES = {
    "oadrPoll": "OadrPoll",
    "oadrRequestEvent": "EiEvent",
    "oadrDistributeEvent": "EiEvent",
    "oadrCreatedEvent": "EiEvent",
    "oadrQueryRegistration": "EiRegisterParty",
    "oadrCreatePartyRegistration": "EiRegisterParty",
    "oadrCreatedPartyRegistration": "EiRegisterParty",
    "oadrCancelPartyRegistration": "EiRegisterParty",
    "oadrCanceledPartyRegistration": "EiRegisterParty",
    "oadrRequestReregistration": "EiRegisterParty",
    "oadrRegisterReport": "EiReport",
    "oadrRegisteredReport": "EiReport",
    "oadrCreateReport": "EiReport",
    "oadrCreatedReport": "EiReport",
    "oadrUpdateReport": "EiReport",
    "oadrUpdatedReport": "EiReport",
    "oadrCancelReport": "EiReport",
    "oadrCanceledReport": "EiReport",
    "oadrCreateOpt": "EiOpt",
    "oadrCreatedOpt": "EiOpt",
    "oadrCancelOpt": "EiOpt",
    "oadrCanceledOpt": "EiOpt",
}
"""The service to which a payload is posted; oadrResponse goes to that of what it answers."""

Path = str
"""An XPath from the payload element, with the prefixes of NAMESPACES whatever prefixes the message uses."""

Sender = Literal["subject", "harness"]

Element = etree._Element  # noqa: SLF001 - lxml gives it no public name

_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
)
"""Comments are no part of a text that they stand in."""


@lru_cache(maxsize=4096)
def _compiled(path: Path) -> etree.XPath:
    return etree.XPath(path, namespaces=NAMESPACES)


class Message:
    """The body of a request or of its answer. An empty body, or one that is no XML, has no `kind`.

    `problem` says why there is nothing to read: "" if there is.
    """

    __slots__ = ("headers", "payload", "problem", "raw", "root", "sender")

    def __init__(self, raw: bytes, *, sender: Sender, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.raw = raw
        self.sender: Sender = sender
        self.headers = tuple(headers)
        self.root: Element | None = None
        self.payload: Element | None = None
        self.problem = ""
        if not raw:
            self.problem = "there is no body"
            return
        try:
            self.root = etree.fromstring(raw, _PARSER)
        except (etree.XMLSyntaxError, ValueError) as error:
            self.problem = f"not XML: {error}"
            return
        found = self.root.find("oadr:oadrSignedObject/*", NAMESPACES)
        if found is None:
            self.problem = f"no payload in oadrPayload/oadrSignedObject, but {etree.QName(self.root).localname}"
        self.payload = found

    @property
    def kind(self) -> str:
        """The payload element's name, such as oadrDistributeEvent."""
        return "" if self.payload is None else str(etree.QName(self.payload).localname)

    @property
    def signed(self) -> bool:
        """Does it carry a ds:Signature?"""
        return self.root is not None and self.root.find("ds:Signature", NAMESPACES) is not None

    def all(self, path: Path) -> tuple[Element, ...]:
        """The elements at `path`."""
        if self.payload is None:
            return ()
        found = _compiled(path)(self.payload)
        return tuple(one for one in found if isinstance(one, Element)) if isinstance(found, list) else ()

    def texts(self, path: Path) -> tuple[str, ...]:
        """The texts of the elements at `path`, stripped."""
        return tuple((one.text or "").strip() for one in self.all(path))

    def text(self, path: Path) -> str | None:
        """The text of the first element at `path`; None without one."""
        return next(iter(self.texts(path)), None)

    def has(self, path: Path) -> bool:
        return bool(self.all(path))

    @property
    def code(self) -> str:
        """The responseCode of the payload's own eiResponse; "" without one."""
        return self.text("./ei:eiResponse/ei:responseCode | ./ei:eiCreatedEvent/ei:eiResponse/ei:responseCode") or (
            self.text("./pyld:eiCreatedEvent/ei:eiResponse/ei:responseCode") or ""
        )

    @property
    def request_id(self) -> str:
        """The requestID of the payload: of its eiResponse where it has one, else its own; "" without."""
        return self.text("./ei:eiResponse/pyld:requestID") or self.text("./pyld:requestID") or ""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def line_of(self, path: Path) -> int | None:
        """The line on which the element at `path` stands in `pretty`; None where there is none."""
        if self.root is None or not (found := self.all(path)):
            return None
        again = etree.fromstring(self.pretty.encode(), _PARSER)
        spot = self.root.getroottree().getelementpath(found[0])
        element = again if spot == "." else again.find(str(spot))
        line: object = None if element is None else element.sourceline
        return line if isinstance(line, int) else None

    @property
    def pretty(self) -> str:
        """Indented for people; the bytes as they are where they are no XML."""
        if self.root is None:
            return self.raw.decode(errors="replace")
        tree = etree.fromstring(self.raw, etree.XMLParser(remove_blank_text=True, resolve_entities=False))
        return etree.tostring(tree, pretty_print=True, encoding="unicode")
