"""What an operator's console takes: an order, in words that can be sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from openadr_ra.protocol import event as events
from openadr_ra.protocol.model import VenId

MAX_INTERVALS = 1488
"""A month of half hours; a VEN has to carry all of them in one message."""

MAX_EVERY_S = 86_400
"""A day; what lasts longer is several intervals."""

MAX_ID_CHARACTERS = 50
"""The longest id that all peers take."""

MAX_OWN_ID_CHARACTERS = 40
"""Of an event that its operator names: VENs below a fleet may be told of it with a number behind its name."""

MAX_COMMENT_CHARACTERS = 500
MAX_CONTEXT_CHARACTERS = 255
MAX_WORD_CHARACTERS = 150
"""A signal's name and type, or a unit; the longest name that all peers take has 100."""

FLEET_VEN = VenId("fleet")
"""Stands where the VEN stands, in an event for the node's own fleet."""

Kind = Literal["delta", "setpoint", "price", "level", "signal"]
"""`delta`: kW against the baseline. `setpoint`: kW at the measuring point. Load convention both. `price`: per kWh.
`level`: SIMPLE, 0 to 3. `signal`: whatever `Order.signal` says."""

VenName = Annotated[
    str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS, pattern="^[^\\s\\x00-\\x1f\\x7f\ufffe\uffff]+\\Z")
]
# Series of readings have the id in their names, between slashes.
EventName = Annotated[str, Meta(min_length=1, max_length=MAX_OWN_ID_CHARACTERS, pattern="^[A-Za-z0-9._:@~-]+\\Z")]
Values = Annotated[tuple[float, ...], Meta(min_length=1, max_length=MAX_INTERVALS)]
# What XML 1.0 cannot hold would make every message with it fail, so it must not enter an event.
Comment = Annotated[
    str, Meta(max_length=MAX_COMMENT_CHARACTERS, pattern="^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\ufffe\uffff]*\\Z")
]
Word = Annotated[str, Meta(max_length=MAX_WORD_CHARACTERS, pattern="^[!-~]*\\Z")]
Context = Annotated[str, Meta(max_length=MAX_CONTEXT_CHARACTERS, pattern="^[!-~]*\\Z")]


class Other(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another signal in the same event: a value per interval, the same for every VEN. The words are those of `Order`."""

    signal: Word
    values: Values
    unit: Word = ""
    device_classes: tuple[Word, ...] = ()


Wait = Annotated[int, Meta(ge=0, le=MAX_EVERY_S)]


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of whom. `asks` has a value per interval for each venID; the intervals follow one another from
    `start`, each `every_s` long; 0: the one interval lasts until it is cancelled. An empty `market_context` is ours;
    `priority` 1 is the highest, 0 or None the lowest.

    Of kind `signal`, `signal` is OpenADR's NAME/TYPE, or x-NAME/TYPE, and `unit` like `energyReal` or `currencyPerKW:EUR`,
    empty for the usual one. `baselines` are the kW that VENs have without the event, where that is known.
    `device_classes`: for devices of these classes alone.

    What may be None is then as usual in a new event, and stays as it was in one that is changed: `startafter_s`,
    `notification_s` and `ramp_up_s`, whether an answer is wanted, the `resources` of each VEN that are meant (all),
    `others` beside the signal, and the `baseline`'s name, under which `baselines` are told to the VENs (not at all).

    `fleet`: it is for the node's own fleet, which is named `fleet` in `asks`, alone; that has members instead of VENs, and
    promises power, delta or setpoint, with a priority. `id`: the event's name, in a new one; None: one is found."""

    start: Annotated[datetime, Meta(tz=True)]
    every_s: Wait
    asks: Annotated[dict[VenName, Values], Meta(min_length=1)]
    kind: Kind = "delta"
    currency: Annotated[str, Meta(min_length=3, max_length=3, pattern="^[A-Z]+\\Z")] = "JPY"
    market_context: Context = ""
    priority: Annotated[int, Meta(ge=0, le=events.LOWEST_PRIORITY)] | None = None
    comment: Comment = ""
    test: bool = False
    signal: Word = ""
    unit: Word = ""
    baselines: dict[VenName, Values] = {}
    device_classes: tuple[Word, ...] = ()
    startafter_s: Wait | None = None
    notification_s: Wait | None = None
    ramp_up_s: Wait | None = None
    response_required: Literal["always", "never"] | None = None
    resources: dict[VenName, tuple[VenName, ...]] | None = None
    others: tuple[Other, ...] | None = None
    baseline: Word | None = None
    fleet: bool = False
    id: EventName | None = None
