"""Every unit, every kind of target, and what is carried without being understood."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, WireError
from openadr_ra.protocol.messages import RegisterReport
from openadr_ra.protocol.model import (
    EnergyReal,
    Frequency,
    GreenButtonUnit,
    ItemBase,
    PowerAttributes,
    PowerReal,
    PulseCount,
    ScaleCode,
    Target,
    TransportInterface,
    Unit,
)
from openadr_ra.protocol.shape import Decimal, Opaque, Token, Value
from openadr_ra.wire.codec import decode, encode, encode_checked
from tests.wire import strategies
from tests.wire.samples import FEATURES, FEED, register_report

UNITS: tuple[type[Unit], ...] = get_args(ItemBase)


def unit_of(body: bytes) -> ItemBase | None:
    message = decode(body)
    assert isinstance(message, RegisterReport)
    assert decode(encode_checked(message)) == message
    return message.reports[0].descriptions[0].unit


def offering(unit: Value) -> RegisterReport:
    """An oadrRegisterReport that offers one point in `unit`."""
    message = decode(register_report())
    assert isinstance(message, RegisterReport)
    (report,) = message.reports
    (description,) = report.descriptions
    return replace(message, reports=(replace(report, descriptions=(replace(description, unit=unit),)),))


def subject_of(body: bytes) -> Target | None:
    message = decode(body)
    assert isinstance(message, RegisterReport)
    assert decode(encode_checked(message)) == message
    return message.reports[0].descriptions[0].subject


def element(name: str, units: str, description: str, scale: str = "<scale:siScaleCode>k</scale:siScaleCode>") -> str:
    prefix = name.partition(":")[0]
    return (
        f"<{name}><{prefix}:itemDescription>{description}</{prefix}:itemDescription>"
        f"<{prefix}:itemUnits>{units}</{prefix}:itemUnits>{scale}</{name}>"
    )


ATTRIBUTES = (
    "<scale:siScaleCode>k</scale:siScaleCode><power:powerAttributes><power:hertz>50</power:hertz>"
    "<power:voltage>6600.5</power:voltage><power:ac>true</power:ac></power:powerAttributes>"
)


@pytest.mark.parametrize(
    ("name", "units", "description"),
    [
        ("power:voltage", "V", "Voltage"),
        ("power:energyReal", "Wh", "RealEnergy"),
        ("power:energyApparent", "VAh", "ApparentEnergy"),
        ("power:energyReactive", "VARh", "ReactiveEnergy"),
        ("power:powerReal", "W", "RealPower"),
        ("power:powerReal", "J/s", "RealPower"),
        ("power:powerApparent", "VA", "ApparentPower"),
        ("power:powerReactive", "VAR", "ReactivePower"),
        ("oadr:current", "A", "Current"),
        ("oadr:frequency", "Hz", "Frequency"),
        ("oadr:Therm", "thm", "Therm"),
        ("oadr:temperature", "celsius", "temperature"),
        ("oadr:temperature", "fahrenheit", "temperature"),
        ("oadr:pulseCount", "count", "pulse count"),
        ("oadr:currency", "JPY", "currency"),
        ("oadr:currencyPerKW", "USD", "currencyPerKW"),
        ("oadr:currencyPerKWh", "EUR", "currencyPerKWh"),
        ("oadr:currencyPerThm", "JPY", "currency"),
        ("oadr:customUnit", "t/h", "Steam & <heat>"),
    ],
)
def test_each_unit_of_the_reference_is_read_and_written(name: str, units: str, description: str) -> None:
    """Section 2.10: the element names the type, and its parts are kept."""
    escaped = description.replace("&", "&amp;").replace("<", "&lt;")
    rest = (
        ATTRIBUTES
        if name.startswith("power:power")
        else "<oadr:pulseFactor>0.5</oadr:pulseFactor>"
        if name == "oadr:pulseCount"
        else "<scale:siScaleCode>k</scale:siScaleCode>"
    )
    unit = unit_of(register_report(unit=element(name, units, escaped, rest)))

    assert unit is not None
    assert not isinstance(unit, GreenButtonUnit)
    assert (type(unit).xml, unit.units, unit.description) == (name, units, description)
    if isinstance(unit, PulseCount):
        assert unit.factor == 0.5
    else:
        assert unit.scale == "k"


def test_there_is_a_type_for_each_member_of_item_base() -> None:
    """All that the schema has, and no two for one."""
    assert len({unit.xml for unit in UNITS}) == len(UNITS) == 18


@pytest.mark.parametrize("kind", UNITS, ids=lambda kind: kind.__name__)
@settings(max_examples=30)
@given(data=st.data())
def test_a_unit_survives_the_wire_and_is_schema_valid(kind: type[Unit], data: st.DataObject) -> None:
    unit = data.draw(strategies.values(kind))

    assert unit_of(encode(offering(unit))) == unit


def test_the_scale_codes_are_all_there() -> None:
    for code in ("p", "n", "micro", "m", "c", "d", "k", "M", "G", "T", "none"):
        body = element("oadr:frequency", "Hz", "Frequency", f"<scale:siScaleCode>{code}</scale:siScaleCode>")

        assert unit_of(register_report(unit=body)) == Frequency(scale=ScaleCode(Token(code)))


def test_the_attributes_of_a_power_are_kept_as_decimals() -> None:
    unit = unit_of(register_report(unit=element("power:powerReal", "W", "RealPower", ATTRIBUTES)))

    assert isinstance(unit, PowerReal)
    assert unit.attributes == PowerAttributes(hertz=Decimal(50.0), voltage=Decimal(6600.5), ac=True)


def test_a_description_that_the_schema_fixes_may_be_left_empty() -> None:
    """A deployed VEN does so; the schema says that the fixed text is meant."""
    assert unit_of(register_report(unit=element("power:energyReal", "Wh", ""))) == EnergyReal()


def test_a_point_may_have_no_unit() -> None:
    assert unit_of(register_report()) is None


def test_each_kind_of_target_is_read_and_written() -> None:
    """Section 2.1: in the schema's order, each any number of times."""
    target = subject_of(
        register_report(
            subject="<ei:reportSubject>"
            "<power:aggregatedPnode><power:node>a1</power:node></power:aggregatedPnode>"
            "<power:aggregatedPnode><power:node>a2</power:node></power:aggregatedPnode>"
            "<power:endDeviceAsset><power:mrid>Storage</power:mrid></power:endDeviceAsset>"
            "<power:meterAsset><power:mrid>m1</power:mrid></power:meterAsset>"
            "<power:pnode><power:node>p1</power:node></power:pnode>"
            f"<emix:serviceArea>{FEATURES}</emix:serviceArea>"
            "<power:serviceDeliveryPoint><power:node>d1</power:node></power:serviceDeliveryPoint>"
            f"<power:serviceLocation>\n {FEATURES}\n </power:serviceLocation>"
            "<power:transportInterface><power:pointOfReceipt>r1</power:pointOfReceipt>"
            "<power:pointOfDelivery>d1</power:pointOfDelivery></power:transportInterface>"
            "<ei:groupID>g1</ei:groupID><ei:groupName>n1</ei:groupName><ei:resourceID>r1</ei:resourceID>"
            "<ei:resourceID>r2</ei:resourceID><ei:venID>v1</ei:venID><ei:partyID>y1</ei:partyID></ei:reportSubject>"
        )
    )

    assert target is not None
    assert (target.aggregated_pnodes, target.device_classes, target.meters) == (("a1", "a2"), ("Storage",), ("m1",))
    assert (target.pnodes, target.delivery_points, target.groups) == (("p1",), ("d1",), ("g1",))
    assert (target.service_areas, target.service_locations) == ((FEATURES,), (FEATURES,))
    assert target.transport_interfaces == (TransportInterface(receipt="r1", delivery="d1"),)
    assert (target.group_names, target.resources, target.vens, target.parties) == (
        ("n1",),
        ("r1", "r2"),
        ("v1",),
        ("y1",),
    )


