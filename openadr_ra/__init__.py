"""OpenADR 2.0b from an aggregation coordinator down to the device: a VTN, a VEN, and the fleet between them.

async with Vtn.from_toml("ac.toml").running() as vtn:
    event = await vtn.publish(dispatch(start=…, every=…, delta_kw=(-5, -8), to=("VEN1",)))
    print(await vtn.opts(event, within=timedelta(minutes=1)))
    async for row in vtn.response(event): …

await Ven.from_toml("edge.toml", drivers={"mine": MyDriver}).run()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openadr_ra.drivers.contract import check_driver
    from openadr_ra.errors import OadrRaError, SettingsError
    from openadr_ra.protocol.makers import beside, dispatch, level, price, signal
    from openadr_ra.protocol.model import OPT_IN, OPT_OUT, ResourceId
    from openadr_ra.protocol.parts import Event, LoadControlLevel, LoadControlState
    from openadr_ra.protocol.schedule import Slot
    from openadr_ra.run.node import Node
    from openadr_ra.run.responses import ResponseRow
    from openadr_ra.run.upstream import Choice
    from openadr_ra.run.ven import Ven
    from openadr_ra.run.vtn import Vtn
    from openadr_ra.run.wanted import WantedReport
    from openadr_ra.seams import Ack, Clock, Descriptor, Driver, DriverSettings, Energy, Measurement, Need, Setpoint

_HOMES = {
    "OPT_IN": "protocol.model",
    "OPT_OUT": "protocol.model",
    "Ack": "seams",
    "Choice": "run.upstream",
    "Clock": "seams",
    "Descriptor": "seams",
    "Driver": "seams",
    "DriverSettings": "seams",
    "Energy": "seams",
    "Event": "protocol.parts",
    "LoadControlLevel": "protocol.parts",
    "LoadControlState": "protocol.parts",
    "Measurement": "seams",
    "Need": "seams",
    "Node": "run.node",
    "OadrRaError": "errors",
    "ResourceId": "protocol.model",
    "ResponseRow": "run.responses",
    "Setpoint": "seams",
    "SettingsError": "errors",
    "Slot": "protocol.schedule",
    "Ven": "run.ven",
    "Vtn": "run.vtn",
    "WantedReport": "run.wanted",
    "beside": "protocol.makers",
    "check_driver": "drivers.contract",
    "dispatch": "protocol.makers",
    "level": "protocol.makers",
    "price": "protocol.makers",
    "signal": "protocol.makers",
}
"""Where each public name lives. They are imported when first used: a gateway loads no server, a help text nothing."""

__all__ = [
    "OPT_IN",
    "OPT_OUT",
    "Ack",
    "Choice",
    "Clock",
    "Descriptor",
    "Driver",
    "DriverSettings",
    "Energy",
    "Event",
    "LoadControlLevel",
    "LoadControlState",
    "Measurement",
    "Need",
    "Node",
    "OadrRaError",
    "ResourceId",
    "ResponseRow",
    "Setpoint",
    "SettingsError",
    "Slot",
    "Ven",
    "Vtn",
    "WantedReport",
    "beside",
    "check_driver",
    "dispatch",
    "level",
    "price",
    "signal",
]


if not TYPE_CHECKING:
    # A type checker that sees it takes every name for one of ours, a misspelt one too.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
