"""The tiny VTN's opts: what an oadrCreateOpt may say."""

from __future__ import annotations

from datetime import datetime

from conformance import clock
from conformance.message import Message
from tests.conformance.tiny_party import Party, Refusal, TinyEvent

CREATED_WITHIN_S = 300
CLASSES = {
    "Thermostat", "Strip_Heater", "Baseboard_Heater", "Water_Heater", "Pool_Pump", "Sauna", "Hot_tub", "Smart_Appliance",
    "Irrigation_Pump", "Managed_Commercial_and_Industrial_Loads", "Simple_Residential_On_Off_Loads", "Exterior_Lighting",
    "Interior_Lighting", "Electric_Vehicle", "Generation_Systems", "Load_Control_Switch", "Smart_Inverter", "EVSE", "RESU",
    "Energy_Management_System", "Smart_Energy_Module", "Storage",
}  # fmt: skip
EVENT = "./ei:qualifiedEventID"


def check(message: Message, party: Party, event: TinyEvent | None) -> None:
    """Raises Refusal for an opt that is none (X-OPT-1 to 3, X-EV-3). `event`: the one it names, of this VEN."""
    if not message.text("./ei:optID"):
        raise Refusal("452", "no optID")
    if message.has(EVENT):
        _check_event(message, event)
    elif not message.has("./xcal:vavailability//xcal:available"):
        raise Refusal("459", "neither an event nor a schedule")
    for name in ("xcal:tolerance", "ei:x-eiNotification", "ei:x-eiRampUp", "ei:x-eiRecovery"):
        if message.has(f"./xcal:vavailability//{name}"):
            raise Refusal("459", f"{name} in available")
    _check_target(message, party, event)
    made = datetime.fromisoformat(message.text("./ei:createdDateTime") or "")
    if abs((clock.now() - made).total_seconds()) > CREATED_WITHIN_S:
        raise Refusal("459", "made long ago")


def _check_event(message: Message, event: TinyEvent | None) -> None:
    if message.has("./xcal:vavailability") or message.has("./emix:marketContext"):
        raise Refusal("459", "an event and a schedule")
    if event is None or message.text(f"{EVENT}/ei:modificationNumber") != str(event.number):
        raise Refusal("452", "the event is not known")


def _check_target(message: Message, party: Party, event: TinyEvent | None) -> None:
    vens = message.texts("./ei:eiTarget/ei:venID")
    if any(one != party.ven_id for one in vens):
        raise Refusal("452", "another VEN's target")
    own = party.resources | set(event.wish.resources if event is not None else ())
    if any(one not in own for one in message.texts("./ei:eiTarget/ei:resourceID")):
        raise Refusal("452", "a resource that is not the VEN's")
    if any(one not in CLASSES for one in message.texts("./oadr:oadrDeviceClass//power:mrid")):
        raise Refusal("459", "a device class that there is none of")
