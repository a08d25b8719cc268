"""What both versions of OCPP have in common: how their messages are read, and what a charger is asked to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec

from openadr_ra.drivers.ocpp.facts import Fact

HEARTBEAT_S = 60
"""How often a charger is told to send a heartbeat."""

COMPOSITE_S = 60
"""For so long from now the schedule that a charger follows is asked for."""


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """Of a message what is used here; what else is in it is passed over."""


class Empty(Payload, frozen=True, kw_only=True, gc=False):
    pass


P = TypeVar("P", bound=Payload)


class NotUnderstood(Exception):
    """A payload without what is needed of it, or with something else in its place."""


class NotKnown(Exception):
    """An action that no charge point has, or none that a CSMS answers."""


class Authority(NamedTuple):
    """Who may charge, and the next transaction's number (1.6: the CSMS gives it)."""

    permits: Callable[[str], bool]
    number: Callable[[], int]


class Heard(NamedTuple):
    """The reply to a message, and what it tells."""

    reply: Payload
    facts: tuple[Fact, ...] = ()


class Period(Payload, frozen=True, kw_only=True, gc=False):
    start_period: int
    limit: float
    number_phases: int | None = None


class Limit(NamedTuple):
    """A limit in the charger's own unit: from `since_s` after the start of its schedule on."""

    since_s: int
    limit: float


class Profile(NamedTuple):
    """A charging limit for one connector, which ends by itself at `until`. Times are the charger's own."""

    number: int
    connector: int
    stack_level: int
    purpose: str
    unit: Literal["W", "A"]
    phases: int
    least: float
    start: datetime
    until: datetime
    limits: tuple[Limit, ...]
    transaction: str = ""

    @property
    def length_s(self) -> int:
        return int((self.until - self.start) / timedelta(seconds=1))

    @property
    def periods(self) -> tuple[Period, ...]:
        return tuple(
            Period(start_period=one.since_s, limit=one.limit, number_phases=self.phases) for one in self.limits
        )


class Answered(Payload, frozen=True, kw_only=True, gc=False):
    """Most answers are one word."""

    status: str


class Composite(NamedTuple):
    """What a charger says is its limit now."""

    unit: str
    limit: float
    phases: int | None


class Ask(NamedTuple):
    """A call to the charger."""

    action: str
    payload: Payload


class Dialect(Protocol):
    """One version of OCPP."""

    subprotocol: str

    def hear(self, action: str, payload: object, now: datetime, authority: Authority) -> Heard:
        """Raises NotUnderstood, or NotKnown for an action that is not answered."""
        ...

    def set_profile(self, profile: Profile) -> Ask: ...

    def clear_profile(self, number: int) -> Ask: ...

    def composite(self, connector: int, unit: Literal["W", "A"]) -> Ask: ...

    def read_composite(self, answer: object, now: datetime) -> Composite | None:
        """None: the charger does not say. Raises NotUnderstood."""
        ...

    def send_meter(self, connector: int) -> Ask: ...

    def send_status(self, connector: int) -> tuple[Ask, ...]:
        """What together tells how the connector stands."""
        ...

    def metering(self, every_s: int) -> tuple[tuple[Ask, ...], ...]:
        """What tells the charger how often to send which values; of each choice the first that it accepts is enough."""
        ...

    def taken(self, answer: object) -> bool:
        """Whether the charger does what it was asked. Raises NotUnderstood."""
        ...


def understood(payload: object, kind: type[P]) -> P:
    """`payload` as a `kind`; numbers may be written as text."""
    try:
        return msgspec.convert(payload, kind, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise NotUnderstood(str(error)) from error


def instant(text: str) -> datetime | None:
    """A charger's time, in UTC; a missing zone is read as UTC. None where there is none that can be read."""
    try:
        when = datetime.fromisoformat(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def spelt(when: datetime) -> str:
    """In whole seconds: not every charger reads more."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def now_in(periods: tuple[Period, ...], start: str, unit: str, now: datetime) -> Composite | None:
    """The limit that holds now, of a schedule from `start` on."""
    since_s = (now - (instant(start) or now)) / timedelta(seconds=1)
    begun = [one for one in periods if one.start_period <= since_s] or list(periods[:1])
    if not begun:
        return None
    last = max(begun, key=lambda one: one.start_period)
    sound = unit in ("A", "W") and 0 <= last.limit < math.inf
    phases = last.number_phases if last.number_phases in (1, 2, 3) else None
    return Composite(unit, last.limit, phases) if sound else None