def test_an_empty_target_is_not_the_absence_of_one() -> None:
    assert subject_of(register_report(subject="<ei:reportSubject/>")) == Target()
    assert subject_of(register_report()) is None


def feed_of(body: bytes) -> Opaque:
    unit = unit_of(body)
    assert isinstance(unit, GreenButtonUnit)
    return unit.feed


def green_button(feed: str) -> bytes:
    return register_report(unit=f"<oadr:oadrGBDataDescription>{feed}</oadr:oadrGBDataDescription>")


def test_a_feed_is_carried_as_it_came() -> None:
    assert feed_of(green_button(FEED)) == FEED


def test_a_feed_is_the_same_text_whatever_prefixes_its_sender_uses_elsewhere() -> None:
    """Its canonical form brings the namespaces that it uses and no others, those of xsi:type included."""
    entry = '<a:title xmlns:a="http://www.w3.org/2005/Atom" xmlns:b="urn:b">t</a:title>'
    typed = (
        '<atom:feed xml:lang="en" ><atom:id>i</atom:id><atom:title>t</atom:title><!-- no -->'
        "<atom:updated>2026-01-01T00:00:00Z</atom:updated>"
        f"<atom:entry><atom:id>e</atom:id>{entry}<atom:updated>2026-01-01T00:00:00Z</atom:updated></atom:entry>"
        '<espi:ReadingType xmlns:espi="http://naesb.org/espi" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:type="espi:ReadingType"/></atom:feed>'
    )
    feed = feed_of(green_button(typed))

    assert feed_of(green_button(feed)) == feed
    assert "no -->" not in feed
    assert 'xmlns:espi="http://naesb.org/espi"' in feed
    assert 'xsi:type="espi:ReadingType"' in feed
    assert "openadr.org" not in feed
    assert not any(f"xmlns:{prefix}=" in feed for prefix in ("ei", "pyld", "power"))


