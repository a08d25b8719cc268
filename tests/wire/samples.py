"""Messages and pieces of XML that several tests here start from."""

from __future__ import annotations

from openadr_ra.protocol.shape import NAMESPACES, Opaque

DECLARATIONS = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())

FEATURES = Opaque(
    '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml/3.2"><gml:location><gml:Polygon><gml:exterior>'
    "<gml:LinearRing><gml:posList>35.68 139.76 35.69 139.76 35.69 139.77 35.68 139.76</gml:posList></gml:LinearRing>"
    "</gml:exterior></gml:Polygon></gml:location></gml:FeatureCollection>"
)

FEED = Opaque(
    '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed:1</id><title>Usage &amp; co</title>'
    "<updated>2026-01-01T00:00:00Z</updated><entry><id>urn:entry:1</id><title>Reading</title><content>"
    '<espi:IntervalReading xmlns:espi="http://naesb.org/espi"><espi:value>974</espi:value></espi:IntervalReading>'
    "</content><updated>2026-01-01T00:00:00Z</updated></entry></feed>"
)


def envelope(payload: str, declarations: str = DECLARATIONS) -> bytes:
    """`payload`, an element as text, as an oadrPayload."""
    return (
        f"<oadr:oadrPayload {declarations}><oadr:oadrSignedObject>{payload}</oadr:oadrSignedObject></oadr:oadrPayload>"
    ).encode()


def poll(ven_id: str = "ven-1") -> bytes:
    """An oadrPoll whose venID holds `ven_id`, as XML."""
    return envelope(f'<oadr:oadrPoll ei:schemaVersion="2.0b"><ei:venID>{ven_id}</ei:venID></oadr:oadrPoll>')


def report(
    *,
    value: str = "1.5",
    start: str = "2026-01-01T00:00:00Z",
    duration: str = "PT1M",
    quality: str = "Quality Good - Non Specific",
    confidence: str = "100",
) -> bytes:
    """An oadrUpdateReport with one value, each part given as it shall stand in the XML."""
    return envelope(
        f"<oadr:oadrUpdateReport><pyld:requestID>r</pyld:requestID><oadr:oadrReport><strm:intervals><ei:interval>"
        f"<xcal:dtstart><xcal:date-time>{start}</xcal:date-time></xcal:dtstart>"
        f"<xcal:duration><xcal:duration>{duration}</xcal:duration></xcal:duration>"
        f"<oadr:oadrReportPayload><ei:rID>p</ei:rID><ei:confidence>{confidence}</ei:confidence>"
        f"<ei:payloadFloat><ei:value>{value}</ei:value></ei:payloadFloat>"
        f"<oadr:oadrDataQuality>{quality}</oadr:oadrDataQuality></oadr:oadrReportPayload></ei:interval></strm:intervals>"
        f"<ei:reportRequestID>q</ei:reportRequestID><ei:reportSpecifierID>s</ei:reportSpecifierID>"
        f"<ei:createdDateTime>2026-01-01T00:00:00Z</ei:createdDateTime></oadr:oadrReport></oadr:oadrUpdateReport>"
    )


def register_report(*, unit: str = "", subject: str = "") -> bytes:
    """An oadrRegisterReport that offers one point, with the XML of its unit and of its reportSubject."""
    return envelope(
        f"<oadr:oadrRegisterReport><pyld:requestID>r</pyld:requestID><oadr:oadrReport><oadr:oadrReportDescription>"
        f"<ei:rID>p</ei:rID>{subject}<ei:reportType>usage</ei:reportType>{unit}"
        f"<ei:readingType>Direct Read</ei:readingType></oadr:oadrReportDescription>"
        f"<ei:reportRequestID>0</ei:reportRequestID><ei:reportSpecifierID>s</ei:reportSpecifierID>"
        f"<ei:createdDateTime>2026-01-01T00:00:00Z</ei:createdDateTime></oadr:oadrReport></oadr:oadrRegisterReport>"
    )
