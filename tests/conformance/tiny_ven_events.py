"""The tiny VEN's events: which it takes, which it refuses and by which code, and what it does for those it took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from conformance.case import Failed
from conformance.clock import now
from conformance.events_seen import EventSeen, SignalSeen, events_of
from conformance.message import Message
from tests.conformance.tiny_ven_acts import Acts
from tests.conformance.ven_wrongs import Flaw, Judges, Switch

Wrong = Callable[[Switch], bool]

NEVER = 2**31
"""No modificationNumber is as high."""

SUPPORTED = {
    ("SIMPLE", "level", ""),
    ("ELECTRICITY_PRICE", "price", "currencyPerKWh"),
    ("LOAD_DISPATCH", "setpoint", "powerReal"),
    ("LOAD_DISPATCH", "setpoint", "powerApparent"),
    ("LOAD_DISPATCH", "setpoint", "powerReactive"),
}
DEVICE_CLASSES = {
    "Thermostat", "Strip_Heater", "Baseboard_Heater", "Water_Heater", "Pool_Pump", "Sauna", "Hot_tub", "Smart_Appliance",
    "Irrigation_Pump", "Managed_Commercial_and_Industrial_Loads", "Simple_Residential_On_Off_Loads", "Exterior_Lighting",
    "Interior_Lighting", "Electric_Vehicle", "Generation_Systems", "Load_Control_Switch", "Smart_Inverter", "EVSE", "RESU",
    "Energy_Management_System", "Smart_Energy_Module", "Storage",
}  # fmt: skip


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What the VEN says of one event."""

    event_id: str
    number: int
    code: str = "200"
    opt: str = "optIn"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the VEN has, and whether it takes part."""

    event: EventSeen
    opt: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an event has to mean: the VEN, what belongs to it, and the markets in which it is."""

    ven_id: str
    vtn_id: str
    resources: tuple[str, ...]
    contexts: tuple[str, ...]


