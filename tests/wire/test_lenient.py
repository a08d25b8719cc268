"""What peers send that the schema does not accept, and what is made of it: each repair by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from openadr_ra.errors import WireError
from openadr_ra.protocol import messages as m
from openadr_ra.protocol import model
from openadr_ra.wire.codec import decode
from openadr_ra.wire.lenient import InteropWarning, decode_lenient
from openadr_ra.wire.repairs import REPAIRS
from tests.wire.samples import DECLARATIONS
from tests.wire.untidy import (
    ASKING,
    CREATED,
    EVENT,
    KILOWATT_HOURS,
    KILOWATTS,
    POLL,
    REGISTRATION,
    WATTS,
    body,
    offer,
    readings,
)

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
BARE_POLL = f'<oadr:oadrPoll {DECLARATIONS} ei:schemaVersion="2.0b"><ei:venID>ven-1</ei:venID></oadr:oadrPoll>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message that one repair makes of a spoilt one: what it means after all, how it was spoilt, what is said of it."""

    repair: str
    meant: m.Message
    changes: tuple[tuple[str, str], ...] = ()
    spoilt: bytes = b""
    said: str
    at: str = ""
    count: int = field(default=1)

    def body(self) -> bytes:
        return self.spoilt or body(self.meant, *self.changes)