def test_a_feed_s_own_content_is_not_mistaken_for_ours() -> None:
    """An element of ours inside a carried one, where the schema lets any stand, is not read."""
    stray = (
        "<atom:feed><atom:id>i</atom:id><atom:title>t</atom:title><atom:updated>2026-01-01T00:00:00Z</atom:updated>"
        "<ei:readingType>Net</ei:readingType></atom:feed>"
    )
    message = decode(green_button(stray))

    assert isinstance(message, RegisterReport)
    assert message.reports[0].descriptions[0].reading_type == "Direct Read"


def test_a_feed_that_its_schema_refuses_is_refused() -> None:
    with pytest.raises(WireError, match="atom:updated"):
        decode(green_button(FEED.replace("2026-01-01T00:00:00Z", "yesterday")))


def test_a_feed_without_a_canonical_form_is_invalid_data() -> None:
    """Canonical XML has no relative namespace names."""
    odd = FEED.replace("<id>", '<id xmlns:odd="relative">', 1)

    with pytest.raises(InvalidData, match="atom:feed"):
        decode(green_button(odd))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no element",
        "<feed/>",
        "<atom:feed/>",
        FEED[:-1],
        FEED + FEED,
        '<?xml version="1.0" encoding="latin-1"?>' + FEED,
        "<!DOCTYPE feed>" + FEED,
        FEED.replace("Reading", "&#0;"),
        FEED.replace("Reading", "\ud800"),
        str(FEATURES),
    ],
)
def test_only_the_right_element_well_formed_is_written_where_one_is_carried(text: str) -> None:
    """Opaque text goes between our own tags: it must not be able to close them."""
    with pytest.raises(InvalidData, match="atom:feed"):
        encode(offering(GreenButtonUnit(feed=Opaque(text))))


def test_a_value_that_is_no_member_of_a_choice_is_refused() -> None:
    with pytest.raises(InvalidData, match="Target"):
        encode(offering(Target()))