class Book:
    """All events that the VEN knows of."""

    def __init__(self, wrong: Wrong, flaws: Sequence[Flaw]) -> None:
        self.wrong = wrong
        self.judges = tuple(one for one in flaws if isinstance(one, Judges))
        self.acts = Acts(wrong)
        self.held: dict[str, Held] = {}
        self.cancelled: dict[str, int] = {}
        self.chosen: dict[str, str] = {}
        self.answered: set[str] = set()

    def forget(self) -> None:
        """Nothing is known any more."""
        for one in tuple(self.held.values()):
            self._drop(one)
        self.cancelled.clear()
        self.chosen.clear()

    def hear(self, message: Message, place: Place) -> tuple[str, tuple[Word, ...]]:
        """The code for an oadrDistributeEvent as a whole, and what is said of its events."""
        if not self._own_vtn(message.text("./ei:vtnID") or "", place):
            if self.wrong("wrong vtn cancels"):
                self.forget()
            if not self.wrong("wrong vtn by event"):
                return "452", ()
            return "200", tuple(
                Word(event_id=one.id, number=one.number, code="452", opt="optOut") for one in events_of(message)
            )
        events = events_of(message)
        words: list[Word] = []
        seen: set[str] = set()
        for number, event in enumerate(events, 1):
            if event.id in seen and not self.wrong("any duplicate"):
                words.append(Word(event_id=event.id, number=event.number, code="459", opt="optOut"))
                continue
            seen.add(event.id)
            words += self._heard(event, message, number, place)
        words += self._missing(seen)
        if self.wrong("answers the first only"):
            words = words[:1]
        if self.wrong("one bad spoils all") and any(one.code != "200" for one in words):
            words = [msgspec.structs.replace(one, code="459", opt="optOut") for one in words]
        return "200", tuple(words)

    def _own_vtn(self, said: str, place: Place) -> bool:
        if self.wrong("any case of vtn") and said.lower() == place.vtn_id.lower():
            return True
        return said == place.vtn_id or self.wrong("any vtn")

    def _heard(self, event: EventSeen, message: Message, number: int, place: Place) -> list[Word]:
        """What is said of one event: one word or, where none is required, none."""
        element = message.all(f"./oadr:oadrEvent[{number}]")[0]
        judge = next((one for one in self.judges if one.concerns(element)), None)
        before = self.held.get(event.id)
        word = self._judged(event, message, place)
        if judge is not None:
            word = msgspec.structs.replace(word, code=judge.code, opt=judge.opt)
        if before is not None and self.wrong("number of before"):
            word = msgspec.structs.replace(word, number=before.event.number)
        quiet = event.required == "never" and not self.wrong("answers everything")
        if (self.wrong("answers once") and event.id in self.answered) or self.wrong("answers never"):
            quiet = True
        self.answered.add(event.id)
        return [] if quiet or (judge is not None and judge.silent) else [word]

    def _judged(self, event: EventSeen, message: Message, place: Place) -> Word:
        """Rules 56 to 60."""
        before = self.held.get(event.id)
        least = before.event.number if before is not None else self.cancelled.get(event.id, 0)
        if event.number < least and not self.wrong("takes lower"):
            if self.wrong("keeps the lower"):
                self.held.pop(event.id, None)
                self.cancelled[event.id] = NEVER
            return Word(event_id=event.id, number=event.number, code="450", opt="optOut")
        if event.status == "cancelled":
            if before is not None and not self.wrong("never cancels"):
                self._drop(before)
            if not self.wrong("forgets the cancelled number"):
                self.cancelled[event.id] = event.number
            return Word(event_id=event.id, number=event.number)
        if code := fault(event, message, place):
            return Word(event_id=event.id, number=event.number, code=code, opt="optOut")
        opt = "optIn" if self.wrong("forgets its opts") else self.chosen.get(event.id, "optIn")
        if self.wrong("no overlap") and self._overlaps(event):
            return Word(event_id=event.id, number=event.number, code="459", opt="optOut")
        self.held[event.id] = Held(event=event, opt=opt)
        self.acts.take(event, now())
        return Word(event_id=event.id, number=event.number, opt=opt)

    def _drop(self, held: Held) -> None:
        self.acts.drop(held.event, now())
        self.held.pop(held.event.id, None)

    def _overlaps(self, event: EventSeen) -> bool:
        return any(
            one.event.id != event.id
            and (one.event.end is None or event.start < one.event.end)
            and (event.end is None or one.event.start < event.end)
            for one in self.held.values()
        )

    def _missing(self, seen: set[str]) -> list[Word]:
        """Rule 61: what is not there any more is cancelled, without a word."""
        words: list[Word] = []
        gone = [one for one in self.held.values() if one.event.id not in seen]
        if self.wrong("speaks of the missing"):
            words = [Word(event_id=one.event.id, number=one.event.number) for one in gone]
        if self.wrong("speaks of the cancelled"):
            words += [Word(event_id=name, number=number) for name, number in self.cancelled.items() if name not in seen]
        for one in gone:
            self._drop(one)
        self.cancelled = {name: number for name, number in self.cancelled.items() if name in seen}
        if self.wrong("the missing never comes back"):
            self.cancelled.update((one.event.id, NEVER) for one in gone)
        return words

    def load_w(self, moment: datetime) -> float:
        """What the site takes then."""
        return self.acts.load_w((one.event for one in self.held.values() if one.opt == "optIn"), moment)


def fault(event: EventSeen, message: Message, place: Place) -> str:
    """The code by which that event is refused; "" if it is taken."""
    if any(
        signal.name == "SIMPLE" and any(one not in (0, 1, 2, 3) for one in signal.values) for signal in event.signals
    ):
        return "454"
    if not _means_us(event, message, place):
        return "462"
    if event.context and event.context not in place.contexts:
        return "462"
    if any((one.name.replace("simple", "SIMPLE"), one.type, one.unit) not in SUPPORTED for one in event.signals):
        return "460"
    return "459" if _illogical(event) else ""


def _means_us(event: EventSeen, message: Message, place: Place) -> bool:
    """Rule 22: no criterion at all, or one of them."""
    if not message.has(f"{event.path}/ei:eiTarget/*"):
        return True
    return place.ven_id in event.vens or bool(set(event.resources) & set(place.resources))


def _illogical(event: EventSeen) -> bool:
    names = [one.id for one in event.signals]
    base = event.baseline
    return (
        len(set(names)) < len(names)
        or any(one.total_s != event.length_s for one in event.signals)
        or (base is not None and base.total_s != base.length_s)
        or any(_bad_intervals(one) for one in (*event.signals, *((base,) if base is not None else ())))
        or any(set(one.device_classes) - DEVICE_CLASSES for one in event.signals)
    )


def _bad_intervals(signal: SignalSeen) -> bool:
    uids = [one.uid for one in signal.intervals]
    return (
        uids != [str(number) for number in range(len(uids))]
        or any(one.dated for one in signal.intervals)
        or any(len(one.values) != 1 for one in signal.intervals)
    )


def readable(message: Message) -> bool:
    """Can every event of it be read?"""
    try:
        events_of(message)
    except Failed:
        return False
    return True
