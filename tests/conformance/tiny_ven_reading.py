"""How the tiny VEN reads what comes, and how careless readers do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from lxml import etree

from conformance import http, template
from conformance.http import Headers
from conformance.message import NAMESPACES, Message
from tests.conformance.ven_wrongs import Flaw, Switch, Unread

Wrong = Callable[[Switch], bool]


def read(raw: bytes, headers: Headers, flaws: Sequence[Flaw], wrong: Wrong) -> Message:
    """The message in a body; one without a kind if there is none. A document type is no part of any message."""
    nothing = Message(b"", sender="harness", headers=headers)
    if any(isinstance(one, Unread) and re.search(one.on.encode(), raw) for one in flaws):
        return nothing
    if wrong("takes what is no message"):
        return _naively(raw, headers) or nothing
    expands = wrong("expands entities")
    parser = etree.XMLParser(resolve_entities=expands, remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError):
        return nothing
    if b"<!DOCTYPE" in raw and not expands:
        return nothing
    if root.find("ds:Signature", NAMESPACES) is not None:
        return Message(raw, sender="harness", headers=headers)
    return Message(etree.tostring(root), sender="harness", headers=headers)


def _naively(raw: bytes, headers: Headers) -> Message | None:
    """Whoever looks for events anywhere finds some in what is no message."""
    parser = etree.XMLParser(recover=True, resolve_entities=False, remove_comments=True, remove_pis=True)
    root = etree.fromstring(raw.replace(b"oadr-2.0a", b"oadr-2.0b"), parser) if raw.strip() else None
    if root is None:
        return None
    event = root.find(".//oadr:oadrEvent", NAMESPACES)
    said = None if event is None else event.getparent()
    if said is None:
        return Message(raw, sender="harness", headers=headers)
    said.tag = f"{{{NAMESPACES['oadr']}}}oadrDistributeEvent"
    return Message(template.wrapped(etree.tostring(said).decode()), sender="harness", headers=headers)


async def fetched(raw: bytes) -> None:
    """Get what the entities of a document name, as a careless reader of XML does."""
    for found in re.findall(rb'SYSTEM "(http[^"]+)"', raw):
        parts = urlsplit(found.decode())
        headers = http.usual_headers(parts.netloc, b"")
        sent = http.request_bytes(parts.path, headers, b"", method="GET")
        await http.exchange(f"http://{parts.netloc}", (sent,), tls=None, within_s=1)
