"""Every value that the schema lists is one that a VTN takes."""

from __future__ import annotations

from conformance import template
from conformance.case import case, expect_code, expect_kind
from conformance.play import utc
from conformance.play_ven import described, metadata, metadata_report
from conformance.tested import Vtn

REPORT_TYPES = (
    *("reading", "usage", "demand", "setPoint", "deltaUsage", "deltaSetPoint", "deltaDemand", "baseline", "deviation"),
    *("avgUsage", "avgDemand", "operatingState", "upRegulationCapacityAvailable", "downRegulationCapacityAvailable"),
    *("regulationSetpoint", "storedEnergy", "targetEnergyStorage", "availableEnergyStorage", "price", "level"),
    *("powerFactor", "percentUsage", "percentDemand", "x-resourceStatus", "x-ourOwn"),
)
READING_TYPES = (
    *("Direct Read", "Net", "Allocated", "Estimated", "Summed", "Derived", "Mean", "Peak", "Hybrid", "Contract"),
    *("Projected", "x-RMS", "x-notApplicable", "x-ourOwn"),
)
SCALES = ("p", "n", "micro", "m", "c", "d", "k", "M", "G", "T", "none")

UNITS = (
    ("power:voltage", "Voltage", "V", ""),
    ("power:energyReal", "RealEnergy", "Wh", ""),
    ("power:energyApparent", "ApparentEnergy", "VAh", ""),
    ("power:energyReactive", "ReactiveEnergy", "VARh", ""),
    ("power:powerReal", "RealPower", "W", "ac"),
    ("power:powerReal", "RealPower", "J/s", "ac"),
    ("power:powerApparent", "ApparentPower", "VA", "ac"),
    ("power:powerReactive", "ReactivePower", "VAR", "ac"),
    ("oadr:current", "Current", "A", ""),
    ("oadr:frequency", "Frequency", "Hz", ""),
    ("oadr:Therm", "Therm", "thm", ""),
    ("oadr:temperature", "temperature", "celsius", ""),
    ("oadr:temperature", "temperature", "fahrenheit", ""),
    ("oadr:currency", "currency", "JPY", ""),
    ("oadr:currencyPerKW", "currencyPerKW", "USD", ""),
    ("oadr:currencyPerKWh", "currencyPerKWh", "EUR", ""),
    ("oadr:customUnit", "anything", "pieces", ""),
)
"""(element, itemDescription, itemUnits, "ac" where powerAttributes belong to it)."""


def unit_of(element: str, description: str, units: str, more: str, *, scale: str = "none") -> str:
    """An itemBase; its children have the namespace of the element."""
    prefix = element.split(":")[0]
    attributes = (
        "<power:powerAttributes><power:hertz>50</power:hertz><power:voltage>200</power:voltage>"
        "<power:ac>true</power:ac></power:powerAttributes>"
    )
    return (
        f"<{element}><{prefix}:itemDescription>{description}</{prefix}:itemDescription>"
        f"<{prefix}:itemUnits>{units}</{prefix}:itemUnits><scale:siScaleCode>{scale}</scale:siScaleCode>"
        f"{attributes if more else ''}</{element}>"
    )


async def _offers(vtn: Vtn, descriptions: str) -> None:
    """An x- report of these points, beside what every VEN offers, is registered."""
    ven = await vtn.registered()
    reports = metadata() + metadata_report("more", "x-MORE", descriptions)
    reply = await ven.say("oadrRegisterReport", reports=reports)
    expect_kind(reply, "oadrRegisteredReport")
    expect_code(reply, "200")


@case(
    "vtn.schema.report-types",
    rules=("46", "331"),
    says="Every reportType of the schema may be offered in a report of one's own.",
    sends="METADATA with an x- report that has a point of each reportType",
    expects="oadrRegisteredReport 200",
)
async def report_types(vtn: Vtn) -> None:
    unit = template.fill("powerReal", scale="none")
    await _offers(vtn, "".join(described(f"p{n}", kind, unit, "Direct Read") for n, kind in enumerate(REPORT_TYPES)))


