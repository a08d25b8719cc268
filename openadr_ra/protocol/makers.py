"""What an operator says in one call: `dispatch`, `price`, `level`. Ids, modification and status are the VTN's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.instruction import DEFAULT_CONTEXT, Ask, Instruction
from openadr_ra.protocol.model import (
    DELTA,
    ELECTRICITY_PRICE,
    LEVEL,
    LOAD_DISPATCH,
    PRICE,
    SETPOINT,
    SIMPLE,
    EventId,
    MarketContext,
    SignalName,
    SignalType,
    VenId,
)
from openadr_ra.protocol.shape import Token

Values = Sequence[float] | Mapping[str, Sequence[float]]
"""One value per interval: the same for every VEN named in `to`, or a sequence per venID."""


def dispatch(
    *,
    start: datetime,
    every: timedelta,
    delta_kw: Values | None = None,
    setpoint_kw: Values | None = None,
    to: Iterable[str] = (),
    market_context: str = "",
    priority: int | None = None,
    comment: str = "",
    test: bool = False,
) -> Instruction:
    """Power, interval by interval: `delta_kw` against the baseline, or `setpoint_kw` at the measuring point.

    Load convention: -5 is 5 kW less demand or 5 kW more generation. Raises InvalidData unless exactly one is given.
    """
    if (delta_kw is None) == (setpoint_kw is None):
        raise InvalidData("a dispatch needs either delta_kw or setpoint_kw")
    return _instruction(
        LOAD_DISPATCH,
        DELTA if setpoint_kw is None else SETPOINT,
        delta_kw if delta_kw is not None else setpoint_kw or (),
        to,
        start=start,
        every=every,
        market_context=market_context,
        priority=priority,
        comment=comment,
        test=test,
    )


def price(
    *,
    start: datetime,
    every: timedelta,
    per_kwh: Values,
    to: Iterable[str] = (),
    currency: str = "JPY",
    market_context: str = "",
) -> Instruction:
    """Prices of energy; the edge schedules by itself."""
    return _instruction(
        ELECTRICITY_PRICE,
        PRICE,
        per_kwh,
        to,
        start=start,
        every=every,
        market_context=market_context,
        currency=currency,
    )


def level(
    *, start: datetime, every: timedelta, levels: Values, to: Iterable[str] = (), market_context: str = ""
) -> Instruction:
    """SIMPLE levels 0 to 3 (rule 9), for VENs that know nothing else; only ever a shedding."""
    return _instruction(SIMPLE, LEVEL, levels, to, start=start, every=every, market_context=market_context)


def _instruction(
    signal: SignalName,
    kind: SignalType,
    values: Values,
    to: Iterable[str],
    *,
    start: datetime,
    every: timedelta,
    market_context: str = "",
    priority: int | None = None,
    comment: str = "",
    test: bool = False,
    currency: str = "JPY",
) -> Instruction:
    if start.tzinfo is None:
        raise InvalidData("start has no time zone; use an aware datetime")
    each = values if isinstance(values, Mapping) else dict.fromkeys(to, values)
    return Instruction(
        id=EventId(""),
        start=_whole(start),
        every=every,
        asks={VenId(ven): Ask(values=tuple(float(value) for value in series)) for ven, series in each.items()},
        signal=signal,
        kind=kind,
        market_context=MarketContext(Token(market_context)) if market_context else DEFAULT_CONTEXT,
        priority=priority,
        comment=comment,
        test=test,
        currency=currency,
    )


def _whole(start: datetime) -> datetime:
    """The next full second: intervals are written with whole seconds, and not every peer reads fractions."""
    return start if not start.microsecond else start.replace(microsecond=0) + timedelta(seconds=1)
