"""Others verify what we sign, and we verify what others sign: signxml, openleadr on top of it, and xmlsec."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import pytest
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.net.ca import KEY_KINDS, KeyKind
from openadr_ra.net.tls import Chain
from openadr_ra.protocol.messages import CreateOpt, Message, Poll, UpdateReport
from openadr_ra.protocol.model import ReportRequestId, RequestId, SpecifierId, VenId
from openadr_ra.protocol.parts import GreenButtonPayload, Interval, Report
from openadr_ra.wire.canonical import Style
from openadr_ra.wire.codec import decode
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signing import Signer, sign
from tests.wire.samples import FEED
from tests.wire.sealing import NONCE, NOON, POLL, accepted, changed, received

signxml = pytest.importorskip("signxml", reason="it comes with openleadr")
xmlsec = pytest.importorskip("xmlsec", reason="xmlsec is not installed, or not for the libxml2 that lxml has")
messaging = pytest.importorskip("openleadr.messaging")

STYLES: tuple[Style, ...] = ("id", "enveloped")
RECORDED = Path(__file__).parent / "xmldsig"

WITH_A_FEED = UpdateReport(
    request_id=RequestId('r & "s" <t>\r\n\t'),
    reports=(
        Report(
            intervals=(Interval(payloads=(GreenButtonPayload(feed=FEED),)),),
            request_id=ReportRequestId("電力 🔋"),
            specifier_id=SpecifierId("s"),
            created=NOON,
        ),
    ),
)
MESSAGES = {
    "poll": POLL,
    "feed": WITH_A_FEED,
    **{
        name: decode((Path(__file__).parent / "captures/accepted" / f"{name}.xml").read_bytes())
        for name in ("epri-RegisterReport", "openleadr-DistributeEvent", "anl-CreateOpt")
    },
}