@case(
    "vtn.schema.reading-types",
    rules=("46", "331"),
    says="Every readingType of the schema may be offered in a report of one's own.",
    sends="METADATA with an x- report that has a point of each readingType",
    expects="oadrRegisteredReport 200",
)
async def reading_types(vtn: Vtn) -> None:
    unit = template.fill("energyReal", scale="none")
    await _offers(vtn, "".join(described(f"p{n}", "usage", unit, kind) for n, kind in enumerate(READING_TYPES)))


@case(
    "vtn.schema.units",
    rules=("46", "331"),
    says="Every unit of the schema may be offered in a report of one's own, and none at all.",
    sends="METADATA with an x- report that has a point in each unit",
    expects="oadrRegisteredReport 200",
)
async def units(vtn: Vtn) -> None:
    made = ["", *(unit_of(*one) for one in UNITS)]
    made.append(
        "<oadr:pulseCount><oadr:itemDescription>pulse count</oadr:itemDescription><oadr:itemUnits>count</oadr:itemUnits>"
        "<oadr:pulseFactor>1000</oadr:pulseFactor></oadr:pulseCount>"
    )
    await _offers(vtn, "".join(described(f"p{n}", "usage", unit, "Direct Read") for n, unit in enumerate(made)))


@case(
    "vtn.schema.scales",
    rules=("46",),
    says="Every siScaleCode of the schema may be offered.",
    sends="METADATA with an x- report that has a point in each scale",
    expects="oadrRegisteredReport 200",
)
async def scales(vtn: Vtn) -> None:
    made = (template.fill("powerReal", scale=scale) for scale in SCALES)
    await _offers(vtn, "".join(described(f"p{n}", "usage", unit, "Direct Read") for n, unit in enumerate(made)))


@case(
    "vtn.schema.time-forms",
    rules=("1", "46"),
    says="A time may have fractions of a second, and a duration any of its forms.",
    sends="METADATA whose createdDateTime has 1, 3 and 9 digits behind the point, and durations PT60M, P0DT1H, +PT3600S",
    expects="oadrRegisteredReport 200 to each",
)
async def time_forms(vtn: Vtn) -> None:
    ven = await vtn.registered()
    for digits, length in (("5", "PT60M"), ("250", "P0DT1H"), ("123456789", "+PT3600S"), ("0", "P1DT0S")):
        created = utc().replace("Z", f".{digits}Z")
        unit = template.fill("powerReal", scale="none")
        points = described("power", "usage", unit, "Direct Read")
        report = metadata_report("usage", "METADATA_TELEMETRY_USAGE", points, created=created, duration=length)
        status = described("status", "x-resourceStatus", "", "x-notApplicable")
        reports = report + metadata_report("status", "METADATA_TELEMETRY_STATUS", status)
        reply = await ven.say("oadrRegisterReport", reports=reports)
        expect_kind(reply, "oadrRegisteredReport")
        expect_code(reply, "200")


@case(
    "vtn.schema.opt-reasons",
    rules=("46",),
    says="Every optReason of the schema is understood.",
    sends="an availability schedule with each optReason",
    expects="oadrCreatedOpt 200 to each",
)
async def opt_reasons(vtn: Vtn) -> None:
    ven = await vtn.registered()
    named = ("economic", "emergency", "mustRun", "notParticipating", "outageRunStatus", "overrideStatus")
    for number, reason in enumerate((*named, "participating", "x-schedule", "x-ourOwn")):
        span = template.fill("span", start=utc(plus_s=3600), duration="PT10M", more="")
        reply = await ven.say(
            "oadrCreateOpt",
            opt_id=f"reason-{number}",
            opt="optOut",
            reason=reason,
            availability=template.fill("availability", spans=span),
            target="",
        )
        expect_kind(reply, "oadrCreatedOpt")
        expect_code(reply, "200")