REPAIRED = (
    Case(
        repair="attribute-name",
        meant=POLL,
        changes=((" ei:schemaVersion", " schemaVersion"),),
        said="attribute schemaVersion read as ei:schemaVersion",
        at="oadr:oadrPoll",
    ),
    Case(
        repair="attribute-name",
        meant=POLL,
        changes=((" ei:schemaVersion", " oadr:schemaVersion"),),
        said="attribute oadr:schemaVersion read as ei:schemaVersion",
        at="oadr:oadrPoll",
    ),
    Case(
        repair="attribute-name",
        meant=POLL,
        changes=((' ei:schemaVersion="2.0b"', ' schemaVersion="2.0" ei:schemaVersion="2.0b"'),),
        said="attribute schemaVersion read as ei:schemaVersion",
        at="oadr:oadrPoll",
    ),
    Case(
        repair="attribute-name",
        meant=POLL,
        changes=(("<oadr:oadrSignedObject>", '<oadr:oadrSignedObject Id="signed">'),),
        said="attribute Id read as oadr:Id",
        at="oadr:oadrSignedObject",
    ),
    Case(
        repair="schema-version",
        meant=POLL,
        changes=(('"2.0b"', '"2.0"'),),
        said="schemaVersion 2.0 read as 2.0b",
        at="oadr:oadrPoll",
    ),
    Case(
        repair="idle-attribute",
        meant=CREATED,
        changes=(("<ei:eventID>event-1", '<ei:eventID xml:lang="en">event-1'),),
        said="attribute xml:lang passed over",
        at="oadr:oadrCreatedEvent/pyld:eiCreatedEvent/ei:eventResponses/ei:eventResponse/ei:qualifiedEventID/ei:eventID",
    ),
    Case(
        repair="idle-attribute",
        meant=REGISTRATION,
        changes=(("<oadr:oadrCreatePartyRegistration ", '<oadr:oadrCreatePartyRegistration firmware="7" '),),
        said="attribute firmware passed over",
        at="oadr:oadrCreatePartyRegistration",
    ),
    Case(
        repair="envelope",
        meant=POLL,
        spoilt=BARE_POLL.encode(),
        said="oadr:oadrPoll stood without oadr:oadrPayload",
    ),
    Case(
        repair="envelope",
        meant=POLL,
        spoilt=f"<oadr:oadrPayload {DECLARATIONS}>{BARE_POLL}</oadr:oadrPayload>".encode(),
        said="oadr:oadrPoll stood without oadr:oadrSignedObject",
        at="oadr:oadrPayload",
    ),
    Case(
        repair="envelope",
        meant=POLL,
        spoilt=f"<oadr:oadrSignedObject {DECLARATIONS}>{BARE_POLL}</oadr:oadrSignedObject>".encode(),
        said="oadr:oadrSignedObject stood without oadr:oadrPayload",
    ),
    Case(
        repair="namespace",
        meant=readings(3),
        changes=(("ei:payloadFloat>", "oadr:payloadFloat>"),),
        said="oadr:payloadFloat read as ei:payloadFloat",
        at="oadr:oadrUpdateReport/oadr:oadrReport/strm:intervals/ei:interval/oadr:oadrReportPayload",
        count=3,
    ),
    Case(
        repair="namespace",
        meant=POLL,
        changes=(("ei:venID>", "venID>"),),
        said="venID read as ei:venID",
        at="oadr:oadrPoll",
    ),
    Case(
        repair="type-name",
        meant=offer(WATTS),
        changes=(("power:powerReal>", "oadr:PowerRealType>"),),
        said="oadr:PowerRealType PowerRealType read as power:powerReal",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription",
    ),
    Case(
        repair="type-name",
        meant=offer(KILOWATT_HOURS),
        changes=(
            ("<power:energyReal>", f'<emix:itemBase {XSI} xsi:type="power:EnergyRealType" {DECLARATIONS}>'),
            ("</power:energyReal>", "</emix:itemBase>"),
            ("<oadr:oadrReportDescription>", f"<oadr:oadrReportDescription {DECLARATIONS}>"),
        ),
        said="emix:itemBase EnergyRealType read as power:energyReal",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription",
    ),
    Case(
        repair="nested-value",
        meant=ASKING,
        changes=(("<xcal:duration>PT15M</xcal:duration></ei:rep", "PT15M</ei:rep"),),
        said="text read as xcal:duration",
        at="oadr:oadrCreateReport/oadr:oadrReportRequest/ei:reportSpecifier/ei:reportBackDuration",
    ),
    Case(
        repair="nested-value",
        meant=ASKING,
        changes=(("<xcal:duration>PT1M</xcal:duration></xcal:gran", " PT1M </xcal:gran"),),
        said="text read as xcal:duration",
        at="oadr:oadrCreateReport/oadr:oadrReportRequest/ei:reportSpecifier/xcal:granularity",
    ),
    Case(
        repair="nested-value",
        meant=readings(1),
        changes=(("<ei:value>0.0</ei:value>", "0.0"),),
        said="text read as ei:value",
        at="oadr:oadrUpdateReport/oadr:oadrReport/strm:intervals/ei:interval/oadr:oadrReportPayload/ei:payloadFloat",
    ),
    Case(
        repair="unknown-element",
        meant=REGISTRATION,
        changes=(("<oadr:oadrProfileName>", '<v:serial xmlns:v="urn:v"><v:a/></v:serial><oadr:oadrProfileName>'),),
        said="{urn:v}serial passed over",
        at="oadr:oadrCreatePartyRegistration",
    ),
    Case(
        repair="unknown-element",
        meant=REGISTRATION,
        changes=(("<oadr:oadrProfileName>", "<oadr:oadrSerial>7</oadr:oadrSerial><oadr:oadrProfileName>"),),
        said="oadr:oadrSerial passed over",
        at="oadr:oadrCreatePartyRegistration",
    ),
    Case(
        repair="child-order",
        meant=POLL,
        changes=(
            (
                "</oadr:oadrSignedObject>",
                '</oadr:oadrSignedObject><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>',
            ),
        ),
        said="ds:Signature stood behind oadr:oadrSignedObject",
        at="oadr:oadrPayload",
    ),
    Case(
        repair="boolean",
        meant=REGISTRATION,
        changes=(("PullModel>true", "PullModel>True"),),
        said="True read as true",
        at="oadr:oadrCreatePartyRegistration/oadr:oadrHttpPullModel",
    ),
    Case(
        repair="boolean",
        meant=REGISTRATION,
        changes=(("ReportOnly>false", "ReportOnly>FALSE"),),
        said="FALSE read as false",
        at="oadr:oadrCreatePartyRegistration/oadr:oadrReportOnly",
    ),
    Case(
        repair="utc-offset",
        meant=readings(1),
        changes=(("ei:createdDateTime>2026-01-31T12:00:00Z", "ei:createdDateTime>2026-01-31T21:00:00+09:00"),),
        said="2026-01-31T21:00:00+09:00 is not in UTC",
        at="oadr:oadrUpdateReport/oadr:oadrReport/ei:createdDateTime",
    ),
    Case(
        repair="utc-offset",
        meant=readings(1),
        changes=(("ei:createdDateTime>2026-01-31T12:00:00Z", "ei:createdDateTime>2026-01-31T02:30:00.0-0930"),),
        said="2026-01-31T02:30:00.0-0930 is not in UTC",
        at="oadr:oadrUpdateReport/oadr:oadrReport/ei:createdDateTime",
    ),
    Case(
        repair="weeks",
        meant=EVENT,
        changes=(
            ("P35D</xcal:duration></xcal:duration></xcal:prop", "P5W</xcal:duration></xcal:duration></xcal:prop"),
        ),
        said="P5W read as P35D",
        at="oadr:oadrDistributeEvent/oadr:oadrEvent/ei:eiEvent/ei:eiActivePeriod/xcal:properties/xcal:duration/xcal:duration",
    ),
    Case(
        repair="space",
        meant=ASKING,
        changes=(("PT15M<", "\n  PT15M\n  <"),),
        said="white space round PT15M",
        at="oadr:oadrCreateReport/oadr:oadrReportRequest/ei:reportSpecifier/ei:reportBackDuration/xcal:duration",
    ),
    Case(
        repair="cancelled",
        meant=EVENT,
        changes=((">cancelled<", ">canceled<"),),
        said="canceled read as cancelled",
        at="oadr:oadrDistributeEvent/oadr:oadrEvent/ei:eiEvent/ei:eventDescriptor/ei:eventStatus",
    ),
    Case(
        repair="fraction",
        meant=ASKING,
        changes=(("PT15M<", "PT15M0.0S<"),),
        said="PT15M0.0S read as PT15M0S",
        at="oadr:oadrCreateReport/oadr:oadrReportRequest/ei:reportSpecifier/ei:reportBackDuration/xcal:duration",
    ),
    Case(
        repair="unit-description",
        meant=offer(WATTS),
        changes=((">RealPower<", ">Real Power<"),),
        said="Real Power read as RealPower",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/power:powerReal",
    ),
    Case(
        repair="unit-description",
        meant=offer(WATTS),
        changes=((">RealPower<", ">Meter in the cellar<"),),
        said="Meter in the cellar read as RealPower",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/power:powerReal",
    ),
    Case(
        repair="unit-description",
        meant=offer(model.CurrencyPerKwh()),
        changes=((">currencyPerKWh</oadr:itemD", "></oadr:itemD"),),
        said="nothing read as currencyPerKWh",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/oadr:currencyPerKWh",
    ),
    Case(
        repair="unit-description",
        meant=offer(WATTS),
        changes=(("<power:itemDescription>RealPower</power:itemDescription>", ""),),
        said="RealPower was missing",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/power:powerReal",
    ),
    Case(
        repair="unit-scale",
        meant=offer(WATTS),
        changes=(("<scale:siScaleCode>none</scale:siScaleCode>", ""),),
        said="no scale read as none",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/power:powerReal",
    ),
    Case(
        repair="unit-scale",
        meant=offer(WATTS),
        changes=((">none<", "><"),),
        said="no scale read as none",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/power:powerReal",
    ),
    Case(
        repair="unit-scale",
        meant=offer(KILOWATTS),
        changes=((">k<", ">K<"),),
        said="K read as k",
        at="oadr:oadrRegisterReport/oadr:oadrReport/oadr:oadrReportDescription/power:powerReal",
    ),
    Case(
        repair="metadata",
        meant=offer(None),
        changes=(("<ei:reportRequestID>0</ei:reportRequestID>", ""),),
        said="ei:reportRequestID was missing; 0 stands for it",
        at="oadr:oadrRegisterReport/oadr:oadrReport",
    ),
    Case(
        repair="components",
        meant=EVENT,
        changes=(("<xcal:components/>", ""),),
        said="xcal:components was missing",
        at="oadr:oadrDistributeEvent/oadr:oadrEvent/ei:eiEvent/ei:eiActivePeriod",
    ),
    Case(
        repair="request-id",
        meant=m.QueryRegistration(request_id=model.RequestId("")),
        changes=(("<pyld:requestID></pyld:requestID>", ""),),
        said="pyld:requestID was missing; an empty one stands for it",
        at="oadr:oadrQueryRegistration",
    ),
    Case(
        repair="request-id",
        meant=CREATED,
        changes=(("<pyld:requestID></pyld:requestID>", ""),),
        said="pyld:requestID was missing; an empty one stands for it",
        at="oadr:oadrCreatedEvent/pyld:eiCreatedEvent/ei:eiResponse",
    ),
    Case(
        repair="result",
        meant=CREATED,
        changes=(
            (
                "<ei:eiResponse><ei:responseCode>200</ei:responseCode><pyld:requestID></pyld:requestID></ei:eiResponse>",
                "",
            ),
        ),
        said="ei:eiResponse was missing; 200 stands for it",
        at="oadr:oadrCreatedEvent/pyld:eiCreatedEvent",
    ),
)


@pytest.mark.parametrize("case", REPAIRED, ids=[f"{at}-{case.repair}" for at, case in enumerate(REPAIRED)])
def test_what_can_only_be_meant_one_way_is_read_that_way_and_reported(case: Case) -> None:
    spoilt = case.body()
    with pytest.raises(WireError):
        decode(spoilt)

    message, warnings = decode_lenient(spoilt)

    assert message == case.meant
    assert warnings == (InteropWarning(repair=case.repair, path=case.at, detail=case.said, count=case.count),)


def test_every_repair_is_called_by_one_name_and_has_an_example_here() -> None:
    """The others change what is read, and have a test of their own each."""
    names = [repair.name for repair in REPAIRS]

    assert len(names) == len(set(names))
    assert set(names) == {case.repair for case in REPAIRED} | {"unit-prefix", "power-attributes", "unknown-opt"}
    assert all(repair.seen for repair in REPAIRS)


@pytest.mark.parametrize("message", [POLL, REGISTRATION, CREATED, offer(WATTS), readings(3), ASKING, EVENT])
def test_what_the_schema_accepts_is_read_as_it_is_and_nothing_is_said(message: m.Message) -> None:
    assert decode_lenient(body(message)) == (message, ())
