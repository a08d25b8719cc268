"""Green Button feeds as a program hands them in: an atom feed with what ESPI has in it, as text."""

from __future__ import annotations

import re
from datetime import datetime

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.messages import UpdateReport
from openadr_ra.protocol.model import ReportRequestId, RequestId, SpecifierId
from openadr_ra.protocol.parts import GreenButtonPayload, Interval, Report
from openadr_ra.protocol.shape import Opaque
from openadr_ra.wire.codec import encode_checked
from openadr_ra.wire.values import escape, write_opaque

MAX_CHARACTERS = 2 * 1024 * 1024
"""Of one feed. With its envelope and signature it must fit into a message, for which most VTNs have 4 MiB."""

_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>\s*")


def checked(text: str, at: datetime) -> Opaque:
    """The feed as it is carried, in canonical form. Raises InvalidData for what no schema-valid message could hold."""
    if len(text) > MAX_CHARACTERS:
        raise InvalidData(f"the feed has {len(text)} characters; at most {MAX_CHARACTERS} go into a message")
    declaration = _DECLARATION.match(text)
    feed = Opaque(write_opaque(Opaque(text[declaration.end() :] if declaration else text.strip()), "atom:feed"))
    interval = Interval(start=at, payloads=(GreenButtonPayload(feed=feed),))
    report = Report(
        start=at,
        intervals=(interval,),
        request_id=ReportRequestId("r"),
        specifier_id=SpecifierId("greenbutton"),
        created=at,
    )
    encode_checked(UpdateReport(request_id=RequestId("r"), reports=(report,)))
    return feed


def described(resource: str, at: datetime) -> Opaque:
    """A feed without values that says whose they are: what METADATA has in place of a unit."""
    name = escape(resource)
    text = (
        '<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:openadr-ra:greenbutton:{name}</id><title>Green Button, {name}</title>"
        f"<updated>{at:%Y-%m-%dT%H:%M:%SZ}</updated></feed>"
    )
    return Opaque(write_opaque(Opaque(text), "atom:feed"))
