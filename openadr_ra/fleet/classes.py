"""What a resource is in OpenADR's words: its device classes (reference 2.8)."""

from __future__ import annotations

from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.seams import Descriptor

_BY_SUBTYPE = {
    "ev": ("EVSE", "Electric_Vehicle"),
    "pv": ("Smart_Inverter", "Generation_Systems"),
}
_BY_KIND = {
    "battery": ("RESU", "Storage"),
    "generator": ("Generation_Systems",),
    "consumer": ("Managed_Commercial_and_Industrial_Loads",),
}


def asset(descriptor: Descriptor) -> Asset:
    """Its class where the driver says one, else those that its subtype or its kind stands for; and its metering point."""
    usual = _BY_SUBTYPE.get(descriptor.subtype) or _BY_KIND[descriptor.kind]
    return Asset(
        classes=(descriptor.device_class,) if descriptor.device_class else usual, meter=descriptor.metering_point
    )
